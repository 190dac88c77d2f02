/* SPDX-License-Identifier: MIT */
/* The calls of liburing that enter the kernel, which a signal or want of memory can fail. */
#include "faults.h"

struct io_uring;
int __real_io_uring_submit_and_wait(struct io_uring *, unsigned int);
int __wrap_io_uring_submit_and_wait(struct io_uring *, unsigned int);
int __real_io_uring_submit_and_get_events(struct io_uring *);
int __wrap_io_uring_submit_and_get_events(struct io_uring *);

static int submit_error(void)
{
	static const int errors[] = {-EINTR, -EAGAIN, -EBUSY};

	return fault_strikes(FAULT_SKIPPED) ? errors[fault_random(3)] : 0;
}

int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned int count)
{
	int error = submit_error();

	return error != 0 ? error : __real_io_uring_submit_and_wait(ring, count);
}

int __wrap_io_uring_submit_and_get_events(struct io_uring *ring)
{
	int error = submit_error();

	return error != 0 ? error : __real_io_uring_submit_and_get_events(ring);
}
