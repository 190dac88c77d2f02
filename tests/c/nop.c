/* SPDX-License-Identifier: MIT */
/* The life of the simplest op: posted, submitted, delivered; a loop that has nothing to do sleeps.
 */
#include "check.h"

static void test_nop_completes_with_its_user_data(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct ringo_completion c;
	struct ringo_op op = OP(.code = RINGO_NOP, .user_data = UINT64_MAX);

	(void)state;
	c = engine_run(e, OP(.code = RINGO_NOP));
	assert_int_equal(c.result, 0);
	assert_int_equal(c.flags, 0);
	assert_int_equal(c.extra, 0);
	assert_int_equal(ringo_post(e->loop, &op, 1, 0), 0);
	c = engine_wait(e, UINT64_MAX);
	assert_true(c.user_data == UINT64_MAX);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_ops_of_one_post_keep_their_number(void **state)
{
	struct engine *e = engine_open(OPTIONS(.depth = 64));
	struct ringo_op ops[64];

	(void)state;
	for (uint64_t i = 0; i < 64; i++)
		ops[i] = OP(.code = RINGO_NOP, .user_data = i + 1);
	e->last_id = 64;
	assert_int_equal(ringo_post(e->loop, ops, 64, 0), 0);
	for (uint64_t i = 0; i < 64; i++)
		assert_int_equal(engine_wait(e, i + 1).result, 0);
	assert_int_equal(ringo_post(e->loop, ops, 0, 0), 0);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_unknown_code_ends_with_einval(void **state)
{
	struct engine *e = engine_open(OPTIONS(.depth = 2));
	uint64_t before;

	(void)state;
	for (int i = 0; i < 10; i++) { /* more than the depth: each gives its place back */
		assert_int_equal(engine_result(e, OP(.code = RINGO_CODE_COUNT)), -EINVAL);
		assert_int_equal(engine_result(e, OP(.code = UINT16_MAX)), -EINVAL);
	}
	before = engine_stats(e).completions;
	assert_int_equal(before, 20);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_wake_makes_a_sleeping_loop_turn(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	uint64_t turns;

	(void)state;
	engine_run(e, OP(.code = RINGO_NOP));
	nap_ms(50);
	turns = engine_stats(e).turns;
	ringo_wake(e->loop);
	for (int i = 0; i < 10000 && engine_stats(e).turns == turns; i++)
		nap_ms(1);
	assert_true(engine_stats(e).turns > turns);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_idle_loop_sleeps_and_counts_what_is_in_flight(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int ends[2];

	(void)state;
	make_pair(ends, 0);
	for (int i = 0; i < 5; i++)
		engine_post(e, OP(.code = RINGO_POLL, .fd = ends[0], .argument = POLLIN));
	for (int i = 0; i < 10000 && engine_stats(e).in_flight != 5; i++)
		nap_ms(1);
	assert_int_equal(engine_stats(e).in_flight, 5);
	expect_asleep(e);
	assert_int_equal(write(ends[1], "x", 1), 1);
	for (uint64_t id = 1; id <= 5; id++)
		assert_true(engine_wait(e, id).result & POLLIN);
	for (int i = 0; i < 10000 && engine_stats(e).in_flight != 0; i++)
		nap_ms(1);
	assert_int_equal(engine_stats(e).in_flight, 0);
	engine_close(e, RINGO_STOP_DRAIN);
	close(ends[0]);
	close(ends[1]);
}

static void test_stats_count(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct ringo_stats stats;

	(void)state;
	for (int i = 0; i < 100; i++) {
		engine_run(e, OP(.code = RINGO_NOP));
		nap_ms(i % 10 == 0); /* asleep now and then */
	}
	stats = engine_stats(e);
	assert_int_equal(stats.completions, 100);
	assert_in_range(stats.submitted, 101, 110); /* the doorbell's poll as well */
	assert_in_range(stats.deliveries, 1, 100);
	assert_true(stats.turns >= stats.deliveries);
	assert_true(stats.doorbells > 0 && stats.longest_turn_ns > 0);
	assert_true(stats.longest_turn_cpu_ns > 0);
	engine_close(e, RINGO_STOP_DRAIN);
}

static int64_t used_ns(void)
{
	struct timespec used;

	must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0);
	return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

/* Sleeps for so many milliseconds, or works. */
static uint32_t lingers(struct engine *e, const struct ringo_completion *completions,
			uint32_t count, struct ringo_op *ops, uint32_t room)
{
	int64_t until_ns = used_ns() + 20000000;

	(void)ops;
	(void)room;
	(void)completions;
	if (count == 0)
		return 0;
	if (*(const bool *)e->hook_context)
		while (used_ns() < until_ns)
			continue;
	else
		nap_ms(20);
	return 0;
}

static struct ringo_stats stats_after_lingering(bool working)
{
	struct engine *e = engine_open_hooked(OPTIONS(0), lingers, &working);
	struct ringo_stats stats;

	for (int i = 0; i < 3; i++)
		engine_run(e, OP(.code = RINGO_NOP));
	stats = engine_stats(e);
	engine_close(e, RINGO_STOP_DRAIN);
	return stats;
}

/* What a loop sleeps is in its longest turn, but not in the one by CPU time. */
static void test_longest_turn_by_wall_and_by_core(void **state)
{
	struct ringo_stats worked = stats_after_lingering(true);
	struct ringo_stats slept = stats_after_lingering(false);

	(void)state;
	assert_true(worked.longest_turn_cpu_ns >= 20000000);
	assert_true(worked.longest_turn_cpu_ns <= worked.longest_turn_ns);
	assert_true(slept.longest_turn_ns >= 20000000);
	assert_true(slept.longest_turn_cpu_ns < 20000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nop_completes_with_its_user_data),
		cmocka_unit_test(test_ops_of_one_post_keep_their_number),
		cmocka_unit_test(test_unknown_code_ends_with_einval),
		cmocka_unit_test(test_wake_makes_a_sleeping_loop_turn),
		cmocka_unit_test(test_idle_loop_sleeps_and_counts_what_is_in_flight),
		cmocka_unit_test(test_stats_count),
		cmocka_unit_test(test_longest_turn_by_wall_and_by_core),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
