/* SPDX-License-Identifier: MIT */
/* READ from files: whole, short at the end, empty; far offsets; what cannot be read. */
#include "check.h"

enum { SIZE = 200000, SEED = 7 };

static const int64_t FAR = INT64_C(5) << 30;

static struct ringo_completion read_at(struct engine *e, int fd, void *data, uint64_t length,
				       int64_t offset)
{
	return engine_run(e, OP(.code = RINGO_READ, .fd = fd, .address = ADDRESS(data),
				.length = length, .offset = offset));
}

static void test_files(void **state)
{
	static const struct {
		int64_t offset;
		uint64_t length;
		int64_t want;
	} rows[] = {
		{0, SIZE, SIZE},
		{0, 0, 0},
		{0, SIZE + 5000, SIZE},
		{1, SIZE, SIZE - 1},
		{SIZE - 1, 1, 1},
		{SIZE - 1, 100, 1},
		{SIZE, 100, 0},
		{SIZE + 1000, 100, 0},
		{INT64_MAX - 100, 100, 0},
		{INT64_MAX - 100, 101, -EINVAL},
		{INT64_MAX, 0, 0},
		{-2, 10, -EINVAL},
		{INT64_MIN, 10, -EINVAL},
		{0, (uint64_t)INT64_MAX + 1, -EINVAL},
	};
	static unsigned char data[SIZE + 5000];
	struct engine *e = engine_open(OPTIONS(0));
	int fd = make_file(SEED, 0, SIZE);

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(rows); i++) {
		struct ringo_completion c;

		memset(data, 0, sizeof(data));
		c = read_at(e, fd, data, rows[i].length, rows[i].offset);
		if (c.result != rows[i].want || c.extra != 0 || c.flags != 0)
			fail_msg("row %zu: %lld extra %d flags %u", i, (long long)c.result, c.extra,
				 c.flags);
		if (c.result > 0)
			assert_int_equal(
				first_wrong(data, (size_t)c.result, SEED, (uint64_t)rows[i].offset),
				c.result);
	}
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0); /* reads at an offset do not move it */
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_position_of_the_descriptor(void **state)
{
	unsigned char data[64];
	struct engine *e = engine_open(OPTIONS(0));
	int fd = make_file(SEED, 0, 100);

	(void)state;
	assert_int_equal(read_at(e, fd, data, 64, -1).result, 64);
	assert_int_equal(first_wrong(data, 64, SEED, 0), 64);
	assert_int_equal(read_at(e, fd, data, 64, -1).result, 36);
	assert_int_equal(first_wrong(data, 36, SEED, 64), 36);
	assert_int_equal(read_at(e, fd, data, 64, -1).result, 0);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_beyond_four_gibibytes(void **state)
{
	unsigned char data[5000];
	struct engine *e = engine_open(OPTIONS(0));
	int fd = make_file(SEED, (uint64_t)FAR, 4000);

	(void)state;
	assert_int_equal(read_at(e, fd, data, sizeof(data), FAR).result, 4000);
	assert_int_equal(first_wrong(data, 4000, SEED, (uint64_t)FAR), 4000);
	assert_int_equal(read_at(e, fd, data, 100, FAR - 50).result, 100);
	assert_int_equal(data[49], 0);
	assert_int_equal(first_wrong(data + 50, 50, SEED, (uint64_t)FAR), 50);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_what_cannot_be_read(void **state)
{
	unsigned char data[16];
	struct engine *e = engine_open(OPTIONS(0));
	int file = make_file(SEED, 0, 100), writable, directory, closed;
	char path[64];

	(void)state;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	writable = open(path, O_WRONLY | O_CLOEXEC);
	directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	closed = dup(file);
	must(writable >= 0 && directory >= 0 && closed >= 0 && close(closed) == 0);
	assert_int_equal(read_at(e, writable, data, 16, 0).result, -EBADF);
	assert_int_equal(read_at(e, directory, data, 16, 0).result, -EISDIR);
	assert_int_equal(read_at(e, closed, data, 16, 0).result, -EBADF);
	assert_int_equal(read_at(e, -1, data, 16, 0).result, -EBADF);
	assert_int_equal(read_at(e, file, (void *)8, 16, 0).result, -EFAULT);
	close(file);
	close(writable);
	close(directory);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* The first page can be read into, the second not: what came counts, the errno is beside it. */
static void test_error_after_some_bytes(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *data =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct engine *e = engine_open(OPTIONS(0));
	int fd = make_file(SEED, 0, SIZE);
	struct ringo_completion c;

	(void)state;
	must(data != MAP_FAILED && mprotect(data + page, page, PROT_NONE) == 0);
	c = read_at(e, fd, data, 2 * page, 0);
	assert_int_equal(c.result, page);
	assert_int_equal(c.extra, EFAULT);
	assert_int_equal(first_wrong(data, page, SEED, 0), page);
	munmap(data, 2 * page);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_position_of_the_descriptor),
		cmocka_unit_test(test_beyond_four_gibibytes),
		cmocka_unit_test(test_what_cannot_be_read),
		cmocka_unit_test(test_error_after_some_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
