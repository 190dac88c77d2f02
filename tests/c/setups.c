/* SPDX-License-Identifier: MIT */
/* How a ring is set up: each way does the same ops, sleeps, is woken, and ends. Ring only. */
#include "check.h"

static const struct {
	const char *name;
	uint32_t setup;
	uint32_t idle_ms;
} setups[] = {
	{"sqpoll", RINGO_SETUP_SQPOLL, 1000},
	{"sqpoll that sleeps soon", RINGO_SETUP_SQPOLL, 1},
	{"coop_taskrun", RINGO_SETUP_COOP_TASKRUN, 0},
	{"no_sqarray", RINGO_SETUP_NO_SQARRAY, 0},
	{"no_iowait", RINGO_SETUP_NO_IOWAIT, 0},
	{"no_sqarray, no_iowait", RINGO_SETUP_NO_SQARRAY | RINGO_SETUP_NO_IOWAIT, 0},
	{"sqpoll, no_sqarray", RINGO_SETUP_SQPOLL | RINGO_SETUP_NO_SQARRAY, 1},
	{"one_thread", RINGO_SETUP_ONE_THREAD, 0},
	{"one_thread, sqpoll", RINGO_SETUP_ONE_THREAD | RINGO_SETUP_SQPOLL, 1},
};

/* Whether this kernel knows it. */
static bool is_known(size_t i)
{
	struct ringo_loop *loop;
	int ret = open_loop(OPTIONS(.setup = setups[i].setup, .sq_idle_ms = setups[i].idle_ms),
			    &loop);

	if (ret == 0)
		ringo_loop_close(loop);
	else
		assert_int_equal(ret, -EINVAL);
	return ret == 0;
}

static void use_loop(size_t i, uint32_t sq_entries)
{
	struct engine *e =
		engine_open(OPTIONS(.setup = setups[i].setup, .sq_idle_ms = setups[i].idle_ms,
				    .depth = 256, .sq_entries = sq_entries));
	unsigned char data[4096], back[4096];
	int fd = make_file(i, 0, 4096), ends[2];
	uint64_t ids[200], id;

	make_pair(ends, 0);
	assert_int_equal(engine_result(e, OP(.code = RINGO_READ, .fd = fd, .address = ADDRESS(data),
					     .length = 4096)),
			 4096);
	assert_int_equal(first_wrong(data, 4096, i, 0), 4096);
	/* More at once than the queue has room for. */
	for (size_t j = 0; j < LENGTH_OF(ids); j++)
		ids[j] = engine_post(e, OP(.code = RINGO_NOP));
	for (size_t j = 0; j < LENGTH_OF(ids); j++)
		assert_int_equal(engine_wait(e, ids[j]).result, 0);
	/* Woken by a post and by data, after a sleep. */
	for (int round = 0; round < 5; round++) {
		id = engine_post(e, OP(.code = RINGO_RECV, .fd = ends[0], .address = ADDRESS(back),
				       .length = 10));
		nap_ms(5);
		must(write(ends[1], data, 10) == 10);
		assert_int_equal(engine_wait(e, id).result, 10);
		assert_memory_equal(data, back, 10);
	}
	expect_asleep(e);
	id = engine_post(
		e, OP(.code = RINGO_RECV, .fd = ends[0], .address = ADDRESS(back), .length = 10));
	assert_int_equal(engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = id)), 1);
	assert_int_equal(engine_wait(e, id).result, -ECANCELED);
	close(fd);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_loops(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH_OF(setups); i++) {
		if (!is_known(i)) {
			print_message("not in this kernel: %s\n", setups[i].name);
			continue;
		}
		use_loop(i, 4);
		use_loop(i, 256);
	}
}

static void test_batches(void **state)
{
	struct ringo_completion completions[500];
	struct ringo_op ops[500];

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(setups); i++) {
		struct ringo_batch *batch;

		if (!is_known(i))
			continue;
		assert_int_equal(open_batch(OPTIONS(.setup = setups[i].setup, .depth = 64,
						    .sq_idle_ms = setups[i].idle_ms),
					    &batch),
				 0);
		for (size_t j = 0; j < LENGTH_OF(ops); j++)
			ops[j] = OP(.code = j % 7 ? RINGO_NOP : RINGO_FSYNC, .fd = -1);
		for (int cancellable = 0; cancellable < 2; cancellable++) {
			assert_int_equal(ringo_batch_run(batch, ops, LENGTH_OF(ops), cancellable,
							 completions),
					 0);
			for (size_t j = 0; j < LENGTH_OF(ops); j++)
				assert_int_equal(completions[j].result, j % 7 ? 0 : -EBADF);
		}
		ringo_batch_close(batch);
	}
}

