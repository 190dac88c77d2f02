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
				 .addr = slot_token(ring, poll),
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

/* TIMEOUT: once, or in every interval. Kernels before 6.4 know no multishot timeouts: there, and
 * without a ring, it is armed again each time. */

static struct kernel_timespec timespec_of(uint64_t nanoseconds)
{
	return (struct kernel_timespec){.seconds = (int64_t)(nanoseconds / 1000000000u),
					.nanoseconds = (int64_t)(nanoseconds % 1000000000u)};
}

enum step timeout_start(struct ring *ring, struct slot *slot)
{
	const struct ringo_op *op = &slot->op;
	bool multishot = op->flags & RINGO_MULTISHOT;

	(void)ring;
	if (multishot && op->argument2 == 0)
		return step_done(slot, -EINVAL); /* it would never stop ending */
	slot->memory.timespec = timespec_of(op->argument2);
	slot->hop = (struct hop){.opcode = KERNEL_TIMEOUT,
				 .fd = -1,
				 .addr = (uintptr_t)&slot->memory.timespec,
				 .len = 1,
				 .off = multishot ? op->length : 0,
				 .op_flags = multishot ? KERNEL_TIMEOUT_MULTISHOT : 0};
	return STEP_SUBMIT;
}

enum step timeout_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
			  int32_t buffer)
{
	const struct ringo_op *op = &slot->op;

	(void)buffer;
	if (result == -EINVAL && slot->hop.op_flags & KERNEL_TIMEOUT_MULTISHOT) {
		slot->hop.op_flags = 0;
		slot->hop.off = 0;
		return STEP_SUBMIT;
	}
	if (result != -ETIME || !(op->flags & RINGO_MULTISHOT))
		return step_done(slot, result == -ETIME ? 0 : result);
	slot->done++;
	if (op->length != 0 && (uint64_t)slot->done == op->length)
		return step_done(slot, 0);
	ring_emit(ring, op->user_data, 0, RINGO_MORE, 0);
	if (slot->hop.off != 0)
		slot->hop.off = op->length - (uint64_t)slot->done;
	return more ? STEP_DONE : STEP_SUBMIT;
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
