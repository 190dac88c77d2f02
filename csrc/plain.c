//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * Hops as plain system calls, for backend "threads": the functions that the table of ops names.
 * Each takes a hop and returns its result, or -errno. Those called _now and _try do not wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

static int32_t outcome(long ret)
{
	return ret < 0 ? -errno : (int32_t)ret;
}

static const char *path_of(const struct hop *hop)
{
	return (const char *)(uintptr_t)hop->addr;
}

/* What never waits. */

int32_t plain_nop_now(const struct hop *hop)
{
	(void)hop;
	return 0;
}

int32_t plain_shutdown_now(const struct hop *hop)
{
	return outcome(shutdown(hop->fd, (int)hop->len));
}

int32_t plain_pipe_now(const struct hop *hop)
{
	int ends[2];
	int ret = pipe2(ends, (int)hop->op_flags);

	if (ret == 0)
		memcpy((void *)(uintptr_t)hop->addr, ends, sizeof(ends));
	return outcome(ret);
}

/* Opening. */

/* Whether opening waits for the FIFO's other end, as nobody asked it not to. */
static bool may_wait_for_fifo(const struct kernel_open_how *how)
{
	return !(how->flags & (O_NONBLOCK | O_PATH | O_RDWR));
}

/* A FIFO is opened without waiting for its other end, which could not be cancelled: who reads it
 * waits for a writer, and ENXIO, no reader, is tried again later. openat2(2) is there since Linux
 * 5.6; before that, only unrestricted lookups are. */
int32_t plain_openat2(const struct hop *hop)
{
	struct kernel_open_how how = *(const struct kernel_open_how *)(uintptr_t)hop->off;
	bool clear = may_wait_for_fifo(&how);
	long fd;

	if (clear)
		how.flags |= O_NONBLOCK;
	fd = syscall(SYS_openat2, hop->fd, path_of(hop), &how, sizeof(how));
	if (fd < 0 && errno == ENOSYS && how.resolve == 0)
		fd = openat(hop->fd, path_of(hop), (int)how.flags, (mode_t)how.mode);
	if (fd >= 0 && clear)
		(void)fcntl((int)fd, F_SETFL, (int)how.flags & ~O_NONBLOCK);
	return outcome(fd);
}

/* Whether this result of plain_openat2 means that a FIFO has no reader yet. */
bool plain_open_waits(const struct hop *hop, int32_t result)
{
	struct stat status;

	return result == -ENXIO &&
	       may_wait_for_fifo((const struct kernel_open_how *)(uintptr_t)hop->off) &&
	       fstatat(hop->fd, path_of(hop), &status, 0) == 0 && S_ISFIFO(status.st_mode);
}

/* Reading and writing. */

/* Whether a transfer of this descriptor may wait for others without end. */
bool plain_is_stream(const struct hop *hop)
{
	struct stat status;

	return fstat(hop->fd, &status) == 0 &&
	       (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
}

/* Streams have no offsets: as on the ring, they are ignored. */
static int32_t transfer(const struct hop *hop, uint32_t extra_flags)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)hop->addr, .iov_len = hop->len};
	off_t offset = hop->off == UINT64_MAX ? -1 : (off_t)hop->off;
	int flags = (int)(hop->op_flags | extra_flags);
	bool reads = hop->opcode == KERNEL_READ;
	ssize_t ret = reads ? preadv2(hop->fd, &iov, 1, offset, flags)
			    : pwritev2(hop->fd, &iov, 1, offset, flags);

	if (ret < 0 && errno == ESPIPE)
		ret = reads ? preadv2(hop->fd, &iov, 1, -1, flags)
			    : pwritev2(hop->fd, &iov, 1, -1, flags);
	return outcome(ret);
}

int32_t plain_transfer(const struct hop *hop)
{
	return transfer(hop, 0);
}

/* RWF_NOWAIT on a pipe or socket needs a newer kernel than this backend does; what poll(2) says is
 * there can be read, and PIPE_BUF bytes can be written, without blocking (pipe(7)). */
int32_t plain_transfer_try(const struct hop *hop)
{
	int status = fcntl(hop->fd, F_GETFL);
	bool nonblocking = status >= 0 && status & O_NONBLOCK;
	int32_t ret = transfer(hop, nonblocking ? 0 : RWF_NOWAIT);
	struct hop less = *hop;

	if (nonblocking || ret != -EOPNOTSUPP)
		return ret;
	less.op_flags = hop->opcode == KERNEL_READ ? POLLIN : POLLOUT;
	ret = plain_poll_try(&less);
	if (ret < 0)
		return ret;
	less.op_flags = 0;
	if (hop->opcode == KERNEL_WRITE && less.len > PIPE_BUF)
		less.len = PIPE_BUF;
	return transfer(&less, 0);
}

int32_t plain_splice(const struct hop *hop)
{
	loff_t in = (loff_t)hop->addr, out = (loff_t)hop->off;

	return outcome(splice(hop->splice_fd_in, in < 0 ? NULL : &in, hop->fd,
			      out < 0 ? NULL : &out, hop->len, hop->op_flags));
}

/* Polls and sockets. */

int32_t plain_poll_try(const struct hop *hop)
{
	struct pollfd one = {.fd = hop->fd, .events = (short)hop->op_flags};
	int ret = poll(&one, 1, 0);

	if (ret < 0)
		return -errno;
	if (ret > 0 && one.revents & POLLNVAL)
		return -EBADF;
	return ret == 0 ? -EAGAIN : one.revents;
}

/* The listening socket may be a blocking one. */
int32_t plain_accept_try(const struct hop *hop)
{
	const struct hop readable = {.fd = hop->fd, .op_flags = POLLIN};
	int32_t ret = plain_poll_try(&readable);

	if (ret < 0)
		return ret;
	return outcome(
		accept4(hop->fd, NULL, NULL, (int)hop->op_flags & (SOCK_NONBLOCK | SOCK_CLOEXEC)));
}

int32_t plain_recv_try(const struct hop *hop)
{
	return outcome(recv(hop->fd, (void *)(uintptr_t)hop->addr, hop->len,
			    (int)hop->op_flags | MSG_DONTWAIT));
}

/* That all is sent is the op's business. */
static int sending_flags(const struct hop *hop)
{
	return ((int)hop->op_flags | MSG_DONTWAIT) & ~MSG_WAITALL;
}

int32_t plain_send_try(const struct hop *hop)
{
	return outcome(
		send(hop->fd, (const void *)(uintptr_t)hop->addr, hop->len, sending_flags(hop)));
}

int32_t plain_sendmsg_try(const struct hop *hop)
{
	return outcome(
		sendmsg(hop->fd, (const struct msghdr *)(uintptr_t)hop->addr, sending_flags(hop)));
}

/* What may wait for the disk. */

int32_t plain_fsync(const struct hop *hop)
{
	return outcome(hop->op_flags ? fdatasync(hop->fd) : fsync(hop->fd));
}

int32_t plain_statx(const struct hop *hop)
{
	return outcome(statx(hop->fd, path_of(hop), (int)hop->op_flags, hop->len,
			     (struct statx *)(uintptr_t)hop->off));
}

int32_t plain_close(const struct hop *hop)
{
	return outcome(close(hop->fd));
}

int32_t plain_renameat(const struct hop *hop)
{
	return outcome(renameat2(hop->fd, path_of(hop), (int)hop->len,
				 (const char *)(uintptr_t)hop->off, hop->op_flags));
}

int32_t plain_unlinkat(const struct hop *hop)
{
	return outcome(unlinkat(hop->fd, path_of(hop), (int)hop->op_flags));
}
