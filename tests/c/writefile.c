/* SPDX-License-Identifier: MIT */
/* WRITEFILE, plain and atomic: content, permissions, every form of path, and what it refuses. */
#include "check.h"

enum { SEED = 51, SIZE = 200000 };

static char directory[64];
static int at;
static unsigned char data[SIZE];

static int set_up(void **state)
{
	(void)state;
	make_scratch(directory);
	at = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fill(data, SIZE, SEED, 0);
	return at < 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(at);
	remove_tree(directory);
	return 0;
}

/* The path lies in memory of its own, as long as it is, and is looked at afterwards. */
static struct ringo_completion write_path(struct engine *e, const char *path, size_t length,
					  uint32_t how)
{
	char *writable = strdup(path);
	struct ringo_completion c;

	must(writable != NULL);
	c = engine_run(e, OP(.code = RINGO_WRITEFILE, .fd = at, .address = ADDRESS(writable),
			     .address2 = ADDRESS(data), .length = length, .argument = how,
			     .argument2 = 0666));
	assert_string_equal(writable, path);
	free(writable);
	return c;
}

static void expect_content(const char *path, size_t length, mode_t mode)
{
	static unsigned char got[SIZE + 1];
	struct stat status;
	int fd = openat(at, path, O_RDONLY | O_CLOEXEC);

	must(fd >= 0 && fstat(fd, &status) == 0);
	assert_int_equal(read_fully(fd, got, sizeof(got)), length);
	assert_int_equal(first_wrong(got, length, SEED, 0), length);
	assert_int_equal(status.st_mode & 07777, mode);
	close(fd);
}

static int count_entries(void)
{
	DIR *stream = opendir(directory);
	int n = 0;

	must(stream != NULL);
	while (readdir(stream) != NULL)
		n++;
	closedir(stream);
	return n - 2;
}

static void test_content(void **state)
{
	static const size_t lengths[] = {0, 1, 4096, SIZE, 100};
	struct engine *e = engine_open(OPTIONS(0));
	mode_t mask = umask(027);
	int fds = count_fds();

	(void)state;
	for (uint32_t how = 0; how <= (RINGO_WRITE_ATOMIC | RINGO_WRITE_SYNC); how++) {
		(void)unlinkat(at, "file", 0);
		for (size_t i = 0; i < LENGTH_OF(lengths); i++) {
			struct ringo_completion c = write_path(e, "file", lengths[i], how);

			assert_int_equal(c.result, lengths[i]);
			assert_int_equal(c.flags | (uint32_t)c.extra, 0);
			expect_content("file", lengths[i], 0640);
			assert_int_equal(count_entries(), 1);
		}
	}
	umask(mask);
	assert_int_equal(count_fds(), fds);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* Plain writes go into the file that is there, atomic ones replace it. */
static void test_what_replaces(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int old;
	char byte;

	(void)state;
	(void)unlinkat(at, "file", 0);
	assert_int_equal(write_path(e, "file", 10, 0).result, 10);
	old = openat(at, "file", O_RDONLY | O_CLOEXEC);
	must(old >= 0 && fchmod(old, 0600) == 0);
	assert_int_equal(write_path(e, "file", 20, 0).result, 20);
	assert_int_equal(pread(old, &byte, 1, 19), 1);
	expect_content("file", 20, 0600);
	assert_int_equal(write_path(e, "file", 30, RINGO_WRITE_ATOMIC).result, 30);
	assert_int_equal(pread(old, &byte, 1, 29), 0);
	close(old);
	must(unlinkat(at, "file", 0) == 0);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_paths(void **state)
{
	static const struct {
		const char *path;
		int64_t plain, atomic;
	} rows[] = {
		{"a", 5, 5},
		{"./a", 5, 5},
		{"d/a", 5, 5},
		{"d//a", 5, 5},
		{"d/../d/./a", 5, 5},
		{"", -ENOENT, -ENOENT},
		{"d", -EISDIR, -EISDIR},
		{"d/", -EISDIR, -EISDIR},
		{"new/", -EISDIR, -EISDIR},
		{"/", -EISDIR, -EISDIR},
		{"missing/a", -ENOENT, -ENOENT},
		{"a/b", -ENOTDIR, -ENOTDIR},
		{"/ringo-test-root", 5, 5},
		{"//ringo-test-root", 5, 5},
	};
	struct engine *e = engine_open(OPTIONS(0));
	char absolute[128];
	int fds = count_fds();

	(void)state;
	must(mkdirat(at, "d", 0755) == 0);
	for (size_t i = 0; i < LENGTH_OF(rows); i++) {
		if (rows[i].path[0] == '/' && rows[i].path[1] != '\0' && access("/", W_OK) != 0)
			continue;
		for (uint32_t how = 0; how <= RINGO_WRITE_ATOMIC; how++) {
			int64_t result = write_path(e, rows[i].path, 5, how).result;

			if (result != (how ? rows[i].atomic : rows[i].plain))
				fail_msg("%s %u: %lld", rows[i].path, how, (long long)result);
			if (result == 5)
				expect_content(rows[i].path, 5, 0644);
		}
	}
	(void)unlink("/ringo-test-root");
	(void)snprintf(absolute, sizeof(absolute), "%s/absolute", directory);
	assert_int_equal(write_path(e, absolute, 7, RINGO_WRITE_ATOMIC).result, 7);
	expect_content("absolute", 7, 0644);
	assert_int_equal(write_path(e, "a", 1, 4).result, -EINVAL);
	assert_int_equal(count_entries(), 3);
	assert_int_equal(count_fds(), fds);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_what_replaces),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
