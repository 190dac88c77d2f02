/* SPDX-License-Identifier: MIT */
/* What repeats or changes while it waits: TIMEOUT in each interval, POLL_UPDATE. */
#include "check.h"

static struct ringo_op interval(uint64_t nanoseconds, uint64_t times)
{
	return OP(.code = RINGO_TIMEOUT, .flags = RINGO_MULTISHOT, .argument2 = nanoseconds,
		  .length = times);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void test_so_many_times(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	uint64_t started = now_ns(), id = engine_post(e, interval(2000000, 10));
	struct ringo_completion c = engine_wait(e, id);

	(void)state;
	assert_int_equal(c.result, 0);
	assert_int_equal(engine_count(e, id), 10);
	assert_true(now_ns() - started >= UINT64_C(10) * 2000000u);
	id = engine_post(e, interval(1000000, 1));
	assert_int_equal(engine_wait(e, id).result, 0);
	assert_int_equal(engine_count(e, id), 1);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_until_cancelled(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	uint64_t id = engine_post(e, interval(1000000, 0));

	(void)state;
	assert_int_equal(engine_await(e, id, 20).flags, RINGO_MORE);
	assert_int_equal(engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = id)), 1);
	assert_int_equal(engine_wait(e, id).result, -ECANCELED);
	/* A draining stop ends one as well. */
	id = engine_post(e, interval(1000000, 0));
	engine_await(e, id, 1);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* A cancel that comes while a timeout fires finds nothing in the kernel. */
static void test_cancelled_while_firing(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));

	(void)state;
	for (uint32_t round = 0; round < 300; round++) {
		uint64_t id = engine_post(e, interval(5000, 0));

		engine_await(e, id, 1 + round % 3);
		engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = id));
		assert_int_equal(engine_wait(e, id).result, -ECANCELED);
	}
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_no_interval(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));

	(void)state;
	assert_int_equal(engine_result(e, interval(0, 0)), -EINVAL);
	engine_close(e, RINGO_STOP_DRAIN);
}

static struct ringo_op update(uint64_t id, uint32_t events)
{
	return OP(.code = RINGO_POLL_UPDATE, .argument2 = id, .argument = events);
}

static void test_poll_for_something_else(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	uint64_t id;
	int ends[2];

	(void)state;
	make_pair(ends, 0);
	id = engine_post(e, OP(.code = RINGO_POLL, .fd = ends[0], .argument = POLLIN));
	assert_int_equal(engine_result(e, update(id, POLLOUT)), 0);
	assert_int_equal(engine_wait(e, id).result, POLLOUT);
	assert_int_equal(engine_result(e, update(id, POLLIN)), -ENOENT);
	assert_int_equal(engine_result(e, update(12345, POLLIN)), -ENOENT);
	/* Only of polls. */
	id = engine_post(e, OP(.code = RINGO_TIMEOUT, .argument2 = UINT64_C(3600000000000)));
	assert_int_equal(engine_result(e, update(id, POLLIN)), -ENOENT);
	engine_close(e, RINGO_STOP_DRAIN);
	close(ends[0]);
	close(ends[1]);
}

static void test_many_polls_for_something_else(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct ringo_completion c;
	uint64_t id;
	int ends[2];

	(void)state;
	make_pair(ends, 0);
	id = engine_post(e, OP(.code = RINGO_POLL, .fd = ends[0], .argument = POLLPRI,
			       .flags = RINGO_MULTISHOT));
	must(write(ends[1], "x", 1) == 1);
	engine_run(e, OP(.code = RINGO_NOP));
	assert_int_equal(engine_count(e, id), 0);
	assert_int_equal(engine_result(e, update(id, POLLIN)), 0);
	c = engine_await(e, id, 1);
	assert_true(c.result & POLLIN);
	assert_int_equal(c.flags, RINGO_MORE);
	must(write(ends[1], "x", 1) == 1);
	assert_true(engine_await(e, id, 2).result & POLLIN);
	engine_close(e, RINGO_STOP_DRAIN);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_so_many_times),
		cmocka_unit_test(test_until_cancelled),
		cmocka_unit_test(test_cancelled_while_firing),
		cmocka_unit_test(test_no_interval),
		cmocka_unit_test(test_poll_for_something_else),
		cmocka_unit_test(test_many_polls_for_something_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
