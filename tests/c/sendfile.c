/* SPDX-License-Identifier: MIT */
/* SENDFILE by every strategy, to Unix and TCP sockets: sizes, offsets, headers, and what it
 * refuses. */
#include "check.h"

#include <sys/uio.h>

enum { SEED = 61, LARGEST = 5 << 20 };

static unsigned char got[LARGEST + 4096];

struct reader {
	pthread_t thread;
	int fd;
	size_t length, done;
};

static void *read_all(void *context)
{
	struct reader *r = context;

	r->done = read_fully(r->fd, got, r->length);
	return NULL;
}

static struct reader *start_reader(int fd, size_t length)
{
	struct reader *r = calloc(1, sizeof(*r));

	must(r != NULL && length <= sizeof(got));
	r->fd = fd;
	r->length = length;
	must(pthread_create(&r->thread, NULL, read_all, r) == 0);
	return r;
}

static size_t finish_reader(struct reader *r)
{
	size_t done;

	pthread_join(r->thread, NULL);
	done = r->done;
	free(r);
	return done;
}

static void send_sizes(int ends[2], bool calls_allowed)
{
	static const size_t sizes[] = {0, 1, 65535, 65536, 65537, LARGEST};
	static const char header[] = "HTTP/1.1 200 OK\r\n\r\n";
	struct engine *e = engine_open(OPTIONS(0));
	int file = make_file(SEED, 0, LARGEST);

	for (uint32_t s = 0; s < strategy_count(); s++)
		for (size_t i = 0; i < 2 * LENGTH_OF(sizes); i++) {
			size_t size = sizes[i / 2], before = i % 2 ? sizeof(header) : 0;
			int64_t offset = size < LARGEST ? (int64_t)(i * 1000) : 0;
			struct reader *r = start_reader(ends[1], before + size);
			struct ringo_completion c =
				engine_run(e, OP(.code = RINGO_SENDFILE, .fd = file, .fd2 = ends[0],
						 .length = size, .offset = offset,
						 .argument = s | RINGO_SENDFILE_MORE,
						 .address = ADDRESS(header), .argument2 = before));

			assert_int_equal(c.result, size);
			assert_int_equal(c.extra, 0);
			/* MORE must not hold it for ever: a NODELAY, or time, pushes it out. */
			assert_int_equal(finish_reader(r), before + size);
			assert_memory_equal(got, header, before);
			assert_int_equal(first_wrong(got + before, size, SEED, (uint64_t)offset),
					 size);
		}
	if (!calls_allowed)
		assert_int_equal(engine_stats(e).sendfile_calls, 0);
	close(file);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* As long as SIGPIPE would end the process, sendfile(2) is not called. */
static void test_unix_with_sigpipe_deadly(void **state)
{
	int ends[2];

	(void)state;
	make_pair(ends, SOCK_NONBLOCK);
	send_sizes(ends, false);
}

static void test_unix(void **state)
{
	int ends[2];

	(void)state;
	must(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	make_pair(ends, SOCK_NONBLOCK);
	send_sizes(ends, true);
}

static void test_tcp(void **state)
{
	int ends[2];

	(void)state;
	make_tcp_pair(ends, SOCK_NONBLOCK);
	send_sizes(ends, true);
}

static void test_far_offset_and_end_of_file(void **state)
{
	static const int64_t far = (INT64_C(5) << 30) + 123;
	struct engine *e = engine_open(OPTIONS(0));
	int file = make_file(SEED, (uint64_t)far, 100000), ends[2];

	(void)state;
	make_pair(ends, SOCK_NONBLOCK);
	for (uint32_t s = 0; s < strategy_count(); s++)
		for (size_t extra = 0; extra <= 70000; extra += 35000) {
			struct reader *r = start_reader(ends[1], 100000);
			struct ringo_completion c = engine_run(
				e, OP(.code = RINGO_SENDFILE, .fd = file, .fd2 = ends[0],
				      .length = 100000 + extra, .offset = far, .argument = s));

			/* Fewer than asked and no error: the file ended. */
			assert_int_equal(c.result, 100000);
			assert_int_equal(c.extra, 0);
			finish_reader(r);
			assert_int_equal(first_wrong(got, 100000, SEED, (uint64_t)far), 100000);
			c = engine_run(e, OP(.code = RINGO_SENDFILE, .fd = file, .fd2 = ends[0],
					     .length = 10, .offset = far + 100000, .argument = s));
			assert_int_equal(c.result, 0);
			assert_int_equal(c.extra, 0);
		}
	close(file);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* All of the file goes, by AUTO. */
static void expect_sent(struct engine *e, int file, const int ends[2], size_t length)
{
	struct reader *r = start_reader(ends[1], length);

	assert_int_equal(engine_result(e, OP(.code = RINGO_SENDFILE, .fd = file, .fd2 = ends[0],
					     .length = length)),
			 length);
	finish_reader(r);
	assert_int_equal(first_wrong(got, length, SEED, 0), length);
}

static bool is_cached_at(int file, off_t where)
{
	char byte;
	struct iovec one = {.iov_base = &byte, .iov_len = 1};

	return preadv2(file, &one, 1, where, RWF_NOWAIT) == 1;
}

/* A page that somebody looks at is not dropped, so more than once if need be. */
static void cache_only(int file, size_t from, size_t length)
{
	int tries = 0;

	must(fsync(file) == 0 && posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM) == 0);
	do
		must(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0);
	while ((is_cached_at(file, 0) || is_cached_at(file, LARGEST - 1)) && tries++ < 1000);
	must(pread(file, got, length, (off_t)from) == (ssize_t)length);
}

/* Whatever is in the page cache: the same bytes; what is not goes by the ring. */
static void test_auto_and_the_page_cache(void **state)
{
	struct engine *e = engine_open(OPTIONS(.turn_budget = 65536));
	int file = make_file(SEED, 0, LARGEST), ends[2];
	struct ringo_stats stats;

	(void)state;
	make_pair(ends, SOCK_NONBLOCK);
	for (size_t cached = 0; cached <= LARGEST; cached += LARGEST / 5) {
		uint64_t misses = engine_stats(e).sendfile_misses;

		cache_only(file, 0, cached);
		expect_sent(e, file, ends, LARGEST);
		if (cached < LARGEST)
			assert_true(engine_stats(e).sendfile_misses > misses);
		else
			assert_int_equal(engine_stats(e).sendfile_misses, misses);
	}
	/* What is cached behind what is not goes by sendfile(2) again. */
	cache_only(file, 1 << 20, LARGEST - (1 << 20));
	stats = engine_stats(e);
	expect_sent(e, file, ends, LARGEST);
	assert_in_range(engine_stats(e).sendfile_misses - stats.sendfile_misses, 1,
			(1 << 20) / 65536);
	assert_true(engine_stats(e).sendfile_calls - stats.sendfile_calls >=
		    (LARGEST - (1 << 20)) / 65536);
	stats = engine_stats(e);
	print_message("%llu calls, %llu misses\n", (unsigned long long)stats.sendfile_calls,
		      (unsigned long long)stats.sendfile_misses);
	assert_int_equal(engine_result(e, OP(.code = RINGO_SENDFILE, .fd = file, .fd2 = ends[0],
					     .length = 10, .argument = RINGO_SENDFILE_SYSCALL)),
			 10);
	assert_int_equal(engine_stats(e).sendfile_calls, stats.sendfile_calls + 1);
	close(file);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* What is not cached goes through the pipe as much at once as one turn may send: each hop of it
 * waits for a worker. */
static void test_auto_splices_in_few_hops(void **state)
{
	enum { LENGTH = 256 << 10, ROOM = 2 * LENGTH };
	struct engine *e = engine_open(OPTIONS(0));
	int file = make_file(SEED, 0, LARGEST), ends[2], room = ROOM;
	struct ringo_stats before, after;

	(void)state;
	make_tcp_pair(ends, SOCK_NONBLOCK);
	must(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) == 0);
	cache_only(file, 0, 0);
	before = engine_stats(e);
	assert_int_equal(engine_result(e, OP(.code = RINGO_SENDFILE, .fd = file, .fd2 = ends[0],
					     .length = LENGTH)),
			 LENGTH);
	after = engine_stats(e);
	assert_int_equal(after.sendfile_misses - before.sendfile_misses, 1);
	/* The pipe, in, out, and what the loop does for itself; through 64 KiB it would be nine. */
	assert_in_range(after.submitted - before.submitted, 2, 6);
	close(file);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_what_is_refused(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int file = make_file(SEED, 0, 100), ends[2], blocking[2], pipe_ends[2], fds = count_fds();
	struct ringo_op op = OP(.code = RINGO_SENDFILE, .fd = file, .length = 100);

	(void)state;
	make_pair(ends, SOCK_NONBLOCK);
	make_pair(blocking, 0);
	must(pipe2(pipe_ends, O_CLOEXEC) == 0 && close(pipe_ends[1]) == 0);
	for (uint32_t s = 0; s < strategy_count(); s++) {
		op.argument = s;
		op.fd2 = blocking[0];
		assert_int_equal(engine_result(e, op), -EINVAL);
		op.fd2 = -1;
		assert_int_equal(engine_result(e, op), -EBADF);
		op.fd2 = ends[0];
		op.offset = -1;
		assert_int_equal(engine_result(e, op), -EINVAL);
		op.offset = INT64_MAX;
		assert_int_equal(engine_result(e, op), -EINVAL);
		op.offset = 0;
		op.fd = -1;
		assert_int_equal(engine_result(e, op), -EBADF);
		/* COPY and ZEROCOPY read an empty pipe, which gives nothing: the end. */
		op.fd = pipe_ends[0];
		assert_int_equal(
			engine_result(e, op),
			s == RINGO_SENDFILE_COPY || s == RINGO_SENDFILE_ZEROCOPY ? 0 : -ESPIPE);
		op.fd = file;
	}
	if (strategy_count() == RINGO_SENDFILE_ZEROCOPY) {
		op.argument = RINGO_SENDFILE_ZEROCOPY;
		assert_int_equal(engine_result(e, op), -EOPNOTSUPP);
	}
	op.argument = RINGO_SENDFILE_ZEROCOPY + 1;
	assert_int_equal(engine_result(e, op), -EINVAL);
	close(ends[0]);
	close(ends[1]);
	close(blocking[0]);
	close(blocking[1]);
	close(pipe_ends[0]);
	engine_close(e, RINGO_STOP_DRAIN);
	assert_true(count_fds() < fds); /* the loop's and its pipes */
	close(file);
}

/* Where preadv2(2) cannot tell (tmpfs, of many kernels), nothing counts as cached: the ring sends.
 */
static void test_auto_without_nowait(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int file = memfd_create("ringo", MFD_CLOEXEC), ends[2];
	struct iovec one = {.iov_base = got, .iov_len = 1};
	uint64_t misses = engine_stats(e).sendfile_misses;
	bool can_tell;

	(void)state;
	make_pair(ends, SOCK_NONBLOCK);
	fill(got, LARGEST, SEED, 0);
	must(file >= 0 && write(file, got, LARGEST) == LARGEST);
	can_tell = preadv2(file, &one, 1, 0, RWF_NOWAIT) == 1;
	memset(got, 0, LARGEST);
	expect_sent(e, file, ends, LARGEST);
	assert_int_equal(engine_stats(e).sendfile_misses - misses,
			 can_tell ? 0 : LARGEST / (256 << 10)); /* each chunk */
	close(file);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unix_with_sigpipe_deadly),
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_far_offset_and_end_of_file),
		cmocka_unit_test(test_auto_and_the_page_cache),
		cmocka_unit_test(test_auto_without_nowait),
		cmocka_unit_test(test_auto_splices_in_few_hops),
		cmocka_unit_test(test_what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
