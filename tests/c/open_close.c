/* SPDX-License-Identifier: MIT */
/* Loops and batches come and go by the thousand, and leave nothing. */
#include "check.h"

static uint32_t stop_it(uintptr_t context, const struct ringo_completion *completions,
			uint32_t count, struct ringo_op *ops, uint32_t room)
{
	(void)completions, (void)ops, (void)room;
	if (count > 0)
		ringo_loop_stop((struct ringo_loop *)context, RINGO_STOP_DRAIN);
	return 0;
}

static void test_a_thousand_loops(void **state)
{
	const struct ringo_options small = {
		.depth = 8, .receive_buffers = 2, .receive_buffer_size = 64};
	int fds = count_fds();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct ringo_loop *loop;
		struct ringo_op nop = OP(.code = RINGO_NOP);
		int ret = open_loop(&small, &loop);

		if (ret == -EPERM || ret == -ENOSYS)
			skip_program("no io_uring here");
		assert_int_equal(ret, 0);
		if (i % 4 > 0) /* ops posted to a loop that never runs are forgotten with it */
			assert_int_equal(ringo_post(loop, &nop, 1, 0), 0);
		if (i % 4 > 1)
			assert_int_equal(ringo_loop_run(loop, stop_it, (uintptr_t)loop), 0);
		ringo_loop_close(loop);
	}
	assert_int_equal(count_fds(), fds);
}

static void test_many_loops_on_one_thread(void **state)
{
	struct ringo_loop *loops[40];
	struct ringo_op nop = OP(.code = RINGO_NOP);
	int fds = count_fds();

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(loops); i++)
		assert_int_equal(open_loop(OPTIONS(.depth = 8), &loops[i]), 0);
	for (size_t i = 0; i < LENGTH_OF(loops); i++) {
		assert_int_equal(ringo_post(loops[i], &nop, 1, 0), 0);
		assert_int_equal(ringo_loop_run(loops[i], stop_it, (uintptr_t)loops[i]), 0);
	}
	for (size_t i = 0; i < LENGTH_OF(loops); i++)
		ringo_loop_close(loops[i]);
	assert_int_equal(count_fds(), fds);
}

static void test_a_thousand_batches(void **state)
{
	int fds = count_fds();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct ringo_batch *batch;
		struct ringo_op nop = OP(.code = RINGO_NOP);
		struct ringo_completion c;

		assert_int_equal(open_batch(OPTIONS(.depth = 8), &batch), 0);
		if (i % 3 > 0)
			assert_int_equal(ringo_batch_run(batch, &nop, 1, i % 3 > 1, &c), 0);
		ringo_batch_close(batch);
	}
	assert_int_equal(count_fds(), fds);
}

static void *open_and_close(void *context)
{
	for (int i = 0; i < 100; i++) {
		struct engine *e = engine_open(OPTIONS(.depth = 8));

		(void)context;
		for (int n = 0; n < i % 3; n++)
			engine_post(e, OP(.code = RINGO_NOP));
		engine_close(e, i % 2 ? RINGO_STOP_DRAIN : RINGO_STOP_CANCEL);
	}
	return NULL;
}

static void test_loops_on_their_own_threads(void **state)
{
	int fds = count_fds();

	(void)state;
	open_and_close(NULL);
	assert_int_equal(count_fds(), fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_thousand_loops),
		cmocka_unit_test(test_many_loops_on_one_thread),
		cmocka_unit_test(test_a_thousand_batches),
		cmocka_unit_test(test_loops_on_their_own_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
