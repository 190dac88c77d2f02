/* SPDX-License-Identifier: MIT */
/* A batch as a sliding window: every op ends once, under its own user_data, and no step waits for
 * more or less than it was asked to. */
#include "check.h"

enum { SEED = 72, SIZE = 100000, DEPTH = 32, MANY = 1500, PIECE = 100 };

static struct ringo_batch *start_batch(uint32_t depth)
{
	struct ringo_batch *batch = NULL;
	int ret = open_batch(OPTIONS(.depth = depth), &batch);

	if (ret == -EPERM || ret == -ENOSYS)
		skip_program("no io_uring here");
	assert_int_equal(ret, 0);
	return batch;
}

static int64_t place_of(uint64_t id)
{
	return (int64_t)(id * 7919 % (SIZE - PIECE));
}

static struct ringo_op read_op(int file, uint64_t id, unsigned char *data)
{
	return OP(.code = RINGO_READ, .fd = file, .user_data = id, .length = PIECE,
		  .address = ADDRESS(data), .offset = place_of(id));
}

/* Keeps `depth` reads in flight, each step starting as many as the last one ended. */
static void slide(struct ringo_batch *batch, int file, uint32_t depth, uint32_t wait)
{
	static unsigned char data[DEPTH][PIECE];
	static bool ended[MANY];
	struct ringo_completion completions[DEPTH];
	struct ringo_op ops[DEPTH];
	uint64_t ids[DEPTH], started = 0, done = 0;
	uint32_t idle[DEPTH], idle_count = 0;

	memset(ended, 0, sizeof(ended));
	for (uint32_t i = 0; i < depth; i++)
		idle[idle_count++] = i;
	while (done < MANY) {
		uint32_t count = 0;
		int got;

		for (; idle_count > 0 && started < MANY; count++, started++) {
			uint32_t lane = idle[--idle_count];

			ids[lane] = started;
			ops[count] = read_op(file, started, data[lane]);
			ops[count].user_data = started << 8 | lane;
		}
		got = ringo_batch_step(batch, ops, count, wait, -1, completions);
		must(got >= (int)(wait < started - done ? wait : started - done));
		must(got <= (int)depth);
		for (int i = 0; i < got; i++) {
			uint64_t id = completions[i].user_data >> 8;
			uint32_t lane = completions[i].user_data & 0xff;

			assert_true(id < MANY && !ended[id] && ids[lane] == id);
			ended[id] = true;
			assert_int_equal(completions[i].result, PIECE);
			assert_int_equal(
				first_wrong(data[lane], PIECE, SEED, (uint64_t)place_of(id)),
				PIECE);
			idle[idle_count++] = lane;
		}
		done += (uint64_t)got;
	}
}

/* One entry starts an op, and brings its end where it ends at once; who never slept has nothing to
 * take back. */
static void test_counts_entries(void **state)
{
	struct ringo_batch *batch = start_batch(4);
	struct ringo_completion completion;
	const struct ringo_op nop = OP(.code = RINGO_NOP);
	uint64_t entries = chosen_backend() != RINGO_BACKEND_THREADS && has_uring();

	(void)state;
	assert_int_equal(ringo_batch_entries(batch), 0);
	for (uint64_t i = 1; i <= 10; i++) {
		assert_int_equal(ringo_batch_step(batch, &nop, 1, 1, -1, &completion), 1);
		assert_int_equal(ringo_batch_entries(batch), i * entries);
	}
	assert_int_equal(ringo_batch_settle(batch), 0);
	assert_int_equal(ringo_batch_entries(batch), 10 * entries);
	ringo_batch_close(batch);
}

static void test_slides(void **state)
{
	int file = make_file(SEED, 0, SIZE);

	(void)state;
	for (uint32_t depth = 1; depth <= DEPTH; depth *= 2) {
		struct ringo_batch *batch = start_batch(depth);

		for (uint32_t wait = 0; wait <= depth; wait = wait * 2 + 1) {
			slide(batch, file, depth, wait);
			assert_int_equal(ringo_batch_settle(batch), 0);
		}
		ringo_batch_close(batch);
	}
	close(file);
}

static void test_refuses_more_than_its_depth(void **state)
{
	struct ringo_batch *batch = start_batch(2);
	struct ringo_completion completions[2];
	struct ringo_op ops[3] = {OP(.code = RINGO_TIMEOUT, .argument2 = 1000000),
				  OP(.code = RINGO_NOP), OP(.code = RINGO_NOP)};

	(void)state;
	assert_int_equal(ringo_batch_step(batch, ops, 3, 0, -1, completions), -EAGAIN);
	assert_int_equal(ringo_batch_step(batch, ops, 1, 0, -1, completions), 0);
	assert_int_equal(ringo_batch_settle(batch), -EBUSY);
	assert_int_equal(ringo_batch_step(batch, ops + 1, 2, 0, -1, completions), -EAGAIN);
	assert_int_equal(ringo_batch_step(batch, ops + 1, 1, 9, -1, completions), 2);
	assert_int_equal(ringo_batch_step(batch, NULL, 0, 1, -1, completions), 0);
	assert_int_equal(ringo_batch_settle(batch), 0);
	ringo_batch_close(batch);
}

