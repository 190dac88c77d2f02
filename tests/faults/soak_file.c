/* SPDX-License-Identifier: MIT */
/* A file of blocks, each read or written by one op at a time, many of them at once. The model is
 * what its bytes must be. */
#include "soak.h"

enum { BLOCK = 4096, BLOCKS = 16, SIZE = BLOCK * BLOCKS, PARTS = 4 };

static struct {
	int fd;
	unsigned char bytes[SIZE];
	bool busy[BLOCKS];
} file;

static struct actor self;

static void check_length(struct flight *flight, const struct ringo_completion *c, size_t want)
{
	if (c->result < 0)
		judge_error(flight, (int)-c->result);
	else if (c->extra != 0)
		judge_error(flight, c->extra);
	if (c->result > (int64_t)want ||
	    (c->result >= 0 && c->result < (int64_t)want && c->extra == 0))
		wrong(flight, "%lld of %zu bytes", (long long)c->result, want);
}

static void read_ended(struct flight *flight, const struct ringo_completion *c)
{
	size_t left = SIZE - flight->where;
	size_t want = flight->length < left ? flight->length : left;
	size_t got = c->result > 0 ? (size_t)c->result : 0;

	file.busy[flight->where / BLOCK] = false;
	check_length(flight, c, want);
	if (memcmp(flight->memory, file.bytes + flight->where, got) != 0)
		wrong(flight, "read other bytes than were written");
	if (first_other(flight->memory + got, flight->length - got, UNTOUCHED) !=
	    flight->length - got)
		wrong(flight, "bytes beyond the %zu read were touched", got);
}

static void write_ended(struct flight *flight, const struct ringo_completion *c)
{
	file.busy[flight->where / BLOCK] = false;
	check_length(flight, c, flight->length);
	if (c->result > 0)
		memcpy(file.bytes + flight->where, flight->memory, (size_t)c->result);
}

static void fsync_ended(struct flight *flight, const struct ringo_completion *c)
{
	if (c->result < 0)
		judge_error(flight, (int)-c->result);
}

/* The vectors stand behind the data, which they cut in pieces of different sizes. */
static struct iovec *cut(struct flight *flight)
{
	struct iovec *parts = (struct iovec *)(flight->memory + BLOCK);
	size_t done = 0;

	for (int i = 0; i < PARTS; i++) {
		size_t left = flight->length - done;
		size_t length = i == PARTS - 1 ? left : soak_random((uint32_t)left + 1);

		parts[i] = (struct iovec){.iov_base = flight->memory + done, .iov_len = length};
		done += length;
	}
	return parts;
}

static bool start_transfer(bool writes, uint32_t block)
{
	uint32_t start = soak_random(BLOCK), vectored = soak_random(3) == 0;
	struct flight *flight = flight_take(&self, writes ? write_ended : read_ended,
					    BLOCK + PARTS * sizeof(struct iovec));
	struct ringo_op op = OP(.fd = file.fd);

	if (flight == NULL)
		return false;
	flight->where = block * BLOCK + start;
	flight->length = 1 + soak_random(BLOCK - start);
	if (!writes && block == BLOCKS - 1)
		flight->length = BLOCK; /* beyond the end */
	memset(flight->memory, UNTOUCHED, BLOCK);
	if (writes)
		fill(flight->memory, flight->length, soak_random(1u << 30), 0);
	op.offset = (int64_t)flight->where;
	op.code = (uint16_t)(writes ? RINGO_WRITE : RINGO_READ);
	op.address = ADDRESS(flight->memory);
	op.length = flight->length;
	if (vectored) {
		op.code = (uint16_t)(writes ? RINGO_WRITEV : RINGO_READV);
		op.address = ADDRESS(cut(flight));
		op.length = PARTS;
	}
	file.busy[block] = flight_start(flight, op);
	return file.busy[block];
}

static bool act(struct actor *actor)
{
	uint32_t block = soak_random(BLOCKS);
	struct flight *flight;

	if (soak_random(16) == 0) {
		flight = flight_take(actor, fsync_ended, 0);
		return flight != NULL && flight_start(flight, OP(.code = RINGO_FSYNC, .fd = file.fd,
								 .argument = soak_random(2)));
	}
	return !file.busy[block] && start_transfer(soak_random(2) == 0, block);
}

static void check(struct actor *actor)
{
	static unsigned char bytes[SIZE];

	(void)actor;
	must(pread(file.fd, bytes, SIZE, 0) == SIZE);
	if (memcmp(bytes, file.bytes, SIZE) != 0)
		wrong(NULL, "the file does not hold what was written");
}

static void close_file(struct actor *actor)
{
	(void)actor;
	close(file.fd);
}

static struct actor self = {
	.name = "file", .in_batch = true, .act = act, .check = check, .close = close_file};

struct actor *file_actor(void)
{
	file.fd = make_file(1, 0, SIZE);
	fill(file.bytes, SIZE, 1, 0);
	return &self;
}
