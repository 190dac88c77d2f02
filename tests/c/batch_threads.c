/* SPDX-License-Identifier: MIT */
/* Batches and threads: cancelled from another one, passed from one to the next, many at once. */
#include "check.h"

enum { SEED = 72, SIZE = 100000, OPS = 64 };

struct canceller {
	pthread_t thread;
	struct ringo_batch *batch;
	long after_ms;
};

static void *cancel_later(void *context)
{
	struct canceller *c = context;

	nap_ms(c->after_ms);
	ringo_batch_cancel(c->batch);
	return NULL;
}

static void run_and_cancel(struct ringo_batch *batch, const struct ringo_op *ops, uint32_t count,
			   long after_ms)
{
	struct ringo_completion completions[OPS];
	struct canceller c = {.batch = batch, .after_ms = after_ms};

	memset(completions, 0xff, sizeof(completions));
	must(pthread_create(&c.thread, NULL, cancel_later, &c) == 0);
	alarm(PATIENCE_SECONDS);
	assert_int_equal(ringo_batch_run(batch, ops, count, true, completions), 0);
	alarm(0);
	pthread_join(c.thread, NULL);
	for (uint32_t i = 0; i < count; i++) {
		/* On a busy machine the cancel may come before the run. */
		if (ops[i].code != RINGO_NOP || completions[i].result != 0)
			assert_int_equal(completions[i].result, -ECANCELED);
		assert_int_equal(completions[i].user_data, ops[i].user_data);
	}
}

static void test_cancel_what_blocks(void **state)
{
	char directory[64], path[80];
	struct ringo_batch *batch;
	struct ringo_op ops[OPS];
	struct ringo_completion one;
	int ends[2], fds = count_fds();

	(void)state;
	make_scratch(directory);
	(void)snprintf(path, sizeof(path), "%s/fifo", directory);
	must(mkfifo(path, 0600) == 0);
	make_pair(ends, 0);
	if (ringo_batch_open(OPTIONS(.depth = 8, .sq_entries = 4), &batch) != 0)
		skip_program("no io_uring here");
	for (uint64_t i = 0; i < OPS; i++) {
		if (i % 3 == 0) /* in a worker */
			ops[i] = OP(.code = RINGO_OPENAT2, .fd = AT_FDCWD, .argument2 = 0600,
				    .address = ADDRESS(path), .argument = O_WRONLY | O_CREAT);
		else
			ops[i] = OP(.code = RINGO_POLL, .fd = ends[0], .argument = POLLIN);
		ops[i].user_data = i;
	}
	ops[0] = OP(.code = RINGO_NOP);
	for (int round = 0; round < 10; round++) {
		run_and_cancel(batch, ops, round % 2 ? OPS : 8, round % 4 * 10 + 5);
		/* And the batch is as good as new. */
		assert_int_equal(ringo_batch_run(batch, ops, 1, round % 3, &one), 0);
		assert_int_equal(one.result, 0);
	}
	ringo_batch_close(batch);
	close(ends[0]);
	close(ends[1]);
	remove_tree(directory);
	assert_int_equal(count_fds(), fds);
}

/* A cancel that comes between runs ends the next one that may be cancelled, and only that. */
static void test_cancel_before_run(void **state)
{
	struct ringo_batch *batch;
	struct ringo_op timeout = OP(.code = RINGO_TIMEOUT, .argument2 = 1000000);
	struct ringo_op close_op = OP(.code = RINGO_CLOSE); /* is never cancelled */
	int fds;
	struct ringo_completion c;

	(void)state;
	assert_int_equal(ringo_batch_open(OPTIONS(.depth = 8), &batch), 0);
	for (int round = 0; round < 3; round++) {
		ringo_batch_cancel(batch);
		assert_int_equal(ringo_batch_run(batch, &timeout, 1, false, &c), 0);
		assert_int_equal(c.result, 0);
		timeout.argument2 = UINT64_MAX;
		assert_int_equal(ringo_batch_run(batch, &timeout, 1, true, &c), 0);
		assert_int_equal(c.result, -ECANCELED);
		ringo_batch_cancel(batch);
		close_op.fd = dup(0);
		fds = count_fds();
		assert_int_equal(ringo_batch_run(batch, &close_op, 1, true, &c), 0);
		assert_int_equal(c.result, 0);
		assert_int_equal(count_fds(), fds - 1);
		timeout.argument2 = 1000000;
		assert_int_equal(ringo_batch_run(batch, &timeout, 1, true, &c), 0);
		assert_int_equal(c.result, 0);
	}
	ringo_batch_close(batch);
}

