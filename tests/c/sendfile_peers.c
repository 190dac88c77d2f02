/* SPDX-License-Identifier: MIT */
/* SENDFILE to readers that are slow, go away, or are sent a file that shrinks; cancelled midway. */
#include "check.h"

enum { SEED = 62, SIZE = 8 << 20 };

static uint64_t post_send(struct engine *e, int file, int to, uint32_t strategy)
{
	return engine_post(e, OP(.code = RINGO_SENDFILE, .fd = file, .fd2 = to, .length = SIZE,
				 .argument = strategy));
}

/* Reads until the end of the stream; returns how much, all of it checked. */
static size_t drain(int fd, size_t pause_every)
{
	static unsigned char data[50000];
	size_t where = 0, n;

	do {
		n = read_fully(fd, data, sizeof(data));
		assert_int_equal(first_wrong(data, n, SEED, where), n);
		where += n;
		if (pause_every != 0 && where % pause_every < sizeof(data))
			nap_ms(5);
	} while (n == sizeof(data));
	return where;
}

static void discard_until_done(struct engine *e, uint64_t id, int fd)
{
	unsigned char data[50000];

	while (engine_count(e, id) == 0)
		if (read(fd, data, sizeof(data)) < 0)
			nap_ms(1);
}

static void make_socket_pair(int ends[2], bool tcp)
{
	if (tcp)
		make_tcp_pair(ends, SOCK_NONBLOCK);
	else
		make_pair(ends, SOCK_NONBLOCK);
}

static void test_slow_reader(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int file = make_file(SEED, 0, SIZE), ends[2];

	(void)state;
	for (size_t i = 0; i < 2 * (size_t)strategy_count(); i++) {
		uint64_t id;

		make_socket_pair(ends, i % 2);
		id = post_send(e, file, ends[0], (uint32_t)(i / 2));
		expect_asleep(e); /* while it waits for room */
		for (size_t got = 0; got < SIZE / 2; got += 50000) {
			unsigned char data[50000];

			assert_int_equal(read_fully(ends[1], data, sizeof(data)), sizeof(data));
			assert_int_equal(first_wrong(data, sizeof(data), SEED, got), sizeof(data));
			if (got % 1000000 == 0)
				nap_ms(5);
		}
		/* The rest is only counted. */
		shutdown(ends[1], SHUT_WR);
		discard_until_done(e, id, ends[1]);
		assert_int_equal(engine_wait(e, id).result, SIZE);
		close(ends[0]);
		close(ends[1]);
	}
	close(file);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* The peer closes with unread data, which resets the connection. */
static void test_peer_reset(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int file = make_file(SEED, 0, SIZE), ends[2];

	(void)state;
	for (size_t i = 0; i < 2 * (size_t)strategy_count(); i++) {
		struct ringo_completion c;
		uint64_t id;

		make_socket_pair(ends, i % 2);
		id = post_send(e, file, ends[0], (uint32_t)(i / 2));
		await_input(ends[1]);
		close(ends[1]);
		c = engine_wait(e, id);
		assert_in_range(c.result, 1, SIZE - 1);
		assert_true(c.extra == EPIPE || c.extra == ECONNRESET);
		c = engine_wait(e, post_send(e, file, ends[0], (uint32_t)(i / 2)));
		assert_true(c.result == -EPIPE || c.result == -ECONNRESET);
		assert_int_equal(c.extra, 0);
		close(ends[0]);
	}
	close(file);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_file_shrinks(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int ends[2];

	(void)state;
	for (size_t i = 0; i < strategy_count(); i++) {
		int file = make_file(SEED, 0, SIZE);
		struct ringo_completion c;
		uint64_t id;

		make_pair(ends, SOCK_NONBLOCK);
		id = post_send(e, file, ends[0], (uint32_t)i);
		await_input(ends[1]);
		must(ftruncate(file, SIZE / 2) == 0);
		discard_until_done(e, id, ends[1]);
		c = engine_wait(e, id);
		assert_int_equal(c.result, SIZE / 2);
		assert_int_equal(c.extra, 0);
		close(ends[0]);
		close(ends[1]);
		close(file);
	}
	engine_close(e, RINGO_STOP_DRAIN);
}

/* What the result says went out is what comes in, to the byte. */
static void test_cancel_midway(void **state)
{
	struct engine *e = engine_open(OPTIONS(.turn_budget = 4096));
	int file = make_file(SEED, 0, SIZE), ends[2];

	(void)state;
	for (size_t i = 0; i < 10 * (size_t)strategy_count(); i++) {
		struct ringo_completion c;
		uint64_t id;

		make_socket_pair(ends, i % 2);
		id = post_send(e, file, ends[0], (uint32_t)(i / 10));
		nap_ms((long)(i % 3));
		assert_int_equal(engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = id)), 1);
		c = engine_wait(e, id);
		assert_true(c.result == -ECANCELED || (c.result > 0 && c.result < SIZE));
		assert_int_equal(c.extra, c.result > 0 ? ECANCELED : 0);
		close(ends[0]);
		assert_int_equal(drain(ends[1], 0), c.result > 0 ? c.result : 0);
		close(ends[1]);
	}
	close(file);
	engine_close(e, RINGO_STOP_DRAIN);
}

static int ignore_sigpipe(void **state)
{
	(void)state;
	return signal(SIGPIPE, SIG_IGN) == SIG_ERR;
}

static int heed_sigpipe(void **state)
{
	(void)state;
	return signal(SIGPIPE, SIG_DFL) == SIG_ERR;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_slow_reader, ignore_sigpipe),
		cmocka_unit_test_setup(test_peer_reset, ignore_sigpipe),
		cmocka_unit_test_setup(test_file_shrinks, ignore_sigpipe),
		cmocka_unit_test_setup(test_cancel_midway, ignore_sigpipe),
		/* A dead peer would end a process that heeds the signal. */
		{"test_peer_reset_heeding_sigpipe", test_peer_reset, heed_sigpipe, NULL, NULL},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
