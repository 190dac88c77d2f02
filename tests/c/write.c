/* SPDX-License-Identifier: MIT */
/* WRITE to files: at offsets, appending, to a full disk, and where it is refused. */
#include "check.h"

enum { SEED = 9, SIZE = 300000 };

static struct ringo_completion write_at(struct engine *e, int fd, const void *data, uint64_t length,
					int64_t offset)
{
	return engine_run(e, OP(.code = RINGO_WRITE, .fd = fd, .address = ADDRESS(data),
				.length = length, .offset = offset));
}

static void expect_content(int fd, size_t length, uint64_t where)
{
	unsigned char *data = malloc(length);

	must(data != NULL);
	assert_int_equal(pread(fd, data, length, (off_t)where), length);
	assert_int_equal(first_wrong(data, length, SEED, where), length);
	free(data);
}

static void test_offsets(void **state)
{
	static unsigned char data[SIZE];
	static const int64_t far = INT64_C(5) << 30;
	struct engine *e = engine_open(OPTIONS(0));
	int fd = make_file(SEED, 0, 0);

	(void)state;
	fill(data, SIZE, SEED, 0);
	assert_int_equal(write_at(e, fd, data, SIZE, 0).result, SIZE);
	expect_content(fd, SIZE, 0);
	assert_int_equal(write_at(e, fd, data, 0, 0).result, 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), SIZE);
	fill(data, 1000, SEED, (uint64_t)far);
	assert_int_equal(write_at(e, fd, data, 1000, far).result, 1000);
	expect_content(fd, 1000, (uint64_t)far);
	assert_int_equal(write_at(e, fd, data, 1, -2).result, -EINVAL);
	assert_int_equal(write_at(e, fd, data, 1, INT64_MAX).result, -EINVAL);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_appending_and_position(void **state)
{
	static unsigned char data[SIZE];
	struct engine *e = engine_open(OPTIONS(0));
	int fd = make_file(SEED, 0, 0);

	(void)state;
	fill(data, SIZE, SEED, 0);
	/* At the descriptor's own position: one after the other. */
	assert_int_equal(write_at(e, fd, data, 1000, -1).result, 1000);
	assert_int_equal(write_at(e, fd, data + 1000, 500, -1).result, 500);
	expect_content(fd, 1500, 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	must(fcntl(fd, F_SETFL, O_APPEND) == 0);
	assert_int_equal(write_at(e, fd, data + 1500, SIZE - 1500, -1).result, SIZE - 1500);
	expect_content(fd, SIZE, 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), SIZE);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_where_it_is_refused(void **state)
{
	unsigned char byte = 0;
	struct engine *e = engine_open(OPTIONS(0));
	int readable = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
	    full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	must(readable >= 0 && full >= 0);
	assert_int_equal(write_at(e, readable, &byte, 1, 0).result, -EBADF);
	assert_int_equal(write_at(e, -1, &byte, 1, 0).result, -EBADF);
	assert_int_equal(write_at(e, full, &byte, 1, 0).result, -ENOSPC);
	close(readable);
	close(full);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_full_disk_after_some_bytes(void **state)
{
	static unsigned char data[1 << 20];
	struct engine *e;
	struct ringo_completion c;
	char directory[64];
	int fd;

	(void)state;
	make_scratch(directory);
	if (!mount_small(directory)) {
		rmdir(directory);
		skip();
	}
	e = engine_open(OPTIONS(0));
	fill(data, sizeof(data), SEED, 0);
	fd = open_at(directory, "file", O_RDWR | O_CREAT);
	c = write_at(e, fd, data, sizeof(data), 0);
	assert_in_range(c.result, 1, sizeof(data) - 1);
	assert_int_equal(c.extra, ENOSPC);
	assert_int_equal(lseek(fd, 0, SEEK_END), c.result);
	expect_content(fd, (size_t)c.result, 0);
	c = write_at(e, fd, data, 1, c.result);
	assert_int_equal(c.result, -ENOSPC);
	assert_int_equal(c.extra, 0);
	close(fd);
	must(umount(directory) == 0 && rmdir(directory) == 0);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* A limit on the size of files: the same, and no SIGXFSZ ends the process (it is ignored). */
static void test_file_size_limit(void **state)
{
	static unsigned char data[SIZE];
	struct engine *e = engine_open(OPTIONS(0));
	int fd = make_file(SEED, 0, 0);
	struct rlimit old, low;
	struct ringo_completion c;

	(void)state;
	must(signal(SIGXFSZ, SIG_IGN) != SIG_ERR && getrlimit(RLIMIT_FSIZE, &old) == 0);
	low = old;
	low.rlim_cur = 100000;
	must(setrlimit(RLIMIT_FSIZE, &low) == 0);
	c = write_at(e, fd, data, SIZE, 0);
	must(setrlimit(RLIMIT_FSIZE, &old) == 0);
	assert_int_equal(c.result, 100000);
	assert_int_equal(c.extra, EFBIG);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offsets),
		cmocka_unit_test(test_appending_and_position),
		cmocka_unit_test(test_where_it_is_refused),
		cmocka_unit_test(test_full_disk_after_some_bytes),
		cmocka_unit_test(test_file_size_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