struct worker {
	pthread_t thread;
	struct ringo_batch *batch;
	pthread_mutex_t *lock; /* of a batch that is shared */
	int file, rounds;
	uint64_t number;
};

static void *read_batches(void *context)
{
	struct worker *w = context;
	struct ringo_op ops[OPS];
	struct ringo_completion completions[OPS];
	unsigned char data[OPS][256];

	for (int round = 0; round < w->rounds; round++) {
		for (uint64_t i = 0; i < OPS; i++)
			ops[i] =
				OP(.code = RINGO_READ, .fd = w->file, .length = 256,
				   .address = ADDRESS(data[i]),
				   .offset = (int64_t)((w->number * 1000 + i * 17) % (SIZE - 256)));
		if (w->lock != NULL)
			pthread_mutex_lock(w->lock);
		must(ringo_batch_run(w->batch, ops, OPS, round % 2, completions) == 0);
		if (w->lock != NULL)
			pthread_mutex_unlock(w->lock);
		for (uint64_t i = 0; i < OPS; i++) {
			must(completions[i].result == 256);
			must(first_wrong(data[i], 256, SEED, (uint64_t)ops[i].offset) == 256);
		}
	}
	return NULL;
}

/* With a shared batch threads end, too, while others go on with what they used. */
static void run_workers(struct ringo_batch *shared, int generations)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int file = make_file(SEED, 0, SIZE), fds = count_fds();
	struct worker workers[4];

	for (int generation = 0; generation < generations; generation++) {
		for (uint64_t i = 0; i < LENGTH_OF(workers); i++) {
			workers[i] = (struct worker){.batch = shared,
						     .lock = shared != NULL ? &lock : NULL,
						     .file = file,
						     .rounds = 20,
						     .number = i};
			if (shared == NULL)
				must(ringo_batch_open(OPTIONS(.depth = 16), &workers[i].batch) ==
				     0);
			must(pthread_create(&workers[i].thread, NULL, read_batches, &workers[i]) ==
			     0);
		}
		for (size_t i = 0; i < LENGTH_OF(workers); i++)
			pthread_join(workers[i].thread, NULL);
		for (size_t i = 0; i < LENGTH_OF(workers) && shared == NULL; i++)
			ringo_batch_close(workers[i].batch);
	}
	assert_int_equal(count_fds(), fds);
	close(file);
}

static void test_each_thread_its_own(void **state)
{
	(void)state;
	run_workers(NULL, 3);
}

static void test_one_passed_around(void **state)
{
	struct ringo_batch *batch;

	(void)state;
	assert_int_equal(ringo_batch_open(OPTIONS(.depth = 16), &batch), 0);
	run_workers(batch, 10);
	ringo_batch_close(batch);
}

static void *open_for_another(void *context)
{
	must(open_batch(OPTIONS(.depth = 16), context) == 0);
	return NULL;
}

/* The thread that opened a batch has ended: its workers are gone, the batch is not. */
static void test_opener_is_gone(void **state)
{
	struct ringo_batch *batch;
	pthread_t opener;

	(void)state;
	for (int i = 0; i < 10; i++) {
		must(pthread_create(&opener, NULL, open_for_another, &batch) == 0);
		pthread_join(opener, NULL);
		run_workers(batch, 2);
		ringo_batch_close(batch);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cancel_what_blocks),
		cmocka_unit_test(test_cancel_before_run),
		cmocka_unit_test(test_each_thread_its_own),
		cmocka_unit_test(test_one_passed_around),
		cmocka_unit_test(test_opener_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
