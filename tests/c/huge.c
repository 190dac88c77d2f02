/* SPDX-License-Identifier: MIT */
/* READ and WRITE of more than one kernel request can do (2 GiB): more, in 64 MiB of memory. */
#include "check.h"

enum { SEED = 3, TAIL = 100000 };

static const size_t HUGE_LENGTH = (size_t)9 << 28, PIECE = (size_t)64 << 20;

/* The same memory again and again, so that only PIECE bytes of it are used. */
static unsigned char *map_repeatedly(void)
{
	int memory = memfd_create("ringo-test", MFD_CLOEXEC);
	unsigned char *base = mmap(NULL, HUGE_LENGTH, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(memory >= 0 && ftruncate(memory, (off_t)PIECE) == 0 && base != MAP_FAILED);
	for (size_t at = 0; at < HUGE_LENGTH; at += PIECE)
		must(mmap(base + at, PIECE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory,
			  0) != MAP_FAILED);
	close(memory);
	return base;
}

/* A hole and TAIL bytes behind it. On tmpfs a hole that is read stays one; elsewhere it would
 * become as many pages of the page cache. */
static int make_huge_file(void)
{
	static unsigned char tail[TAIL];
	int fd = memfd_create("ringo-test", MFD_CLOEXEC);

	fill(tail, TAIL, SEED, HUGE_LENGTH - TAIL);
	must(fd >= 0 && pwrite(fd, tail, TAIL, (off_t)(HUGE_LENGTH - TAIL)) == TAIL);
	return fd;
}

static void test_read(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	unsigned char *data = map_repeatedly();
	int fd = make_huge_file();
	struct ringo_completion c;

	(void)state;
	c = engine_run(e, OP(.code = RINGO_READ, .fd = fd, .address = ADDRESS(data),
			     .length = HUGE_LENGTH));
	assert_true(c.result == (int64_t)HUGE_LENGTH);
	assert_int_equal(c.extra, 0);
	/* The last bytes of the file are the last ones read. */
	assert_int_equal(first_wrong(data + PIECE - TAIL, TAIL, SEED, HUGE_LENGTH - TAIL), TAIL);
	must(ftruncate(fd, (off_t)(HUGE_LENGTH - 12345)) == 0);
	c = engine_run(e, OP(.code = RINGO_READ, .fd = fd, .address = ADDRESS(data),
			     .length = HUGE_LENGTH));
	assert_true(c.result == (int64_t)HUGE_LENGTH - 12345);
	close(fd);
	munmap(data, HUGE_LENGTH);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_write(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	unsigned char *data = map_repeatedly();
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct ringo_completion c;

	(void)state;
	must(fd >= 0);
	c = engine_run(e, OP(.code = RINGO_WRITE, .fd = fd, .address = ADDRESS(data),
			     .length = HUGE_LENGTH));
	assert_true(c.result == (int64_t)HUGE_LENGTH);
	c = engine_run(e, OP(.code = RINGO_WRITE, .fd = fd, .address = ADDRESS(data),
			     .length = HUGE_LENGTH, .offset = -1));
	assert_true(c.result == (int64_t)HUGE_LENGTH);
	close(fd);
	munmap(data, HUGE_LENGTH);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* Lengths whose low 32 bits are few or none. */
static void test_lengths_from_four_gibibytes(void **state)
{
	static const uint64_t lengths[] = {UINT64_C(1) << 32, (UINT64_C(1) << 32) + 1,
					   (UINT64_C(1) << 40) + 5, INT64_MAX};
	static unsigned char data[10000];
	struct engine *e = engine_open(OPTIONS(0));
	int file = make_file(SEED, 0, sizeof(data)), null = open("/dev/null", O_WRONLY | O_CLOEXEC),
	    ends[2];

	(void)state;
	must(null >= 0);
	make_pair(ends, SOCK_NONBLOCK);
	for (size_t i = 0; i < LENGTH_OF(lengths); i++) {
		assert_int_equal(
			engine_result(e, OP(.code = RINGO_READ, .fd = file,
					    .address = ADDRESS(data), .length = lengths[i])),
			sizeof(data));
		for (uint32_t strategy = 0; strategy < strategy_count(); strategy++) {
			assert_int_equal(engine_result(e, OP(.code = RINGO_SENDFILE, .fd = file,
							     .fd2 = ends[0], .length = lengths[i],
							     .argument = strategy)),
					 sizeof(data));
			assert_int_equal(read_fully(ends[1], data, sizeof(data)), sizeof(data));
			assert_int_equal(first_wrong(data, sizeof(data), SEED, 0), sizeof(data));
		}
	}
	assert_true(engine_result(e, OP(.code = RINGO_WRITE, .fd = null, .address = ADDRESS(data),
					.length = lengths[1])) == (int64_t)lengths[1]);
	close(file);
	close(null);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

struct reader {
	pthread_t thread;
	int fd;
	const unsigned char *data;
	size_t done;
	bool wrong;
};

/* The stream repeats PIECE bytes. Ends with the last one that is wanted, or at its end. */
static void *compare_stream(void *context)
{
	static unsigned char got[1 << 20];
	struct reader *r = context;
	ssize_t n;

	while (r->done < HUGE_LENGTH &&
	       (n = read(r->fd, got, sizeof(got) - r->done % sizeof(got))) > 0) {
		r->wrong |= memcmp(got, r->data + r->done % PIECE, (size_t)n) != 0;
		r->done += (size_t)n;
	}
	return NULL;
}

static void test_send(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	unsigned char *data = map_repeatedly();
	/* The kernel cuts it in the middle of the second. */
	struct iovec pieces[] = {{data, 12345},
				 {data + 12345, HUGE_LENGTH - 12345 - 6},
				 {data + HUGE_LENGTH - 6, 6}};
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = LENGTH_OF(pieces)};
	const struct ringo_op ops[] = {
		OP(.code = RINGO_SEND, .address = ADDRESS(data), .length = HUGE_LENGTH),
		OP(.code = RINGO_SENDMSG, .address = ADDRESS(&message)),
	};

	(void)state;
	fill(data, PIECE, SEED, 0);
	for (size_t i = 0; i < LENGTH_OF(ops); i++) {
		struct reader r = {.data = data};
		struct ringo_op op = ops[i];
		int ends[2];
		uint64_t id;
		char more;

		make_pair(ends, 0);
		op.fd = ends[0];
		r.fd = ends[1];
		must(pthread_create(&r.thread, NULL, compare_stream, &r) == 0);
		id = engine_post(e, op);
		pthread_join(r.thread, NULL); /* as long as it takes: sanitizers are slow at this */
		assert_true(engine_wait(e, id).result == (int64_t)HUGE_LENGTH);
		close(ends[0]);
		assert_int_equal(read(ends[1], &more, 1), 0);
		close(ends[1]);
		assert_int_equal(r.done, HUGE_LENGTH);
		assert_false(r.wrong);
	}
	munmap(data, HUGE_LENGTH);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_lengths_from_four_gibibytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
