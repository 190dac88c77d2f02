/* SPDX-License-Identifier: MIT */
/*
 * Streams: a pair of sockets or a pipe, one writing and one reading op at a time. The n-th byte
 * that goes in is known, so what comes out must be that byte, and as many must come out.
 */
#include "soak.h"

enum { PERIOD = 1 << 20, CHUNK_MAX = 12000, HEADER_MAX = 200, PARTS = 3, HELD_MAX = 4 };

enum kind { PAIR, PAIR_NONBLOCK, TCP_NONBLOCK, PIPE, KINDS };

struct stream {
	struct actor actor;
	enum kind kind;
	uint64_t seed;
	int in, out; /* written to, read from */
	int file;    /* PERIOD bytes, the same as the stream's, again and again */
	uint64_t sent, received;
	uint64_t sending; /* most that the op in flight may add to `sent` */
	bool reading, writing;
	bool torn;        /* how much of a header went is not known */
	bool reads_parts; /* into incremental buffers, where there are */
	struct {
		uint32_t group;
		int32_t id;
	} held[HELD_MAX]; /* provided buffers to give back */
	int held_count;
};

static struct stream *stream_of(const struct flight *flight)
{
	return flight->actor->things;
}

static void open_ends(struct stream *stream)
{
	int ends[2];

	if (stream->kind == PIPE) {
		must(pipe2(ends, O_CLOEXEC) == 0);
		stream->in = ends[1];
		stream->out = ends[0];
		return;
	}
	if (stream->kind == TCP_NONBLOCK)
		make_tcp_pair(ends, SOCK_NONBLOCK);
	else
		make_pair(ends, stream->kind == PAIR_NONBLOCK ? SOCK_NONBLOCK : 0);
	stream->in = ends[0];
	stream->out = ends[1];
}

static void fill_period(unsigned char *data, size_t length, uint64_t seed, uint64_t where)
{
	for (size_t done = 0; done < length;) {
		uint64_t at = (where + done) % PERIOD;
		size_t n = length - done < PERIOD - at ? length - done : (size_t)(PERIOD - at);

		fill(data + done, n, seed, at);
		done += n;
	}
}

static void take_in(struct stream *stream, const struct flight *flight, const unsigned char *data,
		    size_t length)
{
	static unsigned char expected[CHUNK_MAX];

	fill_period(expected, length, stream->seed, stream->received);
	if (memcmp(data, expected, length) != 0)
		wrong(flight, "other bytes than were sent, after %llu",
		      (unsigned long long)stream->received);
	stream->received += length;
	if (!stream->torn && stream->received > stream->sent + stream->sending)
		wrong(flight, "more bytes than were sent");
}

/* Reading. */

static void give_back_one(struct stream *stream)
{
	stream->held_count--;
	soak_return_buffer(stream->held[stream->held_count].group,
			   stream->held[stream->held_count].id);
}

static void give_back_some(struct stream *stream)
{
	while (stream->held_count > 0 && soak_random(2) == 0)
		give_back_one(stream);
}

static void take_buffer(struct stream *stream, const struct flight *flight,
			const struct ringo_completion *c)
{
	uint32_t group = (uint32_t)flight->op.argument2;
	bool mine;

	take_in(stream, flight, soak_take_buffer(group, c, &mine), (size_t)c->result);
	if (!mine)
		return;
	if (stream->held_count == HELD_MAX)
		give_back_one(stream);
	stream->held[stream->held_count].group = group;
	stream->held[stream->held_count++].id = c->extra;
	give_back_some(stream);
}

static void read_ended(struct flight *flight, const struct ringo_completion *c)
{
	struct stream *stream = stream_of(flight);
	size_t got = c->result > 0 ? (size_t)c->result : 0;

	stream->reading = c->flags & RINGO_MORE;
	if (c->result < 0)
		judge_error(flight, (int)-c->result);
	else if (c->result == 0)
		wrong(flight, "the end of a stream that has none");
	else if (c->flags & RINGO_BUFFER)
		take_buffer(stream, flight, c);
	else
		take_in(stream, flight, flight->memory, got);
	if (flight->length > 0 && first_other(flight->memory + got, flight->length - got,
					      UNTOUCHED) != flight->length - got)
		wrong(flight, "bytes beyond the %zu read were touched", got);
}

