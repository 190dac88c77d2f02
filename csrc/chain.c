//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * Chains: ops that run one after the other, each linked to the next by RINGO_LINK or
 * RINGO_HARDLINK. An op that fails cuts its chain behind a RINGO_LINK: all that follow end with
 * -ECANCELED.
 *
 * The kernel runs a chain that it can: ops of one hop each, which it knows, in no greater number
 * than its queues take at once. All its requests are submitted together, or none: half a chain
 * would run as a chain of its own. Nothing of such an op is tried again, for what follows is cut
 * by then. Any other chain is run from here, an op when the one before has ended; so all chains
 * are where there is no ring.
 *
 *   assembling   the ops of a chain come one by one; one that is refused breaks it before any runs
 *   linked       its hops are with the kernel, or READY as one
 *   otherwise    one op is in flight (with its LINK_TIMEOUT), those behind it are CHAINED
 *
 * IOSQE_CQE_SKIP_SUCCESS: when such a request fails, the kernel gives no results of those behind
 * it either (req_set_fail and io_fail_links, io_uring/io_uring.c). Where requests with and without
 * it mix, or hard links, or timeouts, what comes cannot be told from the results. So it is asked
 * for only in chains of soft links that want it for all but the last op: there each result is
 * either the last op's, and all before it succeeded, or one that failed, and nothing follows.
 */
#include <assert.h>
#include <errno.h>

#include "internal.h"

static struct slot *at(struct ring *ring, uint32_t index)
{
	return index == NO_SLOT ? NULL : &ring->slots[index];
}

static struct slot *after(struct ring *ring, const struct slot *slot)
{
	return at(ring, slot->chain.next);
}

static struct slot *first_of(struct ring *ring, struct slot *slot)
{
	while (slot->chain.previous != NO_SLOT)
		slot = at(ring, slot->chain.previous);
	return slot;
}

/* Takes a slot out of its chain; it goes on as an op of its own. */
static void leave(struct ring *ring, struct slot *slot)
{
	struct slot *next = after(ring, slot), *previous = at(ring, slot->chain.previous);

	if (next != NULL)
		next->chain.previous = slot->chain.previous;
	if (previous != NULL)
		previous->chain.next = slot->chain.next;
	slot->chained = false;
}

static void finish(struct ring *ring, struct slot *slot, int64_t result)
{
	leave(ring, slot);
	slot->result = result;
	slot_finish(ring, slot);
}

static void finish_from(struct ring *ring, struct slot *slot, int64_t result)
{
	struct slot *next;

	for (; slot != NULL; slot = next) {
		next = after(ring, slot);
		(void)slot_leave_list(ring, slot);
		finish(ring, slot, result);
	}
}

/* Assembling. */

static void append(struct ring *ring, struct chain *chain, struct slot *slot)
{
	uint32_t index = slot_index(slot);

	slot->chained = true;
	slot->chain =
		(struct chain_place){.next = NO_SLOT, .previous = chain->tail, .assembling = true};
	slot_set_state(slot, SLOT_CHAINED);
	if (chain->tail == NO_SLOT)
		chain->head = index;
	else
		ring->slots[chain->tail].chain.next = index;
	chain->tail = index;
}

/* The next op of a chain, or its first; `error` says that it is refused. */
void chain_add(struct ring *ring, const struct ringo_op *op, uint64_t user_data, bool own,
	       int error)
{
	struct chain *chain = &ring->chains[own];
	bool first = !chain->open;

	if (first)
		*chain = (struct chain){.head = NO_SLOT, .tail = NO_SLOT, .open = true};
	if (error == 0 && op->code == RINGO_LINK_TIMEOUT &&
	    (first || chain->last_code == RINGO_LINK_TIMEOUT))
		error = -EINVAL;
	if (error == 0 && chain->broken)
		error = -ECANCELED;
	chain->last_code = op->code;
	if (error == 0) {
		append(ring, chain, slot_take(ring, op, user_data, own));
	} else {
		ring_refuse(ring, user_data, own, error);
		chain->broken = true;
	}
	if (!(op->flags & LINK_FLAGS))
		chain_close(ring, own);
}

/* Running from here. */

static bool is_timeout(const struct slot *slot)
{
	return slot != NULL && slot->op.code == RINGO_LINK_TIMEOUT;
}

