/* SPDX-License-Identifier: MIT */
/* READFILE of what says it is empty and is not: files in /proc, FIFOs that are written slowly. */
#include "check.h"

enum { SEED = 42 };

static struct ringo_op read_op(const char *path, void *data, uint64_t capacity, uint32_t flags)
{
	return OP(.code = RINGO_READFILE, .fd = AT_FDCWD, .address = ADDRESS(path),
		  .address2 = ADDRESS(data), .length = capacity, .argument = flags);
}

static size_t read_plainly(const char *path, char *data, size_t capacity)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n;

	must(fd >= 0);
	n = read_fully(fd, data, capacity);
	close(fd);
	return n;
}

/* From a capacity of one byte up to one that holds all: the whole, or a full buffer and the rest.
 */
static void test_proc(void **state)
{
	static const char *const paths[] = {"/proc/version", "/proc/cpuinfo", "/proc/kallsyms"};
	static const size_t capacities[] = {1, 7, 512, 4096, 65536, 32 << 20};
	static char want[32 << 20], got[32 << 20];
	struct engine *e = engine_open(OPTIONS(0));
	int fds = count_fds();

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(paths); i++) {
		size_t size = read_plainly(paths[i], want, sizeof(want));

		assert_in_range(size, 10, sizeof(want) - 1);
		for (size_t k = 0; k < LENGTH_OF(capacities); k++) {
			struct ringo_completion c =
				engine_run(e, read_op(paths[i], got, capacities[k], O_RDONLY));
			size_t n = (size_t)c.result;

			assert_true(c.result > 0 && n <= capacities[k]);
			if (c.flags & RINGO_FILE_OPEN) {
				assert_int_equal(n, capacities[k]);
				n += read_fully(c.extra, got + n, sizeof(got) - n);
				close(c.extra);
			}
			assert_int_equal(n, size);
			/* cpuinfo's clock rates change from one read to the next */
			if (i != 1)
				assert_memory_equal(got, want, size);
		}
	}
	assert_int_equal(count_fds(), fds);
	engine_close(e, RINGO_STOP_DRAIN);
}

struct writer {
	pthread_t thread;
	const char *path;
	size_t pieces, piece;
	long before_ms, between_ms;
};

static void *write_slowly(void *context)
{
	struct writer *w = context;
	unsigned char data[4096];
	int fd;

	nap_ms(w->before_ms);
	fd = open(w->path, O_WRONLY | O_CLOEXEC);
	must(fd >= 0 && w->piece <= sizeof(data));
	for (size_t i = 0; i < w->pieces; i++) {
		nap_ms(w->between_ms);
		fill(data, w->piece, SEED, i * w->piece);
		write_fully(fd, data, w->piece);
	}
	close(fd);
	return NULL;
}

/* Whoever opens the FIFO first, and however long the other takes. */
static void test_fifo(void **state)
{
	static const struct {
		size_t pieces, piece;
		long before_ms, between_ms;
	} rows[] = {{10, 100, 0, 5}, {10, 100, 50, 5}, {200, 4096, 20, 0}, {0, 0, 30, 0},
		    {1, 1, 0, 0},    {1, 1, 50, 0},    {3, 4096, 20, 20}};
	static unsigned char data[1 << 20];
	struct engine *e = engine_open(OPTIONS(0));
	char directory[64], path[80];
	int fds = count_fds();

	(void)state;
	make_scratch(directory);
	(void)snprintf(path, sizeof(path), "%s/fifo", directory);
	must(mkfifo(path, 0600) == 0);
	for (size_t i = 0; i < LENGTH_OF(rows); i++) {
		struct writer w = {.path = path,
				   .pieces = rows[i].pieces,
				   .piece = rows[i].piece,
				   .before_ms = rows[i].before_ms,
				   .between_ms = rows[i].between_ms};
		size_t want = w.pieces * w.piece;
		struct ringo_completion c;

		must(pthread_create(&w.thread, NULL, write_slowly, &w) == 0);
		c = engine_run(e, read_op(path, data, sizeof(data), O_RDONLY));
		pthread_join(w.thread, NULL);
		if (c.result != (int64_t)want)
			fail_msg("row %zu: %lld", i, (long long)c.result);
		assert_int_equal(first_wrong(data, want, SEED, 0), want);
	}
	/* Nobody writes, and the caller does not want to wait: the end. */
	assert_int_equal(engine_result(e, read_op(path, data, sizeof(data), O_NONBLOCK)), 0);
	assert_int_equal(count_fds(), fds);
	engine_close(e, RINGO_STOP_DRAIN);
	remove_tree(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proc),
		cmocka_unit_test(test_fifo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
