/* SPDX-License-Identifier: MIT */
/*
 * What the C tests share: a loop on a thread of its own whose completions can be waited for, data
 * that shows where it belongs, a scratch directory, pairs of sockets.
 *
 * Checks: assert_* of cmocka on the test's thread; must() on any.
 */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ringo.h"

#define ADDRESS(pointer) ((uint64_t)(uintptr_t)(pointer))
#define OP(...) ((struct ringo_op){__VA_ARGS__})
#define OPTIONS(...) (&(const struct ringo_options){.backend = chosen_backend(), __VA_ARGS__})
#define LENGTH_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Far longer than anything takes: a wait that ends so has hung. */
#define PATIENCE_SECONDS 100

#define must(condition) ((condition) ? (void)0 : must_fail(#condition, __FILE__, __LINE__))

_Noreturn static inline void must_fail(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: must: %s (errno %d)\n", file, line, condition, errno);
	abort();
}

/* RINGO_BACKEND=threads runs all the programs on that backend. */
static inline uint32_t chosen_backend(void)
{
	const char *name = getenv("RINGO_BACKEND");

	if (name == NULL || strcmp(name, "auto") == 0)
		return RINGO_BACKEND_AUTO;
	return strcmp(name, "threads") == 0 ? RINGO_BACKEND_THREADS : RINGO_BACKEND_URING;
}

/* Whether backend uring can be opened here. */
static inline bool has_uring(void)
{
	struct ringo_features features;

	must(ringo_probe(&features) == 0);
	return features.uring_error == 0;
}

/* How many strategies of SENDFILE there are, from 0: the last one needs a ring. */
static inline uint32_t strategy_count(void)
{
	bool rings = chosen_backend() != RINGO_BACKEND_THREADS && has_uring();

	return rings ? RINGO_SENDFILE_ZEROCOPY + 1 : RINGO_SENDFILE_ZEROCOPY;
}

/* Exit code 77: nothing of this program can be tested here. */
static inline void skip_program(const char *why)
{
	printf("skipped: %s\n", why);
	fflush(stdout);
	_exit(77);
}

/* For programs about what only a ring can do. Called first. */
static inline void need_ring(void)
{
	struct ringo_features features;

	must(ringo_probe(&features) == 0);
	if (chosen_backend() == RINGO_BACKEND_THREADS || features.uring_error != 0)
		skip_program("ring only");
}

