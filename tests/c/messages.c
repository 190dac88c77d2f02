/* SPDX-License-Identifier: MIT */
/* MESSAGE_RING: data and files from one loop to another. Ring only. */
#include "check.h"

static struct ringo_op message(struct engine *to, uint64_t user_data, uint64_t result)
{
	return OP(.code = RINGO_MESSAGE_RING, .fd = ringo_loop_descriptor(to->loop),
		  .argument2 = user_data, .length = result);
}

static void test_data(void **state)
{
	struct engine *a = engine_open(OPTIONS(0)), *b = engine_open(OPTIONS(0));

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		engine_post(a, message(b, (UINT64_C(1) << 62) + i, i));
	for (uint64_t i = 0; i < 1000; i++) {
		struct ringo_completion c = engine_await(b, (UINT64_C(1) << 62) + i, 1);

		assert_int_equal(c.result, i);
		assert_int_equal(c.flags, RINGO_MESSAGE);
	}
	/* A loop that sleeps is woken; one may send to itself. */
	expect_asleep(b);
	assert_int_equal(engine_result(a, message(b, 5000, INT32_MAX)), 0);
	assert_int_equal(engine_await(b, 5000, 1).result, INT32_MAX);
	assert_int_equal(engine_result(a, message(a, 5001, 7)), 0);
	assert_int_equal(engine_await(a, 5001, 1).flags, RINGO_MESSAGE);
	engine_close(a, RINGO_STOP_DRAIN);
	engine_close(b, RINGO_STOP_DRAIN);
}

static void test_files(void **state)
{
	struct engine *a = engine_open(OPTIONS(.files = 4)), *b = engine_open(OPTIONS(.files = 4));
	int32_t fd = make_file(1, 0, 100);
	unsigned char data[100];
	struct ringo_op op = message(b, 7000, 0);
	struct ringo_completion c;

	(void)state;
	assert_int_equal(engine_result(a, OP(.code = RINGO_FILES_UPDATE, .address = ADDRESS(&fd),
					     .length = 1, .offset = 2)),
			 1);
	close(fd);
	op.argument = RINGO_MESSAGE_FILE;
	op.offset = 2;
	op.fd2 = -1;
	assert_true(engine_result(a, op) >= 0);
	c = engine_await(b, 7000, 1);
	assert_in_range(c.result, 0, 3);
	assert_int_equal(engine_result(b, OP(.code = RINGO_READ, .fd = (int32_t)c.result,
					     .flags = RINGO_FIXED_FILE, .address = ADDRESS(data),
					     .length = 100)),
			 100);
	assert_int_equal(first_wrong(data, 100, 1, 0), 100);
	op.offset = 3;
	assert_int_equal(engine_result(a, op), -EBADF);
	engine_close(a, RINGO_STOP_DRAIN);
	engine_close(b, RINGO_STOP_DRAIN);
}

static void test_refused(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct ringo_op op = message(e, UINT64_C(1) << 63, 0);
	int ends[2];

	(void)state;
	assert_int_equal(engine_result(e, op), -EINVAL);
	op = message(e, 1, UINT64_C(1) << 31);
	assert_int_equal(engine_result(e, op), -EINVAL);
	op = message(e, 1, 0);
	op.argument = 2;
	assert_int_equal(engine_result(e, op), -EINVAL);
	op.argument = RINGO_MESSAGE_FILE;
	op.offset = -1;
	assert_int_equal(engine_result(e, op), -EINVAL);
	op = message(e, 1, 0);
	op.fd = -1;
	assert_int_equal(engine_result(e, op), -EBADF);
	must(pipe2(ends, O_CLOEXEC) == 0);
	op.fd = ends[0];
	assert_int_equal(engine_result(e, op), -EBADFD);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_refused),
	};

	need_ring();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
