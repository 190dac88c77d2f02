//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * Ops in flight. A slot is one op from the moment the ring takes it to its final completion; its
 * hops carry user_data = generation << 32 | index, so a late result can never reach a later op.
 *
 *   from      to                when                                     by
 *   FREE      KERNEL, READY     started; the queue has room, or is full  slot_step
 *   FREE      YIELDED, PARKED   started, and has to wait at once         slot_step
 *   FREE      FREE              refused, or done without a hop           slot_finish
 *   READY     KERNEL            room in the queue                        ring_push_ready
 *   KERNEL    KERNEL, READY     next hop, or the same one again          slot_step
 *   KERNEL    PARKED            a receive found no provided buffer       slot_step
 *   KERNEL    YIELDED           a transfer used its budget of this turn  slot_step
 *   PARKED    KERNEL, READY     a buffer is there again                  ring_unpark
 *   YIELDED   KERNEL, READY     the next turn                            ring_run_yielded
 *   YIELDED   YIELDED           ... and its budget is used again         ring_run_yielded
 *   FREE      CHAINED           one of a chain (chain.c)                 chain_add
 *   CHAINED   READY             its turn has come                        chain_member_ends
 *   CHAINED   KERNEL, READY     the kernel takes the chain as one        chain_close
 *   any       FREE              final completion emitted                 slot_finish
 *
 * A cancelled op leaves READY, PARKED and YIELDED at once; in KERNEL it is asked to end, and
 * nothing of it is issued again when its hop has ended, except clean-up.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>

#include "internal.h"

enum { REFUSALS_MAX = 100 };

uint64_t slot_token(const struct ring *ring, const struct slot *slot)
{
	return (uint64_t)slot->generation << 32 | (uint64_t)(slot - ring->slots);
}

static bool slot_is_ending(const struct slot *slot)
{
	return slot->cancelled && !slot->cleaning;
}

void slot_set_state(struct slot *slot, enum slot_state to)
{
	static const uint8_t allowed[] = {
		[SLOT_FREE] = 1 << SLOT_FREE | 1 << SLOT_READY | 1 << SLOT_KERNEL |
			      1 << SLOT_YIELDED | 1 << SLOT_PARKED | 1 << SLOT_CHAINED,
		[SLOT_CHAINED] = 1 << SLOT_FREE | 1 << SLOT_READY | 1 << SLOT_KERNEL,
		[SLOT_READY] = 1 << SLOT_FREE | 1 << SLOT_READY | 1 << SLOT_KERNEL |
			       1 << SLOT_YIELDED | 1 << SLOT_PARKED,
		[SLOT_KERNEL] = 1 << SLOT_FREE | 1 << SLOT_READY | 1 << SLOT_KERNEL |
				1 << SLOT_YIELDED | 1 << SLOT_PARKED,
		[SLOT_PARKED] = 1 << SLOT_FREE | 1 << SLOT_READY | 1 << SLOT_KERNEL,
		[SLOT_YIELDED] =
			1 << SLOT_FREE | 1 << SLOT_READY | 1 << SLOT_KERNEL | 1 << SLOT_YIELDED,
	};
	assert(allowed[slot->state] & 1 << to);
	(void)allowed;
	slot->state = (uint8_t)to;
}

/* Lists of slots by index, oldest first. */

