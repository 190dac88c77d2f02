//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * Ops that wait, and the one that does nothing.
 */
#include <errno.h>

#include "ops.h"

enum step nop_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop = (struct hop){.opcode = KERNEL_NOP, .fd = -1};
	return STEP_SUBMIT;
}

/* POLL */

enum step poll_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop = (struct hop){
		.opcode = KERNEL_POLL_ADD, .fd = slot->op.fd, .op_flags = slot->op.argument};
	if (slot->op.flags & RINGO_MULTISHOT)
		slot->hop.len = KERNEL_POLL_MULTISHOT;
	return STEP_SUBMIT;
}

enum step poll_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
		       int32_t buffer)
{
	(void)buffer;
	if (result < 0 || !(slot->op.flags & RINGO_MULTISHOT))
		return step_done(slot, result);
	ring_emit(ring, slot->op.user_data, result, RINGO_MORE, 0);
	return more ? STEP_DONE : STEP_SUBMIT;
}

/* POLL_UPDATE: changes what a POLL in flight waits for, here and in the kernel. One that has not
 * reached the kernel yet, or that the kernel has just ended, takes the new events along when it is
 * armed. */
enum step poll_update_start(struct ring *ring, struct slot *slot)
{
	const struct ringo_op *op = &slot->op;
	struct slot *poll = ring_find(ring, RINGO_POLL, op->argument2);

	if (poll == NULL)
		return step_done(slot, -ENOENT);
	poll->op.argument = poll->hop.op_flags = op->argument;
	if (poll->state != SLOT_KERNEL)
		return step_done(slot, 0);
	slot->hop = (struct hop){.opcode = KERNEL_POLL_REMOVE,
				 .fd = -1,
				 .addr = poll->token,
				 .len = KERNEL_POLL_UPDATE_EVENTS | poll->hop.len,
				 .op_flags = op->argument};
	return STEP_SUBMIT;
}

/* The kernel had no poll to update: a multishot takes the new events along when it is armed anew.
 */
enum step poll_update_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
			      int32_t buffer)
{
	const struct slot *poll = ring_find(ring, RINGO_POLL, slot->op.argument2);

	(void)more, (void)buffer;
	if (poll != NULL && poll->op.flags & RINGO_MULTISHOT &&
	    (result == -ENOENT || result == -EALREADY))
		result = 0;
	return step_done(slot, result);
}

/* TIMEOUT: once, or in every interval, armed again each time. The kernel's own multishot (6.4)
 * cannot be cancelled reliably: between its firing and its next interval it is on no list, so that
 * a cancel finds nothing and it goes on (io_timeout_complete, io_uring/timeout.c, in 6.18). */

static struct kernel_timespec timespec_of(uint64_t nanoseconds)
{
	return (struct kernel_timespec){.seconds = (int64_t)(nanoseconds / 1000000000u),
					.nanoseconds = (int64_t)(nanoseconds % 1000000000u)};
}

enum step timeout_start(struct ring *ring, struct slot *slot)
{
	const struct ringo_op *op = &slot->op;

	(void)ring;
	if (op->flags & RINGO_MULTISHOT && op->argument2 == 0)
		return step_done(slot, -EINVAL); /* it would never stop ending */
	slot->memory.timespec = timespec_of(op->argument2);
	slot->hop = (struct hop){.opcode = KERNEL_TIMEOUT,
				 .fd = -1,
				 .addr = (uintptr_t)&slot->memory.timespec,
				 .len = 1};
	return STEP_SUBMIT;
}

enum step timeout_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
			  int32_t buffer)
{
	const struct ringo_op *op = &slot->op;

	(void)more, (void)buffer;
	if (result != -ETIME || !(op->flags & RINGO_MULTISHOT))
		return step_done(slot, result == -ETIME ? 0 : result);
	slot->done++;
	if (op->length != 0 && (uint64_t)slot->done == op->length)
		return step_done(slot, 0);
	ring_emit(ring, op->user_data, 0, RINGO_MORE, 0);
	return STEP_SUBMIT;
}

/* LINK_TIMEOUT: by the kernel, when that runs the chain; else a timeout that is cancelled when the
 * op before it ends. */
enum step link_timeout_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	if (!slot->chained)
		return step_done(slot, -EINVAL);
	slot->memory.timespec = timespec_of(slot->op.argument2);
	slot->hop =
		(struct hop){.opcode = slot->chain.linked ? KERNEL_LINK_TIMEOUT : KERNEL_TIMEOUT,
			     .fd = -1,
			     .addr = (uintptr_t)&slot->memory.timespec,
			     .len = 1};
	return STEP_SUBMIT;
}

enum step link_timeout_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
			       int32_t buffer)
{
	(void)ring, (void)more, (void)buffer;
	return step_done(slot, result == -ETIME ? 0 : result);
}
