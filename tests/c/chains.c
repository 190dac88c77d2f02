/* SPDX-License-Identifier: MIT */
/* Chains: order, where they are cut, what their ops tell, on rings of every size. */
#include "check.h"

/* Posts `count` ops as one; returns the first id, the others follow it. */
static uint64_t post_all(struct engine *e, struct ringo_op *ops, size_t count)
{
	uint64_t first = e->last_id + 1;

	for (size_t i = 0; i < count; i++)
		ops[i].user_data = ++e->last_id;
	assert_int_equal(ringo_post(e->loop, ops, (uint32_t)count, 0), 0);
	return first;
}

static void expect(struct engine *e, uint64_t first, const int64_t *results, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int64_t result = engine_wait(e, first + i).result;

		if (result != results[i])
			fail_msg("op %zu: %lld, want %lld", i, (long long)result,
				 (long long)results[i]);
	}
}

#define EXPECT(e, first, ...)                                                                      \
	expect(e, first, (const int64_t[]){__VA_ARGS__},                                           \
	       sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

/* Ops that have ended came one behind the other. */
static void expect_order(struct engine *e, uint64_t first, size_t count)
{
	uint64_t next = first;

	pthread_mutex_lock(&e->lock);
	for (size_t i = 0; i < e->log_count; i++)
		if (e->log[i].user_data >= first && e->log[i].user_data < first + count)
			next += e->log[i].user_data == next;
	pthread_mutex_unlock(&e->lock);
	assert_int_equal(next, first + count);
}

static struct ringo_op linked(struct ringo_op op, uint16_t flags)
{
	op.flags |= flags;
	return op;
}

static struct ringo_op transfer(uint16_t code, int fd, const void *data, size_t length,
				int64_t offset)
{
	return OP(.code = code, .fd = fd, .address = ADDRESS(data), .length = length,
		  .offset = offset);
}

static const struct ringo_op nop = {.code = RINGO_NOP};
static const struct ringo_op bad = {.code = RINGO_FSYNC, .fd = -1};

/* Each op of a chain of writes and reads of one place sees what the one before it did. */
static void run_in_order(const struct ringo_options *options, size_t pairs)
{
	struct engine *e = engine_open(options);
	struct ringo_op *ops = calloc(2 * pairs, sizeof(*ops));
	uint32_t *wrote = calloc(pairs, sizeof(*wrote)), *got = calloc(pairs, sizeof(*got));
	int fd = make_file(1, 0, 0);

	must(ops != NULL && wrote != NULL && got != NULL);
	for (int round = 0; round < 20; round++) {
		uint64_t first;

		for (size_t i = 0; i < pairs; i++) {
			wrote[i] = (uint32_t)(i * 1000 + (size_t)round);
			ops[2 * i] = linked(transfer(RINGO_WRITE, fd, &wrote[i], 4, 0), RINGO_LINK);
			ops[2 * i + 1] =
				linked(transfer(RINGO_READ, fd, &got[i], 4, 0), RINGO_LINK);
		}
		ops[2 * pairs - 1].flags = 0;
		first = post_all(e, ops, 2 * pairs);
		for (size_t i = 0; i < 2 * pairs; i++)
			assert_int_equal(engine_wait(e, first + i).result, 4);
		assert_memory_equal(wrote, got, pairs * sizeof(*got));
	}
	free(ops);
	free(wrote);
	free(got);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_order(void **state)
{
	(void)state;
	run_in_order(OPTIONS(0), 1);
	run_in_order(OPTIONS(0), 100);
	run_in_order(OPTIONS(.depth = 64, .sq_entries = 8, .cq_entries = 16), 3);
	/* Longer than the queues. */
	run_in_order(OPTIONS(.depth = 64, .sq_entries = 2, .cq_entries = 2), 32);
	run_in_order(OPTIONS(.depth = 64, .sq_entries = 8, .cq_entries = 8), 4);
}

/* Many chains at once fill the queue again and again: none is split by it. */
static void test_full_queue(void **state)
{
	enum { CHAINS = 200, LENGTH = 5 };
	struct engine *e =
		engine_open(OPTIONS(.depth = CHAINS * LENGTH, .sq_entries = 8, .cq_entries = 16));
	struct ringo_op ops[LENGTH];
	uint64_t first = 0;

	(void)state;
	for (size_t i = 0; i < CHAINS; i++) {
		uint64_t id;

		for (size_t j = 0; j < LENGTH; j++)
			ops[j] = linked(j == 2 ? bad : nop, j < LENGTH - 1 ? RINGO_LINK : 0);
		id = post_all(e, ops, LENGTH);
		first = first == 0 ? id : first;
	}
	for (size_t i = 0; i < CHAINS; i++)
		EXPECT(e, first + i * LENGTH, 0, 0, -EBADF, -ECANCELED, -ECANCELED);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_cuts(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int fd = make_file(1, 0, 100);
	char data[200];
	struct ringo_op ops[4];
	uint64_t first;

	(void)state;
	ops[0] = linked(bad, RINGO_LINK);
	ops[1] = linked(nop, RINGO_LINK);
	ops[2] = nop;
	first = post_all(e, ops, 3);
	EXPECT(e, first, -EBADF, -ECANCELED, -ECANCELED);
	ops[0] = linked(bad, RINGO_HARDLINK);
	ops[1] = linked(bad, RINGO_HARDLINK);
	ops[2] = linked(bad, RINGO_LINK);
	ops[3] = nop;
	first = post_all(e, ops, 4);
	EXPECT(e, first, -EBADF, -EBADF, -EBADF, -ECANCELED);
	/* The file ends early: a short read cuts. */
	ops[0] = linked(transfer(RINGO_READ, fd, data, 200, 0), RINGO_LINK);
	ops[1] = nop;
	first = post_all(e, ops, 2);
	EXPECT(e, first, 100, -ECANCELED);
	ops[0] = linked(transfer(RINGO_READ, fd, data, 200, 0), RINGO_HARDLINK);
	ops[1] = nop;
	first = post_all(e, ops, 2);
	EXPECT(e, first, 100, 0);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* An op that is none, anywhere: nothing of its chain runs, all end. One with a bad argument is an
 * op that fails when its turn comes. */
static void test_refused(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct ringo_op ops[4];

	(void)state;
	for (size_t bad_one = 0; bad_one < 4; bad_one++) {
		int64_t want[4];
		int fd = make_file(1, 0, 0);
		struct stat status;

		for (size_t i = 0; i < 4; i++) {
			ops[i] = linked(transfer(RINGO_WRITE, fd, "x", 1, 0),
					i < 3 ? RINGO_HARDLINK : 0);
			want[i] = i == bad_one ? -EINVAL : -ECANCELED;
		}
		if (bad_one % 2)
			ops[bad_one].code = RINGO_CODE_COUNT;
		else
			ops[bad_one].flags |= RINGO_BUFFER_SELECT;
		expect(e, post_all(e, ops, 4), want, 4);
		must(fstat(fd, &status) == 0);
		assert_int_equal(status.st_size, 0);
		close(fd);
	}
	ops[0] = linked(nop, RINGO_LINK);
	ops[1] = linked(transfer(RINGO_WRITE, 0, "x", 1, -2), RINGO_LINK);
	ops[2] = nop;
	EXPECT(e, post_all(e, ops, 3), 0, -EINVAL, -ECANCELED);
	assert_int_equal(engine_result(e, OP(.code = RINGO_LINK_TIMEOUT, .argument2 = 1)), -EINVAL);
	ops[0] = OP(.code = RINGO_LINK_TIMEOUT, .flags = RINGO_LINK);
	ops[1] = nop;
	EXPECT(e, post_all(e, ops, 2), -EINVAL, -ECANCELED);
	ops[0] = linked(nop, RINGO_LINK);
	ops[1] = OP(.code = RINGO_LINK_TIMEOUT, .flags = RINGO_LINK);
	ops[2] = OP(.code = RINGO_LINK_TIMEOUT);
	EXPECT(e, post_all(e, ops, 3), -ECANCELED, -ECANCELED, -EINVAL);
	ops[0] = linked(nop, RINGO_LINK);
	assert_int_equal(ringo_post(e->loop, ops, 1, 0), -EINVAL);
	ops[1] = linked(nop, RINGO_HARDLINK);
	assert_int_equal(ringo_post(e->loop, ops, 2, 0), -EINVAL);
	assert_int_equal(engine_result(e, nop), 0);
	engine_close(e, RINGO_STOP_DRAIN);
}

static struct ringo_op bound(uint64_t nanoseconds, uint16_t flags)
{
	return OP(.code = RINGO_LINK_TIMEOUT, .argument2 = nanoseconds, .flags = flags);
}

static void test_link_timeout(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct ringo_op ops[4];
	char byte;
	int ends[2];

	(void)state;
	make_pair(ends, 0);
	ops[0] = OP(.code = RINGO_RECV, .fd = ends[0], .address = ADDRESS(&byte), .length = 1,
		    .flags = RINGO_LINK);
	ops[1] = bound(5000000, 0);
	EXPECT(e, post_all(e, ops, 2), -ECANCELED, 0);
	ops[1] = bound(5000000, RINGO_LINK);
	ops[2] = nop;
	EXPECT(e, post_all(e, ops, 3), -ECANCELED, 0, -ECANCELED);
	/* In time. */
	must(write(ends[1], "xy", 2) == 2);
	ops[1] = bound(UINT64_C(3600000000000), 0);
	EXPECT(e, post_all(e, ops, 2), 1, -ECANCELED);
	ops[1] = bound(UINT64_C(3600000000000), RINGO_LINK);
	ops[2] = linked(nop, RINGO_LINK);
	ops[3] = nop;
	EXPECT(e, post_all(e, ops, 4), 1, -ECANCELED, 0, 0);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static size_t completions_of(struct engine *e, uint64_t first, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += engine_count(e, first + i);
	return n;
}

/* Successes that are not told, and failures that are, wherever they happen. The ids of what is not
 * told are this test's own: engine_close wants an end of all of its. */
static void test_skipped_successes(void **state)
{
	enum { LENGTH = 5, FIRST = 1000000 };
	struct engine *e = engine_open(OPTIONS(0));

	(void)state;
	for (unsigned int link = RINGO_LINK; link <= RINGO_HARDLINK; link += RINGO_LINK) {
		for (size_t broken = 0; broken <= LENGTH; broken++) {
			struct ringo_op ops[LENGTH];
			uint64_t first = FIRST + 100 * broken + UINT64_C(1000) * link;

			for (size_t i = 0; i < LENGTH; i++) {
				ops[i] = linked(i == broken ? bad : nop, RINGO_SKIP_SUCCESS);
				ops[i].flags |= i < LENGTH - 1 ? (uint16_t)link : 0;
				ops[i].user_data = first + i;
			}
			if (broken == LENGTH)
				ops[LENGTH - 1].flags = 0;
			assert_int_equal(ringo_post(e->loop, ops, LENGTH, 0), 0);
			if (broken == LENGTH) {
				assert_int_equal(engine_wait(e, first + LENGTH - 1).result, 0);
				assert_int_equal(completions_of(e, first, LENGTH), 1);
				continue;
			}
			assert_int_equal(engine_wait(e, first + broken).result, -EBADF);
			for (size_t i = broken + 1; i < LENGTH && link == RINGO_LINK; i++)
				assert_int_equal(engine_wait(e, first + i).result, -ECANCELED);
			while (engine_stats(e).in_flight > 0)
				engine_run(e, nop);
			assert_int_equal(completions_of(e, first, LENGTH),
					 link == RINGO_LINK ? LENGTH - broken : 1);
		}
	}
	engine_close(e, RINGO_STOP_DRAIN);
}

/* Alone as well, and the loop knows that such an op has ended. */
static void test_skipped_success_alone(void **state)
{
	enum { DEPTH = 4 };
	struct engine *e = engine_open(OPTIONS(.depth = DEPTH));
	struct ringo_op op = linked(nop, RINGO_SKIP_SUCCESS);

	(void)state;
	for (int i = 0; i <= 10 * DEPTH; i++) {
		op.user_data = 1000;
		if (i == 10 * DEPTH) {
			op = nop;
			op.user_data = ++e->last_id;
		}
		while (ringo_post(e->loop, &op, 1, 0) == -EAGAIN)
			sched_yield();
	}
	engine_wait(e, op.user_data);
	assert_int_equal(engine_count(e, 1000), 0);
	op = linked(bad, RINGO_SKIP_SUCCESS);
	assert_int_equal(engine_result(e, op), -EBADF);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* Of a chain that waits: whichever op is cancelled, all end. */
static void test_cancel(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	char byte;
	int ends[2];

	(void)state;
	make_pair(ends, 0);
	for (unsigned int link = RINGO_LINK; link <= RINGO_HARDLINK; link += RINGO_LINK) {
		for (uint64_t which = 0; which < 4; which++) {
			struct ringo_op receive =
				OP(.code = RINGO_RECV, .fd = ends[0], .address = ADDRESS(&byte),
				   .length = 1, .flags = (uint16_t)link);
			struct ringo_op ops[4] = {linked(nop, (uint16_t)link), receive, receive,
						  receive};

			uint64_t first;
			int64_t found;

			ops[3].flags = 0;
			first = post_all(e, ops, 4);

			/* Once with the chain under way, once with its head perhaps not done. */
			if (which % 2)
				engine_wait(e, first);
			found = engine_result(e,
					      OP(.code = RINGO_CANCEL, .argument2 = first + which));
			assert_true(found == 1 || (which == 0 && found == -ENOENT));
			if (found == -ENOENT)
				engine_run(e, OP(.code = RINGO_CANCEL, .argument2 = first + 1));
			engine_wait(e, first);
			EXPECT(e, first + 1, -ECANCELED, -ECANCELED, -ECANCELED);
			expect_order(e, first, 4);
		}
	}
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_stop(void **state)
{
	char byte;
	int ends[2];

	(void)state;
	make_pair(ends, 0);
	for (enum ringo_stop how = RINGO_STOP_DRAIN; how <= RINGO_STOP_CANCEL; how++) {
		struct engine *e = engine_open(OPTIONS(0));
		struct ringo_op receive = OP(.code = RINGO_RECV, .fd = ends[0],
					     .address = ADDRESS(&byte), .length = 1);
		struct ringo_op ops[3] = {linked(nop, RINGO_LINK), linked(receive, RINGO_HARDLINK),
					  receive};

		engine_wait(e, post_all(e, ops, 3));
		post_all(e, ops, 3);
		engine_close(e, how);
	}
	close(ends[0]);
	close(ends[1]);
}

/* Ops of several requests take part; the kernel cannot run such a chain. */
static void test_composite_ops(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	char directory[64], path[80], other[80], data[100] = "";
	struct ringo_op ops[3];

	(void)state;
	make_scratch(directory);
	(void)snprintf(path, sizeof(path), "%s/a", directory);
	(void)snprintf(other, sizeof(other), "%s/b", directory);
	ops[0] = OP(.code = RINGO_WRITEFILE, .fd = AT_FDCWD, .address = ADDRESS(path), .length = 5,
		    .address2 = ADDRESS("hello"), .argument2 = 0600, .argument = RINGO_WRITE_ATOMIC,
		    .flags = RINGO_LINK);
	ops[1] = OP(.code = RINGO_RENAMEAT, .fd = AT_FDCWD, .fd2 = AT_FDCWD,
		    .address = ADDRESS(path), .address2 = ADDRESS(other), .flags = RINGO_LINK);
	ops[2] = OP(.code = RINGO_READFILE, .fd = AT_FDCWD, .address = ADDRESS(other),
		    .address2 = ADDRESS(data), .length = sizeof(data));
	EXPECT(e, post_all(e, ops, 3), 5, 0, 5);
	assert_string_equal(data, "hello");
	ops[0].address = ADDRESS(directory);
	EXPECT(e, post_all(e, ops, 3), -EISDIR, -ECANCELED, -ECANCELED);
	remove_tree(directory);
	engine_close(e, RINGO_STOP_DRAIN);
}

static uint32_t give_chain(struct engine *e, const struct ringo_completion *completions,
			   uint32_t count, struct ringo_op *ops, uint32_t room)
{
	must(room >= 3);
	for (uint32_t i = 0; i < count; i++) {
		if (completions[i].user_data != 1)
			continue;
		ops[0] = linked(bad, RINGO_HARDLINK);
		ops[1] = linked(bad, RINGO_LINK);
		ops[2] = linked(nop, RINGO_LINK); /* to nothing */
		for (uint32_t j = 0; j < 3; j++)
			ops[j].user_data = 100 + j;
		return 3;
	}
	(void)e;
	return 0;
}

static void test_from_deliver(void **state)
{
	struct engine *e = engine_open_hooked(OPTIONS(0), give_chain, NULL);

	(void)state;
	engine_run(e, nop);
	EXPECT(e, 100, -EBADF, -EBADF, -ECANCELED);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_in_a_batch(void **state)
{
	enum { DEPTH = 8, COUNT = 50 };
	struct ringo_op ops[COUNT * 4];
	struct ringo_completion completions[COUNT * 4];
	struct ringo_batch *batch;

	(void)state;
	assert_int_equal(
		open_batch(OPTIONS(.depth = DEPTH, .sq_entries = 4, .cq_entries = 8), &batch), 0);
	for (size_t i = 0; i < COUNT; i++) {
		ops[4 * i] = linked(nop, RINGO_LINK | RINGO_SKIP_SUCCESS);
		ops[4 * i + 1] = linked(i % 2 ? nop : bad, RINGO_LINK | RINGO_SKIP_SUCCESS);
		ops[4 * i + 2] = linked(nop, RINGO_LINK | RINGO_SKIP_SUCCESS);
		ops[4 * i + 3] = nop;
	}
	assert_int_equal(ringo_batch_run(batch, ops, COUNT * 4, false, completions), 0);
	for (size_t i = 0; i < COUNT; i++) {
		int64_t after = i % 2 ? 0 : -ECANCELED;

		assert_int_equal(completions[4 * i].result, 0);
		assert_int_equal(completions[4 * i + 1].result, i % 2 ? 0 : -EBADF);
		assert_int_equal(completions[4 * i + 2].result, after);
		assert_int_equal(completions[4 * i + 3].result, after);
	}
	assert_int_equal(ringo_batch_run(batch, ops, 3, false, completions), -EINVAL);
	for (size_t i = 0; i < 10; i++)
		ops[i] = linked(nop, i < 9 ? RINGO_LINK : 0);
	assert_int_equal(ringo_batch_run(batch, ops, 10, false, completions), -E2BIG);
	assert_int_equal(ringo_batch_run(batch, ops + 2, 8, false, completions), 0);
	ringo_batch_close(batch);
}

static void test_in_a_window(void **state)
{
	struct ringo_op ops[3] = {linked(nop, RINGO_LINK), linked(bad, RINGO_LINK), nop};
	struct ringo_completion completions[8];
	struct ringo_batch *batch;

	(void)state;
	assert_int_equal(open_batch(OPTIONS(.depth = 8), &batch), 0);
	for (uint64_t i = 0; i < 3; i++)
		ops[i].user_data = i;
	assert_int_equal(ringo_batch_step(batch, ops, 2, 1, -1, completions), -EINVAL);
	assert_int_equal(ringo_batch_step(batch, ops, 3, 3, -1, completions), 3);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(completions[i].user_data, i);
	assert_int_equal(completions[0].result, 0);
	assert_int_equal(completions[1].result, -EBADF);
	assert_int_equal(completions[2].result, -ECANCELED);
	assert_int_equal(ringo_batch_settle(batch), 0);
	ringo_batch_close(batch);
}

static void test_async(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int fd = make_file(3, 0, 100);
	unsigned char data[100];

	(void)state;
	assert_int_equal(
		engine_result(e, linked(transfer(RINGO_READ, fd, data, 100, 0), RINGO_ASYNC)), 100);
	assert_int_equal(first_wrong(data, 100, 3, 0), 100);
	assert_int_equal(engine_result(e, linked(nop, RINGO_ASYNC)), 0);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_full_queue),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_link_timeout),
		cmocka_unit_test(test_skipped_successes),
		cmocka_unit_test(test_skipped_success_alone),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_composite_ops),
		cmocka_unit_test(test_from_deliver),
		cmocka_unit_test(test_in_a_batch),
		cmocka_unit_test(test_in_a_window),
		cmocka_unit_test(test_async),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
