//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * A batch: a list of ops driven to its end on the caller's own thread, in one call. The ring may
 * be used by another thread next time, so no request may outlive a run: not even the doorbell.
 */
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
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

static bool belongs_in_batch(const struct ringo_op *op)
{
	return op->code != RINGO_CANCEL && op->code != RINGO_RETURN_BUFFER &&
	       !(op->flags & (RINGO_MULTISHOT | RINGO_BUFFER_SELECT));
}

static void start_next(struct ringo_batch *batch, struct run *run)
{
	struct ringo_op op = run->ops[run->started];

	op.user_data = run->started++;
	if (belongs_in_batch(&op))
		ring_start(&batch->ring, &op, false);
	else
		ring_emit(&batch->ring, op.user_data, -EINVAL, 0, 0);
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

static int turn(struct ringo_batch *batch, bool sleep)
{
	struct ring *ring = &batch->ring;
	int ret;

	/* Hops that end by themselves may be waited for by the half: fewer wake-ups. */
	ret = ring->backend->turn(ring, sleep ? 1 + ring->bounded_in_kernel / 2 : 0, -1);
	if (ret == 0)
		ring->backend->reap(ring, REAP_LIMIT);
	return ret;
}

/* Starts what there is room for, and does one turn. */
static int advance(struct ringo_batch *batch, struct run *run)
{
	struct ring *ring = &batch->ring;
	int ret;

	if (run->cancellable && !ring->cancelling &&
	    atomic_load_explicit(&batch->cancelled, memory_order_relaxed))
		ring_stop(ring, RINGO_STOP_CANCEL);
	ring_run_yielded(ring);
	while (run->started < run->count && ring->in_use < batch->depth &&
	       ring->completion_count < batch->depth)
		start_next(batch, run);
	ring_push_ready(ring);
	ret = turn(batch, ring->completion_count == 0 && ring->yielded.head == NO_SLOT &&
				  !ring_can_push(ring) && ring->cancels_unsent == 0);
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
		ret = turn(batch, sent);
	}
	return ret;
}

int ringo_batch_run(struct ringo_batch *batch, const struct ringo_op *ops, uint32_t count,
		    bool cancellable, struct ringo_completion *completions)
{
	struct run run = {
		.ops = ops, .completions = completions, .count = count, .cancellable = cancellable};
	struct ring *ring = &batch->ring;
	int ret = 0;

	while (run.ended < count && ret == 0) {
		if (cancellable)
			ring_arm_doorbell(ring, batch->doorbell);
		ret = advance(batch, &run);
	}
	if (ret == 0)
		ret = disarm_doorbell(batch);
	ring->draining = ring->cancelling = false;
	ring->ended_posted = 0;
	if (cancellable)
		atomic_store(&batch->cancelled, false);
	return ret;
}
