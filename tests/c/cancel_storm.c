/* SPDX-License-Identifier: MIT */
/*
 * Ten thousand ops of many kinds, cancelled at random moments from another thread: each ends
 * exactly once, whoever was first.
 */
#include <semaphore.h>

#include "check.h"

enum { OPS = 10000, WINDOW = 400, SEED = 20240229 };

struct storm {
	struct engine *engine;
	sem_t room, posted; /* for ops in flight; of ops */
	_Atomic uint64_t ended;
	unsigned char finals[OPS + 1];
	uint32_t cancelled, completed;
	int quiet[2], file;
	unsigned char data[WINDOW][512];
};

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static bool never_ends(uint64_t id)
{
	return id % 5 == 0;
}

static uint32_t count_finals(struct engine *e, const struct ringo_completion *completions,
			     uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct storm *s = e->hook_context;

	(void)ops, (void)room;
	for (uint32_t i = 0; i < count; i++) {
		const struct ringo_completion *c = &completions[i];

		if (c->user_data == 0 || c->user_data > OPS) /* a cancel */
			continue;
		must(!(c->flags & RINGO_MORE));
		must(++s->finals[c->user_data] == 1);
		if (c->result == -ECANCELED)
			s->cancelled++;
		else
			s->completed += c->result >= 0;
		must(c->result >= 0 || c->result == -ECANCELED);
		s->ended++;
		must(sem_post(&s->room) == 0);
	}
	return 0;
}

/* Not by sched_yield: on a busy machine each one hands a whole time slice to others. */
static void take(sem_t *semaphore)
{
	while (sem_wait(semaphore) < 0)
		must(errno == EINTR);
}

static struct ringo_op random_op(struct storm *s, uint64_t id, uint64_t *random)
{
	unsigned char *data = s->data[id % WINDOW];

	if (never_ends(id))
		return id % 2 ? OP(.code = RINGO_POLL, .fd = s->quiet[0], .argument = POLLIN)
			      : OP(.code = RINGO_RECV, .fd = s->quiet[0], .length = 1,
				   .address = ADDRESS(data));
	switch (next_random(random) % 5) {
	case 0:
		return OP(.code = RINGO_NOP);
	case 1:
		return OP(.code = RINGO_READ, .fd = s->file, .address = ADDRESS(data),
			  .length = 512, .offset = (int64_t)(id % 1000));
	case 2: /* in a worker */
		return OP(.code = RINGO_READFILE, .fd = AT_FDCWD, .address2 = ADDRESS(data),
			  .address = ADDRESS("/proc/self/comm"), .length = 512);
	default:
		return OP(.code = RINGO_TIMEOUT, .argument2 = next_random(random) % 1000000);
	}
}

static void post(struct storm *s, struct ringo_op op)
{
	while (ringo_post(s->engine->loop, &op, 1, 0) == -EAGAIN)
		nap_ms(1);
}

/* Follows the posts at a random distance; what never ends by itself is always cancelled. */
static void *cancel_at_random(void *context)
{
	struct storm *s = context;
	uint64_t random = SEED + 1, posted = 0;

	for (uint64_t id = 1; id <= OPS; id++) {
		struct ringo_op op = OP(.code = RINGO_CANCEL, .argument2 = id);
		uint64_t distance = next_random(&random) % 4;

		for (; posted < id + distance && posted < OPS; posted++)
			take(&s->posted);
		if (!never_ends(id) && next_random(&random) % 8 < 3)
			continue;
		if (next_random(&random) % 64 == 0)
			nap_ms(1);
		post(s, op);
	}
	return NULL;
}

static void run_storm(const struct ringo_options *options)
{
	struct storm *s = calloc(1, sizeof(*s));
	uint64_t random = SEED;
	pthread_t canceller;
	int fds = count_fds();

	must(s != NULL);
	make_pair(s->quiet, 0);
	s->file = make_file(1, 0, 5000);
	must(sem_init(&s->room, 0, WINDOW / 2) == 0 && sem_init(&s->posted, 0, 0) == 0);
	s->engine = engine_open_hooked(options, count_finals, s);
	must(pthread_create(&canceller, NULL, cancel_at_random, s) == 0);
	for (uint64_t id = 1; id <= OPS; id++) {
		struct ringo_op op = random_op(s, id, &random);

		op.user_data = id;
		alarm(PATIENCE_SECONDS);
		take(&s->room);
		post(s, op);
		must(sem_post(&s->posted) == 0);
	}
	pthread_join(canceller, NULL);
	while (s->ended < OPS)
		nap_ms(1);
	alarm(0);
	engine_close(s->engine, RINGO_STOP_DRAIN);
	for (int id = 1; id <= OPS; id++)
		assert_int_equal(s->finals[id], 1);
	assert_in_range(s->cancelled, OPS / 5, OPS);
	assert_in_range(s->completed, OPS / 5, OPS);
	close(s->file);
	close(s->quiet[0]);
	close(s->quiet[1]);
	assert_int_equal(count_fds(), fds);
	free(s);
}

static void test_storm(void **state)
{
	(void)state;
	run_storm(OPTIONS(0));
}

static void test_storm_in_tiny_rings(void **state)
{
	(void)state;
	run_storm(OPTIONS(.depth = 256, .sq_entries = 2, .cq_entries = 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_storm_in_tiny_rings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
