//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * Ops on sockets. A multishot that the kernel ended though nobody asked it to (completion queue
 * overflowed, no buffer) is armed again.
 */
#include <errno.h>
#include <unistd.h>

#include "ops.h"

/* Making and connecting. */

enum step socket_start(struct ring *ring, struct slot *slot)
{
	const struct ringo_op *op = &slot->op;

	(void)ring;
	if (op->length > INT32_MAX)
		return step_done(slot, -EINVAL);
	slot->hop = (struct hop){.opcode = KERNEL_SOCKET,
				 .fd = op->fd,
				 .off = op->argument,
				 .len = (uint32_t)op->length};
	if (op->flags & RINGO_DIRECT)
		slot->hop.off &= ~(uint64_t)SOCK_CLOEXEC; /* the kernel would refuse it */
	return hop_set_direct(slot) == 0 ? STEP_SUBMIT : step_done(slot, -EINVAL);
}

/* BIND and CONNECT: an address and its length. */
static enum step submit_address(struct slot *slot)
{
	const struct ringo_op *op = &slot->op;

	if (op->length > sizeof(struct sockaddr_storage))
		return step_done(slot, -EINVAL);
	slot->hop = (struct hop){.opcode = op_rows[op->code].opcode,
				 .fd = op->fd,
				 .addr = op->address,
				 .off = op->length};
	return STEP_SUBMIT;
}

enum step bind_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	return submit_address(slot);
}

enum step connect_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	return submit_address(slot);
}

enum step listen_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop =
		(struct hop){.opcode = KERNEL_LISTEN, .fd = slot->op.fd, .len = slot->op.argument};
	return STEP_SUBMIT;
}

enum step shutdown_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop = (struct hop){
		.opcode = KERNEL_SHUTDOWN, .fd = slot->op.fd, .len = slot->op.argument};
	return STEP_SUBMIT;
}

/* SENDMSG: msg_iov is advanced past what went. */

enum step sendmsg_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop =
		(struct hop){.opcode = KERNEL_SENDMSG,
			     .fd = slot->op.fd,
			     .addr = slot->op.address,
			     .len = 1,
			     .op_flags = slot->op.argument | MSG_NOSIGNAL | MSG_WAITALL,
			     .ioprio = slot->op.flags & RINGO_POLL_FIRST ? KERNEL_POLL_FIRST : 0};
	return STEP_SUBMIT;
}

enum step sendmsg_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
			  int32_t buffer)
{
	struct msghdr *message = (struct msghdr *)(uintptr_t)slot->op.address;

	(void)ring, (void)more, (void)buffer;
	if (result < 0)
		return step_done_after(slot, result);
	slot->done += result;
	if (result == 0 || !iovec_advance(&message->msg_iov, &message->msg_iovlen, (size_t)result))
		return step_done_after(slot, 0);
	return STEP_SUBMIT;
}

/* SEND_ZC, SENDMSG_ZC: one request with two results. The first says how much went, or why not; with
 * the second, which the kernel gives in either case, the memory is free. That the kernel tells
 * whether it has copied is since Linux 6.2. */

enum { ZC_SENDING, ZC_NOTIFYING };
#define ZC_COPIED INT32_MIN /* IORING_NOTIF_USAGE_ZC_COPIED, as a result */

enum step sendzc_start(struct ring *ring, struct slot *slot)
{
	const struct ringo_op *op = &slot->op;
	bool message = op->code == RINGO_SENDMSG_ZC;

	(void)ring;
	if (!message && op->length > HOP_LENGTH_MAX)
		return step_done(slot, -EINVAL);
	slot->hop = (struct hop){.opcode = op_rows[op->code].opcode,
				 .ioprio = KERNEL_SEND_ZC_REPORT_USAGE,
				 .fd = op->fd,
				 .addr = op->address,
				 .len = message ? 1 : (uint32_t)op->length,
				 .op_flags = op->argument | MSG_NOSIGNAL | MSG_WAITALL};
	slot->hop.ioprio |= op->flags & RINGO_POLL_FIRST ? KERNEL_POLL_FIRST : 0;
	slot->hop.ioprio |= op->flags & RINGO_FIXED_BUFFER ? KERNEL_SEND_FIXED_BUFFER : 0;
	return hop_set_buffer(slot, slot->hop.opcode) == 0 ? STEP_SUBMIT : step_done(slot, -EINVAL);
}

