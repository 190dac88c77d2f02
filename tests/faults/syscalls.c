/* SPDX-License-Identifier: MIT */
/* The system calls that the core makes itself: the linker's --wrap puts these before the real ones.
 * Those of the tests go through them as well. */
#include "faults.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

ssize_t __real_sendfile(int, int, off_t *, size_t);
ssize_t __wrap_sendfile(int, int, off_t *, size_t);
ssize_t __real_send(int, const void *, size_t, int);
ssize_t __wrap_send(int, const void *, size_t, int);
ssize_t __real_preadv2(int, const struct iovec *, int, off_t, int);
ssize_t __wrap_preadv2(int, const struct iovec *, int, off_t, int);
ssize_t __real_pwritev2(int, const struct iovec *, int, off_t, int);
ssize_t __wrap_pwritev2(int, const struct iovec *, int, off_t, int);
int __real_fstat(int, struct stat *);
int __wrap_fstat(int, struct stat *);
int __real_epoll_wait(int, struct epoll_event *, int, int);
int __wrap_epoll_wait(int, struct epoll_event *, int, int);
int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static bool fails(enum fault kind, int error)
{
	if (!fault_strikes(kind))
		return false;
	errno = error;
	return true;
}

static size_t shorter(size_t length)
{
	if (length < 2 || !fault_strikes(FAULT_SHORTENED))
		return length;
	return 1 + fault_random((uint32_t)(length - 1));
}

/* Shortens a transfer of one part. */
static struct iovec shorter_part(const struct iovec *part)
{
	return (struct iovec){.iov_base = part->iov_base, .iov_len = shorter(part->iov_len)};
}

ssize_t __wrap_sendfile(int to, int from, off_t *where, size_t length)
{
	if (fails(FAULT_INTERRUPTED, EINTR) || fails(FAULT_REFUSED, EAGAIN) ||
	    fails(FAULT_FAILED, FAULT_ERRNO))
		return -1;
	return __real_sendfile(to, from, where, shorter(length));
}

ssize_t __wrap_send(int fd, const void *data, size_t length, int flags)
{
	if (fails(FAULT_INTERRUPTED, EINTR) ||
	    (flags & MSG_DONTWAIT && fails(FAULT_REFUSED, EAGAIN)) ||
	    fails(FAULT_FAILED, FAULT_ERRNO))
		return -1;
	return __real_send(fd, data, shorter(length), flags);
}

/* Of a residency probe, EINTR means not cached; of a worker's read it comes out as a result. */
ssize_t __wrap_preadv2(int fd, const struct iovec *parts, int count, off_t where, int flags)
{
	struct iovec part = shorter_part(parts);

	if (fails(FAULT_INTERRUPTED, EINTR))
		return -1;
	return __real_preadv2(fd, count == 1 ? &part : parts, count, where, flags);
}

ssize_t __wrap_pwritev2(int fd, const struct iovec *parts, int count, off_t where, int flags)
{
	struct iovec part = shorter_part(parts);

	if (fails(FAULT_INTERRUPTED, EINTR))
		return -1;
	return __real_pwritev2(fd, count == 1 ? &part : parts, count, where, flags);
}

/* Of files alone, as on a network: whoever cannot learn the size has to read on to the end. */
int __wrap_fstat(int fd, struct stat *status)
{
	int ret = __real_fstat(fd, status);

	return ret == 0 && S_ISREG(status->st_mode) && fails(FAULT_INTERRUPTED, EIO) ? -1 : ret;
}

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
	return fails(FAULT_SKIPPED, EINTR) ? -1 : __real_epoll_wait(epoll, events, count, timeout);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
			  void *argument)
{
	return fault_strikes(FAULT_NO_WORKER)
		       ? EAGAIN
		       : __real_pthread_create(thread, attributes, run, argument);
}
