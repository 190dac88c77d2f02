/* SPDX-License-Identifier: MIT */
/* The call of liburing that enters the kernel, which a signal or want of memory can fail. */
#include "faults.h"

#include <signal.h>
#include <stddef.h>

int __real_io_uring_enter2(unsigned int fd, unsigned int submit, unsigned int wait,
			   unsigned int flags, sigset_t *argument, size_t size);
int __wrap_io_uring_enter2(unsigned int fd, unsigned int submit, unsigned int wait,
			   unsigned int flags, sigset_t *argument, size_t size);

int __wrap_io_uring_enter2(unsigned int fd, unsigned int submit, unsigned int wait,
			   unsigned int flags, sigset_t *argument, size_t size)
{
	static const int errors[] = {-EINTR, -EAGAIN, -EBUSY};

	if (fault_strikes(FAULT_SKIPPED))
		return errors[fault_random(3)];
	return __real_io_uring_enter2(fd, submit, wait, flags, argument, size);
}
