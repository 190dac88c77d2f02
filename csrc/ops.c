//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * The table of ops, and the ops that are one hop or the same hop again. Composite ops stand in
 * readfile.c, writefile.c and sendfile.c; CANCEL and RETURN_BUFFER need no slot, so no functions.
 *
 * start() fills the first hop; advance() takes a hop's result and says what comes next. EINTR,
 * EAGAIN and cancels were dealt with by slot.c before advance() sees a result.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "internal.h"

enum step step_done_after(struct slot *slot, int32_t error)
{
	if (slot->done == 0 && error != 0)
		return step_done(slot, error);
	slot->extra = -error;
	return step_done(slot, slot->done);
}

/* Ops of one hop: the result is the kernel's. */

static enum step advance_once(struct ring *ring, struct slot *slot, int32_t result, bool more,
			      int32_t buffer)
{
	(void)ring, (void)more, (void)buffer;
	return step_done(slot, result);
}

static enum step start_nop(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop = (struct hop){.opcode = KERNEL_NOP, .fd = -1};
	return STEP_SUBMIT;
}

static enum step start_fsync(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop = (struct hop){.opcode = KERNEL_FSYNC,
				 .fd = slot->op.fd,
				 .op_flags = slot->op.argument ? KERNEL_FSYNC_DATASYNC : 0};
	return STEP_SUBMIT;
}

static enum step start_statx(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop = (struct hop){.opcode = KERNEL_STATX,
				 .fd = slot->op.fd,
				 .addr = slot->op.address,
				 .off = slot->op.address2,
				 .len = (uint32_t)slot->op.argument2,
				 .op_flags = slot->op.argument};
	return STEP_SUBMIT;
}

static enum step start_close(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->cleaning = true; /* a close that is cancelled is a descriptor lost */
	slot->hop = (struct hop){.opcode = KERNEL_CLOSE, .fd = slot->op.fd};
	return STEP_SUBMIT;
}

static enum step start_renameat(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop = (struct hop){.opcode = KERNEL_RENAMEAT,
				 .fd = slot->op.fd,
				 .addr = slot->op.address,
				 .off = slot->op.address2,
				 .len = (uint32_t)slot->op.fd2,
				 .op_flags = slot->op.argument};
	return STEP_SUBMIT;
}

static enum step start_unlinkat(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop = (struct hop){.opcode = KERNEL_UNLINKAT,
				 .fd = slot->op.fd,
				 .addr = slot->op.address,
				 .op_flags = slot->op.argument};
	return STEP_SUBMIT;
}

static enum step start_splice(struct ring *ring, struct slot *slot)
{
	const struct ringo_op *op = &slot->op;

	(void)ring;
	slot->hop = (struct hop){.opcode = KERNEL_SPLICE,
				 .fd = op->fd2,
				 .splice_fd_in = op->fd,
				 .addr = (uint64_t)op->offset,
				 .off = op->argument2,
				 .len = op->length < HOP_LENGTH_MAX ? (uint32_t)op->length
								    : HOP_LENGTH_MAX,
				 .op_flags = op->argument};
	return STEP_SUBMIT;
}

static enum step start_shutdown(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop = (struct hop){
		.opcode = KERNEL_SHUTDOWN, .fd = slot->op.fd, .len = slot->op.argument};
	return STEP_SUBMIT;
}

/* OPENAT2: a lookup contained by RESOLVE_BENEATH or IN_ROOT is refused with EAGAIN when a rename
 * or mount raced it (openat2(2)); such a race may be lost a bounded number of times. With
 * RESOLVE_CACHED EAGAIN is the caller's answer. */
enum { OPEN_ATTEMPTS_MAX = 32, RESOLVE_CACHED_FLAG = 0x20 };

static enum step start_openat2(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->memory.how = (struct kernel_open_how){
		.flags = slot->op.argument, .mode = slot->op.argument2, .resolve = slot->op.length};
	slot->hop = (struct hop){.opcode = KERNEL_OPENAT2,
				 .fd = slot->op.fd,
				 .addr = slot->op.address,
				 .len = sizeof(slot->memory.how),
				 .off = (uintptr_t)&slot->memory.how};
	return STEP_SUBMIT;
}

static enum step advance_openat2(struct ring *ring, struct slot *slot, int32_t result, bool more,
				 int32_t buffer)
{
	(void)ring, (void)more, (void)buffer;
	if (result == -EAGAIN && !(slot->op.length & RESOLVE_CACHED_FLAG) &&
	    slot->attempts++ < OPEN_ATTEMPTS_MAX)
		return STEP_SUBMIT;
	return step_done(slot, result);
}

/* TIMEOUT. */