/* What failed and has been notified of may have to be tried again. */
static enum step end_sendzc(struct slot *slot, int32_t result)
{
	if (result == -EINTR && !slot->cancelled)
		return STEP_SUBMIT;
	if (result == -EAGAIN && hop_retry_events(slot) != 0) {
		slot->polling = true;
		return STEP_SUBMIT;
	}
	return step_done(slot, result);
}

enum step sendzc_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
			 int32_t buffer)
{
	(void)buffer;
	if (more) {
		slot->phase = ZC_NOTIFYING;
		slot->done = result;
		if (result >= 0 && !ring->reports_all)
			ring_emit(ring, slot->op.user_data, result, RINGO_MORE, 0);
		return STEP_DONE;
	}
	if (slot->phase == ZC_SENDING) { /* nothing was sent that could be notified of */
		if (result != -EINVAL || !(slot->hop.ioprio & KERNEL_SEND_ZC_REPORT_USAGE))
			return step_done(slot, result);
		slot->hop.ioprio &= (uint16_t)~KERNEL_SEND_ZC_REPORT_USAGE;
		return STEP_SUBMIT;
	}
	slot->phase = ZC_SENDING;
	if (slot->done < 0)
		return end_sendzc(slot, (int32_t)slot->done);
	slot->flags = RINGO_NOTIFIED | (result == ZC_COPIED ? RINGO_COPIED : 0);
	return step_done(slot, slot->done);
}

/* ACCEPT */

enum { ACCEPT_PAUSE_NS = 20 * 1000 * 1000 };

static enum step submit_accept(struct slot *slot)
{
	const struct ringo_op *op = &slot->op;

	slot->phase = 0;
	slot->hop = (struct hop){.opcode = KERNEL_ACCEPT,
				 .fd = op->fd,
				 .addr = op->address,
				 .off = op->address2,
				 .op_flags = op->argument};
	/* The kernel's multishot takes all that wait in the backlog: with a limit it is one by one.
	 */
	if (op->flags & RINGO_MULTISHOT && op->length == 0)
		slot->hop.ioprio = KERNEL_ACCEPT_MULTISHOT;
	if (op->flags & RINGO_DIRECT)
		slot->hop.op_flags &= (uint32_t)~SOCK_CLOEXEC; /* the kernel would refuse it */
	return hop_set_direct(slot) == 0 ? STEP_SUBMIT : step_done(slot, -EINVAL);
}

enum step accept_start(struct ring *ring, struct slot *slot)
{
	const struct ringo_op *op = &slot->op;

