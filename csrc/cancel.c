//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * Asking ops to end. A cancel is a request: the op ends with its own final completion. One that
 * waits in a list ends at once; for one in the kernel an ASYNC_CANCEL is sent, by user_data and
 * never by descriptor, now or when there is room. Clean-up is not cancelled.
 */
#include <errno.h>

#include "internal.h"

static int push_cancel(struct ring *ring, const struct slot *slot)
{
	const struct hop hop = {.opcode = KERNEL_ASYNC_CANCEL, .fd = -1, .addr = slot->token};

	return ring->backend->push(
		ring, &hop, slot->chained ? TOKEN_CHAIN_CANCEL | slot_index(slot) : TOKEN_IGNORED);
}

/* In the next turn, once more or for the first time. */
void slot_cancel_later(struct ring *ring, struct slot *slot)
{
	ring->cancels_unsent += !slot->cancel_unsent;
	slot->cancel_unsent = true;
}

/* Asks an op to end, whatever chain it is in. */
void slot_cancel_alone(struct ring *ring, struct slot *slot)
{
	if (slot->cancelled)
		return;
	slot->cancelled = true;
	if (slot->cleaning)
		return;
	if (!slot_leave_list(ring, slot)) {
		if (push_cancel(ring, slot) != 0)
			slot_cancel_later(ring, slot);
	} else if (slot->unstarted) {
		slot->result = -ECANCELED;
		slot_finish(ring, slot);
	} else {
		slot_advance(ring, slot, -ECANCELED, -1);
	}
}

static void slot_cancel(struct ring *ring, struct slot *slot)
{
	if (slot->chained)
		chain_cancel(ring, slot);
	else
		slot_cancel_alone(ring, slot);
}

/* Cancels that the queue had no room for, or that have to be sent once more. */
void ring_send_cancels(struct ring *ring)
{
	for (uint32_t i = 0; i < ring->slot_touched && ring->cancels_unsent != 0; i++) {
		struct slot *slot = &ring->slots[i];

		if (!slot->cancel_unsent)
			continue;
		if (slot->state == SLOT_KERNEL && !slot->cleaning && push_cancel(ring, slot) != 0)
			return;
		slot->cancel_unsent = false;
		ring->cancels_unsent--;
	}
}

static bool cancel_matches(const struct ring *ring, const struct ringo_op *cancel, uint32_t index)
{
	switch (cancel->argument) {
	case RINGO_CANCEL_USER_DATA:
		return ring->user_data[index] == cancel->argument2;
	case RINGO_CANCEL_FD:
		return ring->slots[index].op.fd == cancel->fd;
	default:
		return true;
	}
}

/* The op CANCEL: asks all matching ops to end, and completes with their number. */
void ring_cancel(struct ring *ring, const struct ringo_op *op)
{
	int64_t found = 0;

	if (op->argument > RINGO_CANCEL_ALL) {
		ring_emit(ring, op->user_data, -EINVAL, 0, 0);
		return;
	}
	for (uint32_t i = 0; i < ring->slot_touched; i++) {
		if (ring->slots[i].state != SLOT_FREE && cancel_matches(ring, op, i)) {
			slot_cancel(ring, &ring->slots[i]);
			found++;
		}
	}
	ring_emit(ring, op->user_data, found > 0 ? found : -ENOENT, 0, 0);
}

/* Cancels what a stop of this kind does not wait for, now and as it comes. */
void ring_stop(struct ring *ring, enum ringo_stop how)
{
	ring->draining = true;
	ring->cancelling |= how == RINGO_STOP_CANCEL;
	for (uint32_t i = 0; i < ring->slot_touched; i++) {
		struct slot *slot = &ring->slots[i];

		if (slot->state != SLOT_FREE && (ring->cancelling || slot->row->waits))
			slot_cancel(ring, slot);
	}
}
