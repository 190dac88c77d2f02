//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * Life of a ring: opened with all the memory that its ops will ever need, closed when none is left.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "internal.h"

/* Watches an eventfd for the ring's whole life. Its count is never read: a multishot poll is
 * edge-triggered, so each write is one result (io_uring_prep_poll_multishot(3)). */
void ring_arm_doorbell(struct ring *ring, int fd)
{
	const struct hop hop = {.opcode = KERNEL_POLL_ADD,
				.fd = fd,
				.len = KERNEL_POLL_MULTISHOT,
				.op_flags = POLLIN};

	if (!ring->doorbell_armed && !ring->unwatched)
		ring->doorbell_armed = ring->backend->push(ring, &hop, TOKEN_DOORBELL) == 0;
}

static bool sigpipe_is_harmless(void)
{
	struct sigaction action;
	sigset_t blocked;

	if (sigaction(SIGPIPE, NULL, &action) == 0 &&
	    ((action.sa_flags & SA_SIGINFO) || action.sa_handler != SIG_DFL))
		return true;
	return pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0 &&
	       sigismember(&blocked, SIGPIPE) == 1;
}

static int slots_open(struct ring *ring, const struct ringo_options *options, bool shared)
{
	ring->reserve = shared ? 0 : options->reserve;
	ring->slot_count = options->depth + ring->reserve;
	/* Between two deliveries: every op taken in may end at once (the outbox, and 2 * depth with
	 * the cancels), every slot may be cancelled, every one that yielded may end, and each
	 * result reaped gives at most data and an end. */
	ring->completion_capacity =
		4 * ring->slot_count + outbox_capacity(ring->reserve) + 2 * REAP_LIMIT;
	ring->free_head = NO_SLOT;
	ring->ready = ring->yielded = (struct slot_list){.head = NO_SLOT, .tail = NO_SLOT};
	for (uint32_t group = 0; group < RINGO_BUFFER_GROUPS; group++)
		ring->groups[group].parked = ring->ready;
	ring->slots = memory_map(ring->slot_count * sizeof(*ring->slots));
	ring->user_data = memory_map(ring->slot_count * sizeof(*ring->user_data));
	ring->completions = memory_map(ring->completion_capacity * sizeof(*ring->completions));
	if (ring->slots == NULL || ring->user_data == NULL || ring->completions == NULL)
		return -ENOMEM;
	return 0;
}

/* AUTO falls back only where there is no io_uring to be had, never for want of memory. */
static int open_backend(struct ring *ring, const struct ringo_options *options, bool shared)
{
	int ret;

	ring->backend = &backend_threads;
	if (options->backend != RINGO_BACKEND_THREADS) {
		ring->backend = &backend_uring;
		ret = ring->backend->open(ring, options, shared);
		if (options->backend == RINGO_BACKEND_URING || !error_means_no_uring(ret))
			return ret;
		ring->backend = &backend_threads;
		ring->fallback = ret;
	}
	return ring->backend->open(ring, options, shared);
}

/* `shared`: a batch's ring, driven by any thread; else owned by the calling thread. */
int ring_open(struct ring *ring, const struct ringo_options *options, bool shared)
{
	int ret;

	memset(ring, 0, sizeof(*ring));
	ring->turn_budget = options->turn_budget;
	ring->sigpipe_harmless = sigpipe_is_harmless();
	/* A batch is a list of ops that end once, and that all have a place for their completion.
	 */
	ring->refused_flags = shared ? RINGO_MULTISHOT | RINGO_BUFFER_SELECT : 0;
	ring->reports_all = shared;
	ring->allowed = options->allowed;
	ret = slots_open(ring, options, shared);
	if (ret == 0)
		ret = open_backend(ring, options, shared);
	if (ret == 0 && !shared)
		ret = buffers_open(ring, options);
	if (ret != 0) {
		ring_close(ring);
		return ret;
	}
	for (unsigned int opcode = 0; opcode < KERNEL_OPCODE_COUNT; opcode++)
		ring->supported |= (uint64_t)ring->backend->supports(ring, (uint8_t)opcode)
				   << opcode;
	ring_prepare_codes(ring);
	return 0;
}

void ring_close(struct ring *ring)
{
	assert(ring->in_use == 0);
	if (ring->backend_state != NULL)
		ring->backend->close(ring);
	transfers_close(ring);
	buffers_close(ring);
	memory_unmap(ring->slots, ring->slot_count * sizeof(*ring->slots));
	memory_unmap(ring->user_data, ring->slot_count * sizeof(*ring->user_data));
	memory_unmap(ring->completions, ring->completion_capacity * sizeof(*ring->completions));
}