	(void)ring;
	/* Each would overwrite the last one's address, or take its place. */
	if (op->flags & RINGO_MULTISHOT &&
	    (op->address != 0 || op->address2 != 0 || (op->flags & RINGO_DIRECT && op->fd2 != -1)))
		return step_done(slot, -EINVAL);
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

enum step accept_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
			 int32_t buffer)
{
	if (!(slot->op.flags & RINGO_MULTISHOT))
		return direct_advance(ring, slot, result, more, buffer);
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

/* RECV, RECVMSG: a message from a multishot RECVMSG lies in the provided buffer, behind a struct
 * ringo_message. */

/* Into a provided buffer of a group that is there, or not; many only into those. */
static bool receives_well(const struct ring *ring, const struct ringo_op *op)
{
	if (!(op->flags & RINGO_BUFFER_SELECT))
		return !(op->flags & RINGO_MULTISHOT);
	return op->argument2 < RINGO_BUFFER_GROUPS && ring->groups[op->argument2].count > 0;
}

static enum step submit_receive(struct slot *slot, struct hop hop)
{
	const struct ringo_op *op = &slot->op;

	hop.opcode = op_rows[op->code].opcode;
	hop.fd = op->fd;
	hop.op_flags = op->argument;
	hop.sqe_flags = op->flags & RINGO_BUFFER_SELECT ? KERNEL_SQE_BUFFER_SELECT : 0;
	hop.buffer = op->flags & RINGO_BUFFER_SELECT ? (uint16_t)op->argument2 : 0;
	hop.ioprio = op->flags & RINGO_MULTISHOT ? KERNEL_RECV_MULTISHOT : 0;
	hop.ioprio |= op->flags & RINGO_POLL_FIRST ? KERNEL_POLL_FIRST : 0;
	slot->hop = hop;
	return STEP_SUBMIT;
}

enum step recv_start(struct ring *ring, struct slot *slot)
{
	const struct ringo_op *op = &slot->op;

	if (!receives_well(ring, op))
		return step_done(slot, -EINVAL);
	if (op->flags & RINGO_BUFFER_SELECT)
		return submit_receive(slot, (struct hop){0});
	return submit_receive(slot,
			      (struct hop){.addr = op->address, .len = hop_length(op->length)});
}

/* One message into a provided buffer would leave its length out: of the forms that RECV does not
 * do as well, only many messages. */
enum step recvmsg_start(struct ring *ring, struct slot *slot)
{
	const struct ringo_op *op = &slot->op;

	if (!receives_well(ring, op) ||
	    (op->flags & RINGO_BUFFER_SELECT && !(op->flags & RINGO_MULTISHOT)))
		return step_done(slot, -EINVAL);
	return submit_receive(slot, (struct hop){.addr = op->address, .len = 1});
}

static uint32_t buffer_flags(int32_t buffer)
{
	return buffer & BUFFER_KEPT ? RINGO_BUFFER | RINGO_BUFFER_MORE : RINGO_BUFFER;
}

static void give_buffer(struct slot *slot, int32_t buffer)
{
	slot->flags = buffer_flags(buffer);
	slot->extra = (int32_t)BUFFER_ID(buffer);
}

enum step recv_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
		       int32_t buffer)
{
	bool multishot = slot->op.flags & RINGO_MULTISHOT;

	if (result == -ENOBUFS && slot->op.flags & RINGO_BUFFER_SELECT) {
		count_up(&ring->stats.starved, 1);
		return STEP_PARK;
	}
	if (result > 0 && multishot) {
		ring_emit(ring, slot->op.user_data, result, RINGO_MORE | buffer_flags(buffer),
			  (int32_t)BUFFER_ID(buffer));
		return more ? STEP_DONE : STEP_SUBMIT;
	}
	if (buffer >= 0 && result <= 0)
		(void)buffers_return(ring, slot->hop.buffer, BUFFER_ID(buffer));
	else if (buffer >= 0)
		give_buffer(slot, buffer);
	return step_done(slot, result);
}

/* A message without data ends the kernel's multishot: the stream has ended, or an empty datagram
 * came. Which, is for the caller to say. */
enum step recvmsg_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
			  int32_t buffer)
{
	const struct buffers *group = &ring->groups[slot->hop.buffer];

	if (buffer >= 0 && result > 0 && !more) {
		const struct ringo_message *message =
			(const void *)(group->base + (size_t)BUFFER_ID(buffer) * group->size);

		if (message->payload_length == 0) {
			give_buffer(slot, buffer);
			return step_done(slot, result);
		}
	}
	return recv_advance(ring, slot, result, more, buffer);
}

/* MESSAGE */

enum step message_start(struct ring *ring, struct slot *slot)
{
	const struct ringo_op *op = &slot->op;
	bool descriptor = op->argument == RINGO_MESSAGE_FILE;

	(void)ring;
	if (op->argument > RINGO_MESSAGE_FILE || op->argument2 & TOKEN_MESSAGE ||
	    (descriptor ? op->offset < 0 || op->offset > INT32_MAX || op->fd2 < -1
			: op->length > INT32_MAX))
		return step_done(slot, -EINVAL);
	slot->hop =
		(struct hop){.opcode = KERNEL_MSG_RING,
			     .fd = op->fd,
			     .addr = descriptor ? KERNEL_MESSAGE_DESCRIPTOR : KERNEL_MESSAGE_DATA,
			     .len = descriptor ? 0 : (uint32_t)op->length,
			     .off = op->argument2 | TOKEN_MESSAGE};
	if (descriptor) {
		slot->hop.addr3 = (uint64_t)op->offset;
		slot->hop.splice_fd_in =
			op->fd2 == -1 ? (int32_t)KERNEL_FILE_INDEX_ALLOCATE : op->fd2 + 1;
	}
	return STEP_SUBMIT;
}