static uint32_t choose_group(const struct stream *stream)
{
	if (stream->reads_parts && soak_has_group(GROUP_INCREMENTAL))
		return GROUP_INCREMENTAL;
	return soak_random(2) == 0 ? GROUP_FIRST : GROUP_SMALL;
}

static struct ringo_op choose_read(struct stream *stream, struct flight *flight)
{
	struct ringo_op op = OP(.code = RINGO_RECV, .fd = stream->out,
				.address = ADDRESS(flight->memory), .length = flight->length);
	uint32_t choice = soak_random(5);

	if (stream->kind == PIPE || choice == 0) {
		op.code = RINGO_READ;
		op.offset = -1;
	} else if (choice == 1) {
		op.argument = MSG_WAITALL;
	} else if (choice == 2 || choice == 3) {
		op.flags = (uint16_t)(RINGO_BUFFER_SELECT | (choice == 3 ? RINGO_MULTISHOT : 0));
		op.length = flight->length = 0;
		op.argument2 = choose_group(stream);
	}
	return op;
}

static bool start_read(struct stream *stream)
{
	struct flight *flight = flight_take(&stream->actor, read_ended, CHUNK_MAX);

	if (flight == NULL)
		return false;
	flight->length = 1 + soak_random(CHUNK_MAX);
	memset(flight->memory, UNTOUCHED, CHUNK_MAX);
	stream->reading = flight_start(flight, choose_read(stream, flight));
	return stream->reading;
}

/* Writing. */

/* A zero-copy send may be short. */
static void check_sent(const struct flight *flight, const struct ringo_completion *c, size_t want)
{
	bool whole = flight->op.code != RINGO_SEND_ZC;

	if (c->result < 0)
		judge_error(flight, (int)-c->result);
	else if (c->extra != 0)
		judge_error(flight, c->extra);
	if (c->result > (int64_t)want ||
	    (whole && c->result >= 0 && c->result < (int64_t)want && c->extra == 0))
		wrong(flight, "%lld of %zu bytes", (long long)c->result, want);
}

static void write_ended(struct flight *flight, const struct ringo_completion *c)
{
	struct stream *stream = stream_of(flight);
	size_t header = flight->op.code == RINGO_SENDFILE ? flight->op.argument2 : 0;

	if (c->flags & RINGO_MORE) /* sent, but the kernel has the memory still */
		return;
	stream->writing = false;
	stream->sending = 0;
	check_sent(flight, c, flight->length);
	if (c->result >= 0)
		stream->sent += header + (uint64_t)c->result;
	else
		stream->torn |= header > 0;
	if (!stream->torn && stream->received > stream->sent)
		wrong(flight, "%llu bytes were received of %llu sent",
		      (unsigned long long)stream->received, (unsigned long long)stream->sent);
	if (stream->torn && stream->reading)
		soak_cancel(RINGO_CANCEL_FD, stream->out, 0);
}

/* The message stands behind the data. Its parts are advanced by the core. */
static struct msghdr *cut(struct flight *flight)
{
	struct msghdr *message = (struct msghdr *)(flight->memory + CHUNK_MAX);
	struct iovec *parts = (struct iovec *)(message + 1);
	size_t done = 0;

	for (int i = 0; i < PARTS; i++) {
		size_t left = flight->length - done;
		size_t length = i == PARTS - 1 ? left : soak_random((uint32_t)left + 1);

		parts[i] = (struct iovec){.iov_base = flight->memory + done, .iov_len = length};
		done += length;
	}
	*message = (struct msghdr){.msg_iov = parts, .msg_iovlen = PARTS};
	return message;
}

/* The header is the stream's next bytes, the file has those behind it. */
static struct ringo_op sendfile_op(struct stream *stream, struct flight *flight)
{
	size_t header = soak_random(2) == 0 ? 0 : 1 + soak_random(HEADER_MAX);
	uint64_t where = (stream->sent + header) % PERIOD;

	if (flight->length > PERIOD - where)
		flight->length = (size_t)(PERIOD - where);
	stream->sending = header + flight->length;
	return OP(.code = RINGO_SENDFILE, .fd = stream->file, .fd2 = stream->in,
		  .address = ADDRESS(flight->memory), .argument2 = header, .length = flight->length,
		  .offset = (int64_t)where, .argument = soak_random(4));
}