static inline void nap_ms(long ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* The kernel gives back what a closed ring had locked some time after its close, and that counts
 * for those who are not root. */
static inline int patiently(int (*open_it)(const struct ringo_options *, void *),
			    const struct ringo_options *options, void *opened)
{
	int ret = open_it(options, opened);

	for (int i = 0; ret == -ENOMEM && i < 5000; i++) {
		nap_ms(1);
		ret = open_it(options, opened);
	}
	return ret;
}

static inline int open_loop_once(const struct ringo_options *options, void *opened)
{
	return ringo_loop_open(options, opened);
}

static inline int open_batch_once(const struct ringo_options *options, void *opened)
{
	return ringo_batch_open(options, opened);
}

static inline int open_loop(const struct ringo_options *options, struct ringo_loop **opened)
{
	return patiently(open_loop_once, options, opened);
}

static inline int open_batch(const struct ringo_options *options, struct ringo_batch **opened)
{
	return patiently(open_batch_once, options, opened);
}

/* A loop on its own thread. Heap memory, since its thread outlives a test that failed. */

struct engine;
typedef uint32_t (*engine_hook)(struct engine *, const struct ringo_completion *, uint32_t count,
				struct ringo_op *ops, uint32_t room);

struct engine {
	struct ringo_loop *loop;
	struct ringo_options options;
	engine_hook hook; /* also sees each delivery, and writes its ops */
	void *hook_context;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int opened;   /* 1, or -errno */
	int ran;      /* what run returned */
	bool closing; /* nobody uses the loop any more */
	_Atomic uint64_t last_id;
	struct ringo_completion *log;
	size_t log_count, log_capacity;
};

static inline uint32_t engine_deliver(uintptr_t context, const struct ringo_completion *completions,
				      uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct engine *e = (struct engine *)context;

	pthread_mutex_lock(&e->lock);
	if (e->log_count + count > e->log_capacity) {
		e->log_capacity = 2 * (e->log_count + count);
		e->log = realloc(e->log, e->log_capacity * sizeof(*e->log));
		must(e->log != NULL);
	}
	for (uint32_t i = 0; i < count; i++)
		e->log[e->log_count++] = completions[i];
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	return e->hook != NULL ? e->hook(e, completions, count, ops, room) : 0;
}

static inline void *engine_thread(void *context)
{
	struct engine *e = context;
	int ret = open_loop(&e->options, &e->loop);

	pthread_mutex_lock(&e->lock);
	e->opened = ret == 0 ? 1 : ret;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	if (ret != 0)
		return NULL;
	e->ran = ringo_loop_run(e->loop, engine_deliver, (uintptr_t)e);
	pthread_mutex_lock(&e->lock);
	while (!e->closing)
		pthread_cond_wait(&e->changed, &e->lock);
	pthread_mutex_unlock(&e->lock);
	ringo_loop_close(e->loop);
	return NULL;
}

static inline struct engine *engine_open_hooked(const struct ringo_options *options,
						engine_hook hook, void *hook_context)
{
	struct engine *e = calloc(1, sizeof(*e));

	must(e != NULL);
	e->options = *options;
	e->hook = hook;
	e->hook_context = hook_context;
	must(pthread_mutex_init(&e->lock, NULL) == 0 && pthread_cond_init(&e->changed, NULL) == 0);
	must(pthread_create(&e->thread, NULL, engine_thread, e) == 0);
	pthread_mutex_lock(&e->lock);
	while (e->opened == 0)
		pthread_cond_wait(&e->changed, &e->lock);
	pthread_mutex_unlock(&e->lock);
	if (e->opened == -EPERM || e->opened == -ENOSYS)
		skip_program("no io_uring here");
	assert_int_equal(e->opened, 1);
	return e;
}

static inline struct engine *engine_open(const struct ringo_options *options)
{
	return engine_open_hooked(options, NULL, NULL);
}

/* How many completions with `id` came; with `last`, the newest of them. */
static inline size_t engine_count_locked(struct engine *e, uint64_t id,
					 struct ringo_completion *last)
{
	size_t n = 0;

	for (size_t i = 0; i < e->log_count; i++) {
		if (e->log[i].user_data != id)
			continue;
		n++;
		if (last != NULL)
			*last = e->log[i];
	}
	return n;
}

static inline size_t engine_count(struct engine *e, uint64_t id)
{
	size_t n;

	pthread_mutex_lock(&e->lock);
	n = engine_count_locked(e, id, NULL);
	pthread_mutex_unlock(&e->lock);
	return n;
}

static inline uint64_t engine_post_flags(struct engine *e, struct ringo_op op, uint32_t flags)
{
	op.user_data = ++e->last_id;
	assert_int_equal(ringo_post(e->loop, &op, 1, flags), 0);
	return op.user_data;
}

static inline uint64_t engine_post(struct engine *e, struct ringo_op op)
{
	return engine_post_flags(e, op, 0);
}

/* Waits for the final completion of `id` (want 0), or for its want-th completion. */
static inline struct ringo_completion engine_await(struct engine *e, uint64_t id, size_t want)
{
	struct ringo_completion last = {.flags = RINGO_MORE};
	struct timespec end;
	int ret = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += PATIENCE_SECONDS;
	pthread_mutex_lock(&e->lock);
	for (;;) {
		size_t n = engine_count_locked(e, id, &last);

		if (ret != 0 || (n > 0 && !(last.flags & RINGO_MORE)) || (want > 0 && n >= want))
			break;
		ret = pthread_cond_timedwait(&e->changed, &e->lock, &end);
	}
	pthread_mutex_unlock(&e->lock);
	if (ret != 0)
		fail_msg("op %llu hangs", (unsigned long long)id);
	return last;
}

static inline struct ringo_completion engine_wait(struct engine *e, uint64_t id)
{
	return engine_await(e, id, 0);
}

static inline struct ringo_completion engine_run(struct engine *e, struct ringo_op op)
{
	return engine_wait(e, engine_post(e, op));
}

static inline int64_t engine_result(struct engine *e, struct ringo_op op)
{
	return engine_run(e, op).result;
}

static inline struct ringo_stats engine_stats(struct engine *e)
{
	struct ringo_stats stats;

	ringo_loop_stats(e->loop, &stats);
	return stats;
}

/* Checks that the loop comes to rest: on a busy machine later than one would think. */
static inline void expect_asleep(struct engine *e)
{
	uint64_t turns = UINT64_MAX;

	for (int i = 0; i < 50; i++) {
		uint64_t before = turns;

		turns = engine_stats(e).turns;
		if (turns <= before + 10 && i > 0)
			return;
		nap_ms(100);
	}
	fail_msg("the loop spins");
}

/* Stops and closes; checks that every id ended exactly once. */
static inline void engine_close(struct engine *e, enum ringo_stop how)
{
	uint64_t ids = e->last_id;
	unsigned char *finals = calloc(ids + 1, 1);

	must(finals != NULL);
	ringo_loop_stop(e->loop, how);
	pthread_mutex_lock(&e->lock);
	e->closing = true;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	pthread_join(e->thread, NULL);
	assert_int_equal(e->ran, 0);
	for (size_t i = 0; i < e->log_count; i++)
		if (!(e->log[i].flags & RINGO_MORE) && e->log[i].user_data <= ids)
			finals[e->log[i].user_data]++;
	for (uint64_t id = 1; id <= ids; id++)
		if (finals[id] != 1)
			fail_msg("op %llu ended %d times", (unsigned long long)id, finals[id]);
	free(finals);
	pthread_mutex_destroy(&e->lock);
	pthread_cond_destroy(&e->changed);
	free(e->log);
	free(e);
}

/* Data whose every byte tells its place. */

static inline unsigned char byte_at(uint64_t seed, uint64_t where)
{
	uint64_t x = (where >> 3 ^ seed << 40) * UINT64_C(0x9e3779b97f4a7c15);

	return (unsigned char)(x >> (where & 7) * 8);
}

static inline void fill(unsigned char *data, size_t length, uint64_t seed, uint64_t where)
{
	for (size_t i = 0; i < length; i++)
		data[i] = byte_at(seed, where + i);
}

/* Index of the first wrong byte, or `length`. */
static inline size_t first_wrong(const unsigned char *data, size_t length, uint64_t seed,
				 uint64_t where)
{
	size_t i = 0;

	while (i < length && data[i] == byte_at(seed, where + i))
		i++;
	return i;
}

/* Files. */

static inline int remove_entry(const char *path, const struct stat *status, int type,
			       struct FTW *where)
{
	(void)status, (void)type, (void)where;
	return remove(path);
}

static inline void remove_tree(const char *path)
{
	(void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* A new directory; the caller removes it with remove_tree. */
static inline void make_scratch(char path[64])
{
	(void)snprintf(path, 64, "/tmp/ringo-test-XXXXXX");
	must(mkdtemp(path) != NULL);
}

static inline int open_at(const char *directory, const char *name, int flags)
{
	char path[512];
	int fd;

	must(snprintf(path, sizeof(path), "%s/%s", directory, name) < (int)sizeof(path));
	fd = open(path, flags | O_CLOEXEC, 0644);
	must(fd >= 0);
	return fd;
}

/* An open file without a name, with `length` bytes of fill() from `where` on, and a hole before. */
static inline int make_file(uint64_t seed, uint64_t where, size_t length)
{
	static unsigned char piece[1 << 16];
	char path[] = "/tmp/ringo-file-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	must(fd >= 0 && unlink(path) == 0);
	for (size_t done = 0; done < length;) {
		size_t n = length - done < sizeof(piece) ? length - done : sizeof(piece);

		fill(piece, n, seed, where + done);
		must(pwrite(fd, piece, n, (off_t)(where + done)) == (ssize_t)n);
		done += n;
	}
	return fd;
}

static inline int count_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int n = 0;

	must(directory != NULL);
	while (readdir(directory) != NULL)
		n++;
	closedir(directory);
	return n;
}

/* Mounts a small file system that can be filled; false where that is not allowed. */
static inline bool mount_small(const char *path)
{
	return mount("none", path, "tmpfs", 0, "size=256k") == 0;
}

/* Sockets. */

static inline void make_pair(int ends[2], int flags)
{
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0, ends) == 0);
}

