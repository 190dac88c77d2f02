/* SPDX-License-Identifier: MIT */
/* A stop while threads still post: each post is refused, or accepted and its ops end. */
#include "check.h"

enum { POSTERS = 3, ROUNDS = 150 };

struct poster {
	pthread_t thread;
	struct ringo_loop *loop;
	pthread_barrier_t *start;
	uint64_t number, accepted;
};

/* The test closes the loop when all posters are through: a post may come until then. */
static void *post_until_refused(void *context)
{
	struct poster *p = context;
	struct ringo_op ops[3];
	int ret;

	pthread_barrier_wait(p->start);
	do {
		uint32_t count = 1 + (uint32_t)(p->accepted % 3);

		for (uint32_t i = 0; i < count; i++)
			ops[i] = OP(.code = p->accepted % 2 ? RINGO_NOP : RINGO_TIMEOUT,
				    .user_data = p->number, .argument2 = 1000000);
		ret = ringo_post(p->loop, ops, count, 0);
		if (ret == 0)
			p->accepted += count;
	} while (ret == 0 || ret == -EAGAIN);
	must(ret == -ESHUTDOWN);
	must(ringo_post(p->loop, ops, 1, 0) == -ESHUTDOWN);
	return NULL;
}

struct tally {
	uint64_t ended[POSTERS];
};

static uint32_t tally_ended(uintptr_t context, const struct ringo_completion *completions,
			    uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct tally *tally = (struct tally *)context;

	(void)ops, (void)room;
	for (uint32_t i = 0; i < count; i++)
		tally->ended[completions[i].user_data]++;
	return 0;
}

struct stopper {
	pthread_t thread;
	struct ringo_loop *loop;
	pthread_barrier_t *start;
	int round;
};

static void *stop_soon(void *context)
{
	struct stopper *s = context;

	pthread_barrier_wait(s->start);
	if (s->round % 3)
		nap_ms(s->round % 3);
	ringo_loop_stop(s->loop, s->round % 2 ? RINGO_STOP_DRAIN : RINGO_STOP_CANCEL);
	return NULL;
}

static void test_stop_while_posting(void **state)
{
	int fds = count_fds();

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct poster posters[POSTERS];
		struct stopper stopper = {.round = round};
		struct tally tally = {{0}};
		pthread_barrier_t start;
		struct ringo_loop *loop;

		must(pthread_barrier_init(&start, NULL, POSTERS + 2) == 0);
		if (open_loop(OPTIONS(.depth = 64, .sq_entries = 8), &loop) != 0)
			skip_program("no io_uring here");
		for (uint64_t i = 0; i < POSTERS; i++) {
			posters[i] = (struct poster){.loop = loop, .start = &start, .number = i};
			must(pthread_create(&posters[i].thread, NULL, post_until_refused,
					    &posters[i]) == 0);
		}
		stopper.loop = loop;
		stopper.start = &start;
		must(pthread_create(&stopper.thread, NULL, stop_soon, &stopper) == 0);
		pthread_barrier_wait(&start);
		alarm(PATIENCE_SECONDS);
		assert_int_equal(ringo_loop_run(loop, tally_ended, (uintptr_t)&tally), 0);
		for (int i = 0; i < POSTERS; i++)
			pthread_join(posters[i].thread, NULL);
		ringo_loop_close(loop);
		alarm(0);
		pthread_join(stopper.thread, NULL);
		for (int i = 0; i < POSTERS; i++)
			assert_int_equal(tally.ended[i], posters[i].accepted);
		pthread_barrier_destroy(&start);
	}
	assert_int_equal(count_fds(), fds);
}

/* The thread that stops a loop may still be inside the call when the loop ends and is closed. */
static void test_stop_and_close_at_once(void **state)
{
	(void)state;
	for (int round = 0; round < 10 * ROUNDS; round++) {
		struct stopper stopper = {.round = 3};
		struct tally tally = {{0}};
		pthread_barrier_t start;

		must(pthread_barrier_init(&start, NULL, 2) == 0);
		assert_int_equal(open_loop(OPTIONS(.depth = 1), &stopper.loop), 0);
		stopper.start = &start;
		must(pthread_create(&stopper.thread, NULL, stop_soon, &stopper) == 0);
		pthread_barrier_wait(&start);
		assert_int_equal(ringo_loop_run(stopper.loop, tally_ended, (uintptr_t)&tally), 0);
		ringo_loop_close(stopper.loop);
		pthread_join(stopper.thread, NULL);
		pthread_barrier_destroy(&start);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stop_while_posting),
		cmocka_unit_test(test_stop_and_close_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
