/* SPDX-License-Identifier: MIT */
/* POLL, once and many times, and TIMEOUT. */
#include "check.h"

static uint64_t post_poll(struct engine *e, int fd, uint32_t events, uint16_t flags)
{
	return engine_post(e, OP(.code = RINGO_POLL, .fd = fd, .argument = events, .flags = flags));
}

static void test_poll_once(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct ringo_completion c;
	int ends[2];
	uint64_t id;

	(void)state;
	make_pair(ends, 0);
	c = engine_wait(e, post_poll(e, ends[0], POLLOUT, 0));
	assert_int_equal(c.result, POLLOUT);
	assert_int_equal(c.flags, 0);
	id = post_poll(e, ends[0], POLLIN, 0);
	nap_ms(20);
	assert_int_equal(engine_count(e, id), 0);
	must(write(ends[1], "x", 1) == 1);
	assert_true(engine_wait(e, id).result & POLLIN);
	assert_int_equal(engine_wait(e, post_poll(e, -1, POLLIN, 0)).result, -EBADF);
	close(ends[1]);
	assert_true(engine_wait(e, post_poll(e, ends[0], 0, 0)).result & POLLHUP);
	close(ends[0]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_poll_many_times(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct ringo_completion c;
	int ends[2];
	uint64_t id;

	(void)state;
	make_pair(ends, 0);
	id = post_poll(e, ends[0], POLLIN, RINGO_MULTISHOT);
	for (size_t i = 1; i <= 100; i++) {
		must(write(ends[1], "x", 1) == 1);
		c = engine_await(e, id, i);
		assert_true(c.result & POLLIN);
		assert_int_equal(c.flags, RINGO_MORE);
	}
	assert_int_equal(engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = id)), 1);
	c = engine_wait(e, id);
	assert_int_equal(c.result, -ECANCELED);
	assert_int_equal(c.flags, 0);
	assert_int_equal(engine_count(e, id), 101);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_timeouts_end_in_their_order(void **state)
{
	static const uint64_t delays_ms[] = {400, 0, 200, 100, 300};
	struct engine *e = engine_open(OPTIONS(0));
	struct timespec before, after;
	uint64_t ids[5], last = 0;
	int64_t waited_ns;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &before);
	for (size_t i = 0; i < 5; i++)
		ids[i] = engine_post(
			e, OP(.code = RINGO_TIMEOUT, .argument2 = delays_ms[i] * 1000000));
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(engine_wait(e, ids[i]).result, 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	for (size_t i = 0; i < 5; i++) {
		uint64_t delay = delays_ms[e->log[i].user_data - ids[0]];

		assert_true(delay >= last);
		last = delay;
	}
	waited_ns = (after.tv_sec - before.tv_sec) * INT64_C(1000000000) + after.tv_nsec -
		    before.tv_nsec;
	assert_true(waited_ns >= 400000000);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_long_timeout_is_cancelled(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	/* More than 2^32 seconds, and the longest there is. */
	uint64_t a = engine_post(e, OP(.code = RINGO_TIMEOUT, .argument2 = UINT64_C(5) << 60)),
		 b = engine_post(e, OP(.code = RINGO_TIMEOUT, .argument2 = UINT64_MAX));

	(void)state;
	nap_ms(20);
	assert_int_equal(engine_count(e, a) + engine_count(e, b), 0);
	assert_int_equal(engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = a)), 1);
	assert_int_equal(engine_wait(e, a).result, -ECANCELED);
	assert_int_equal(engine_count(e, b), 0);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_poll_once),
		cmocka_unit_test(test_poll_many_times),
		cmocka_unit_test(test_timeouts_end_in_their_order),
		cmocka_unit_test(test_long_timeout_is_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
