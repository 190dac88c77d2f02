/* SPDX-License-Identifier: MIT */
/* Posts from many threads at once: none lost, none twice, each post's ops in its own order. */
#include "check.h"

enum { POSTERS = 4, OPS = 20000, BURST_MAX = 7 };

struct tally {
	unsigned char ended[POSTERS][OPS];
	uint32_t count;
	uint32_t last[POSTERS];
};

static uint32_t tally_completions(struct engine *e, const struct ringo_completion *completions,
				  uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct tally *tally = e->hook_context;

	(void)ops, (void)room;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t poster = completions[i].user_data >> 32,
			 op = (uint32_t)completions[i].user_data;

		must(completions[i].result == 0 && poster < POSTERS && op < OPS);
		tally->ended[poster][op]++;
		__atomic_fetch_add(&tally->count, 1, __ATOMIC_RELEASE);
	}
	return 0;
}

struct poster {
	pthread_t thread;
	struct ringo_loop *loop;
	uint64_t number;
	uint64_t refused;
	uint32_t flags;
};

static void *post_all(void *context)
{
	struct poster *p = context;
	struct ringo_op ops[BURST_MAX];

	for (uint32_t posted = 0; posted < OPS;) {
		uint32_t burst = 1 + posted % BURST_MAX;

		if (burst > OPS - posted)
			burst = OPS - posted;
		for (uint32_t i = 0; i < burst; i++)
			ops[i] = OP(.code = RINGO_NOP, .user_data = p->number << 32 | (posted + i));
		while (ringo_post(p->loop, ops, burst, p->flags) == -EAGAIN) {
			p->refused++;
			sched_yield();
		}
		posted += burst;
	}
	return NULL;
}

static void run_posters(const struct ringo_options *options, uint32_t flags)
{
	struct tally *tally = calloc(1, sizeof(*tally));
	struct engine *e = engine_open_hooked(options, tally_completions, tally);
	struct poster posters[POSTERS];

	for (uint64_t i = 0; i < POSTERS; i++) {
		posters[i] = (struct poster){.loop = e->loop, .number = i, .flags = flags};
		must(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]) == 0);
	}
	for (int i = 0; i < POSTERS; i++)
		pthread_join(posters[i].thread, NULL);
	for (int ms = 0; __atomic_load_n(&tally->count, __ATOMIC_ACQUIRE) < POSTERS * OPS; ms++) {
		if (ms > PATIENCE_SECONDS * 1000)
			fail_msg("lost ops: %u of %d", tally->count, POSTERS * OPS);
		nap_ms(1);
	}
	engine_close(e, RINGO_STOP_DRAIN);
	for (int i = 0; i < POSTERS; i++)
		for (int op = 0; op < OPS; op++)
			assert_int_equal(tally->ended[i][op], 1);
	free(tally);
}

static void test_four_posters(void **state)
{
	(void)state;
	run_posters(OPTIONS(.depth = 1024), 0);
}

static void test_four_posters_through_a_small_loop(void **state)
{
	(void)state;
	run_posters(OPTIONS(.depth = 16, .sq_entries = 4, .cq_entries = 8), 0);
}

static void test_four_posters_held_back(void **state)
{
	(void)state;
	run_posters(OPTIONS(.depth = 64, .submit_threshold = 64, .submit_delay_us = 200), 0);
}

static void test_four_posters_that_flush(void **state)
{
	(void)state;
	run_posters(OPTIONS(.depth = 64, .submit_threshold = 64, .submit_delay_us = 1000000),
		    RINGO_POST_FLUSH);
}

enum { DISTANCES = 2000 };

/* Returns sooner or later after the poster has seen it. */
static uint32_t count_one(struct engine *e, const struct ringo_completion *completions,
			  uint32_t count, struct ringo_op *ops, uint32_t room)
{
	_Atomic uint32_t *ended = e->hook_context;

	(void)completions, (void)ops, (void)room;
	*ended += count;
	for (uint32_t i = *ended % DISTANCES; i > 0; i--)
		atomic_signal_fence(memory_order_seq_cst);
	return 0;
}

/* Each op is posted while the loop is on its way to sleep after the one before it, at every
 * distance from there. Nothing else happens that could wake it: a wake that is missed is a hang.
 * tests/faults/wakes.c posts at the very places; this is for what two processors see of them. */
static void test_no_wake_is_missed(void **state)
{
	enum { ROUNDS = 100000 };
	_Atomic uint32_t ended = 0;
	struct engine *e = engine_open_hooked(OPTIONS(.depth = 1), count_one, (void *)&ended);
	struct ringo_op nop = OP(.code = RINGO_NOP);
	/* The mailbox is the same on both; a sleep in epoll takes longer. */
	bool has_ring = ringo_loop_backend(e->loop, NULL) == RINGO_BACKEND_URING;
	uint32_t rounds = has_ring ? ROUNDS : ROUNDS / 10;

	(void)state;
	for (uint32_t round = 1; round <= rounds; round++) {
		if (round % 1024 == 1)
			alarm(PATIENCE_SECONDS);
		while (ringo_post(e->loop, &nop, 1, 0) == -EAGAIN)
			sched_yield();
		while (ended < round)
			atomic_signal_fence(memory_order_seq_cst);
	}
	alarm(0);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_wake_is_missed),
		cmocka_unit_test(test_four_posters),
		cmocka_unit_test(test_four_posters_through_a_small_loop),
		cmocka_unit_test(test_four_posters_held_back),
		cmocka_unit_test(test_four_posters_that_flush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
