//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * A batch: ops driven on the caller's own thread, either a list of them to its end in one call, or
 * as a sliding window, step by step. The ring may be used by another thread next time, so no
 * request may outlive a run or a window: not even the doorbell.
 */
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "internal.h"

struct ringo_batch {
	struct ring ring;
	uint32_t depth;
	int doorbell;
	_Atomic bool cancelled;
};

/* The run in progress; completions[i] belongs to ops[i]. */
struct run {
	const struct ringo_op *ops;
	struct ringo_completion *completions;
	uint32_t count;
	uint32_t started;
	uint32_t ended;
	bool cancellable;
};

int ringo_batch_open(const struct ringo_options *given, struct ringo_batch **opened)
{
	struct ringo_options options;
	struct ringo_batch *batch;
	int ret = options_complete(given, &options);

	if (ret != 0)
		return ret;
	batch = calloc(1, sizeof(*batch));
	if (batch == NULL)
		return -ENOMEM;
	batch->depth = options.depth;
	batch->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = batch->doorbell < 0 ? -errno : ring_open(&batch->ring, &options, true);
	if (ret != 0) {
		if (batch->doorbell >= 0)
			close(batch->doorbell);
		free(batch);
		return ret;
	}
	*opened = batch;
	return 0;
}

void ringo_batch_close(struct ringo_batch *batch)
{
	ring_close(&batch->ring);
	close(batch->doorbell);
	free(batch);
}

void ringo_batch_cancel(struct ringo_batch *batch)
{
	static const uint64_t one = 1;

	atomic_store(&batch->cancelled, true);
	if (write(batch->doorbell, &one, sizeof(one)) < 0)
		abort();
}

/* How many ops from `first` on belong together. */
static uint32_t chain_length(const struct run *run, uint32_t first)
{
	uint32_t end = first;

	while (end < run->count && run->ops[end].flags & LINK_FLAGS)
		end++;
	return end + 1 - first;
}

/* -EINVAL: the last op is linked to nothing; -E2BIG: a chain needs more than `depth`. */
static int check_chains(const struct ringo_batch *batch, const struct run *run)
{
	uint32_t length;

	for (uint32_t i = 0; i < run->count; i += length) {
		length = chain_length(run, i);
		if (length > run->count - i)
			return -EINVAL;
		if (length > batch->depth)
			return -E2BIG;
	}
	return 0;
}

/* Starts an op, or a chain; false when there is no room for all of it. */
static bool start_next(struct ringo_batch *batch, struct run *run)
{
	uint32_t length = chain_length(run, run->started);

	if (batch->ring.in_use + length > batch->depth)
		return false;
	for (; length > 0; length--) {
		ring_start(&batch->ring, &run->ops[run->started], run->started, false);
		run->started++;
	}
	return true;
}

static void collect(struct ringo_batch *batch, struct run *run)
{
	struct ring *ring = &batch->ring;

	for (uint32_t i = 0; i < ring->completion_count; i++) {
		struct ringo_completion *completion = &ring->completions[i];
		uint64_t index = completion->user_data;

		run->completions[index] = *completion;
		run->completions[index].user_data = run->ops[index].user_data;
	}
	run->ended += ring->completion_count;
	ring->completion_count = 0;
}

static int turn(struct ring *ring, uint32_t wait_count, int64_t timeout_ns)
{
	int ret = ring->backend->turn(ring, wait_count, timeout_ns);

	if (ret == 0)
		ring->backend->reap(ring, REAP_LIMIT);
	return ret;
}

/* Whether something is left to give to the kernel, so that the next turn must not sleep. */
static bool has_work(const struct ring *ring)
{
	return ring->yielded.head != NO_SLOT || ring_can_push(ring) || ring->cancels_unsent > 0;
}

static void heed_cancel(struct ringo_batch *batch)
{
	if (!batch->ring.cancelling &&
	    atomic_load_explicit(&batch->cancelled, memory_order_relaxed))
		ring_stop(&batch->ring, RINGO_STOP_CANCEL);
}

/* Starts what there is room for, and does one turn. */
static int advance(struct ringo_batch *batch, struct run *run)
{
	struct ring *ring = &batch->ring;
	bool sleep;
	int ret;

	if (run->cancellable)
		heed_cancel(batch);
	ring_run_yielded(ring);
	while (run->started < run->count && ring->completion_count < batch->depth &&
	       start_next(batch, run))
		;
	ring_push_ready(ring);
	sleep = ring->completion_count == 0 && !has_work(ring);
	/* Hops that end by themselves may be waited for by the half: fewer wake-ups. */
	ret = turn(ring, sleep ? 1 + ring->bounded_in_kernel / 2 : 0, -1);
	collect(batch, run);
	return ret;
}

static int disarm_doorbell(struct ringo_batch *batch)
{
	struct ring *ring = &batch->ring;
	const struct hop cancel = {.opcode = KERNEL_ASYNC_CANCEL, .fd = -1, .addr = TOKEN_DOORBELL};
	bool sent = false;
	int ret = 0;

	while (ring->doorbell_armed && ret == 0) {
		if (!sent)
			sent = ring->backend->push(ring, &cancel, TOKEN_IGNORED) == 0;
		ret = turn(ring, sent, -1);
	}
	return ret;
}

