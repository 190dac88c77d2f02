/* SPDX-License-Identifier: MIT */
/* FALLOCATE, FADVISE, FTRUNCATE: on the ring, or by system call where its kernel lacks them. */
#include "check.h"

#include <linux/falloc.h>

static off_t size_of(int fd)
{
	struct stat status;

	must(fstat(fd, &status) == 0);
	return status.st_size;
}

static void test_ftruncate(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int fd = make_file(1, 0, 1000), pipe_ends[2];

	(void)state;
	assert_int_equal(engine_result(e, OP(.code = RINGO_FTRUNCATE, .fd = fd, .length = 10)), 0);
	assert_int_equal(size_of(fd), 10);
	assert_int_equal(
		engine_result(e, OP(.code = RINGO_FTRUNCATE, .fd = fd, .length = 5ull << 32)), 0);
	assert_int_equal(size_of(fd), 5ll << 32);
	assert_int_equal(engine_result(e, OP(.code = RINGO_FTRUNCATE, .fd = fd,
					     .length = (uint64_t)INT64_MAX + 1)),
			 -EINVAL);
	assert_int_equal(engine_result(e, OP(.code = RINGO_FTRUNCATE, .fd = -1)), -EBADF);
	must(pipe2(pipe_ends, O_CLOEXEC) == 0);
	assert_int_equal(engine_result(e, OP(.code = RINGO_FTRUNCATE, .fd = pipe_ends[1])),
			 -EINVAL);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_fallocate(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct stat status;
	int fd = make_file(1, 0, 0);

	(void)state;
	assert_int_equal(engine_result(e, OP(.code = RINGO_FALLOCATE, .fd = fd, .length = 1 << 20)),
			 0);
	assert_int_equal(size_of(fd), 1 << 20);
	assert_int_equal(engine_result(e, OP(.code = RINGO_FALLOCATE, .fd = fd, .offset = 1 << 20,
					     .length = 1 << 20, .argument = FALLOC_FL_KEEP_SIZE)),
			 0);
	assert_int_equal(size_of(fd), 1 << 20);
	must(fstat(fd, &status) == 0);
	assert_true(status.st_blocks * 512 >= 2 << 20);
	assert_int_equal(
		engine_result(e, OP(.code = RINGO_FALLOCATE, .fd = fd, .offset = -1, .length = 1)),
		-EINVAL);
	assert_int_equal(engine_result(e, OP(.code = RINGO_FALLOCATE, .fd = fd, .offset = INT64_MAX,
					     .length = 1)),
			 -EINVAL);
	assert_int_equal(engine_result(e, OP(.code = RINGO_FALLOCATE, .fd = fd, .length = 0)),
			 -EINVAL);
	assert_int_equal(engine_result(e, OP(.code = RINGO_FALLOCATE, .fd = -1, .length = 1)),
			 -EBADF);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_fadvise(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int fd = make_file(1, 0, 1 << 20);

	(void)state;
	for (uint32_t advice = POSIX_FADV_NORMAL; advice <= POSIX_FADV_NOREUSE; advice++)
		assert_int_equal(engine_result(e, OP(.code = RINGO_FADVISE, .fd = fd,
						     .length = 1 << 20, .argument = advice)),
				 0);
	assert_int_equal(engine_result(e, OP(.code = RINGO_FADVISE, .fd = fd, .length = 5ull << 32,
					     .argument = POSIX_FADV_DONTNEED)),
			 0);
	assert_int_equal(engine_result(e, OP(.code = RINGO_FADVISE, .fd = fd, .argument = 99)),
			 -EINVAL);
	assert_int_equal(engine_result(e, OP(.code = RINGO_FADVISE, .fd = fd, .offset = -1)),
			 -EINVAL);
	assert_int_equal(engine_result(e, OP(.code = RINGO_FADVISE, .fd = -1)), -EBADF);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ftruncate),
		cmocka_unit_test(test_fallocate),
		cmocka_unit_test(test_fadvise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