static void test_bad_ops_end_like_others(void **state)
{
	struct ringo_batch *batch = start_batch(4);
	struct ringo_completion completions[4];
	struct ringo_op ops[] = {OP(.code = RINGO_RETURN_BUFFER, .user_data = 1),
				 OP(.code = RINGO_CODE_COUNT, .user_data = 2),
				 OP(.code = RINGO_READ, .fd = -1, .user_data = 3)};

	(void)state;
	assert_int_equal(ringo_batch_step(batch, ops, 3, 3, -1, completions), 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(completions[i].result,
				 completions[i].user_data == 3 ? -EBADF : -EINVAL);
	assert_int_equal(ringo_batch_settle(batch), 0);
	ringo_batch_close(batch);
}

static void test_waits_no_longer_than_told(void **state)
{
	struct ringo_batch *batch = start_batch(4);
	struct ringo_completion completions[4];
	struct ringo_op ops[] = {OP(.code = RINGO_NOP, .user_data = 1),
				 OP(.code = RINGO_POLL, .argument = POLLIN, .user_data = 2)};
	int ends[2], got;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	ops[1].fd = ends[0];
	got = ringo_batch_step(batch, ops, 2, 2, 2000000, completions);
	assert_int_equal(got, 1);
	assert_int_equal(completions[0].user_data, 1);
	assert_int_equal(ringo_batch_step(batch, NULL, 0, 1, 0, completions), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(ringo_batch_step(batch, NULL, 0, 1, -1, completions), 1);
	assert_int_equal(completions[0].user_data, 2);
	assert_int_equal(ringo_batch_settle(batch), 0);
	ringo_batch_close(batch);
	close(ends[0]);
	close(ends[1]);
}

/* A CANCEL is an op of its own in a window, and needs no room. */
static void test_cancel_op(void **state)
{
	struct ringo_batch *batch = start_batch(1);
	struct ringo_completion completions[2];
	struct ringo_op ops[] = {OP(.code = RINGO_POLL, .argument = POLLIN, .user_data = 1),
				 OP(.code = RINGO_CANCEL, .argument2 = 1, .user_data = 2),
				 OP(.code = RINGO_CANCEL, .argument2 = 1, .user_data = 3)};
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	ops[0].fd = ends[0];
	assert_int_equal(ringo_batch_step(batch, ops, 1, 0, -1, completions), 0);
	assert_int_equal(ringo_batch_step(batch, ops + 1, 1, 2, -1, completions), 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(completions[i].result,
				 completions[i].user_data == 1 ? -ECANCELED : 1);
	assert_int_equal(ringo_batch_step(batch, ops + 2, 1, 1, -1, completions), 1);
	assert_int_equal(completions[0].result, -ENOENT);
	assert_int_equal(ringo_batch_settle(batch), 0);
	ringo_batch_close(batch);
	close(ends[0]);
	close(ends[1]);
}

static void *cancel_soon(void *batch)
{
	nap_ms(5);
	ringo_batch_cancel(batch);
	return NULL;
}

/* A cancel wakes a step that sleeps, ends what is in flight and what is started afterwards, until
 * the window is settled. */
static void test_cancel(void **state)
{
	struct ringo_batch *batch = start_batch(4);
	struct ringo_completion completions[4];
	struct ringo_op poll_op = OP(.code = RINGO_POLL, .argument = POLLIN),
			nop = OP(.code = RINGO_NOP);
	pthread_t thread;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	poll_op.fd = ends[0];
	for (int round = 0; round < 3; round++) {
		assert_int_equal(pthread_create(&thread, NULL, cancel_soon, batch), 0);
		assert_int_equal(ringo_batch_step(batch, &poll_op, 1, 1, -1, completions), 1);
		assert_int_equal(completions[0].result, -ECANCELED);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(ringo_batch_step(batch, &nop, 1, 1, -1, completions), 1);
		assert_int_equal(completions[0].result, -ECANCELED);
		assert_int_equal(ringo_batch_settle(batch), 0);
		assert_int_equal(ringo_batch_step(batch, &nop, 1, 1, -1, completions), 1);
		assert_int_equal(completions[0].result, 0);
		assert_int_equal(ringo_batch_settle(batch), 0);
	}
	ringo_batch_close(batch);
	close(ends[0]);
	close(ends[1]);
}

struct visit {
	struct ringo_batch *batch;
	int file;
};

static void *slide_elsewhere(void *context)
{
	struct visit *visit = context;

	slide(visit->batch, visit->file, DEPTH, 4);
	must(ringo_batch_settle(visit->batch) == 0);
	return NULL;
}

/* A settled batch may go to another thread, and may run lists as well. */
static void test_other_threads(void **state)
{
	struct visit visit = {.batch = start_batch(DEPTH), .file = make_file(SEED, 0, SIZE)};
	struct ringo_op nop = OP(.code = RINGO_NOP);
	struct ringo_completion completion;

	(void)state;
	for (int i = 0; i < 5; i++) {
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, slide_elsewhere, &visit), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(ringo_batch_run(visit.batch, &nop, 1, true, &completion), 0);
		assert_int_equal(completion.result, 0);
	}
	ringo_batch_close(visit.batch);
	close(visit.file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slides),
		cmocka_unit_test(test_counts_entries),
		cmocka_unit_test(test_refuses_more_than_its_depth),
		cmocka_unit_test(test_bad_ops_end_like_others),
		cmocka_unit_test(test_waits_no_longer_than_told),
		cmocka_unit_test(test_cancel_op),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_other_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
