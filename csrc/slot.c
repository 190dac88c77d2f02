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

static void slot_set_state(struct slot *slot, enum slot_state to)
{
	static const uint8_t allowed[] = {
		[SLOT_FREE] = 1 << SLOT_FREE | 1 << SLOT_READY | 1 << SLOT_KERNEL |
			      1 << SLOT_YIELDED | 1 << SLOT_PARKED,
		[SLOT_READY] = 1 << SLOT_FREE | 1 << SLOT_READY | 1 << SLOT_KERNEL,
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

static struct slot_list *list_of(struct ring *ring, const struct slot *slot)
{
	switch ((enum slot_state)slot->state) {
	case SLOT_READY:
		return &ring->ready;
	case SLOT_PARKED:
		return &ring->parked;
	case SLOT_YIELDED:
		return &ring->yielded;
	case SLOT_FREE:
	case SLOT_KERNEL:
		break;
	}
	return NULL;
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

static struct slot *slot_take(struct ring *ring, const struct ringo_op *op, bool own)
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
	if (++slot->generation == 0)
		slot->generation = 1;
	slot->op = *op;
	slot->done = 0;
	slot->phase = 0;
	slot->attempts = slot->refusals = 0;
	slot->own = own;
	slot->polling = slot->cancelled = slot->cleaning = slot->cancel_unsent = false;
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

static void slot_finish(struct ring *ring, struct slot *slot)
{
	ring_emit(ring, slot->op.user_data, slot->result, slot->flags, slot->extra);
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
static bool hop_is_bounded(const struct slot *slot)
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
		return true;
	case KERNEL_READ:
	case KERNEL_READV:
	case KERNEL_WRITE:
	case KERNEL_WRITEV:
		return slot->hop.off != UINT64_MAX;
	default:
		return false;
	}
}

/* What to wait for before the hop that was refused with EAGAIN is tried again; 0: report it. */
static short hop_retry_events(const struct slot *slot)
{
	const struct hop *hop = &slot->hop;

	switch (hop->opcode) {
	case KERNEL_RECV:
	case KERNEL_RECVMSG:
	case KERNEL_ACCEPT:
		return hop->op_flags & MSG_DONTWAIT ? 0 : POLLIN;
	case KERNEL_SEND:
	case KERNEL_SENDMSG:
		return hop->op_flags & MSG_DONTWAIT ? 0 : POLLOUT;
	case KERNEL_READ:
	case KERNEL_READV:
		return hop->op_flags & RWF_NOWAIT ? 0 : POLLIN;
	case KERNEL_WRITE:
	case KERNEL_WRITEV:
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
				    .fd = hop->fd,
				    .op_flags = (uint32_t)hop_retry_events(slot)};
		hop = &poll;
	}
	ret = ring->backend->push(ring, hop, slot_token(ring, slot));
	if (ret == 0) {
		slot_set_state(slot, SLOT_KERNEL);
		slot->bounded = bounded;
		ring->bounded_in_kernel += bounded;
	}
	return ret;
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
		slot_set_state(slot, SLOT_READY);
		list_append(ring, &ring->ready, slot);
		return;
	case STEP_YIELD:
		slot_set_state(slot, SLOT_YIELDED);
		list_append(ring, &ring->yielded, slot);
		return;
	case STEP_PARK:
		slot_set_state(slot, SLOT_PARKED);
		list_append(ring, &ring->parked, slot);
		return;
	case STEP_DONE:
		slot_finish(ring, slot);
		return;
	}
}

static void slot_advance(struct ring *ring, struct slot *slot, int32_t result, int32_t buffer)
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

void ring_start(struct ring *ring, const struct ringo_op *op, bool own)
{
	const struct op_row *row = op->code < RINGO_CODE_COUNT ? &op_rows[op->code] : NULL;
	struct slot *slot;

	if (row == NULL || row->start == NULL || op->flags & ~row->flags) {
		ring_emit(ring, op->user_data, -EINVAL, 0, 0);
		ring->ended_posted += !own;
		return;
	}
	if (own && ring->own_in_use == ring->reserve) {
		ring_emit(ring, op->user_data, -EAGAIN, 0, 0);
		return;
	}
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

	if (generation == 0) {
		if (index == TOKEN_DOORBELL) {
			ring->doorbell_rung = true;
			ring->doorbell_armed = more;
		}
		return;
	}
	if (buffer >= 0)
		buffers_lend(ring, (uint32_t)buffer);
	slot = &ring->slots[index];
	assert(index < ring->slot_touched && slot->generation == generation &&
	       slot->state == SLOT_KERNEL);
	if (more) {
		op_rows[slot->op.code].advance(ring, slot, result, true, buffer);
		return;
	}
	ring->bounded_in_kernel -= slot->bounded;
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

static void push_unsent_cancels(struct ring *ring);

/* Gives READY slots to the backend, oldest first, until it has no more room. */
void ring_push_ready(struct ring *ring)
{
	if (ring->cancels_unsent != 0)
		push_unsent_cancels(ring);
	while (ring->ready.head != NO_SLOT) {
		struct slot *slot = &ring->slots[ring->ready.head];

		if (slot_push(ring, slot) != 0)
			return;
		list_remove(ring, &ring->ready, slot);
	}
}

/* Whether some READY slot waits only for room in the submission queue, which the next turn makes.
 * Where the first has to wait for a hop in the kernel to end, all do. */
bool ring_can_push(const struct ring *ring)
{
	return ring->ready.head != NO_SLOT && (ring->bounded_in_kernel < ring->bounded_limit ||
					       !hop_is_bounded(&ring->slots[ring->ready.head]));
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

/* Whether receives are parked though provided buffers are there. */
bool ring_can_unpark(const struct ring *ring)
{
	return ring->parked.head != NO_SLOT && ring->receive.lent_count < ring->receive.count;
}

/* As many receives as there may be buffers go on; the others in later turns, as long as buffers
 * are left: one whose peer is silent takes none, and must not keep it from the next. */
void ring_unpark(struct ring *ring)
{
	uint32_t there = ring->receive.count - ring->receive.lent_count;

	for (; there > 0 && ring->parked.head != NO_SLOT; there--) {
		struct slot *slot = &ring->slots[ring->parked.head];

		list_remove(ring, &ring->parked, slot);
		slot_step(ring, slot, STEP_SUBMIT);
	}
}

/* Cancel. */

static int push_cancel(struct ring *ring, const struct slot *slot)
{
	const struct hop hop = {
		.opcode = KERNEL_ASYNC_CANCEL, .fd = -1, .addr = slot_token(ring, slot)};

	return ring->backend->push(ring, &hop, TOKEN_IGNORED);
}

static void slot_cancel(struct ring *ring, struct slot *slot)
{
	struct slot_list *list = list_of(ring, slot);

	if (slot->cancelled)
		return;
	slot->cancelled = true;
	if (slot->cleaning)
		return;
	if (list != NULL) {
		list_remove(ring, list, slot);
		slot_advance(ring, slot, -ECANCELED, -1);
	} else if (push_cancel(ring, slot) != 0) {
		slot->cancel_unsent = true;
		ring->cancels_unsent++;
	}
}

static void push_unsent_cancels(struct ring *ring)
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

		if (slot->state != SLOT_FREE && (ring->cancelling || op_rows[slot->op.code].waits))
			slot_cancel(ring, slot);
	}
}