static inline int make_listener(struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_in){.sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	must(fd >= 0 && bind(fd, (struct sockaddr *)address, sizeof(*address)) == 0);
	must(listen(fd, 128) == 0 && getsockname(fd, (struct sockaddr *)address, &size) == 0);
	return fd;
}

static inline int connect_to(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0);
	must(connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0);
	return fd;
}

/* A connection over TCP: [0] and [1] as of make_pair. */
static inline void make_tcp_pair(int ends[2], int flags)
{
	struct sockaddr_in address;
	int listener = make_listener(&address);

	ends[1] = connect_to(&address);
	ends[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | flags);
	must(ends[0] >= 0);
	if (flags & SOCK_NONBLOCK)
		must(fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
	close(listener);
}

/* Blocks until there is something to read. */
static inline void await_input(int fd)
{
	struct pollfd wanted = {.fd = fd, .events = POLLIN};

	must(poll(&wanted, 1, PATIENCE_SECONDS * 1000) == 1);
}

/* Blocks until `length` bytes came or the stream ended; returns how many. */
static inline size_t read_fully(int fd, void *data, size_t length)
{
	size_t done = 0;

	while (done < length) {
		ssize_t n = read(fd, (char *)data + done, length - done);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			(void)poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 1000);
			continue;
		}
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

static inline void write_fully(int fd, const void *data, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = write(fd, (const char *)data + done, length - done);

		if (n < 0 && errno == EAGAIN) {
			(void)poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 1000);
			continue;
		}
		must(n > 0);
		done += (size_t)n;
	}
}

#endif