static enum step start_timeout(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->memory.timespec = (struct kernel_timespec){
		.seconds = (int64_t)(slot->op.argument2 / 1000000000u),
		.nanoseconds = (int64_t)(slot->op.argument2 % 1000000000u)};
	slot->hop = (struct hop){.opcode = KERNEL_TIMEOUT,
				 .fd = -1,
				 .addr = (uintptr_t)&slot->memory.timespec,
				 .len = 1};
	return STEP_SUBMIT;
}

static enum step advance_timeout(struct ring *ring, struct slot *slot, int32_t result, bool more,
				 int32_t buffer)
{
	(void)ring, (void)more, (void)buffer;
	return step_done(slot, result == -ETIME ? 0 : result);
}

/* READ, WRITE, SEND: the same hop again for the rest. */

void hop_transfer(struct slot *slot, uint8_t opcode, int32_t fd, uint64_t base, int64_t offset)
{
	uint64_t left = slot->op.length - (uint64_t)slot->done;

	slot->hop = (struct hop){.opcode = opcode,
				 .fd = fd,
				 .addr = base + (uint64_t)slot->done,
				 .len = left < HOP_LENGTH_MAX ? (uint32_t)left : HOP_LENGTH_MAX,
				 .off = offset < 0 ? UINT64_MAX : (uint64_t)(offset + slot->done)};
}

static enum step submit_transfer(struct slot *slot)
{
	const struct ringo_op *op = &slot->op;
	uint8_t opcode = op_rows[op->code].opcode;

	hop_transfer(slot, opcode, op->fd, op->address, op->offset);
	slot->hop.op_flags = op->argument;
	if (op->code == RINGO_SEND) {
		slot->hop.off = 0; /* it would be the address to send to */
		slot->hop.op_flags |= MSG_NOSIGNAL | MSG_WAITALL;
	}
	return STEP_SUBMIT;
}

static enum step start_transfer(struct ring *ring, struct slot *slot)
{
	(void)ring;
	if (slot->op.code == RINGO_SEND)
		slot->op.offset = -1;
	if (slot->op.offset < -1 || slot->op.length > INT64_MAX ||
	    (slot->op.offset > 0 && slot->op.length > (uint64_t)(INT64_MAX - slot->op.offset)))
		return step_done(slot, -EINVAL);
	return submit_transfer(slot);
}

/* A read at an offset ends at the end of the file (0), one from a stream with its first bytes. */
static bool transfer_is_complete(const struct slot *slot, int32_t result)
{
	if (result == 0 || (uint64_t)slot->done == slot->op.length)
		return true;
	return slot->op.code == RINGO_READ && slot->op.offset < 0;
}

static enum step advance_transfer(struct ring *ring, struct slot *slot, int32_t result, bool more,
				  int32_t buffer)
{
	(void)ring, (void)more, (void)buffer;
	if (result < 0)
		return step_done_after(slot, result);
	slot->done += result;
	if (transfer_is_complete(slot, result))
		return step_done_after(slot, 0);
	return submit_transfer(slot);
}

/* SENDMSG: msg_iov is advanced past what went. */

static enum step start_sendmsg(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop = (struct hop){.opcode = KERNEL_SENDMSG,
				 .fd = slot->op.fd,
				 .addr = slot->op.address,
				 .len = 1,
				 .op_flags = slot->op.argument | MSG_NOSIGNAL | MSG_WAITALL};
	return STEP_SUBMIT;
}

/* Returns whether anything is left to send. */
static bool message_advance(struct msghdr *message, size_t sent)
{
	while (message->msg_iovlen > 0 && sent >= message->msg_iov->iov_len) {
		sent -= message->msg_iov->iov_len;
		message->msg_iov++;
		message->msg_iovlen--;
	}
	if (message->msg_iovlen == 0)
		return false;
	message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + sent;
	message->msg_iov->iov_len -= sent;
	return true;
}

static enum step advance_sendmsg(struct ring *ring, struct slot *slot, int32_t result, bool more,
				 int32_t buffer)
{
	(void)ring, (void)more, (void)buffer;
	if (result < 0)
		return step_done_after(slot, result);
	slot->done += result;
	if (result == 0 ||
	    !message_advance((struct msghdr *)(uintptr_t)slot->op.address, (size_t)result))
		return step_done_after(slot, 0);
	return STEP_SUBMIT;
}

/* PIPE: on kernels without the op (before 6.16) pipe2(2) does it at once: it never blocks. */

static int64_t pipe_result(const int32_t ends[2])
{
	return (int64_t)ends[0] | (int64_t)ends[1] << 32;
}

static enum step start_pipe(struct ring *ring, struct slot *slot)
{
	if (!ring->pipe_supported) {
		int ends[2];

		if (pipe2(ends, (int)slot->op.argument) != 0)
			return step_done(slot, -errno);
		return step_done(slot, pipe_result(ends));
	}
	slot->hop = (struct hop){.opcode = KERNEL_PIPE,
				 .fd = 0,
				 .addr = (uintptr_t)slot->memory.pipe,
				 .op_flags = slot->op.argument};
	return STEP_SUBMIT;
}

