//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * Ops in flight. A slot is one op from the moment the ring takes it to its final completion; its
 * hops carry user_data = generation << 32 | index, so a late result can never reach a later op.
 *
 *   from      to                when                                     by
 *   FREE      KERNEL, READY     started; the queue has room, or is full  slot_submit
 *   FREE      YIELDED, PARKED   started, and has to wait at once         slot_yield, _park
 *   FREE      FREE              refused, or done without a hop           slot_finish
 *   READY     KERNEL            room in the queue                        ring_push_ready
 *   KERNEL    KERNEL, READY     next hop, or the same one again          slot_submit
 *   KERNEL    PARKED            a receive found no provided buffer       slot_park
 *   KERNEL    YIELDED           a transfer used its budget of this turn  slot_yield
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

static bool slot_is_ending(const struct slot *slot)
{
	return slot->cancelled && !slot->cleaning;
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

static struct slot *take_free(struct ring *ring)
{
	uint32_t index = ring->free_head;
	struct slot *slot;

	if (index != NO_SLOT) {
		slot = &ring->slots[index];
		ring->free_head = slot->next;
		return slot;
	}
	assert(ring->slot_touched < ring->slot_count);
	index = ring->slot_touched++;
	slot = &ring->slots[index];
	slot->token = index;
	return slot;
}

/* The same slot's, of the next generation: from 1 to 2^31 - 1 (see TOKEN_MESSAGE), then anew. */
static uint64_t next_token(uint64_t token)
{
	const uint64_t generation = UINT64_C(1) << 32;

	token = (token + generation) & ~TOKEN_MESSAGE;
	return token < generation ? token + generation : token;
}

static inline struct slot *take(struct ring *ring, const struct ringo_op *op, uint64_t user_data,
				bool own)
{
	struct slot *slot = take_free(ring);

	slot->token = next_token(slot->token);
	slot->op = *op;
	slot->op.user_data = user_data;
	ring->user_data[slot_index(slot)] = user_data;
	slot->row = &op_rows[op->code];
	slot->began_ns = ring->now_ns;
	slot->done = 0;
	slot->flags = 0;
	slot->extra = 0;
	slot->phase = slot->attempts = slot->refusals = 0;
	slot->sqe_flags = sqe_flags_of(op->flags);
	slot->own = own;
	slot->polling = slot->cancelled = slot->cleaning = slot->cancel_unsent = false;
	slot->chained = slot->unstarted = slot->bounded = false;
	ring->in_use++;
	ring->own_in_use += own;
	return slot;
}

/* `user_data` takes the place of the op's. */
struct slot *slot_take(struct ring *ring, const struct ringo_op *op, uint64_t user_data, bool own)
{
	return take(ring, op, user_data, own);
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

static inline void finish(struct ring *ring, struct slot *slot)
{
	if (!(slot->op.flags & RINGO_SKIP_SUCCESS) || ring->reports_all || !slot_succeeded(slot))
		ring_emit(ring, slot->op.user_data, slot->result, slot->flags, slot->extra);
	if (slot->chained)
		chain_member_ends(ring, slot);
	count_up(&ring->stats.ops[slot->op.code], 1);
	if (!slot->row->waits)
		histogram_add(&ring->stats.latency_ns, ring->now_ns - slot->began_ns);
	slot_set_state(slot, SLOT_FREE);
	if (slot->cancel_unsent) {
		slot->cancel_unsent = false;
		ring->cancels_unsent--;
	}
	slot->next = ring->free_head;
	ring->free_head = slot_index(slot);
	ring->in_use--;
	ring->own_in_use -= slot->own;
	ring->ended_posted += !slot->own;
}

void slot_finish(struct ring *ring, struct slot *slot)
{
	finish(ring, slot);
}

/* Steps. */

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

/* Instead of the hop that was refused. */
SELDOM static int push_poll(struct ring *ring, const struct slot *slot)
{
	const struct hop poll = {.opcode = KERNEL_POLL_ADD,
				 .sqe_flags = slot->sqe_flags & KERNEL_SQE_FIXED_FILE,
				 .fd = slot->hop.fd,
				 .op_flags = (uint32_t)hop_retry_events(slot)};

	return ring->backend->push(ring, &poll, slot->token);
}

static inline int push(struct ring *ring, struct slot *slot)
{
	bool bounded = hop_is_bounded(slot);
	int ret;

	if (bounded && ring->bounded_in_kernel >= ring->bounded_limit)
		return -EBUSY;
	if (slot->sqe_flags != 0) /* a store here makes the copy to the SQE wait for it */
		slot->hop.sqe_flags |= slot->sqe_flags;
	ret = slot->polling ? push_poll(ring, slot)
			    : ring->backend->push(ring, &slot->hop, slot->token);
	if (ret == 0) {
		slot_set_state(slot, SLOT_KERNEL);
		slot->bounded = bounded;
		ring->bounded_in_kernel += bounded;
	}
	return ret;
}

/* Gives the slot's hop to the backend, or -EBUSY: no room for it now. */
int slot_push(struct ring *ring, struct slot *slot)
{
	return push(ring, slot);
}

static inline void slot_submit(struct ring *ring, struct slot *slot)
{
	if (ring->ready.head != NO_SLOT || push(ring, slot) != 0)
		slot_make_ready(ring, slot);
}

void slot_step(struct ring *ring, struct slot *slot, enum step step)
{
	while (step != STEP_DONE && slot_is_ending(slot))
		step = slot->row->advance(ring, slot, -ECANCELED, false, -1);
	switch (step) {
	case STEP_SUBMIT:
		slot_submit(ring, slot);
		return;
	case STEP_YIELD:
		slot_yield(ring, slot);
		return;
	case STEP_PARK:
		slot_park(ring, slot);
		return;
	case STEP_DONE:
		slot_finish(ring, slot);
		return;
	}
}

static inline void advance(struct ring *ring, struct slot *slot, int32_t result, int32_t buffer)
{
	enum step step;

	slot->polling = false; /* what comes next is another hop */
	step = slot->row->advance(ring, slot, result, false, buffer);
	if (step == STEP_DONE)
		finish(ring, slot);
	else
		slot_step(ring, slot, step);
}

void slot_advance(struct ring *ring, struct slot *slot, int32_t result, int32_t buffer)
{
	advance(ring, slot, result, buffer);
}

/* A hop that this kernel's ring does not know goes by the plain system call, here and at once: none
 * of those waits for others. */
SELDOM static enum step plain_step(struct ring *ring, struct slot *slot)
{
	const struct op_row *row = slot->row;
	plain_call call = row->plain_now != NULL ? row->plain_now : row->plain_wait;

	return row->advance(ring, slot, call == NULL ? -EOPNOTSUPP : call(&slot->hop), false, -1);
}

/* The first hop of an op. */
static inline enum step first_step(struct ring *ring, struct slot *slot)
{
	enum step step = slot->row->start(ring, slot);

	if (step != STEP_SUBMIT || ring_supports(ring, slot->hop.opcode))
		return step;
	return plain_step(ring, slot);
}

/* Starts an op that has its slot already. */
void slot_start(struct ring *ring, struct slot *slot)
{
	slot_step(ring, slot, first_step(ring, slot));
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
void ring_refuse(struct ring *ring, uint64_t user_data, bool own, int error)
{
	ring_emit(ring, user_data, error, 0, 0);
	ring->ended_posted += !own;
}

/* What an op with this code may have of flags, and be ordinary. */
static uint32_t ordinary_flags(const struct ring *ring, uint32_t code)
{
	const struct op_row *row = &op_rows[code];
	uint32_t others = LINK_FLAGS | ring->refused_flags | ring->backend->lacks;

	if (row->start == NULL || !(ring->allowed >> code & 1))
		return 0;
	return ORDINARY | (row->flags & ~others);
}

void ring_prepare_codes(struct ring *ring)
{
	for (uint32_t code = 0; code < RINGO_CODE_COUNT; code++)
		ring->ordinary[code] = ordinary_flags(ring, code);
}

/* Whether nothing can keep an op from its start. All but few are so. */
static bool is_ordinary(const struct ring *ring, const struct ringo_op *op, bool own)
{
	return op->code < RINGO_CODE_COUNT &&
	       ((op->flags | ORDINARY) & ~ring->ordinary[op->code]) == 0 &&
	       !ring->chains[own].open && !ring->draining &&
	       (!own || ring->own_in_use < ring->reserve);
}

SELDOM static void start_odd(struct ring *ring, const struct ringo_op *op, uint64_t user_data,
			     bool own)
{
	int error = op_error(ring, op, own);
	struct slot *slot;

	if (op->flags & LINK_FLAGS || ring->chains[own].open) {
		chain_add(ring, op, user_data, own, error);
		return;
	}
	if (error != 0) {
		ring_refuse(ring, user_data, own, error);
		return;
	}
	slot = slot_take(ring, op, user_data, own);
	slot->cancelled = ring->cancelling || (ring->draining && slot->row->waits);
	if (slot->cancelled && op->code != RINGO_CLOSE)
		slot_step(ring, slot, step_done(slot, -ECANCELED));
	else
		slot_start(ring, slot);
}

/* Takes an op in, under the name `user_data`. */
void ring_start(struct ring *ring, const struct ringo_op *op, uint64_t user_data, bool own)
{
	struct slot *slot;
	enum step step;

	if (!is_ordinary(ring, op, own)) {
		start_odd(ring, op, user_data, own);
		return;
	}
	slot = take(ring, op, user_data, own);
	step = first_step(ring, slot);
	if (step == STEP_SUBMIT)
		slot_submit(ring, slot);
	else
		slot_step(ring, slot, step);
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

/* What is not of a slot's hop. */
SELDOM static void result_of_ring(struct ring *ring, uint64_t user_data, int32_t result, bool more)
{
	uint32_t token = (uint32_t)user_data;

	if (user_data & TOKEN_MESSAGE) {
		if (!ring->reports_all) /* a batch has no place for it */
			ring_emit(ring, user_data & ~TOKEN_MESSAGE, result, RINGO_MESSAGE, 0);
	} else if (token == TOKEN_DOORBELL) {
		ring->doorbell_rung = true;
		ring->doorbell_armed = more;
	} else if (token & TOKEN_CHAIN_CANCEL && result == -ENOENT) {
		chain_cancel_missed(ring, token & ~TOKEN_CHAIN_CANCEL);
	}
}

/* A final result that says nothing of success, of an op that is cancelled or that was polling: the
 * hop goes to the kernel once more, or the op takes the result. */
SELDOM static void weigh_result(struct ring *ring, struct slot *slot, int32_t result,
				int32_t buffer)
{
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

/* A result from the backend; `more` says that the hop goes on, `buffer` is a provided buffer's
 * id or -1. */
void ring_result(struct ring *ring, uint64_t user_data, int32_t result, bool more, int32_t buffer)
{
	struct slot *slot;

	if (user_data <= UINT32_MAX || user_data & TOKEN_MESSAGE) {
		result_of_ring(ring, user_data, result, more);
		return;
	}
	slot = &ring->slots[(uint32_t)user_data];
	assert((uint32_t)user_data < ring->slot_touched && slot->token == user_data &&
	       slot->state == SLOT_KERNEL);
	if (buffer >= 0 && !(buffer & BUFFER_KEPT))
		buffers_lend(ring, slot->hop.buffer, BUFFER_ID(buffer));
	if (more) {
		slot->row->advance(ring, slot, result, true, buffer);
		return;
	}
	ring->bounded_in_kernel -= slot->bounded;
	if (result >= 0 && !slot->chained && !slot->polling && !slot->cancelled) {
		slot->refusals = 0;
		advance(ring, slot, result, buffer);
	} else if (slot->chained && slot->chain.linked) {
		chain_result(ring, slot, result, buffer);
	} else {
		weigh_result(ring, slot, result, buffer);
	}
}
