//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * How any thread hands ops to a loop: a bounded queue of many producers and one consumer, and an
 * eventfd that wakes the loop when it sleeps.
 *
 * A post first asks for admission: the count of posted ops that have not ended may not exceed the
 * depth, and since the queue has room for more than that, a ticket never overruns the consumer.
 * Tickets are taken for all ops of a post at once, so they stay together. The consumer stops at
 * the first cell that is not written yet.
 *
 * Sleeping is Dekker's handshake: the loop publishes `sleeping` and then looks for a written
 * cell; a poster writes its cell and then looks at `sleeping`; both sequentially consistent, so
 * one of the two sees the other. `sleeping` is also the latch that keeps many posters from
 * ringing more than once.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "internal.h"

/* `admission` in one word, so that a loop can be sealed only when nobody is inside. */
#define ADMISSION_SEALED (UINT64_C(1) << 63)
#define ADMISSION_POSTER (UINT64_C(1) << 32)
#define ADMISSION_OPS (ADMISSION_POSTER - 1)

struct cell {
	struct ringo_op op;
	_Atomic uint64_t written; /* ticket + 1 of the op in it */
};

struct mailbox {
	_Alignas(64) _Atomic uint64_t admission; /* sealed | posters inside | ops not ended */
	_Atomic uint32_t slotless;          /* cancels and the like in the queue: admitted apart */
	_Alignas(64) _Atomic uint64_t tail; /* next ticket to give */
	_Alignas(64) _Atomic uint64_t head; /* next ticket to take; written by the loop only */
	_Alignas(64) _Atomic uint32_t sleeping; /* enum mailbox_sleep */
	_Atomic uint32_t threshold;             /* while HOLDING */
	_Atomic bool flush;                     /* somebody wants no holding back */
	_Atomic uint64_t doorbells;
	int doorbell;
	uint32_t depth;
	uint32_t mask;
	size_t size;
	struct cell cells[];
};

static bool op_is_slotless(const struct ringo_op *op)
{
	return op->code == RINGO_CANCEL || op->code == RINGO_RETURN_BUFFER;
}

int mailbox_open(struct mailbox **mailbox, uint32_t depth)
{
	uint32_t capacity = 2;
	struct mailbox *box;
	size_t size;

	while (capacity < 2 * depth)
		capacity *= 2;
	size = sizeof(*box) + capacity * sizeof(struct cell);
	box = memory_map(size);
	if (box == NULL)
		return -ENOMEM;
	box->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (box->doorbell < 0) {
		int ret = -errno;

		memory_unmap(box, size);
		return ret;
	}
	box->depth = depth;
	box->mask = capacity - 1;
	box->size = size;
	*mailbox = box;
	return 0;
}

/* Waits for posters that are still inside a post: they may ring the doorbell of a loop that has
 * already done all they asked for. */
void mailbox_close(struct mailbox *mailbox)
{
	if (mailbox == NULL)
		return;
	while (atomic_load(&mailbox->admission) & ~ADMISSION_SEALED & ~ADMISSION_OPS)
		usleep(10);
	close(mailbox->doorbell);
	memory_unmap(mailbox, mailbox->size);
}

static void ring_doorbell(struct mailbox *mailbox)
{
	static const uint64_t one = 1;

	atomic_fetch_add_explicit(&mailbox->doorbells, 1, memory_order_relaxed);
	/* Cannot fail: the count would have to reach 2^64 - 1. */
	if (write(mailbox->doorbell, &one, sizeof(one)) < 0)
		abort();
}

/* Keeps the mailbox from being sealed, and so the loop from ending, until mailbox_ring. */
void mailbox_enter(struct mailbox *mailbox)
{
	atomic_fetch_add(&mailbox->admission, ADMISSION_POSTER);
}

/* Wakes the loop, and leaves. */
void mailbox_ring(struct mailbox *mailbox)
{
	atomic_store(&mailbox->flush, true);
	atomic_store(&mailbox->sleeping, MAILBOX_AWAKE);
	ring_doorbell(mailbox);
	atomic_fetch_sub(&mailbox->admission, ADMISSION_POSTER);
}

/* Enters as a poster of `ops` ops that need slots. */
static int admit(struct mailbox *mailbox, uint32_t ops)
{
	uint64_t before = atomic_fetch_add(&mailbox->admission, ADMISSION_POSTER + ops);

	if (before & ADMISSION_SEALED) {
		atomic_fetch_sub(&mailbox->admission, ADMISSION_POSTER + ops);
		return -ESHUTDOWN;
	}
	if ((before & ADMISSION_OPS) + ops > mailbox->depth) {
		atomic_fetch_sub(&mailbox->admission, ADMISSION_POSTER + ops);
		return -EAGAIN;
	}
	return 0;
}

static int admit_slotless(struct mailbox *mailbox, uint32_t ops)
{
	if (ops == 0)
		return 0;
	if (atomic_fetch_add(&mailbox->slotless, ops) + ops <= mailbox->depth)
		return 0;
	atomic_fetch_sub(&mailbox->slotless, ops);
	return -EAGAIN;
}