static enum step advance_pipe(struct ring *ring, struct slot *slot, int32_t result, bool more,
			      int32_t buffer)
{
	(void)ring, (void)more, (void)buffer;
	return step_done(slot, result < 0 ? result : pipe_result(slot->memory.pipe));
}

/* POLL, ACCEPT, RECV: one result, or many. A multishot that the kernel ended though nobody asked
 * it to (completion queue overflowed, no buffer) is armed again. */

static enum step start_poll(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop = (struct hop){
		.opcode = KERNEL_POLL_ADD, .fd = slot->op.fd, .op_flags = slot->op.argument};
	if (slot->op.flags & RINGO_MULTISHOT)
		slot->hop.len = KERNEL_POLL_MULTISHOT;
	return STEP_SUBMIT;
}

static enum step advance_poll(struct ring *ring, struct slot *slot, int32_t result, bool more,
			      int32_t buffer)
{
	(void)buffer;
	if (result < 0 || !(slot->op.flags & RINGO_MULTISHOT))
		return step_done(slot, result);
	ring_emit(ring, slot->op.user_data, result, RINGO_MORE, 0);
	return more ? STEP_DONE : STEP_SUBMIT;
}

enum { ACCEPT_PAUSE_NS = 20 * 1000 * 1000 };

static enum step submit_accept(struct slot *slot)
{
	slot->phase = 0;
	slot->hop = (struct hop){
		.opcode = KERNEL_ACCEPT, .fd = slot->op.fd, .op_flags = slot->op.argument};
	/* The kernel's multishot takes all that wait in the backlog: with a limit it is one by one.
	 */
	if (slot->op.flags & RINGO_MULTISHOT && slot->op.length == 0)
		slot->hop.ioprio = KERNEL_ACCEPT_MULTISHOT;
	return STEP_SUBMIT;
}

static enum step start_accept(struct ring *ring, struct slot *slot)
{
	(void)ring;
	return submit_accept(slot);
}

/* accept(2) again at once would fail the same way and spin. */
static enum step pause_accept(struct ring *ring, struct slot *slot)
{
	count_up(&ring->stats.backoffs, 1);
	slot->phase = 1;
	slot->memory.timespec = (struct kernel_timespec){.nanoseconds = ACCEPT_PAUSE_NS};
	slot->hop = (struct hop){.opcode = KERNEL_TIMEOUT,
				 .fd = -1,
				 .addr = (uintptr_t)&slot->memory.timespec,
				 .len = 1};
	return STEP_SUBMIT;
}

static enum step advance_accept(struct ring *ring, struct slot *slot, int32_t result, bool more,
				int32_t buffer)
{
	(void)buffer;
	if (!(slot->op.flags & RINGO_MULTISHOT))
		return step_done(slot, result);
	if (slot->phase == 1)
		return result == -ECANCELED ? step_done(slot, result) : submit_accept(slot);
	switch (result) {
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -ENOBUFS:
		ring_emit(ring, slot->op.user_data, result, RINGO_MORE, 0);
		return more ? STEP_DONE : pause_accept(ring, slot);
	case -ECONNABORTED: /* the peer was gone before we took it (accept(2)) */
	case -EPROTO:
	case -EAGAIN:
		return more ? STEP_DONE : submit_accept(slot);
	default:
		if (result < 0 || (uint64_t)++slot->done == slot->op.length)
			return step_done(slot, result);
		ring_emit(ring, slot->op.user_data, result, RINGO_MORE, 0);
		return more ? STEP_DONE : submit_accept(slot);
	}
}

static enum step start_recv(struct ring *ring, struct slot *slot)
{
	const struct ringo_op *op = &slot->op;
	bool select = op->flags & RINGO_BUFFER_SELECT, multishot = op->flags & RINGO_MULTISHOT;

	if ((multishot && !select) || (select && ring->receive.count == 0))
		return step_done(slot, -EINVAL);
	slot->hop = (struct hop){.opcode = KERNEL_RECV,
				 .fd = op->fd,
				 .addr = select ? 0 : op->address,
				 .len = select                        ? 0
					: op->length < HOP_LENGTH_MAX ? (uint32_t)op->length
								      : HOP_LENGTH_MAX,
				 .op_flags = op->argument,
				 .buffer_select = select,
				 .ioprio = multishot ? KERNEL_RECV_MULTISHOT : 0};
	return STEP_SUBMIT;
}

