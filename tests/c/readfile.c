/* SPDX-License-Identifier: MIT */
/* READFILE of regular files: sizes around the capacity, growing files, errors; no descriptor stays.
 */
#include "check.h"

enum { SEED = 41, CAPACITY = 4096 };

static char directory[64];

static int set_up(void **state)
{
	(void)state;
	make_scratch(directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	remove_tree(directory);
	return 0;
}

static struct ringo_completion read_path(struct engine *e, const char *path, void *data,
					 uint64_t capacity, uint32_t flags)
{
	return engine_run(e, OP(.code = RINGO_READFILE, .fd = AT_FDCWD, .address = ADDRESS(path),
				.address2 = ADDRESS(data), .length = capacity, .argument = flags));
}

static void make_named(char path[128], const char *name, size_t size)
{
	unsigned char *data = malloc(size + 1);
	int fd = open_at(directory, name, O_RDWR | O_CREAT | O_TRUNC);

	must(data != NULL);
	fill(data, size, SEED, 0);
	must(write(fd, data, size) == (ssize_t)size);
	free(data);
	close(fd);
	(void)snprintf(path, 128, "%s/%s", directory, name);
}

static void test_sizes_around_the_capacity(void **state)
{
	static const size_t sizes[] = {0, 1, 100, CAPACITY - 1, CAPACITY, CAPACITY + 1, 100000};
	static unsigned char data[100000];
	struct engine *e = engine_open(OPTIONS(0));
	int fds = count_fds();
	char path[128];

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(sizes); i++) {
		size_t size = sizes[i], rest;
		struct ringo_completion c;

		make_named(path, "file", size);
		c = read_path(e, path, data, CAPACITY, O_RDONLY);
		assert_int_equal(c.result, size < CAPACITY ? size : CAPACITY);
		assert_int_equal(first_wrong(data, (size_t)c.result, SEED, 0), c.result);
		if (size < CAPACITY) {
			assert_int_equal(c.flags, 0);
			assert_int_equal(c.extra, 0);
			assert_int_equal(count_fds(), fds);
			continue;
		}
		/* The file is open, just behind what was read. */
		assert_int_equal(c.flags, RINGO_FILE_OPEN);
		assert_int_equal(count_fds(), fds + 1);
		assert_int_equal(fcntl(c.extra, F_GETFD), FD_CLOEXEC);
		rest = read_fully(c.extra, data, sizeof(data));
		assert_int_equal(rest, size - CAPACITY);
		assert_int_equal(first_wrong(data, rest, SEED, CAPACITY), rest);
		close(c.extra);
	}
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_no_capacity_opens_only(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	unsigned char data[10];
	char path[128];
	struct ringo_completion c;

	(void)state;
	make_named(path, "file", 10);
	c = read_path(e, path, NULL, 0, O_RDONLY);
	assert_int_equal(c.result, 0);
	assert_int_equal(c.flags, RINGO_FILE_OPEN);
	assert_int_equal(read_fully(c.extra, data, 10), 10);
	close(c.extra);
	assert_int_equal(read_path(e, path, data, (uint64_t)INT64_MAX + 1, O_RDONLY).result,
			 -EINVAL);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_errors_leave_nothing_open(void **state)
{
	static const char *const links[][2] = {{"loop", "loop"}, {"dangling", "nowhere"}};
	struct engine *e = engine_open(OPTIONS(0));
	unsigned char data[16];
	char path[128];
	int fds = count_fds();

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(links); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", directory, links[i][0]);
		must(symlink(links[i][1], path) == 0);
		assert_int_equal(read_path(e, path, data, 16, O_RDONLY).result,
				 i == 0 ? -ELOOP : -ENOENT);
	}
	assert_int_equal(read_path(e, directory, data, 16, O_RDONLY).result, -EISDIR);
	assert_int_equal(read_path(e, directory, data, 16, O_WRONLY).result, -EISDIR);
	assert_int_equal(read_path(e, "/nowhere/file", data, 16, O_RDONLY).result, -ENOENT);
	assert_int_equal(read_path(e, "", data, 16, O_RDONLY).result, -ENOENT);
	make_named(path, "file", 100);
	assert_int_equal(read_path(e, path, data, 16, O_WRONLY).result, -EBADF);
	assert_int_equal(read_path(e, path, (void *)8, 16, O_RDONLY).result, -EFAULT);
	assert_int_equal(count_fds(), fds);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* Root may read everything, so another process is somebody else. */
static void test_unreadable(void **state)
{
	char path[128];
	int status;
	pid_t child;

	(void)state;
	make_named(path, "secret", 100);
	must(chmod(path, 0) == 0 && chmod(directory, 0755) == 0);
	child = fork();
	if (child == 0) {
		struct ringo_batch *batch;
		struct ringo_completion c;
		unsigned char data[16];
		struct ringo_op op = OP(.code = RINGO_READFILE, .fd = AT_FDCWD, .length = 16,
					.address = ADDRESS(path), .address2 = ADDRESS(data));

		if (getuid() == 0 && setuid(65534) != 0)
			_exit(2);
		if (ringo_batch_open(OPTIONS(.depth = 1), &batch) != 0 ||
		    ringo_batch_run(batch, &op, 1, false, &c) != 0)
			_exit(3);
		_exit(c.result == -EACCES ? 0 : 4);
	}
	must(child > 0 && waitpid(child, &status, 0) == child);
	assert_int_equal(status, 0);
}

struct writer {
	pthread_t thread;
	int fd;
	_Atomic bool stop;
};

static void *append_without_end(void *context)
{
	struct writer *w = context;
	unsigned char piece[1000];

	for (uint64_t where = 0; !w->stop && where < (4 << 20); where += sizeof(piece)) {
		fill(piece, sizeof(piece), SEED, where);
		must(write(w->fd, piece, sizeof(piece)) == sizeof(piece));
	}
	return NULL;
}

/* Whatever length it sees, the bytes are the file's. */
static void test_growing_file(void **state)
{
	static unsigned char data[8 << 20];
	struct engine *e = engine_open(OPTIONS(0));
	struct writer w = {.fd = open_at(directory, "growing", O_RDWR | O_CREAT)};
	char path[128];
	int64_t last = 0;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/growing", directory);
	must(pthread_create(&w.thread, NULL, append_without_end, &w) == 0);
	for (int i = 0; i < 30; i++) {
		struct ringo_completion c = read_path(e, path, data, sizeof(data), O_RDONLY);

		assert_true(c.result >= last && c.flags == 0);
		last = c.result;
		assert_int_equal(first_wrong(data, (size_t)last, SEED, 0), last);
	}
	w.stop = true;
	pthread_join(w.thread, NULL);
	close(w.fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_around_the_capacity),
		cmocka_unit_test(test_no_capacity_opens_only),
		cmocka_unit_test(test_errors_leave_nothing_open),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_growing_file),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
