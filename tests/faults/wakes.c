/* SPDX-License-Identifier: MIT */
/*
 * Posts at the places of a loop's way to sleep where a wake-up could be lost: just before it
 * announces its sleep, when it has found the mailbox empty, and just after. The linker puts this
 * around mailbox_sleep.
 */
#include "check.h"

#include "internal.h"

bool __real_mailbox_sleep(struct mailbox *, enum mailbox_sleep, uint32_t);
bool __wrap_mailbox_sleep(struct mailbox *, enum mailbox_sleep, uint32_t);

enum { OPS = 1000 };
enum place { BEFORE, AFTER };

static struct {
	struct ringo_loop *loop;
	enum place place;
	uint64_t posted, ended;
} run;

static void post_next(void)
{
	const struct ringo_op nop = OP(.code = RINGO_NOP);

	if (run.posted == run.ended && run.posted < OPS && ringo_post(run.loop, &nop, 1, 0) == 0)
		run.posted++;
}

bool __wrap_mailbox_sleep(struct mailbox *mailbox, enum mailbox_sleep how, uint32_t threshold)
{
	bool sleeps;

	if (run.place == BEFORE)
		post_next();
	sleeps = __real_mailbox_sleep(mailbox, how, threshold);
	if (run.place == AFTER && sleeps)
		post_next();
	return sleeps;
}

static uint32_t count(uintptr_t context, const struct ringo_completion *completions, uint32_t n,
		      struct ringo_op *ops, uint32_t room)
{
	(void)context, (void)completions, (void)ops, (void)room;
	run.ended += n;
	if (run.ended == OPS)
		ringo_loop_stop(run.loop, RINGO_STOP_DRAIN);
	return 0;
}

/* Nothing but the post wakes the loop: one that is not heeded is a hang. */
static void run_at(enum place place)
{
	const struct ringo_options options = {.backend = chosen_backend(), .depth = 1};

	run.place = place;
	run.posted = run.ended = 0;
	assert_int_equal(open_loop(&options, &run.loop), 0);
	alarm(PATIENCE_SECONDS);
	assert_int_equal(ringo_loop_run(run.loop, count, 0), 0);
	alarm(0);
	assert_int_equal(run.ended, OPS);
	ringo_loop_close(run.loop);
}

static void test_before_the_announcement(void **state)
{
	(void)state;
	run_at(BEFORE);
}

static void test_after_the_announcement(void **state)
{
	(void)state;
	run_at(AFTER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_the_announcement),
		cmocka_unit_test(test_after_the_announcement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