static struct ringo_op choose_write(struct stream *stream, struct flight *flight)
{
	struct ringo_op op = OP(.code = RINGO_SEND, .fd = stream->in,
				.address = ADDRESS(flight->memory), .length = flight->length);
	uint32_t choice = soak_random(5);

	stream->sending = flight->length;
	if (stream->kind == PIPE || choice == 0) {
		op.code = RINGO_WRITE;
		op.offset = -1;
	} else if (choice == 1) {
		op.code = RINGO_SENDMSG;
		op.address = ADDRESS(cut(flight));
	} else if (choice == 2 && stream->kind != PAIR) {
		op = sendfile_op(stream, flight);
	} else if (choice == 3 && stream->kind == TCP_NONBLOCK && soak_descriptor() >= 0) {
		op.code = RINGO_SEND_ZC;
	}
	return op;
}

static bool start_write(struct stream *stream)
{
	struct flight *flight =
		flight_take(&stream->actor, write_ended,
			    CHUNK_MAX + sizeof(struct msghdr) + PARTS * sizeof(struct iovec));

	if (flight == NULL)
		return false;
	flight->length = 1 + soak_random(CHUNK_MAX);
	fill_period(flight->memory, CHUNK_MAX, stream->seed, stream->sent);
	stream->writing = flight_start(flight, choose_write(stream, flight));
	if (!stream->writing)
		stream->sending = 0;
	return stream->writing;
}

/* A torn stream ends here, and another begins. */
static void renew(struct stream *stream)
{
	soak_close(stream->in);
	soak_close(stream->out);
	open_ends(stream);
	stream->sent = stream->received = 0;
	stream->torn = false;
}

static bool act(struct actor *actor)
{
	struct stream *stream = actor->things;

	give_back_some(stream);
	if (stream->torn && !stream->reading && !stream->writing)
		renew(stream);
	if (!stream->torn && !stream->writing && soak_random(2) == 0)
		return start_write(stream);
	return !stream->torn && !stream->reading && start_read(stream);
}

/* The reader is cancelled, and a zero-copy send ends when its data is taken. */
static void drain(struct actor *actor)
{
	struct stream *stream = actor->things;
	unsigned char data[CHUNK_MAX];
	ssize_t n;

	while (stream->writing && !stream->reading && stream->kind == TCP_NONBLOCK &&
	       (n = recv(stream->out, data, sizeof(data), MSG_DONTWAIT)) > 0)
		take_in(stream, NULL, data, (size_t)n);
}

/* What was sent and not yet received is still on its way: all of it. */
static void check(struct actor *actor)
{
	struct stream *stream = actor->things;
	unsigned char data[CHUNK_MAX];

	stream->held_count = 0;
	if (stream->reading || stream->writing)
		wrong(NULL, "%s: an op has no end", actor->name);
	while (!stream->torn && stream->received < stream->sent) {
		uint64_t left = stream->sent - stream->received;
		size_t n = left < sizeof(data) ? (size_t)left : sizeof(data);

		if (poll(&(struct pollfd){.fd = stream->out, .events = POLLIN}, 1, 5000) != 1) {
			wrong(NULL, "%s: %llu bytes are lost", actor->name,
			      (unsigned long long)left);
			return;
		}
		must(read_fully(stream->out, data, n) == n);
		take_in(stream, NULL, data, n);
	}
	if (!stream->torn && poll(&(struct pollfd){.fd = stream->out, .events = POLLIN}, 1, 0) != 0)
		wrong(NULL, "%s: there are more bytes than were sent", actor->name);
}

static void close_stream(struct actor *actor)
{
	struct stream *stream = actor->things;

	close(stream->in);
	close(stream->out);
	close(stream->file);
	free(stream);
}

struct actor *stream_actor(uint64_t seed)
{
	static const char *const kinds[KINDS] = {"pair", "nonblocking pair", "TCP", "pipe"};
	struct stream *stream = calloc(1, sizeof(*stream));

	must(stream != NULL);
	stream->kind = (enum kind)(seed % KINDS);
	stream->seed = seed + 100;
	stream->reads_parts = seed == KINDS + PAIR_NONBLOCK;
	stream->file = make_file(stream->seed, 0, PERIOD);
	stream->actor = (struct actor){.name = kinds[stream->kind],
				       .act = act,
				       .drain = drain,
				       .check = check,
				       .close = close_stream,
				       .things = stream};
	open_ends(stream);
	return &stream->actor;
}
