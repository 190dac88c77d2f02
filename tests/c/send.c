/* SPDX-License-Identifier: MIT */
/* SEND, SENDMSG, SHUTDOWN: all of it, to readers that are slow; peers that are gone. */
#include "check.h"

enum { SEED = 23, SIZE = 3 << 20 };

static unsigned char data[SIZE], got[SIZE];

struct reader {
	pthread_t thread;
	int fd;
	size_t length;
};

/* Small pieces and pauses: the sender's buffer is full again and again. */
static void *read_slowly(void *context)
{
	struct reader *r = context;

	for (size_t done = 0; done < r->length;) {
		size_t piece = r->length - done < 70000 ? r->length - done : 70000;
		size_t n = read_fully(r->fd, got + done, piece);

		if (n == 0)
			break;
		done += n;
		nap_ms(1);
	}
	return NULL;
}

static void start_reader(struct reader *r, int fd, size_t length)
{
	*r = (struct reader){.fd = fd, .length = length};
	memset(got, 0, length);
	must(pthread_create(&r->thread, NULL, read_slowly, r) == 0);
}

static void send_to_slow_reader(int ends[2])
{
	struct engine *e = engine_open(OPTIONS(0));
	struct ringo_completion c;
	struct reader r;

	fill(data, SIZE, SEED, 0);
	start_reader(&r, ends[1], SIZE);
	/* SEND has no offset: whatever stands there is ignored. */
	c = engine_run(e, OP(.code = RINGO_SEND, .fd = ends[0], .address = ADDRESS(data),
			     .length = SIZE, .offset = -77));
	assert_int_equal(c.result, SIZE);
	pthread_join(r.thread, NULL);
	assert_int_equal(c.extra, 0);
	assert_int_equal(first_wrong(got, SIZE, SEED, 0), SIZE);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_send_large(void **state)
{
	int ends[2];

	(void)state;
	make_pair(ends, 0);
	send_to_slow_reader(ends);
	make_pair(ends, SOCK_NONBLOCK);
	send_to_slow_reader(ends);
	make_tcp_pair(ends, 0);
	send_to_slow_reader(ends);
	make_tcp_pair(ends, SOCK_NONBLOCK);
	send_to_slow_reader(ends);
}

static void test_sendmsg(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct iovec pieces[] = {{data, 0},
				 {data, 1},
				 {data + 1, SIZE / 2},
				 {NULL, 0},
				 {data + 1 + SIZE / 2, SIZE - 2 - SIZE / 2},
				 {data + SIZE - 1, 1},
				 {data, 0}};
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = LENGTH_OF(pieces)};
	struct ringo_op op = OP(.code = RINGO_SENDMSG, .address = ADDRESS(&message));
	struct ringo_completion c;
	struct reader r;
	int ends[2];

	(void)state;
	make_tcp_pair(ends, SOCK_NONBLOCK);
	op.fd = ends[0];
	fill(data, SIZE, SEED, 0);
	start_reader(&r, ends[1], SIZE);
	c = engine_run(e, op);
	assert_int_equal(c.result, SIZE);
	pthread_join(r.thread, NULL);
	assert_int_equal(first_wrong(got, SIZE, SEED, 0), SIZE);
	message = (struct msghdr){0};
	assert_int_equal(engine_result(e, op), 0);
	op.fd = -1;
	assert_int_equal(engine_result(e, op), -EBADF);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* SIGPIPE would end this process: nothing ignores it. */
static void test_peer_gone(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct iovec piece = {data, SIZE};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	struct ringo_completion c;
	int ends[2];
	uint64_t id;

	(void)state;
	make_pair(ends, 0);
	close(ends[1]);
	assert_int_equal(engine_result(e, OP(.code = RINGO_SEND, .fd = ends[0], .length = 10,
					     .address = ADDRESS(data))),
			 -EPIPE);
	assert_int_equal(engine_result(e, OP(.code = RINGO_SENDMSG, .fd = ends[0],
					     .address = ADDRESS(&message))),
			 -EPIPE);
	close(ends[0]);
	make_pair(ends, SOCK_NONBLOCK);
	id = engine_post(
		e, OP(.code = RINGO_SEND, .fd = ends[0], .length = SIZE, .address = ADDRESS(data)));
	await_input(ends[1]);
	assert_int_equal(engine_count(e, id), 0);
	close(ends[1]);
	c = engine_wait(e, id);
	assert_in_range(c.result, 1, SIZE - 1);
	assert_true(c.extra == EPIPE || c.extra == ECONNRESET);
	close(ends[0]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_dontwait_sends_what_fits(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct ringo_op op = OP(.code = RINGO_SEND, .address = ADDRESS(data), .length = SIZE,
				.argument = MSG_DONTWAIT);
	struct ringo_completion c;
	int ends[2];

	(void)state;
	make_pair(ends, 0);
	op.fd = ends[0];
	c = engine_run(e, op);
	assert_in_range(c.result, 1, SIZE - 1);
	assert_int_equal(c.extra, EAGAIN);
	c = engine_run(e, op);
	assert_int_equal(c.result, -EAGAIN);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_shutdown(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	char byte;
	int ends[2];

	(void)state;
	make_pair(ends, 0);
	assert_int_equal(
		engine_result(e, OP(.code = RINGO_SHUTDOWN, .fd = ends[0], .argument = SHUT_WR)),
		0);
	assert_int_equal(read(ends[1], &byte, 1), 0);
	assert_int_equal(
		engine_result(e, OP(.code = RINGO_SHUTDOWN, .fd = ends[0], .argument = 99)),
		-EINVAL);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_send_large), cmocka_unit_test(test_sendmsg),
		cmocka_unit_test(test_peer_gone),  cmocka_unit_test(test_dontwait_sends_what_fits),
		cmocka_unit_test(test_shutdown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
