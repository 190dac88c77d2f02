/* SPDX-License-Identifier: MIT */
/* submit_threshold and wait_batch hold back, and never longer than they promise. */
#include "check.h"

/* A delay that no test waits for by accident. */
enum { LONG_US = 1000000 };

static uint64_t post_nop(struct engine *e)
{
	return engine_post(e, OP(.code = RINGO_NOP));
}

static void test_threshold_holds_back_until_it_is_reached(void **state)
{
	struct engine *e = engine_open(
		OPTIONS(.depth = 64, .submit_threshold = 4, .submit_delay_us = LONG_US));
	uint64_t turns, first;

	(void)state;
	nap_ms(20);
	first = post_nop(e);
	post_nop(e);
	post_nop(e);
	nap_ms(50);
	assert_int_equal(engine_count(e, first), 0);
	turns = engine_stats(e).turns;
	nap_ms(100);
	assert_in_range(engine_stats(e).turns - turns, 0, 3); /* asleep, not spinning */
	assert_int_equal(engine_count(e, first), 0);
	post_nop(e);
	/* The fourth lets all go: long before the delay is over. */
	for (int i = 0; i < 700 && engine_count(e, first + 3) == 0; i++)
		nap_ms(1);
	for (uint64_t id = first; id < first + 4; id++)
		assert_int_equal(engine_count(e, id), 1);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_longest_delay_lets_go(void **state)
{
	struct engine *e = engine_open(OPTIONS(.submit_threshold = 100, .submit_delay_us = 20000));

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(engine_wait(e, post_nop(e)).result, 0);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* A completion wakes the loop in the middle of the delay, which does not begin anew: 500 ms after
 * the post, not 900, when the timer ends. */
static void test_traffic_does_not_prolong_the_delay(void **state)
{
	struct engine *e = engine_open(OPTIONS(.submit_threshold = 100, .submit_delay_us = 500000));
	uint64_t late, nop;

	(void)state;
	late = engine_post_flags(e, OP(.code = RINGO_TIMEOUT, .argument2 = 900000000),
				 RINGO_POST_FLUSH);
	engine_post_flags(e, OP(.code = RINGO_TIMEOUT, .argument2 = 400000000), RINGO_POST_FLUSH);
	nap_ms(20);
	nop = post_nop(e);
	engine_wait(e, nop);
	assert_int_equal(engine_count(e, late), 0);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void expect_prompt(struct engine *e, uint64_t id)
{
	for (int i = 0; i < 700 && engine_count(e, id) == 0; i++)
		nap_ms(1);
	assert_int_equal(engine_count(e, id), 1);
}

static void test_flush_lets_go(void **state)
{
	struct engine *e =
		engine_open(OPTIONS(.submit_threshold = 100, .submit_delay_us = LONG_US));
	uint64_t id;

	(void)state;
	nap_ms(20);
	id = post_nop(e);
	expect_prompt(e, engine_post_flags(e, OP(.code = RINGO_NOP), RINGO_POST_FLUSH));
	expect_prompt(e, id);
	nap_ms(20);
	id = post_nop(e);
	ringo_wake(e->loop);
	expect_prompt(e, id);
	post_nop(e);
	engine_close(e, RINGO_STOP_DRAIN); /* checks that it ended */
}

/* A cancel from deliver sees ops that are still held back. */
static uint32_t cancel_op_2(struct engine *e, const struct ringo_completion *completions,
			    uint32_t count, struct ringo_op *ops, uint32_t room)
{
	(void)e;
	if (count == 0 || completions[0].user_data != 1 || room == 0)
		return 0;
	ops[0] = OP(.code = RINGO_CANCEL, .argument2 = 2, .user_data = 3);
	return 1;
}

static void test_cancel_from_deliver_sees_held_ops(void **state)
{
	struct engine *e = engine_open_hooked(
		OPTIONS(.submit_threshold = 100, .submit_delay_us = LONG_US), cancel_op_2, NULL);
	int ends[2];

	(void)state;
	make_pair(ends, 0);
	engine_post_flags(e, OP(.code = RINGO_POLL, .fd = ends[0], .argument = POLLIN),
			  RINGO_POST_FLUSH);
	nap_ms(50);
	engine_post(e, OP(.code = RINGO_POLL, .fd = ends[1], .argument = POLLIN));
	must(write(ends[1], "x", 1) == 1);
	e->last_id = 3;
	assert_int_equal(engine_wait(e, 3).result, 1);
	assert_int_equal(engine_wait(e, 2).result, -ECANCELED);
	engine_close(e, RINGO_STOP_DRAIN);
	close(ends[0]);
	close(ends[1]);
}

/* Ten thousand cheap ops, 256 at a time: a loop that waits for 32 of them delivers less often. */
static uint32_t repost(struct engine *e, const struct ringo_completion *completions, uint32_t count,
		       struct ringo_op *ops, uint32_t room)
{
	int *left = e->hook_context;
	uint32_t n = 0;

	(void)completions;
	while (n < count && n<room && * left> 0) {
		ops[n++] = OP(.code = RINGO_NOP, .user_data = UINT32_MAX);
		--*left;
	}
	return n;
}

static void test_wait_batch_ends_all(void **state)
{
	int left = 10000;
	struct engine *e = engine_open_hooked(
		OPTIONS(.depth = 256, .wait_batch = 32, .wait_delay_us = 100), repost, &left);

	(void)state;
	for (int i = 0; i < 256; i++)
		post_nop(e);
	for (uint64_t id = 1; id <= 256; id++)
		assert_int_equal(engine_wait(e, id).result, 0);
	/* Fewer than the batch are due: nothing waits for more. */
	assert_int_equal(engine_result(e, OP(.code = RINGO_NOP)), 0);
	engine_close(e, RINGO_STOP_DRAIN);
	assert_int_equal(left, 0);
}

/* One completion every few milliseconds, while many more are due. */
static void test_wait_batch_gathers(void **state)
{
	enum { READS = 128, BATCH = 16 };
	struct engine *e =
		engine_open(OPTIONS(.depth = 256, .wait_batch = BATCH, .wait_delay_us = LONG_US));
	unsigned char bytes[READS];
	struct ringo_stats before, after;
	int ends[2];

	(void)state;
	must(pipe2(ends, O_CLOEXEC) == 0);
	for (int i = 0; i < READS; i++)
		engine_post(e, OP(.code = RINGO_READ, .fd = ends[0], .length = 1,
				  .address = ADDRESS(&bytes[i])));
	before = engine_stats(e);
	for (int i = 0; i < READS / 2; i++) {
		must(write(ends[1], "x", 1) == 1);
		nap_ms(3);
	}
	after = engine_stats(e);
	assert_in_range(after.deliveries - before.deliveries, 1, READS / 4);
	memset(bytes, 'x', sizeof(bytes));
	write_fully(ends[1], bytes, READS / 2);
	for (uint64_t id = 1; id <= READS; id++)
		assert_int_equal(engine_wait(e, id).result, 1);
	engine_close(e, RINGO_STOP_DRAIN);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threshold_holds_back_until_it_is_reached),
		cmocka_unit_test(test_longest_delay_lets_go),
		cmocka_unit_test(test_traffic_does_not_prolong_the_delay),
		cmocka_unit_test(test_flush_lets_go),
		cmocka_unit_test(test_cancel_from_deliver_sees_held_ops),
		cmocka_unit_test(test_wait_batch_ends_all),
		cmocka_unit_test(test_wait_batch_gathers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