static enum step advance_recv(struct ring *ring, struct slot *slot, int32_t result, bool more,
			      int32_t buffer)
{
	bool multishot = slot->op.flags & RINGO_MULTISHOT;

	if (result == -ENOBUFS && slot->op.flags & RINGO_BUFFER_SELECT) {
		count_up(&ring->stats.starved, 1);
		return STEP_PARK;
	}
	if (result > 0 && multishot) {
		ring_emit(ring, slot->op.user_data, result, RINGO_MORE | RINGO_BUFFER, buffer);
		return more ? STEP_DONE : STEP_SUBMIT;
	}
	if (buffer >= 0 && result <= 0)
		buffers_return(ring, (uint32_t)buffer);
	else if (buffer >= 0) {
		slot->flags = RINGO_BUFFER;
		slot->extra = buffer;
	}
	return step_done(slot, result);
}

const struct op_row op_rows[RINGO_CODE_COUNT] = {
	[RINGO_NOP] = {"nop", "5.1", KERNEL_NOP, false, start_nop, advance_once,
		       .plain_now = plain_nop_now},
	[RINGO_OPENAT2] = {"openat2", "5.6", KERNEL_OPENAT2, false, start_openat2, advance_openat2,
			   .plain_wait = plain_openat2},
	[RINGO_READ] = {"read", "5.6", KERNEL_READ, false, start_transfer, advance_transfer,
			.plain_try = plain_transfer_try, .plain_wait = plain_transfer},
	[RINGO_WRITE] = {"write", "5.6", KERNEL_WRITE, false, start_transfer, advance_transfer,
			 .plain_try = plain_transfer_try, .plain_wait = plain_transfer},
	[RINGO_FSYNC] = {"fsync", "5.1", KERNEL_FSYNC, false, start_fsync, advance_once,
			 .plain_wait = plain_fsync},
	[RINGO_STATX] = {"statx", "5.6", KERNEL_STATX, false, start_statx, advance_once,
			 .plain_wait = plain_statx},
	[RINGO_CLOSE] = {"close", "5.6", KERNEL_CLOSE, false, start_close, advance_once,
			 .plain_wait = plain_close},
	[RINGO_RENAMEAT] = {"renameat", "5.11", KERNEL_RENAMEAT, false, start_renameat,
			    advance_once, .plain_wait = plain_renameat},
	[RINGO_UNLINKAT] = {"unlinkat", "5.11", KERNEL_UNLINKAT, false, start_unlinkat,
			    advance_once, .plain_wait = plain_unlinkat},
	[RINGO_SPLICE] = {"splice", "5.7", KERNEL_SPLICE, false, start_splice, advance_once,
			  .plain_wait = plain_splice},
	[RINGO_PIPE] = {"pipe", "6.16", KERNEL_PIPE, false, start_pipe, advance_pipe,
			.plain_now = plain_pipe_now},
	[RINGO_POLL] = {"poll", "5.1", KERNEL_POLL_ADD, true, start_poll, advance_poll,
			.plain_try = plain_poll_try},
	[RINGO_TIMEOUT] = {"timeout", "5.4", KERNEL_TIMEOUT, true, start_timeout, advance_timeout},
	[RINGO_CANCEL] = {"cancel", "5.5", KERNEL_ASYNC_CANCEL, false, NULL, NULL},
	[RINGO_ACCEPT] = {"accept", "5.19", KERNEL_ACCEPT, true, start_accept, advance_accept,
			  .plain_try = plain_accept_try},
	[RINGO_RECV] = {"recv", "6.0", KERNEL_RECV, true, start_recv, advance_recv,
			.plain_try = plain_recv_try},
	[RINGO_SEND] = {"send", "5.6", KERNEL_SEND, false, start_transfer, advance_transfer,
			.plain_try = plain_send_try},
	[RINGO_SENDMSG] = {"sendmsg", "5.3", KERNEL_SENDMSG, false, start_sendmsg, advance_sendmsg,
			   .plain_try = plain_sendmsg_try},
	[RINGO_SHUTDOWN] = {"shutdown", "5.11", KERNEL_SHUTDOWN, false, start_shutdown,
			    advance_once, .plain_now = plain_shutdown_now},
	[RINGO_RETURN_BUFFER] = {"return_buffer", "5.19", KERNEL_RECV, false, NULL, NULL},
	[RINGO_READFILE] = {"readfile", "5.6", KERNEL_OPENAT2, false, readfile_start,
			    readfile_advance},
	[RINGO_WRITEFILE] = {"writefile", "5.11", KERNEL_RENAMEAT, false, writefile_start,
			     writefile_advance},
	[RINGO_SENDFILE] = {"sendfile", "5.7", KERNEL_SPLICE, false, sendfile_start,
			    sendfile_advance},
};

const char *ringo_code_name(uint32_t code)
{
	return code < RINGO_CODE_COUNT ? op_rows[code].name : NULL;
}

const char *ringo_code_kernel(uint32_t code)
{
	return code < RINGO_CODE_COUNT ? op_rows[code].kernel : NULL;
}