static void list_append(struct ring *ring, struct slot_list *list, struct slot *slot)
{
	uint32_t index = (uint32_t)(slot - ring->slots);

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

/* Takes a slot that waits in a list out of it; false when it does not. */
bool slot_leave_list(struct ring *ring, struct slot *slot)
{
	switch ((enum slot_state)slot->state) {
	case SLOT_READY:
		list_remove(ring, &ring->ready, slot);
		return true;
	case SLOT_PARKED:
		list_remove(ring, &ring->groups[slot->hop.buffer].parked, slot);
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

/* The op in flight with this code and user_data, or NULL. */
struct slot *ring_find(struct ring *ring, uint16_t code, uint64_t user_data)
{
	for (uint32_t i = 0; i < ring->slot_touched; i++)
		if (ring->user_data[i] == user_data && ring->slots[i].state != SLOT_FREE &&
		    ring->slots[i].op.code == code)
			return &ring->slots[i];
	return NULL;
}

/* Taking and freeing. */

/* What of an op's flags goes to all its hops. */
static uint8_t sqe_flags_of(uint16_t flags)
{
	return (uint8_t)((flags & RINGO_ASYNC ? KERNEL_SQE_ASYNC : 0) |
			 (flags & RINGO_FIXED_FILE ? KERNEL_SQE_FIXED_FILE : 0));
}

struct slot *slot_take(struct ring *ring, const struct ringo_op *op, bool own)
{
	uint32_t index = ring->free_head;
	struct slot *slot;

	if (index != NO_SLOT) {
		slot = &ring->slots[index];
		ring->free_head = slot->next;
	} else {
		assert(ring->slot_touched < ring->slot_count);
		index = ring->slot_touched++;
		slot = &ring->slots[index];
	}
	slot->generation = (slot->generation + 1) & (UINT32_MAX >> 1); /* see TOKEN_MESSAGE */
	if (slot->generation == 0)
		slot->generation = 1;
	slot->op = *op;
	slot->began_ns = ring->now_ns;
	slot->done = 0;
	slot->phase = 0;
	slot->attempts = slot->refusals = 0;
	slot->own = own;
	slot->polling = slot->cancelled = slot->cleaning = slot->cancel_unsent = false;
	slot->chained = slot->unstarted = false;
	slot->sqe_flags = sqe_flags_of(op->flags);
	slot->extra = 0;
	slot->flags = 0;
	slot->error = 0;
	slot->file = slot->directory = -1;
	slot->transfer = NULL;
	ring->user_data[index] = op->user_data;
	ring->in_use++;
	ring->own_in_use += own;
	return slot;
}

/* A transfer that ended early has not. */
bool slot_succeeded(const struct slot *slot)
{
	if (slot->flags & RINGO_SKIPPED)
		return true;
	switch (slot->op.code) {
	case RINGO_READ:
	case RINGO_WRITE:
	case RINGO_SEND:
		return slot->result >= 0 && (uint64_t)slot->result == slot->op.length;
	default:
		return slot->result >= 0 && slot->extra == 0;
	}
}

void slot_finish(struct ring *ring, struct slot *slot)
{
	if (!(slot->op.flags & RINGO_SKIP_SUCCESS) || ring->reports_all || !slot_succeeded(slot))
		ring_emit(ring, slot->op.user_data, slot->result, slot->flags, slot->extra);
	if (slot->chained)
		chain_member_ends(ring, slot);
	count_up(&ring->stats.ops[slot->op.code], 1);
	if (!op_rows[slot->op.code].waits)
		histogram_add(&ring->stats.latency_ns, ring->now_ns - slot->began_ns);
	slot_set_state(slot, SLOT_FREE);
	ring->cancels_unsent -= slot->cancel_unsent;
	slot->cancel_unsent = false;
	slot->next = ring->free_head;
	ring->free_head = (uint32_t)(slot - ring->slots);
	ring->in_use--;
	ring->own_in_use -= slot->own;
	ring->ended_posted += !slot->own;
}

/* Steps. */

/* Hops that end by themselves may never outnumber the completion queue; those that wait for
 * others are not held back, for they could wait for what is held back. */
bool hop_is_bounded(const struct slot *slot)
{
	if (slot->polling)
		return false;
	switch (slot->hop.opcode) {
	case KERNEL_NOP:
	case KERNEL_FSYNC:
	case KERNEL_STATX:
	case KERNEL_CLOSE:
	case KERNEL_FALLOCATE:
	case KERNEL_FADVISE:
	case KERNEL_FTRUNCATE:
	case KERNEL_SOCKET:
	case KERNEL_BIND:
	case KERNEL_LISTEN:
	case KERNEL_POLL_REMOVE:
	case KERNEL_LINK_TIMEOUT:
	case KERNEL_FILES_UPDATE:
	case KERNEL_FIXED_FD_INSTALL:
	case KERNEL_MSG_RING:
		return true;
	case KERNEL_READ:
	case KERNEL_READV:
	case KERNEL_READ_FIXED:
	case KERNEL_READV_FIXED:
	case KERNEL_WRITE:
	case KERNEL_WRITEV:
	case KERNEL_WRITE_FIXED:
	case KERNEL_WRITEV_FIXED:
		return slot->hop.off != UINT64_MAX;
	default:
		return false;
	}
}

/* What to wait for before the hop that was refused with EAGAIN is tried again; 0: report it. */
short hop_retry_events(const struct slot *slot)
{
	const struct hop *hop = &slot->hop;

	switch (hop->opcode) {
	case KERNEL_RECV:
	case KERNEL_RECVMSG:
	case KERNEL_ACCEPT:
		return hop->op_flags & MSG_DONTWAIT ? 0 : POLLIN;
	case KERNEL_SEND:
	case KERNEL_SENDMSG:
	case KERNEL_SEND_ZC:
	case KERNEL_SENDMSG_ZC:
		return hop->op_flags & MSG_DONTWAIT ? 0 : POLLOUT;
	case KERNEL_READ:
	case KERNEL_READV:
	case KERNEL_READ_FIXED:
	case KERNEL_READV_FIXED:
		return hop->op_flags & RWF_NOWAIT ? 0 : POLLIN;
	case KERNEL_WRITE:
	case KERNEL_WRITEV:
	case KERNEL_WRITE_FIXED:
	case KERNEL_WRITEV_FIXED:
		return hop->op_flags & RWF_NOWAIT ? 0 : POLLOUT;
	case KERNEL_SPLICE:
		return slot->op.code == RINGO_SENDFILE ? POLLOUT : 0;
	default:
		return 0;
	}
}

static int slot_push(struct ring *ring, struct slot *slot)
{
	bool bounded = hop_is_bounded(slot);
	struct hop poll;
	const struct hop *hop = &slot->hop;
	int ret;

	if (bounded && ring->bounded_in_kernel >= ring->bounded_limit)
		return -EBUSY;
	if (slot->polling) {
		poll = (struct hop){.opcode = KERNEL_POLL_ADD,
				    .sqe_flags = slot->sqe_flags & KERNEL_SQE_FIXED_FILE,
				    .fd = hop->fd,
				    .op_flags = (uint32_t)hop_retry_events(slot)};
		hop = &poll;
	} else if (slot->sqe_flags != 0) { /* a store here makes the copy to the SQE wait for it */
		slot->hop.sqe_flags |= slot->sqe_flags;
	}
	ret = ring->backend->push(ring, hop, slot_token(ring, slot));
	if (ret == 0) {
		slot_set_state(slot, SLOT_KERNEL);
		slot->bounded = bounded;
		ring->bounded_in_kernel += bounded;
	}
	return ret;
}

void slot_make_ready(struct ring *ring, struct slot *slot)
{
	slot_set_state(slot, SLOT_READY);
	list_append(ring, &ring->ready, slot);
}

static void slot_step(struct ring *ring, struct slot *slot, enum step step)
{
	const struct op_row *row = &op_rows[slot->op.code];

	while (step != STEP_DONE && slot_is_ending(slot))
		step = row->advance(ring, slot, -ECANCELED, false, -1);
	switch (step) {
	case STEP_SUBMIT:
		if (ring->ready.head == NO_SLOT && slot_push(ring, slot) == 0)
			return;
		slot_make_ready(ring, slot);
		return;
	case STEP_YIELD:
		slot_set_state(slot, SLOT_YIELDED);
		list_append(ring, &ring->yielded, slot);
		return;
	case STEP_PARK:
		slot_set_state(slot, SLOT_PARKED);
		list_append(ring, &ring->groups[slot->hop.buffer].parked, slot);
		return;
	case STEP_DONE:
		slot_finish(ring, slot);
		return;
	}
}

void slot_advance(struct ring *ring, struct slot *slot, int32_t result, int32_t buffer)
{
	slot->polling = false; /* what comes next is another hop */
	slot_step(ring, slot, op_rows[slot->op.code].advance(ring, slot, result, false, buffer));
}

/* The first hop of an op. What this kernel's ring does not know goes by the plain system call, here
 * and at once: none of those waits for others. */
static enum step first_step(struct ring *ring, struct slot *slot)
{
	const struct op_row *row = &op_rows[slot->op.code];
	enum step step = row->start(ring, slot);
	plain_call call = row->plain_now != NULL ? row->plain_now : row->plain_wait;

	if (step != STEP_SUBMIT || ring_supports(ring, slot->hop.opcode))
		return step;
	return row->advance(ring, slot, call == NULL ? -EOPNOTSUPP : call(&slot->hop), false, -1);
}

/* Why an op cannot have a slot, or 0. */
static int op_error(const struct ring *ring, const struct ringo_op *op, bool own)
{
	const struct op_row *row = op->code < RINGO_CODE_COUNT ? &op_rows[op->code] : NULL;

	if (row == NULL || row->start == NULL || op->flags & (~row->flags | ring->refused_flags))
		return -EINVAL;
	if (!(ring->allowed >> op->code & 1))
		return -EACCES;
	if (op->flags & ring->backend->lacks)
		return -EOPNOTSUPP;
	return own && ring->own_in_use == ring->reserve ? -EAGAIN : 0;
}

/* Ends an op that has no slot. */
void ring_refuse(struct ring *ring, const struct ringo_op *op, bool own, int error)
{
	ring_emit(ring, op->user_data, error, 0, 0);
	ring->ended_posted += !own;
}

void ring_start(struct ring *ring, const struct ringo_op *op, bool own)
{
	const struct op_row *row;
	struct slot *slot;
	int error = op_error(ring, op, own);

	if (op->flags & LINK_FLAGS || ring->chains[own].open) {
		chain_add(ring, op, own, error);
		return;
	}
	if (error != 0) {
		ring_refuse(ring, op, own, error);
		return;
	}
	row = &op_rows[op->code];
	slot = slot_take(ring, op, own);
	slot->cancelled = ring->cancelling || (ring->draining && row->waits);
	slot_step(ring, slot,
		  slot->cancelled && op->code != RINGO_CLOSE ? step_done(slot, -ECANCELED)
							     : first_step(ring, slot));
}

/* Whether the hop has to be given to the kernel once more. Nobody asked for it to be cancelled: the
 * kernel found no worker for it, since signals to this thread interrupted the starting of one
 * (create_io_worker, io_uring/io-wq.c). Where there is none to be had at all, that is the end. */
static bool hop_was_not_run(struct slot *slot, int32_t result)
{
	if (result == -ECANCELED && slot->refusals < REFUSALS_MAX) {
		slot->refusals++;
		return true;
	}
	slot->refusals = 0;
	return result == -EINTR && slot->hop.opcode != KERNEL_CLOSE;
}

/* A result from the backend; `more` says that the hop goes on, `buffer` is a provided buffer's
 * id or -1. */
void ring_result(struct ring *ring, uint64_t user_data, int32_t result, bool more, int32_t buffer)
{
	uint32_t generation = (uint32_t)(user_data >> 32), index = (uint32_t)user_data;
	struct slot *slot;

	if (user_data & TOKEN_MESSAGE) {
		if (!ring->reports_all) /* a batch has no place for it */
			ring_emit(ring, user_data & ~TOKEN_MESSAGE, result, RINGO_MESSAGE, 0);
		return;
	}
	if (generation == 0) {
		if (index == TOKEN_DOORBELL) {
			ring->doorbell_rung = true;
			ring->doorbell_armed = more;
		} else if (index & TOKEN_CHAIN_CANCEL && result == -ENOENT) {
			chain_cancel_missed(ring, index & ~TOKEN_CHAIN_CANCEL);
		}
		return;
	}
	slot = &ring->slots[index];
	assert(index < ring->slot_touched && slot->generation == generation &&
	       slot->state == SLOT_KERNEL);
	if (buffer >= 0 && !(buffer & BUFFER_KEPT))
		buffers_lend(ring, slot->hop.buffer, BUFFER_ID(buffer));
	if (more) {
		op_rows[slot->op.code].advance(ring, slot, result, true, buffer);
		return;
	}
	ring->bounded_in_kernel -= slot->bounded;
	if (slot->chained && slot->chain.linked) {
		chain_result(ring, slot, result, buffer);
		return;
	}
	if (!slot_is_ending(slot)) {
		bool again = hop_was_not_run(slot, result);

		if (!again) {
			bool polled = slot->polling && result >= 0;

			slot->polling =
				!slot->polling && result == -EAGAIN && hop_retry_events(slot) != 0;
			again = polled || slot->polling;
		}
		if (again) {
			slot_step(ring, slot, STEP_SUBMIT);
			return;
		}
	} else if (slot->polling || result == -EINTR || result == -EAGAIN) {
		result = -ECANCELED;
	}
	slot_advance(ring, slot, result, buffer);
}

/* What waits in lists. */

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
			slot_step(ring, slot, first_step(ring, slot));
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

/* Slots that yielded in the last turn go on; those that yield again wait for the next one. */
void ring_run_yielded(struct ring *ring)
{
	uint32_t last = ring->yielded.tail;

	while (ring->yielded.head != NO_SLOT) {
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
	for (uint32_t group = 0; group < RINGO_BUFFER_GROUPS; group++)
		if (can_unpark(&ring->groups[group]))
			return true;
	return false;
}

/* As many receives as there may be buffers go on; the others in later turns, as long as buffers
 * are left: one whose peer is silent takes none, and must not keep it from the next. */
void ring_unpark(struct ring *ring)
{
	for (uint32_t group = 0; group < RINGO_BUFFER_GROUPS; group++) {
		struct buffers *buffers = &ring->groups[group];
		uint32_t there = buffers->count - buffers->lent_count;

		for (; there > 0 && buffers->parked.head != NO_SLOT; there--) {
			struct slot *slot = &ring->slots[buffers->parked.head];

			list_remove(ring, &buffers->parked, slot);
			slot_step(ring, slot, STEP_SUBMIT);
		}
	}
}