static void let_start(struct ring *ring, struct slot *slot)
{
	slot->unstarted = true;
	slot_make_ready(ring, slot);
}

/* An op, and the timeout that bounds it. */
static void let_run(struct ring *ring, struct slot *slot)
{
	struct slot *timeout = after(ring, slot);

	let_start(ring, slot);
	if (is_timeout(timeout))
		let_start(ring, timeout);
}

/* An op of a chain that is run from here has its result. */
void chain_member_ends(struct ring *ring, struct slot *slot)
{
	struct slot *next = after(ring, slot), *previous = at(ring, slot->chain.previous);
	bool goes_on = slot_succeeded(slot) || slot->op.flags & RINGO_HARDLINK;

	leave(ring, slot);
	if (is_timeout(slot)) {
		if (previous != NULL && slot->result == 0)
			slot_cancel_alone(ring, previous);
		return;
	}
	if (is_timeout(next)) {
		struct slot *timeout = next;

		next = after(ring, timeout);
		leave(ring, timeout);
		slot_cancel_alone(ring, timeout);
	}
	if (next == NULL)
		return;
	if (goes_on && !next->cancelled)
		let_run(ring, next);
	else
		finish_from(ring, next, -ECANCELED);
}

/* Run by the kernel. */

static bool is_linkable(const struct ring *ring, const struct slot *slot)
{
	const struct op_row *row = slot->row;

	return !row->unlinkable && !(slot->op.flags & RINGO_MULTISHOT) &&
	       ring_supports(ring, row->opcode);
}

static bool can_link(struct ring *ring, struct slot *head)
{
	uint32_t length = 0;

	if (!ring->backend->links)
		return false;
	for (struct slot *slot = head; slot != NULL; slot = after(ring, slot), length++)
		if (!is_linkable(ring, slot))
			return false;
	return length <= ring->chain_limit;
}

static bool wants_silence(struct ring *ring, struct slot *head)
{
	for (struct slot *slot = head; slot->chain.next != NO_SLOT; slot = after(ring, slot))
		if (!(slot->op.flags & RINGO_SKIP_SUCCESS) || slot->op.flags & RINGO_HARDLINK ||
		    is_timeout(after(ring, slot)))
			return false;
	return true;
}

static void set_links(struct ring *ring, struct slot *head)
{
	bool silent = wants_silence(ring, head);

	for (struct slot *slot = head; slot->chain.next != NO_SLOT; slot = after(ring, slot)) {
		slot->sqe_flags |=
			slot->op.flags & RINGO_HARDLINK ? KERNEL_SQE_HARDLINK : KERNEL_SQE_LINK;
		slot->sqe_flags |= silent ? KERNEL_SQE_SKIP_SUCCESS : 0;
		slot->chain.silent = silent;
	}
}

/* Fills all hops; false when one cannot be, so that its op fails when its turn comes. */
static bool fill_hops(struct ring *ring, struct slot *head)
{
	bool filled = true;

	for (struct slot *slot = head; slot != NULL; slot = after(ring, slot)) {
		slot->chain.linked = true;
		filled &= slot->row->start(ring, slot) == STEP_SUBMIT;
	}
	for (struct slot *slot = head; slot != NULL; slot = after(ring, slot))
		slot->chain.linked = filled;
	return filled;
}

static uint32_t length_of(const struct ring *ring, const struct slot *head)
{
	uint32_t length = 1;

	for (uint32_t i = head->chain.next; i != NO_SLOT; i = ring->slots[i].chain.next)
		length++;
	return length;
}

/* How many results a chain gives at most; a silent one whatever happens one. */
static uint32_t results_of(const struct ring *ring, const struct slot *head)
{
	return head->chain.silent ? 1 : length_of(ring, head);
}

/* A chain that waits for others somewhere is not held back, as such an op alone is not. */
static bool is_bounded(const struct ring *ring, const struct slot *head)
{
	bool bounded = hop_is_bounded(head);

	for (uint32_t i = head->chain.next; i != NO_SLOT; i = ring->slots[i].chain.next)
		bounded &= hop_is_bounded(&ring->slots[i]);
	return bounded;
}

/* Whether the completion queue has room for a chain that is READY, or needs none. */
bool chain_can_push(const struct ring *ring, const struct slot *head)
{
	return !is_bounded(ring, head) ||
	       ring->bounded_in_kernel + results_of(ring, head) <= ring->bounded_limit;
}

