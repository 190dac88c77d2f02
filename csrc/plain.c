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

/* Whether backend "threads" can do it: by a call here, or by itself. */
bool plain_has(uint8_t opcode)
{
	if (opcode == KERNEL_TIMEOUT || opcode == KERNEL_LINK_TIMEOUT ||
	    opcode == KERNEL_POLL_REMOVE || opcode == KERNEL_ASYNC_CANCEL)
		return true;
	for (int code = 0; code < RINGO_CODE_COUNT; code++) {
		const struct op_row *row = &op_rows[code];

		if (row->opcode == opcode &&
		    (row->plain_now != NULL || row->plain_try != NULL || row->plain_wait != NULL))
			return true;
	}
	return false;
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

int32_t plain_socket_now(const struct hop *hop)
{
	return outcome(socket(hop->fd, (int)hop->off, (int)hop->len));
}

int32_t plain_bind_now(const struct hop *hop)
{
	return outcome(
		bind(hop->fd, (const struct sockaddr *)(uintptr_t)hop->addr, (socklen_t)hop->off));
}

int32_t plain_listen_now(const struct hop *hop)
{
	return outcome(listen(hop->fd, (int)hop->len));
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

static bool reads(const struct hop *hop)
{
	return hop->opcode == KERNEL_READ || hop->opcode == KERNEL_READV;
}

/* Streams have no offsets: as on the ring, they are ignored. */
static int32_t transfer(const struct hop *hop, uint32_t extra_flags)
{
	struct iovec one = {.iov_base = (void *)(uintptr_t)hop->addr, .iov_len = hop->len};
	bool vectored = hop->opcode == KERNEL_READV || hop->opcode == KERNEL_WRITEV;
	const struct iovec *iov = vectored ? (const struct iovec *)(uintptr_t)hop->addr : &one;
	int count = vectored ? (int)hop->len : 1;
	off_t offset = hop->off == UINT64_MAX ? -1 : (off_t)hop->off;
	int flags = (int)(hop->op_flags | extra_flags);
	ssize_t ret = reads(hop) ? preadv2(hop->fd, iov, count, offset, flags)
				 : pwritev2(hop->fd, iov, count, offset, flags);

	if (ret < 0 && errno == ESPIPE)
		ret = reads(hop) ? preadv2(hop->fd, iov, count, -1, flags)
				 : pwritev2(hop->fd, iov, count, -1, flags);
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
	struct iovec first;

	if (nonblocking || ret != -EOPNOTSUPP)
		return ret;
	less.op_flags = reads(hop) ? POLLIN : POLLOUT;
	ret = plain_poll_try(&less);
	if (ret < 0)
		return ret;
	less.op_flags = 0;
	if (hop->opcode == KERNEL_WRITEV && hop->len > 0) {
		first = *(const struct iovec *)(uintptr_t)hop->addr;
		first.iov_len = first.iov_len < PIPE_BUF ? first.iov_len : PIPE_BUF;
		less.addr = (uintptr_t)&first;
		less.len = 1;
	} else if (hop->opcode == KERNEL_WRITE && less.len > PIPE_BUF) {
		less.len = PIPE_BUF;
	}
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
	return outcome(accept4(hop->fd, (struct sockaddr *)(uintptr_t)hop->addr,
			       (socklen_t *)(uintptr_t)hop->off,
			       (int)hop->op_flags & (SOCK_NONBLOCK | SOCK_CLOEXEC)));
}

/* A blocking socket is made nonblocking for the moment. Calling connect(2) again tells how one that
 * is under way has come out. */
int32_t plain_connect_try(const struct hop *hop)
{
	int status = fcntl(hop->fd, F_GETFL);
	bool change = status >= 0 && !(status & O_NONBLOCK);
	int32_t ret;

	if (change)
		(void)fcntl(hop->fd, F_SETFL, status | O_NONBLOCK);
	ret = outcome(connect(hop->fd, (const struct sockaddr *)(uintptr_t)hop->addr,
			      (socklen_t)hop->off));
	if (change)
		(void)fcntl(hop->fd, F_SETFL, status);
	return ret == -EALREADY ? -EINPROGRESS : ret;
}

int32_t plain_recv_try(const struct hop *hop)
{
	return outcome(recv(hop->fd, (void *)(uintptr_t)hop->addr, hop->len,
			    (int)hop->op_flags | MSG_DONTWAIT));
}

int32_t plain_recvmsg_try(const struct hop *hop)
{
	return outcome(recvmsg(hop->fd, (struct msghdr *)(uintptr_t)hop->addr,
			       (int)hop->op_flags | MSG_DONTWAIT));
}

/* As the kernel's multishot RECVMSG: a struct ringo_message, name and control data with the room
 * that the op's msghdr asks for, then the message. */
int32_t plain_recvmsg_into(const struct hop *hop, void *buffer, uint32_t size)
{
	const struct msghdr *asked = (const struct msghdr *)(uintptr_t)hop->addr;
	size_t head = sizeof(struct ringo_message) + asked->msg_namelen + asked->msg_controllen;
	char *name = (char *)buffer + sizeof(struct ringo_message);
	struct iovec payload = {.iov_base = (char *)buffer + head, .iov_len = size - head};
	struct msghdr message = {.msg_name = name,
				 .msg_namelen = asked->msg_namelen,
				 .msg_control = name + asked->msg_namelen,
				 .msg_controllen = asked->msg_controllen,
				 .msg_iov = &payload,
				 .msg_iovlen = 1};
	ssize_t ret;

	if (head > size)
		return -EFAULT;
	ret = recvmsg(hop->fd, &message, (int)hop->op_flags | MSG_DONTWAIT);
	if (ret < 0)
		return -errno;
	*(struct ringo_message *)buffer =
		(struct ringo_message){.name_length = message.msg_namelen,
				       .control_length = (uint32_t)message.msg_controllen,
				       .payload_length = (uint32_t)ret,
				       .flags = (uint32_t)message.msg_flags};
	return (int32_t)head + (int32_t)ret;
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

int32_t plain_fallocate(const struct hop *hop)
{
	return outcome(fallocate(hop->fd, (int)hop->len, (off_t)hop->off, (off_t)hop->addr));
}

/* posix_fadvise(3) returns its error. */
int32_t plain_fadvise(const struct hop *hop)
{
	return -posix_fadvise(hop->fd, (off_t)hop->off, hop->len, (int)hop->op_flags);
}

int32_t plain_ftruncate(const struct hop *hop)
{
	return outcome(ftruncate(hop->fd, (off_t)hop->off));
}
