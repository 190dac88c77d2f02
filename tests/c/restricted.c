/* SPDX-License-Identifier: MIT */
/* A ring that may do some ops only. */
#include "check.h"

static void test_loop(void **state)
{
	struct engine *e =
		engine_open(OPTIONS(.allowed = RINGO_ALLOW(RINGO_READ) | RINGO_ALLOW(RINGO_RECV) |
					       RINGO_ALLOW(RINGO_READFILE),
				    .receive_buffers = 4));
	unsigned char data[100];
	struct ringo_op chain[2] = {OP(.code = RINGO_READ, .address = ADDRESS(data), .length = 100,
				       .flags = RINGO_LINK, .user_data = 1000),
				    OP(.code = RINGO_FSYNC, .user_data = 1001)};
	int fd = make_file(1, 0, 100), ends[2];
	uint64_t id;

	(void)state;
	make_pair(ends, 0);
	assert_int_equal(engine_result(e, OP(.code = RINGO_READ, .fd = fd, .address = ADDRESS(data),
					     .length = 100)),
			 100);
	assert_int_equal(engine_result(e, OP(.code = RINGO_WRITE, .fd = fd,
					     .address = ADDRESS(data), .length = 100)),
			 -EACCES);
	assert_int_equal(engine_result(e, OP(.code = RINGO_NOP)), -EACCES);
	assert_int_equal(engine_result(e, OP(.code = RINGO_OPENAT2, .fd = AT_FDCWD,
					     .address = ADDRESS("/"))),
			 -EACCES);
	/* All that an allowed op needs is. */
	assert_true(engine_result(e, OP(.code = RINGO_READFILE, .fd = AT_FDCWD,
					.address = ADDRESS("/proc/self/comm"),
					.address2 = ADDRESS(data), .length = 100)) > 0);
	id = engine_post(e, OP(.code = RINGO_RECV, .fd = ends[0],
			       .flags = RINGO_BUFFER_SELECT | RINGO_MULTISHOT));
	must(write(ends[1], "x", 1) == 1);
	assert_int_equal(engine_await(e, id, 1).result, 1);
	assert_int_equal(engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = id)), 1);
	assert_int_equal(engine_wait(e, id).result, -ECANCELED);
	chain[0].fd = fd;
	assert_int_equal(ringo_post(e->loop, chain, 2, 0), 0);
	assert_int_equal(engine_wait(e, 1000).result, -ECANCELED);
	assert_int_equal(engine_wait(e, 1001).result, -EACCES);
	engine_close(e, RINGO_STOP_DRAIN);
	close(fd);
	close(ends[0]);
	close(ends[1]);
}

static void test_batch(void **state)
{
	struct ringo_op ops[2] = {OP(.code = RINGO_NOP), OP(.code = RINGO_SHUTDOWN, .fd = -1)};
	struct ringo_completion completions[2];
	struct ringo_batch *batch;

	(void)state;
	assert_int_equal(open_batch(OPTIONS(.allowed = RINGO_ALLOW(RINGO_NOP)), &batch), 0);
	for (int cancellable = 0; cancellable < 2; cancellable++) {
		assert_int_equal(ringo_batch_run(batch, ops, 2, cancellable, completions), 0);
		assert_int_equal(completions[0].result, 0);
		assert_int_equal(completions[1].result, -EACCES);
	}
	ringo_batch_close(batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loop),
		cmocka_unit_test(test_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
