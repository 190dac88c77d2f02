/* SPDX-License-Identifier: MIT */
/* Files by name: OPENAT2, STATX, FSYNC, CLOSE, RENAMEAT, UNLINKAT. */
#include "check.h"

#include <linux/openat2.h>
#include <linux/stat.h>

static char directory[64];
static int at = -1;

static int set_up(void **state)
{
	(void)state;
	make_scratch(directory);
	at = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return at < 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(at);
	remove_tree(directory);
	return 0;
}

static int64_t open_name(struct engine *e, const char *path, uint32_t flags, uint64_t mode,
			 uint64_t resolve)
{
	return engine_result(e, OP(.code = RINGO_OPENAT2, .fd = at, .address = ADDRESS(path),
				   .argument = flags, .argument2 = mode, .length = resolve));
}

static void test_openat2(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	char too_long[5000];
	struct stat status = {0};
	mode_t mask = umask(027);
	int64_t fd;

	(void)state;
	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	fd = open_name(e, "file", O_RDWR | O_CREAT | O_EXCL, 0666, 0);
	umask(mask);
	assert_true(fd >= 0 && fstat((int)fd, &status) == 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_int_equal(engine_result(e, OP(.code = RINGO_CLOSE, .fd = (int)fd)), 0);
	assert_int_equal(open_name(e, "file", O_RDWR | O_CREAT | O_EXCL, 0666, 0), -EEXIST);
	assert_int_equal(open_name(e, "missing", O_RDONLY, 0, 0), -ENOENT);
	assert_int_equal(open_name(e, "", O_RDONLY, 0, 0), -ENOENT);
	assert_int_equal(open_name(e, "file/x", O_RDONLY, 0, 0), -ENOTDIR);
	assert_int_equal(open_name(e, ".", O_WRONLY, 0, 0), -EISDIR);
	assert_int_equal(open_name(e, too_long, O_RDONLY, 0, 0), -ENAMETOOLONG);
	assert_int_equal(open_name(e, "file", O_RDONLY, 0, UINT64_C(1) << 40), -EINVAL);
	assert_int_equal(open_name(e, (const char *)8, O_RDONLY, 0, 0), -EFAULT);
	fd = open_name(e, ".", O_RDONLY | O_DIRECTORY, 0, RESOLVE_BENEATH);
	assert_true(fd >= 0);
	close((int)fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_openat2_stays_beneath(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int64_t fd;

	(void)state;
	must(symlinkat("/etc/passwd", at, "out") == 0 && symlinkat("loop", at, "loop") == 0);
	must(symlinkat("file", at, "in") == 0);
	fd = open_name(e, "in", O_RDONLY, 0, RESOLVE_BENEATH);
	assert_true(fd >= 0);
	close((int)fd);
	assert_int_equal(open_name(e, "../etc/passwd", O_RDONLY, 0, RESOLVE_BENEATH), -EXDEV);
	assert_int_equal(open_name(e, "/etc/passwd", O_RDONLY, 0, RESOLVE_BENEATH), -EXDEV);
	assert_int_equal(open_name(e, "out", O_RDONLY, 0, RESOLVE_BENEATH), -EXDEV);
	assert_int_equal(open_name(e, "in", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), -ELOOP);
	assert_int_equal(open_name(e, "loop", O_RDONLY, 0, 0), -ELOOP);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_statx(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct statx status = {0};
	const char *name = "file";
	int fd = open_at(directory, name, O_RDWR | O_CREAT);

	(void)state;
	must(pwrite(fd, "12345", 5, 0) == 5);
	assert_int_equal(
		engine_result(e, OP(.code = RINGO_STATX, .fd = at, .address = ADDRESS(name),
				    .address2 = ADDRESS(&status), .argument2 = STATX_BASIC_STATS)),
		0);
	assert_int_equal(status.stx_size, 5);
	memset(&status, 0, sizeof(status));
	assert_int_equal(engine_result(e, OP(.code = RINGO_STATX, .fd = fd, .address = ADDRESS(""),
					     .argument = AT_EMPTY_PATH, .argument2 = STATX_SIZE,
					     .address2 = ADDRESS(&status))),
			 0);
	assert_int_equal(status.stx_size, 5);
	name = "missing";
	assert_int_equal(
		engine_result(e, OP(.code = RINGO_STATX, .fd = at, .address = ADDRESS(name),
				    .address2 = ADDRESS(&status))),
		-ENOENT);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_fsync(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int fd = open_at(directory, "file", O_RDWR | O_CREAT), ends[2];

	(void)state;
	assert_int_equal(engine_result(e, OP(.code = RINGO_FSYNC, .fd = fd)), 0);
	assert_int_equal(engine_result(e, OP(.code = RINGO_FSYNC, .fd = fd, .argument = 1)), 0);
	assert_int_equal(engine_result(e, OP(.code = RINGO_FSYNC, .fd = at)), 0);
	must(pipe2(ends, O_CLOEXEC) == 0);
	assert_int_equal(engine_result(e, OP(.code = RINGO_FSYNC, .fd = ends[1])), -EINVAL);
	close(ends[0]);
	close(ends[1]);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

static int64_t rename_to(struct engine *e, const char *from, const char *to, uint32_t flags)
{
	return engine_result(e, OP(.code = RINGO_RENAMEAT, .fd = at, .fd2 = at,
				   .address = ADDRESS(from), .address2 = ADDRESS(to),
				   .argument = flags));
}

static int64_t unlink_name(struct engine *e, const char *path, uint32_t flags)
{
	return engine_result(e, OP(.code = RINGO_UNLINKAT, .fd = at, .address = ADDRESS(path),
				   .argument = flags));
}

static void test_rename_and_unlink(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));

	(void)state;
	close(open_at(directory, "a", O_RDWR | O_CREAT));
	close(open_at(directory, "b", O_RDWR | O_CREAT));
	must(mkdirat(at, "d", 0755) == 0);
	assert_int_equal(rename_to(e, "a", "b", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(rename_to(e, "a", "b", 0), 0);
	assert_int_equal(rename_to(e, "a", "b", 0), -ENOENT);
	assert_int_equal(rename_to(e, "b", "d", 0), -EISDIR);
	assert_int_equal(unlink_name(e, "d", 0), -EISDIR);
	assert_int_equal(unlink_name(e, "d", AT_REMOVEDIR), 0);
	assert_int_equal(unlink_name(e, "b", AT_REMOVEDIR), -ENOTDIR);
	assert_int_equal(unlink_name(e, "b", 0), 0);
	assert_int_equal(unlink_name(e, "b", 0), -ENOENT);
	assert_int_equal(faccessat(at, "a", F_OK, 0), -1);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_openat2),
		cmocka_unit_test(test_openat2_stays_beneath),
		cmocka_unit_test(test_statx),
		cmocka_unit_test(test_fsync),
		cmocka_unit_test(test_rename_and_unlink),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
