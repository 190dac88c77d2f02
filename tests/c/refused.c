/* SPDX-License-Identifier: MIT */
/* What a loop refuses: too many ops, ops after its end, and threads that do not own it. */
#include "check.h"

enum { DEPTH = 8 };

static uint64_t post_waiting_ops(struct engine *e, int fd, int count)
{
	uint64_t first = 0;

	for (int i = 0; i < count; i++) {
		uint64_t id = engine_post(e, OP(.code = RINGO_POLL, .fd = fd, .argument = POLLIN));

		first = first == 0 ? id : first;
	}
	return first;
}

static void test_full_loop_refuses_all_or_none(void **state)
{
	struct engine *e = engine_open(OPTIONS(.depth = DEPTH));
	struct ringo_op nops[DEPTH + 1];
	int ends[2];
	uint64_t first;

	(void)state;
	make_pair(ends, 0);
	for (int i = 0; i <= DEPTH; i++)
		nops[i] = OP(.code = RINGO_NOP, .user_data = 1000);
	assert_int_equal(ringo_post(e->loop, nops, DEPTH + 1, 0), -E2BIG);
	first = post_waiting_ops(e, ends[0], DEPTH - 1);
	assert_int_equal(ringo_post(e->loop, nops, 2, 0), -EAGAIN);
	assert_int_equal(ringo_post(e->loop, nops, 1, 0), 0);
	engine_wait(e, 1000);
	post_waiting_ops(e, ends[0], 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(ringo_post(e->loop, nops, 1, 0), -EAGAIN);
	/* A cancel needs no place: it is what makes room. */
	assert_int_equal(engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = first)), 1);
	assert_int_equal(engine_wait(e, first).result, -ECANCELED);
	assert_int_equal(ringo_post(e->loop, nops, 1, 0), 0);
	engine_close(e, RINGO_STOP_CANCEL);
	close(ends[0]);
	close(ends[1]);
}

static void test_stopped_loop_refuses(void **state)
{
	struct engine *e = engine_open(OPTIONS(.depth = DEPTH));
	struct ringo_op nop = OP(.code = RINGO_NOP), cancel = OP(.code = RINGO_CANCEL);
	int ends[2];
	uint64_t id;

	(void)state;
	/* A read from a pipe outlives a draining stop, so the loop is still there. */
	must(pipe2(ends, O_CLOEXEC) == 0);
	id = engine_post(e, OP(.code = RINGO_READ, .fd = ends[0], .address = ADDRESS(&nop),
			       .length = 1, .offset = -1));
	ringo_loop_stop(e->loop, RINGO_STOP_DRAIN);
	assert_int_equal(ringo_post(e->loop, &nop, 1, 0), -ESHUTDOWN);
	assert_int_equal(ringo_post(e->loop, &cancel, 1, RINGO_POST_FLUSH), -ESHUTDOWN);
	ringo_wake(e->loop);
	assert_int_equal(engine_count(e, id), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	engine_close(e, RINGO_STOP_DRAIN);
	close(ends[0]);
	close(ends[1]);
}

static uint32_t deliver_nothing(uintptr_t context, const struct ringo_completion *completions,
				uint32_t count, struct ringo_op *ops, uint32_t room)
{
	(void)context, (void)completions, (void)count, (void)ops, (void)room;
	return 0;
}

static void test_only_the_loops_thread_may_run_it(void **state)
{
	struct engine *e = engine_open(OPTIONS(.depth = DEPTH));

	(void)state;
	assert_int_equal(ringo_loop_run(e->loop, deliver_nothing, 0), -EXDEV);
	assert_int_equal(engine_result(e, OP(.code = RINGO_NOP)), 0);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_a_loop_that_ended_ends_at_once_when_run_again(void **state)
{
	struct ringo_loop *loop;
	struct ringo_op nop = OP(.code = RINGO_NOP);

	(void)state;
	assert_int_equal(ringo_loop_open(OPTIONS(.depth = DEPTH), &loop), 0);
	assert_int_equal(ringo_post(loop, &nop, 1, 0), 0);
	ringo_loop_stop(loop, RINGO_STOP_DRAIN);
	alarm(PATIENCE_SECONDS);
	assert_int_equal(ringo_loop_run(loop, deliver_nothing, 0), 0);
	assert_int_equal(ringo_loop_run(loop, deliver_nothing, 0), 0);
	alarm(0);
	assert_int_equal(ringo_post(loop, &nop, 1, 0), -ESHUTDOWN);
	ringo_loop_close(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_loop_refuses_all_or_none),
		cmocka_unit_test(test_stopped_loop_refuses),
		cmocka_unit_test(test_only_the_loops_thread_may_run_it),
		cmocka_unit_test(test_a_loop_that_ended_ends_at_once_when_run_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
