/* SPDX-License-Identifier: MIT */
/* Opening: whichever of its calls fails, the error comes out and nothing is left behind. Leaks of
 * memory are for the sanitizer to find. */
#include "check.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

/* The n-th call fails; each test counts through until the open needs no more calls. */
static struct {
	int fail_at, calls;
} plan;

static bool fails_now(void)
{
	return ++plan.calls == plan.fail_at;
}

void *__real_mmap(void *, size_t, int, int, int, off_t);
void *__wrap_mmap(void *, size_t, int, int, int, off_t);
void *__real_calloc(size_t, size_t);
void *__wrap_calloc(size_t, size_t);
int __real_eventfd(unsigned int, int);
int __wrap_eventfd(unsigned int, int);
int __real_epoll_create1(int);
int __wrap_epoll_create1(int);
int __real_epoll_ctl(int, int, int, struct epoll_event *);
int __wrap_epoll_ctl(int, int, int, struct epoll_event *);

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t where)
{
	if (fails_now()) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return __real_mmap(at, size, protection, flags, fd, where);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails_now() ? NULL : __real_calloc(count, size);
}

static bool fails_with(int error)
{
	errno = error;
	return fails_now();
}

int __wrap_eventfd(unsigned int count, int flags)
{
	return fails_with(EMFILE) ? -1 : __real_eventfd(count, flags);
}

int __wrap_epoll_create1(int flags)
{
	return fails_with(EMFILE) ? -1 : __real_epoll_create1(flags);
}

int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
	return fails_with(ENOMEM) ? -1 : __real_epoll_ctl(epoll, what, fd, event);
}

#ifndef THREADS_ONLY
struct io_uring;
struct io_uring_params;
struct io_uring_buf_reg;
struct io_uring_probe;
struct io_uring_probe *__real_io_uring_get_probe_ring(struct io_uring *);
struct io_uring_probe *__wrap_io_uring_get_probe_ring(struct io_uring *);
int __real_io_uring_ring_dontfork(struct io_uring *);
int __wrap_io_uring_ring_dontfork(struct io_uring *);
int __real_io_uring_queue_init_params(unsigned int, struct io_uring *, struct io_uring_params *);
int __wrap_io_uring_queue_init_params(unsigned int, struct io_uring *, struct io_uring_params *);
int __real_io_uring_register_iowq_max_workers(struct io_uring *, unsigned int *);
int __wrap_io_uring_register_iowq_max_workers(struct io_uring *, unsigned int *);
int __real_io_uring_register_buf_ring(struct io_uring *, struct io_uring_buf_reg *, unsigned int);
int __wrap_io_uring_register_buf_ring(struct io_uring *, struct io_uring_buf_reg *, unsigned int);

int __wrap_io_uring_queue_init_params(unsigned int entries, struct io_uring *ring,
				      struct io_uring_params *params)
{
	return fails_now() ? -EMFILE : __real_io_uring_queue_init_params(entries, ring, params);
}

/* Asks for memory, in the library or of the kernel. */
struct io_uring_probe *__wrap_io_uring_get_probe_ring(struct io_uring *ring)
{
	return fails_now() ? NULL : __real_io_uring_get_probe_ring(ring);
}

int __wrap_io_uring_ring_dontfork(struct io_uring *ring)
{
	return fails_now() ? -ENOMEM : __real_io_uring_ring_dontfork(ring);
}

int __wrap_io_uring_register_iowq_max_workers(struct io_uring *ring, unsigned int *workers)
{
	return fails_now() ? -ENOMEM : __real_io_uring_register_iowq_max_workers(ring, workers);
}

int __wrap_io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *reg,
				      unsigned int flags)
{
	return fails_now() ? -ENOMEM : __real_io_uring_register_buf_ring(ring, reg, flags);
}
#endif

static int open_and_close_loop(const struct ringo_options *options)
{
	struct ringo_loop *loop = NULL;
	int ret = ringo_loop_open(options, &loop);

	assert_int_equal(ret == 0, loop != NULL);
	if (loop != NULL)
		ringo_loop_close(loop);
	return ret;
}

static int open_and_close_batch(const struct ringo_options *options)
{
	struct ringo_batch *batch = NULL;
	int ret = ringo_batch_open(options, &batch);

	assert_int_equal(ret == 0, batch != NULL);
	if (batch != NULL)
		ringo_batch_close(batch);
	return ret;
}

/* Returns how many calls could fail. AUTO must not fall back for any of them. */
static int count_through(int (*open_it)(const struct ringo_options *), uint32_t backend)
{
	struct ringo_options options = {.backend = backend, .depth = 16};
	int fds = count_fds(), ret = -1;

	if (open_it == open_and_close_loop)
		options.receive_buffers = 8;
	for (plan.fail_at = 1; ret != 0; plan.fail_at++) {
		plan.calls = 0;
		ret = open_it(&options);
		assert_true(ret == 0 || ret == -ENOMEM || ret == -EMFILE);
		assert_true(ret != 0 || plan.calls < plan.fail_at);
		assert_int_equal(count_fds(), fds);
	}
	return plan.fail_at - 2;
}

static void test_every_call_fails_once(void **state)
{
	(void)state;
	for (uint32_t backend = RINGO_BACKEND_AUTO; backend <= RINGO_BACKEND_THREADS; backend++) {
		if (backend == RINGO_BACKEND_URING && !has_uring())
			continue;
		assert_in_range(count_through(open_and_close_loop, backend), 9, 40);
		assert_in_range(count_through(open_and_close_batch, backend), 6, 40);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_call_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