/* Leaves the ring as another thread may take it. */
static int settle(struct ringo_batch *batch)
{
	struct ring *ring = &batch->ring;
	int ret = disarm_doorbell(batch);

	ring->draining = ring->cancelling = false;
	ring->ended_posted = 0;
	return ret;
}

int ringo_batch_run(struct ringo_batch *batch, const struct ringo_op *ops, uint32_t count,
		    bool cancellable, struct ringo_completion *completions)
{
	struct run run = {
		.ops = ops, .completions = completions, .count = count, .cancellable = cancellable};
	int ret = check_chains(batch, &run);

	if (ret != 0)
		return ret;
	while (run.ended < count && ret == 0) {
		if (cancellable)
			ring_arm_doorbell(&batch->ring, batch->doorbell);
		ret = advance(batch, &run);
	}
	if (ret == 0)
		ret = settle(batch);
	if (cancellable)
		atomic_store(&batch->cancelled, false);
	return ret;
}

/* The window. */

/* How many results the next turn waits for: what is missing, but never more than are sure to come
 * of what the kernel has now. */
static uint32_t results_to_wait_for(const struct ring *ring, uint32_t wait)
{
	uint32_t missing = wait - ring->completion_count;

	if (ring->completion_count >= wait || ring->in_use == 0 || has_work(ring))
		return 0;
	if (missing > ring->bounded_in_kernel)
		missing = ring->bounded_in_kernel;
	return missing > 0 ? missing : 1;
}

static uint32_t take_completions(struct ring *ring, struct ringo_completion *completions)
{
	uint32_t count = ring->completion_count;

	memcpy(completions, ring->completions, count * sizeof(*completions));
	ring->completion_count = 0;
	return count;
}

/* What is left of a time that ends at `end_ns`. */
static int64_t left_of(uint64_t end_ns)
{
	uint64_t now = now_ns();

	return now < end_ns ? (int64_t)(end_ns - now) : 0;
}

/* Turns until `wait` ops have ended or the time is up. Only who sleeps needs a doorbell, and to arm
 * one and take it back is two requests and a turn: the first turn without one does not sleep, for
 * what it submits may all end at once. */
static int turn_until(struct ringo_batch *batch, uint32_t wait, int64_t timeout_ns)
{
	struct ring *ring = &batch->ring;
	uint64_t end_ns = timeout_ns > 0 ? now_ns() + (uint64_t)timeout_ns : 0;
	bool may_sleep = ring->doorbell_armed || ring->unwatched;
	int ret;

	do {
		uint32_t results = 0;

		heed_cancel(batch);
		if (may_sleep)
			ring_arm_doorbell(ring, batch->doorbell);
		ring_run_yielded(ring);
		ring_push_ready(ring);
		if (may_sleep && timeout_ns != 0)
			results = results_to_wait_for(ring, wait);
		ret = turn(ring, results, timeout_ns);
		may_sleep = true;
		if (timeout_ns > 0)
			timeout_ns = left_of(end_ns);
	} while (ret == 0 && (has_work(ring) || (timeout_ns != 0 && ring->in_use > 0 &&
						 ring->completion_count < wait)));
	return ret;
}

static uint32_t slots_needed(const struct ringo_op *ops, uint32_t count)
{
	uint32_t needed = 0;

	for (uint32_t i = 0; i < count; i++)
		needed += ops[i].code != RINGO_CANCEL;
	return needed;
}

int ringo_batch_step(struct ringo_batch *batch, const struct ringo_op *ops, uint32_t count,
		     uint32_t wait, int64_t timeout_ns, struct ringo_completion *completions)
{
	struct ring *ring = &batch->ring;
	int ret = 0;

	if (count > 0 && ops[count - 1].flags & LINK_FLAGS)
		return -EINVAL;
	if (slots_needed(ops, count) > batch->depth - ring->in_use)
		return -EAGAIN;
	heed_cancel(batch);
	ring->backend->reap(ring, REAP_LIMIT);
	for (uint32_t i = 0; i < count; i++) {
		if (ops[i].code == RINGO_CANCEL)
			ring_cancel(ring, &ops[i]);
		else
			ring_start(ring, &ops[i], ops[i].user_data, false);
	}
	/* With nothing to submit and enough ended already the kernel need not be entered. */
	if (count > 0 || ring->completion_count == 0 || ring->completion_count < wait)
		ret = turn_until(batch, wait, timeout_ns);
	return ret < 0 ? ret : (int)take_completions(ring, completions);
}

uint64_t ringo_batch_entries(const struct ringo_batch *batch)
{
	return batch->ring.entries;
}

int ringo_batch_settle(struct ringo_batch *batch)
{
	int ret;

	if (batch->ring.in_use > 0)
		return -EBUSY;
	ret = settle(batch);
	atomic_store(&batch->cancelled, false);
	return ret;
}