/* Polled completions: O_DIRECT where the file system has it; what cannot be polled is refused. */
static void poll_for_completions(uint32_t setup)
{
	enum { BLOCK = 4096, COUNT = 64 };
	const size_t size = (size_t)COUNT * BLOCK;
	struct ringo_completion completions[COUNT];
	struct ringo_op ops[COUNT];
	struct ringo_batch *batch;
	unsigned char *data =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = make_file(5, 0, size), pipe_ends[2];
	int ret = open_batch(OPTIONS(.setup = setup, .depth = 32), &batch);

	if (ret == -EINVAL) {
		print_message("not in this kernel: setup %u\n", setup);
		return;
	}
	assert_int_equal(ret, 0);
	must(fsync(fd) == 0 && pipe2(pipe_ends, O_CLOEXEC) == 0);
	for (size_t i = 0; i < COUNT; i++)
		ops[i] = OP(.code = RINGO_NOP);
	assert_int_equal(ringo_batch_run(batch, ops, COUNT, true, completions), 0);
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(completions[i].result, 0);
	ops[0] = OP(.code = RINGO_READ, .fd = pipe_ends[0], .address = ADDRESS(data), .length = 1,
		    .offset = -1);
	ops[1] = OP(.code = RINGO_POLL, .fd = pipe_ends[0], .argument = POLLIN);
	assert_int_equal(ringo_batch_run(batch, ops, 2, false, completions), 0);
	assert_int_equal(completions[0].result, -EOPNOTSUPP);
	assert_int_equal(completions[1].result, -EINVAL);
	if (fcntl(fd, F_SETFL, O_DIRECT) == 0) {
		for (size_t i = 0; i < COUNT; i++)
			ops[i] = OP(.code = RINGO_READ, .fd = fd, .length = BLOCK,
				    .address = ADDRESS(data + i * BLOCK),
				    .offset = (int64_t)(i * BLOCK));
		assert_int_equal(ringo_batch_run(batch, ops, COUNT, true, completions), 0);
		if (completions[0].result == -EOPNOTSUPP)
			print_message("this file system polls nothing\n");
		for (size_t i = 0; i < COUNT && completions[0].result != -EOPNOTSUPP; i++) {
			assert_int_equal(completions[i].result, BLOCK);
			assert_int_equal(first_wrong(data + i * BLOCK, BLOCK, 5, i * BLOCK), BLOCK);
		}
	}
	assert_int_equal(ringo_batch_step(batch, ops, 1, 1, -1, completions), 1);
	assert_int_equal(ringo_batch_settle(batch), 0);
	ringo_batch_close(batch);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	close(fd);
	munmap(data, size);
}

static void test_polled_completions(void **state)
{
	struct ringo_loop *loop;

	(void)state;
	poll_for_completions(RINGO_SETUP_IOPOLL);
	poll_for_completions(RINGO_SETUP_IOPOLL | RINGO_SETUP_HYBRID_IOPOLL);
	assert_int_equal(ringo_loop_open(OPTIONS(.setup = RINGO_SETUP_IOPOLL), &loop), -EINVAL);
}

static void test_what_does_not_go_together(void **state)
{
	static const struct ringo_options bad[] = {
		{.setup = 1u << 31},
		{.setup = RINGO_SETUP_SQPOLL | RINGO_SETUP_COOP_TASKRUN},
		{.setup = RINGO_SETUP_HYBRID_IOPOLL},
		{.sq_idle_ms = 1},
		{.sq_cpu = 1},
		{.setup = RINGO_SETUP_SQPOLL, .sq_idle_ms = 60001},
		{.setup = RINGO_SETUP_SQPOLL, .sq_cpu = 1025},
		{.files = 32769},
		{.buffers = 16385},
	};
	struct ringo_loop *loop;
	struct ringo_batch *batch;

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(bad); i++) {
		assert_int_equal(ringo_loop_open(&bad[i], &loop), -EINVAL);
		assert_int_equal(ringo_batch_open(&bad[i], &batch), -EINVAL);
	}
	/* No CPU of this number: the kernel says so, and nothing is left behind. */
	assert_int_equal(
		ringo_loop_open(OPTIONS(.setup = RINGO_SETUP_SQPOLL, .sq_cpu = 1024), &loop),
		-EINVAL);
	assert_int_equal(ringo_loop_open(OPTIONS(.setup = RINGO_SETUP_SQPOLL, .sq_cpu = 1), &loop),
			 0);
	ringo_loop_close(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loops),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_polled_completions),
		cmocka_unit_test(test_what_does_not_go_together),
	};

	need_ring();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
