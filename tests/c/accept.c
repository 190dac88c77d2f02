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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept_once),
		cmocka_unit_test(test_accept_many_times),
		cmocka_unit_test(test_accept_many_times_nonblocking),
		cmocka_unit_test(test_listener_shut_down_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