/* Gives a chain to the backend as one; false when there is no room for all of it. */
bool chain_push(struct ring *ring, struct slot *head)
{
	bool bounded = is_bounded(ring, head);

	if (ring->backend->room(ring) < length_of(ring, head) || !chain_can_push(ring, head))
		return false;
	for (struct slot *slot = head; slot != NULL; slot = after(ring, slot)) {
		int ret;

		slot->hop.sqe_flags |= slot->sqe_flags;
		ret = ring->backend->push(ring, &slot->hop, slot->token);
		assert(ret == 0);
		(void)ret;
		(void)slot_leave_list(ring, slot);
		slot_set_state(slot, SLOT_KERNEL);
		slot->bounded = bounded && !slot->chain.silent;
		ring->bounded_in_kernel += slot->bounded;
	}
	return true;
}

/* A result of an op that the kernel runs in a chain: its final one, whatever is left to do. */
void chain_result(struct ring *ring, struct slot *slot, int32_t result, int32_t buffer)
{
	struct slot *next = after(ring, slot), *done;
	bool cut = slot->chain.silent, cancelled = slot->cancelled;

	/* A timeout that expired comes before the op it ended. */
	while ((done = first_of(ring, slot)) != slot && done->chain.silent) {
		ring->bounded_in_kernel -= done->bounded;
		done->flags |= RINGO_SKIPPED;
		finish(ring, done, 0);
	}
	if (slot->row->advance(ring, slot, result == -EINTR ? -ECANCELED : result, false, buffer) !=
	    STEP_DONE)
		slot->result = slot->done > 0 ? slot->done : result;
	if (cut)
		slot->op.flags &= (uint16_t)~RINGO_SKIP_SUCCESS; /* it has not succeeded */
	finish(ring, slot, slot->result);
	for (; cut && next != NULL; next = done) {
		done = after(ring, next);
		ring->bounded_in_kernel -= next->bounded;
		finish(ring, next, -ECANCELED);
	}
	if (cancelled && next != NULL)
		slot_cancel_later(ring, next); /* the first cancel came before it ran */
}

/* All ops of the chain have come. */
void chain_close(struct ring *ring, bool own)
{
	struct chain *chain = &ring->chains[own];
	struct slot *head = chain->open ? at(ring, chain->head) : NULL;
	bool cancelled = chain->broken || ring->cancelling;

	chain->open = false;
	for (struct slot *slot = head; slot != NULL; slot = after(ring, slot)) {
		slot->chain.assembling = false;
		cancelled |= ring->draining && slot->row->waits;
	}
	if (head == NULL)
		return;
	if (cancelled) {
		finish_from(ring, head, -ECANCELED);
	} else if (!can_link(ring, head) || !fill_hops(ring, head)) {
		let_run(ring, head);
	} else {
		set_links(ring, head);
		if (ring->ready.head == NO_SLOT && chain_push(ring, head))
			return;
		for (struct slot *slot = head; slot != NULL; slot = after(ring, slot))
			slot_make_ready(ring, slot);
	}
}

/* Cancelling one of a chain cancels all of it. What has not begun ends when all before it has: each
 * has its completion in its order. */
void chain_cancel(struct ring *ring, struct slot *slot)
{
	struct slot *next;

	if (slot->chain.assembling) {
		ring->chains[slot->own].broken = true;
		return;
	}
	slot = first_of(ring, slot);
	if (slot->state == SLOT_READY && slot->chain.linked) {
		finish_from(ring, slot, -ECANCELED);
		return;
	}
	for (next = slot; next != NULL; next = after(ring, next))
		next->cancelled |= next->state == SLOT_CHAINED;
	for (; slot != NULL && slot->chained; slot = next) {
		next = after(ring, slot);
		slot_cancel_alone(ring, slot);
	}
}

/* The kernel did not find what a cancel asked for: done without a word, or between the end of the
 * one before it and its own start. */
void chain_cancel_missed(struct ring *ring, uint32_t index)
{
	struct slot *slot = &ring->slots[index];

	if (slot->state == SLOT_KERNEL && slot->chained && slot->cancelled &&
	    slot->chain.previous == NO_SLOT)
		slot_cancel_later(ring, slot);
}