static void put(struct mailbox *mailbox, const struct ringo_op *ops, uint32_t count)
{
	/* Whoever was admitted last saw that the loop is done with these cells; it may be another
	 * poster, whose ticket was drawn before this one. */
	uint64_t ticket = atomic_fetch_add_explicit(&mailbox->tail, count, memory_order_acq_rel);

	for (uint32_t i = 0; i < count; i++, ticket++) {
		struct cell *cell = &mailbox->cells[ticket & mailbox->mask];

		cell->op = ops[i];
		atomic_store(&cell->written, ticket + 1);
	}
}

static void wake_if_needed(struct mailbox *mailbox, bool flush)
{
	uint32_t sleeping = atomic_load(&mailbox->sleeping);

	if (sleeping == MAILBOX_AWAKE)
		return;
	if (sleeping == MAILBOX_HOLDING && !flush &&
	    mailbox_pending(mailbox) <
		    atomic_load_explicit(&mailbox->threshold, memory_order_relaxed))
		return;
	if (atomic_exchange(&mailbox->sleeping, MAILBOX_AWAKE) != MAILBOX_AWAKE)
		ring_doorbell(mailbox);
}

int mailbox_post(struct mailbox *mailbox, const struct ringo_op *ops, uint32_t count, bool flush)
{
	uint32_t slotless = 0;
	int ret;

	if (count > mailbox->depth)
		return -E2BIG;
	if (count > 0 && ops[count - 1].flags & LINK_FLAGS)
		return -EINVAL; /* the chain would go on with what another thread posts */
	for (uint32_t i = 0; i < count; i++)
		slotless += op_is_slotless(&ops[i]);
	ret = admit(mailbox, count - slotless);
	if (ret != 0)
		return ret;
	ret = admit_slotless(mailbox, slotless);
	if (ret != 0) {
		atomic_fetch_sub(&mailbox->admission, ADMISSION_POSTER + count - slotless);
		return ret;
	}
	put(mailbox, ops, count);
	if (flush)
		atomic_store(&mailbox->flush, true);
	wake_if_needed(mailbox, flush);
	atomic_fetch_sub(&mailbox->admission, ADMISSION_POSTER);
	return 0;
}

/* The loop's side. */

static struct cell *next_cell(struct mailbox *mailbox, uint64_t head)
{
	struct cell *cell = &mailbox->cells[head & mailbox->mask];

	return atomic_load(&cell->written) == head + 1 ? cell : NULL;
}

bool mailbox_take(struct mailbox *mailbox, struct ringo_op *op)
{
	uint64_t head = atomic_load_explicit(&mailbox->head, memory_order_relaxed);
	struct cell *cell = next_cell(mailbox, head);

	if (cell == NULL)
		return false;
	*op = cell->op;
	atomic_store_explicit(&mailbox->head, head + 1, memory_order_release);
	if (op_is_slotless(op))
		atomic_fetch_sub(&mailbox->slotless, 1);
	return true;
}

uint32_t mailbox_pending(const struct mailbox *mailbox)
{
	return (uint32_t)(atomic_load_explicit(&mailbox->tail, memory_order_relaxed) -
			  atomic_load_explicit(&mailbox->head, memory_order_relaxed));
}

/* Whether somebody flushed since the last call. */
bool mailbox_take_flush(struct mailbox *mailbox)
{
	return atomic_load_explicit(&mailbox->flush, memory_order_relaxed) &&
	       atomic_exchange(&mailbox->flush, false);
}

/* Announces sleep. False: there is something to do instead (ops written, or for HOLDING as many
 * as the threshold), and the loop counts as awake. */
bool mailbox_sleep(struct mailbox *mailbox, enum mailbox_sleep how, uint32_t threshold)
{
	bool work;

	atomic_store_explicit(&mailbox->threshold, threshold, memory_order_relaxed);
	atomic_store(&mailbox->sleeping, how);
	if (how == MAILBOX_HOLDING)
		work = mailbox_pending(mailbox) >= threshold || atomic_load(&mailbox->flush);
	else
		work = next_cell(mailbox,
				 atomic_load_explicit(&mailbox->head, memory_order_relaxed));
	if (work)
		mailbox_awake(mailbox);
	return !work;
}

void mailbox_awake(struct mailbox *mailbox)
{
	atomic_store_explicit(&mailbox->sleeping, MAILBOX_AWAKE, memory_order_relaxed);
}

/* `count` posted ops have had their final completion delivered. */
void mailbox_ended(struct mailbox *mailbox, uint32_t count)
{
	if (count > 0)
		atomic_fetch_sub(&mailbox->admission, count);
}

/* Refuses all posts from now on, if nobody is inside and no op is left; true when sealed. */
bool mailbox_seal(struct mailbox *mailbox)
{
	uint64_t before = 0;

	return mailbox_pending(mailbox) == 0 &&
	       (atomic_compare_exchange_strong(&mailbox->admission, &before, ADMISSION_SEALED) ||
		before & ADMISSION_SEALED);
}

int mailbox_doorbell(const struct mailbox *mailbox)
{
	return mailbox->doorbell;
}

uint64_t mailbox_doorbells(const struct mailbox *mailbox)
{
	return atomic_load_explicit(&mailbox->doorbells, memory_order_relaxed);
}
