/* SPDX-License-Identifier: MIT */
/* ACCEPT, once and many times. */
#include "check.h"

static void test_accept_once(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct sockaddr_in address;
	int listener = make_listener(&address), client;
	uint64_t id = engine_post(e, OP(.code = RINGO_ACCEPT, .fd = listener,
					.argument = SOCK_CLOEXEC | SOCK_NONBLOCK));
	struct ringo_completion c;

	(void)state;
	nap_ms(20);
	assert_int_equal(engine_count(e, id), 0);
	client = connect_to(&address);
	c = engine_wait(e, id);
	assert_true(c.result >= 0);
	assert_int_equal(c.flags, 0);
	assert_int_equal(fcntl((int)c.result, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl((int)c.result, F_GETFL) & O_NONBLOCK);
	close((int)c.result);
	close(client);
	assert_int_equal(engine_result(e, OP(.code = RINGO_ACCEPT, .fd = -1)), -EBADF);
	assert_int_equal(engine_result(e, OP(.code = RINGO_ACCEPT, .fd = 0)), -ENOTSOCK);
	close(listener);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void accept_many(bool nonblocking_listener)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct sockaddr_in address;
	int listener = make_listener(&address), clients[50];
	struct ringo_completion c;
	uint64_t id;
	char byte = 0;

	if (nonblocking_listener)
		must(fcntl(listener, F_SETFL, O_NONBLOCK) == 0);
	id = engine_post(e, OP(.code = RINGO_ACCEPT, .fd = listener, .argument = SOCK_CLOEXEC,
			       .flags = RINGO_MULTISHOT));
	for (int i = 0; i < 50; i++) {
		clients[i] = connect_to(&address);
		c = engine_await(e, id, (size_t)i + 1);
		assert_true(c.result >= 0);
		assert_int_equal(c.flags, RINGO_MORE);
		/* It is this client's other end. */
		must(write(clients[i], &(char){(char)i}, 1) == 1);
		assert_int_equal(read((int)c.result, &byte, 1), 1);
		assert_int_equal(byte, i);
		close((int)c.result);
	}
	assert_int_equal(engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = id)), 1);
	assert_int_equal(engine_wait(e, id).result, -ECANCELED);
	for (int i = 0; i < 50; i++)
		close(clients[i]);
	close(listener);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_accept_many_times(void **state)
{
	(void)state;
	accept_many(false);
}

static void test_accept_many_times_nonblocking(void **state)
{
	(void)state;
	accept_many(true);
}

static void test_listener_shut_down_ends_it(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct sockaddr_in address;
	int listener = make_listener(&address);
	uint64_t id =
		engine_post(e, OP(.code = RINGO_ACCEPT, .fd = listener, .flags = RINGO_MULTISHOT));

	(void)state;
	nap_ms(10);
	must(shutdown(listener, SHUT_RDWR) == 0);
	assert_int_equal(engine_wait(e, id).result, -EINVAL);
	close(listener);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* With a limit it takes no more than that from the backlog, and the last one ends it. */
static void test_accept_at_most(void **state)
{
	enum { CLIENTS = 5, LIMIT = 3 };
	struct engine *e = engine_open(OPTIONS(0));
	struct sockaddr_in address;
	int listener = make_listener(&address), clients[CLIENTS];
	uint64_t id;

	(void)state;
	for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
		must(fcntl(listener, F_SETFL, flags) == 0);
		for (int i = 0; i < CLIENTS; i++)
			clients[i] = connect_to(&address);
		id = engine_post(e, OP(.code = RINGO_ACCEPT, .fd = listener, .length = LIMIT,
				       .argument = SOCK_CLOEXEC, .flags = RINGO_MULTISHOT));
		engine_wait(e, id);
		assert_int_equal(engine_count(e, id), LIMIT);
		for (size_t i = 0; i < e->log_count; i++)
			if (e->log[i].user_data == id) {
				assert_true(e->log[i].result >= 0);
				close((int)e->log[i].result);
			}
		for (int i = LIMIT; i < CLIENTS; i++) { /* the others still wait */
			int64_t fd = engine_result(e, OP(.code = RINGO_ACCEPT, .fd = listener));

			assert_true(fd >= 0);
			close((int)fd);
		}
		for (int i = 0; i < CLIENTS; i++)
			close(clients[i]);
	}
	/* One that has not reached its limit goes on until it is cancelled. */
	id = engine_post(e, OP(.code = RINGO_ACCEPT, .fd = listener, .length = LIMIT,
			       .flags = RINGO_MULTISHOT));
	clients[0] = connect_to(&address);
	close((int)engine_await(e, id, 1).result);
	assert_int_equal(engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = id)), 1);
	assert_int_equal(engine_wait(e, id).result, -ECANCELED);
	close(clients[0]);
	close(listener);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept_once),
		cmocka_unit_test(test_accept_many_times),
		cmocka_unit_test(test_accept_many_times_nonblocking),
		cmocka_unit_test(test_listener_shut_down_ends_it),
		cmocka_unit_test(test_accept_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
