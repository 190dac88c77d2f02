//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * Slots that wait outside the kernel, in lists by index, oldest first: READY ones for room in the
 * submission queue, YIELDED ones for the next turn, PARKED ones for a provided buffer. What lets
 * them go on is at the end; the table in slot.c has all states.
 */
#include "internal.h"

static void list_append(struct ring *ring, struct slot_list *list, struct slot *slot)
{
	uint32_t index = slot_index(slot);

	slot->next = NO_SLOT;
	slot->previous = list->tail;
	if (list->tail == NO_SLOT)
		list->head = index;
	else
		ring->slots[list->tail].next = index;
	list->tail = index;
}

static void list_remove(struct ring *ring, struct slot_list *list, struct slot *slot)
{
	if (slot->previous == NO_SLOT)
		list->head = slot->next;
	else
		ring->slots[slot->previous].next = slot->next;
	if (slot->next == NO_SLOT)
		list->tail = slot->previous;
	else
		ring->slots[slot->next].previous = slot->previous;
}

void slot_make_ready(struct ring *ring, struct slot *slot)
{
	slot_set_state(slot, SLOT_READY);
	list_append(ring, &ring->ready, slot);
}

void slot_yield(struct ring *ring, struct slot *slot)
{
	slot_set_state(slot, SLOT_YIELDED);
	list_append(ring, &ring->yielded, slot);
}

void slot_park(struct ring *ring, struct slot *slot)
{
	slot_set_state(slot, SLOT_PARKED);
	list_append(ring, &ring->groups[slot->hop.buffer].parked, slot);
	ring->parked++;
}

static void unpark(struct ring *ring, struct slot *slot)
{
	list_remove(ring, &ring->groups[slot->hop.buffer].parked, slot);
	ring->parked--;
}

/* Takes a slot that waits in a list out of it; false when it does not. */
bool slot_leave_list(struct ring *ring, struct slot *slot)
{
	switch ((enum slot_state)slot->state) {
	case SLOT_READY:
		list_remove(ring, &ring->ready, slot);
		return true;
	case SLOT_PARKED:
		unpark(ring, slot);
		return true;
	case SLOT_YIELDED:
		list_remove(ring, &ring->yielded, slot);
		return true;
	case SLOT_FREE:
	case SLOT_KERNEL:
	case SLOT_CHAINED:
		break;
	}
	return false;
}

/* Gives READY slots to the backend, oldest first, until it has no more room. */
void ring_push_ready(struct ring *ring)
{
	if (ring->cancels_unsent != 0)
		ring_send_cancels(ring);
	while (ring->ready.head != NO_SLOT) {
		struct slot *slot = &ring->slots[ring->ready.head];

		if (slot->unstarted) {
			list_remove(ring, &ring->ready, slot);
			slot->unstarted = false;
			slot_start(ring, slot);
		} else if (slot->chained && slot->chain.linked) {
			if (!chain_push(ring, slot))
				return;
		} else {
			if (slot_push(ring, slot) != 0)
				return;
			list_remove(ring, &ring->ready, slot);
		}
	}
}

/* Whether some READY slot waits only for room in the submission queue, which the next turn makes.
 * Where the first has to wait for a hop in the kernel to end, all do. */
bool ring_can_push(const struct ring *ring)
{
	const struct slot *slot = &ring->slots[ring->ready.head];

	if (ring->ready.head == NO_SLOT)
		return false;
	if (slot->chained && slot->chain.linked)
		return chain_can_push(ring, slot);
	return ring->bounded_in_kernel < ring->bounded_limit || !hop_is_bounded(slot);
}

/* What sendfile(2) may send in one turn, in budgets of one transfer. */
enum { TURN_TRANSFERS = 16 };

/* Slots that yielded in the last turn go on; those that yield again wait for the next one, and so
 * do, in front of them, those that nothing is left for. */
void ring_run_yielded(struct ring *ring)
{
	uint32_t last = ring->yielded.tail;

	ring->left_in_turn = (int64_t)ring->turn_budget * TURN_TRANSFERS;
	ring->calls_until_ns = 0;
	while (ring->yielded.head != NO_SLOT && ring->left_in_turn > 0) {
		uint32_t index = ring->yielded.head;
		struct slot *slot = &ring->slots[index];

		list_remove(ring, &ring->yielded, slot);
		slot_advance(ring, slot, 0, -1);
		if (index == last)
			return;
	}
}

static bool can_unpark(const struct buffers *buffers)
{
	return buffers->parked.head != NO_SLOT && buffers->lent_count < buffers->count;
}

/* Whether receives are parked though provided buffers are there. */
bool ring_can_unpark(const struct ring *ring)
{
	for (uint32_t group = 0; group < RINGO_BUFFER_GROUPS && ring->parked > 0; group++)
		if (can_unpark(&ring->groups[group]))
			return true;
	return false;
}

/* As many receives as there may be buffers go on; the others in later turns, as long as buffers
 * are left: one whose peer is silent takes none, and must not keep it from the next. */
void ring_unpark(struct ring *ring)
{
	for (uint32_t group = 0; group < RINGO_BUFFER_GROUPS && ring->parked > 0; group++) {
		struct buffers *buffers = &ring->groups[group];
		uint32_t there = buffers->count - buffers->lent_count;

		for (; there > 0 && buffers->parked.head != NO_SLOT; there--) {
			struct slot *slot = &ring->slots[buffers->parked.head];

			unpark(ring, slot);
			slot_step(ring, slot, STEP_SUBMIT);
		}
	}
}
