//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * A loop's life: open, run, stop, close. Read this file first; the others in this order:
 *
 *   loop.c       turns: take ops in, submit, wait, reap, deliver
 *   policy.c     how many completions a sleep waits for
 *   mailbox.c    how other threads hand ops to a loop and wake it
 *   slot.c       ops in flight: the state machine, retries
 *   waiting.c    those that wait outside the kernel: for room, for a buffer, for the next turn
 *   cancel.c     asking them to end
 *   ops.c        the table of ops; ops_*.c have what it names: ops that are one kernel request
 *   readfile.c, writefile.c, sendfile.c    ops of several kernel requests
 *   uring*.c     backend: requests to SQEs, CQEs to results
 *   threads.c, threads_*.c, plain.c    backend: the same by epoll and plain system calls
 *   chain.c      ops that run one after the other
 *   ring.c       what a loop and a batch have in common: slots and a backend, opened and closed
 *   buffers.c    provided receive buffers
 *   probe.c      what the kernel and the build offer
 *   batch.c      a list of ops driven on the caller's own thread
 */
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

struct ringo_loop {
	struct ring ring;
	struct mailbox *mailbox;
	struct policy policy;
	pid_t thread;
	_Atomic int stop; /* enum ringo_stop asked for, or 0 */
	int stopping;     /* enum ringo_stop acted on, or 0 */

	struct ringo_op *outbox; /* what deliver writes */
	uint32_t outbox_capacity;
	uint32_t outbox_count;
	bool again; /* deliver wants to be called though nothing completed */

	struct ringo_op *cancels; /* taken in this turn; run when all other ops have slots */
	uint32_t cancel_count;
	uint32_t cancel_capacity;

	uint64_t held_since_ns; /* posts are being held back since then, or 0 */

	uint64_t cpu_ns;       /* what this thread had used of its core ... */
	uint64_t cpu_asked_ns; /* ... at this time */
};

/* Options. */

static bool in_range(uint32_t value, uint32_t low, uint32_t high)
{
	return value >= low && value <= high;
}

static void set_default(uint32_t *option, uint32_t value)
{
	if (*option == 0)
		*option = value;
}

static uint32_t at_most(uint32_t value, uint32_t limit)
{
	return value < limit ? value : limit;
}

/* What cannot be had together (io_uring_create, io_uring/io_uring.c). */
static bool setup_is_valid(const struct ringo_options *o)
{
	const uint32_t all = RINGO_SETUP_SQPOLL | RINGO_SETUP_IOPOLL | RINGO_SETUP_HYBRID_IOPOLL |
			     RINGO_SETUP_COOP_TASKRUN | RINGO_SETUP_NO_SQARRAY |
			     RINGO_SETUP_NO_IOWAIT | RINGO_SETUP_ONE_THREAD;
	bool sqpoll = o->setup & RINGO_SETUP_SQPOLL;

	if (o->setup & ~all || (sqpoll && o->setup & RINGO_SETUP_COOP_TASKRUN))
		return false;
	if (o->setup & RINGO_SETUP_HYBRID_IOPOLL && !(o->setup & RINGO_SETUP_IOPOLL))
		return false;
	return sqpoll || (o->sq_idle_ms == 0 && o->sq_cpu == 0);
}

int options_complete(const struct ringo_options *given, struct ringo_options *complete)
{
	struct ringo_options *o = complete;

	*o = *given;
	if (o->backend > RINGO_BACKEND_THREADS || !setup_is_valid(o))
		return -EINVAL;
	set_default(&o->depth, 1024);
	set_default(&o->reserve, o->depth);
	set_default(&o->sq_entries, at_most(o->depth, 256));
	set_default(&o->cq_entries, at_most(4 * o->sq_entries, 65536));
	set_default(&o->submit_threshold, 1);
	set_default(&o->submit_delay_us, 100);
	set_default(&o->wait_delay_us, 50);
	set_default(&o->bounded_workers, 4);
	set_default(&o->unbounded_workers, 4);
	set_default(&o->receive_buffer_size, 4096);
	set_default(&o->turn_budget, 256u << 10);
	set_default(&o->sq_idle_ms, 1000);
	if (o->allowed == 0)
		o->allowed = UINT64_MAX;
	if (!in_range(o->depth, 1, 32768) || !in_range(o->reserve, 1, 262144) ||
	    !in_range(o->sq_entries, 1, 32768) || !in_range(o->cq_entries, o->sq_entries, 65536) ||
	    !in_range(o->submit_threshold, 1, o->depth) ||
	    !in_range(o->submit_delay_us, 1, 1000000) || !in_range(o->wait_batch, 0, o->depth) ||
	    !in_range(o->wait_delay_us, 1, 1000000) || !in_range(o->bounded_workers, 1, 1024) ||
	    !in_range(o->unbounded_workers, 1, 1024) ||
	    !in_range(o->receive_buffer_size, 64, 1u << 20) ||
	    !in_range(o->turn_budget, 4096, 1u << 30) || !in_range(o->sq_idle_ms, 1, 60000) ||
	    o->sq_cpu > CPU_SETSIZE || o->files > 32768 || o->buffers > 16384)
		return -EINVAL;
	if (o->receive_buffers > 32768 || (o->receive_buffers & (o->receive_buffers - 1)) != 0)
		return -EINVAL;
	return 0;
}

/* Open and close. */

static int loop_allocate(struct ringo_loop *loop, const struct ringo_options *options)
{
	loop->outbox_capacity = outbox_capacity(options->reserve);
	loop->cancel_capacity = 2 * options->depth + loop->outbox_capacity;
	loop->outbox = memory_map(loop->outbox_capacity * sizeof(*loop->outbox));
	loop->cancels = memory_map(loop->cancel_capacity * sizeof(*loop->cancels));
	if (loop->outbox == NULL || loop->cancels == NULL)
		return -ENOMEM;
	return mailbox_open(&loop->mailbox, options->depth);
}

static void loop_free(struct ringo_loop *loop)
{
	mailbox_close(loop->mailbox);
	memory_unmap(loop->outbox, loop->outbox_capacity * sizeof(*loop->outbox));
	memory_unmap(loop->cancels, loop->cancel_capacity * sizeof(*loop->cancels));
	free(loop);
}

int ringo_loop_open(const struct ringo_options *given, struct ringo_loop **opened)
{
	struct ringo_options options;
	struct ringo_loop *loop;
	int ret = options_complete(given, &options);

	/* A ring that is polled for completions cannot wait for posts. */
	if (ret == 0 && options.setup & RINGO_SETUP_IOPOLL)
		ret = -EINVAL;
	if (ret != 0)
		return ret;
	loop = calloc(1, sizeof(*loop));
	if (loop == NULL)
		return -ENOMEM;
	loop->thread = (pid_t)syscall(SYS_gettid);
	policy_open(&loop->policy, &options);
	ret = loop_allocate(loop, &options);
	if (ret == 0)
		ret = ring_open(&loop->ring, &options, false);
	if (ret != 0) {
		loop_free(loop);
		return ret;
	}
	*opened = loop;
	return 0;
}

void ringo_loop_close(struct ringo_loop *loop)
{
	ring_close(&loop->ring);
	loop_free(loop);
}

/* Taking ops in. */

static void take_in(struct ringo_loop *loop, const struct ringo_op *op, bool own)
{
	switch (op->code) {
	case RINGO_CANCEL:
		assert(loop->cancel_count < loop->cancel_capacity);
		loop->cancels[loop->cancel_count++] = *op;
		return;
	case RINGO_RETURN_BUFFER:
		(void)buffers_return(&loop->ring, op->argument2, op->argument);
		return;
	default:
		ring_start(&loop->ring, op, op->user_data, own);
	}
}

/* Whether the posts in the mailbox wait for more of them (submit_threshold), since the first one
 * was seen and at most for submit_delay. */
static bool holds_back(struct ringo_loop *loop)
{
	uint32_t pending = mailbox_pending(loop->mailbox);
	bool flushed = mailbox_take_flush(loop->mailbox);
	uint64_t now;

	if (pending < loop->policy.submit_threshold && pending > 0 && !flushed &&
	    loop->cancel_count == 0 && loop->stopping == 0) {
		now = now_ns();
		if (loop->held_since_ns == 0)
			loop->held_since_ns = now;
		if (now - loop->held_since_ns < (uint64_t)loop->policy.submit_delay_ns)
			return true;
	}
	loop->held_since_ns = 0;
	return false;
}

/* Ops that deliver wrote, then those in the mailbox, then cancels: whichever way an op and its
 * cancel came, the op has a slot when its cancel looks for it. So a cancel ends holding back. */
static void loop_intake(struct ringo_loop *loop)
{
	struct ringo_op op;

	for (uint32_t i = 0; i < loop->outbox_count; i++)
		take_in(loop, &loop->outbox[i], true);
	loop->outbox_count = 0;
	chain_close(&loop->ring, true); /* one that its last op links to nothing */
	if (!holds_back(loop))
		for (uint32_t n = mailbox_pending(loop->mailbox); n > 0; n--)
			if (mailbox_take(loop->mailbox, &op))
				take_in(loop, &op, false);
	for (uint32_t i = 0; i < loop->cancel_count; i++)
		ring_cancel(&loop->ring, &loop->cancels[i]);
	loop->cancel_count = 0;
}

/* Waiting. */

static bool has_work(const struct ringo_loop *loop)
{
	const struct ring *ring = &loop->ring;

	if (loop->stopping != 0 && ring->in_use == 0)
		return true; /* a poster on its way out keeps the mailbox from being sealed */
	return ring->completion_count > 0 || loop->again || !ring->doorbell_armed ||
	       ring_can_push(ring) || ring_can_unpark(ring) || ring->yielded.head != NO_SLOT ||
	       ring->cancels_unsent > 0;
}

/* How much longer posts may be held back. */
static int64_t held_for_ns(const struct ringo_loop *loop)
{
	int64_t held_ns = (int64_t)(now_ns() - loop->held_since_ns);

	return held_ns < loop->policy.submit_delay_ns ? loop->policy.submit_delay_ns - held_ns : 0;
}

struct wait {
	uint32_t count;
	int64_t timeout_ns; /* -1: none */
};

/* How long this turn may sleep: not at all while there is work, else until something completes
 * or somebody posts; until several have completed when more than that are sure to. */
static struct wait loop_wait(struct ringo_loop *loop)
{
	const struct policy *policy = &loop->policy;
	struct wait wait = {.count = policy_wait(policy, loop->ring.bounded_in_kernel),
			    .timeout_ns = -1};
	enum mailbox_sleep how = MAILBOX_ASLEEP;

	if (wait.count > 1)
		wait.timeout_ns = policy->wait_delay_ns;
	if (loop->held_since_ns != 0) {
		how = MAILBOX_HOLDING;
		wait = (struct wait){1, held_for_ns(loop)};
	}
	if (has_work(loop) || loop->stopping != atomic_load(&loop->stop) ||
	    !mailbox_sleep(loop->mailbox, how, policy->submit_threshold))
		wait = (struct wait){0, -1};
	return wait;
}

/* The CPU time of a thread costs a system call: asked for when a turn begins, but not again for
 * CPU_KNOWN_NS, and when it ends only if it was a long one. */
enum { CPU_KNOWN_NS = 500000, LONG_TURN_NS = 1000000 };

static uint64_t thread_cpu_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

static void turn_begins(struct ringo_loop *loop)
{
	struct ring *ring = &loop->ring;

	ring->now_ns = now_ns();
	if (ring->now_ns - loop->cpu_asked_ns < CPU_KNOWN_NS)
		return;
	loop->cpu_ns = thread_cpu_ns();
	loop->cpu_asked_ns = ring->now_ns;
}

/* The core's time is never more than the time on the wall; of a short turn that is close enough. */
static void turn_ended(struct ringo_loop *loop, uint64_t busy_ns)
{
	struct ringo_stats *stats = &loop->ring.stats;
	uint64_t used_ns = busy_ns;

	histogram_add(&stats->turn_ns, busy_ns);
	if (busy_ns > stats->longest_turn_ns)
		__atomic_store_n(&stats->longest_turn_ns, busy_ns, __ATOMIC_RELAXED);
	if (busy_ns > LONG_TURN_NS && busy_ns > stats->longest_turn_cpu_ns) {
		used_ns = thread_cpu_ns() - loop->cpu_ns;
		used_ns = used_ns < busy_ns ? used_ns : busy_ns;
	}
	if (used_ns > stats->longest_turn_cpu_ns)
		__atomic_store_n(&stats->longest_turn_cpu_ns, used_ns, __ATOMIC_RELAXED);
}

static int loop_turn(struct ringo_loop *loop)
{
	struct ring *ring = &loop->ring;
	struct wait wait = loop_wait(loop);
	uint32_t due = ring->bounded_in_kernel;
	uint64_t entered_ns = now_ns();
	int ret;

	turn_ended(loop, entered_ns - ring->now_ns);
	ring->min_wait_us = wait.count > 1 ? (uint32_t)(wait.timeout_ns / 1000) : 0;
	ret = ring->backend->turn(ring, wait.count, wait.timeout_ns);
	turn_begins(loop);
	if (wait.count > 0)
		policy_learn(&loop->policy, wait.count, due, (int64_t)(ring->now_ns - entered_ns));
	mailbox_awake(loop->mailbox);
	count_up(&ring->stats.turns, 1);
	return ret;
}

/* Delivering. */

static void loop_deliver(struct ringo_loop *loop, ringo_deliver deliver, uintptr_t context)
{
	struct ring *ring = &loop->ring;
	uint32_t room = at_most(ring->reserve - ring->own_in_use,
				loop->outbox_capacity - RINGO_SLOTLESS_ROOM);
	uint32_t ret;

	mailbox_ended(loop->mailbox, ring->ended_posted);
	ring->ended_posted = 0;
	if (ring->completion_count == 0 && !loop->again)
		return;
	count_up(&ring->stats.deliveries, 1);
	count_up(&ring->stats.completions, ring->completion_count);
	histogram_add(&ring->stats.delivered, ring->completion_count);
	ret = deliver(context, ring->completions, ring->completion_count, loop->outbox, room);
	ring->completion_count = 0;
	loop->again = ret & RINGO_DELIVER_AGAIN;
	loop->outbox_count = ret & ~RINGO_DELIVER_AGAIN;
	assert(loop->outbox_count <= room + RINGO_SLOTLESS_ROOM);
}

/* Running and stopping. */

static void loop_heed_stop(struct ringo_loop *loop)
{
	int stop = atomic_load(&loop->stop);

	if (stop == loop->stopping)
		return;
	loop->stopping = stop;
	ring_stop(&loop->ring, (enum ringo_stop)stop);
}

static bool loop_is_finished(struct ringo_loop *loop)
{
	const struct ring *ring = &loop->ring;

	return loop->stopping != 0 && ring->in_use == 0 && ring->completion_count == 0 &&
	       !loop->again && mailbox_seal(loop->mailbox);
}

int ringo_loop_run(struct ringo_loop *loop, ringo_deliver deliver, uintptr_t context)
{
	struct ring *ring = &loop->ring;

	if (loop->thread != (pid_t)syscall(SYS_gettid))
		return -EXDEV;
	turn_begins(loop);
	for (;;) {
		int ret;

		ring_arm_doorbell(ring, mailbox_doorbell(loop->mailbox));
		/* First, so that what a transfer starts in this turn is all it does in it. */
		ring_run_yielded(ring);
		/* The queue is empty: what had no room before goes first, cancels above all. */
		ring_push_ready(ring);
		loop_intake(loop);
		loop_heed_stop(loop);
		ring_unpark(ring);
		ring_push_ready(ring);
		__atomic_store_n(&ring->stats.in_flight, ring->in_use, __ATOMIC_RELAXED);
		if (loop_is_finished(loop))
			return 0;
		ret = loop_turn(loop);
		if (ret < 0)
			return ret;
		ring->backend->reap(ring, REAP_LIMIT);
		loop_deliver(loop, deliver, context);
	}
}

/* Entered first: a loop that sees the stop may end, and be closed by its thread, before this call
 * is done with it. */
void ringo_loop_stop(struct ringo_loop *loop, enum ringo_stop how)
{
	mailbox_enter(loop->mailbox);
	atomic_store(&loop->stop, (int)how);
	mailbox_ring(loop->mailbox);
}

int ringo_post(struct ringo_loop *loop, const struct ringo_op *ops, uint32_t count, uint32_t flags)
{
	if (atomic_load_explicit(&loop->stop, memory_order_relaxed) != 0)
		return -ESHUTDOWN;
	return mailbox_post(loop->mailbox, ops, count, flags & RINGO_POST_FLUSH);
}

void ringo_wake(struct ringo_loop *loop)
{
	mailbox_enter(loop->mailbox);
	mailbox_ring(loop->mailbox);
}

void ringo_loop_stats(const struct ringo_loop *loop, struct ringo_stats *stats)
{
	const uint64_t *from = (const uint64_t *)&loop->ring.stats;
	uint64_t *to = (uint64_t *)stats;

	for (size_t i = 0; i < sizeof(*stats) / sizeof(*to); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	stats->doorbells = mailbox_doorbells(loop->mailbox);
}

static enum ringo_place place_of(const struct slot *slot)
{
	switch ((enum slot_state)slot->state) {
	case SLOT_READY:
		return RINGO_PLACE_QUEUE;
	case SLOT_PARKED:
		return RINGO_PLACE_BUFFERS;
	case SLOT_YIELDED:
		return RINGO_PLACE_NEXT_TURN;
	case SLOT_CHAINED:
		return RINGO_PLACE_CHAIN;
	case SLOT_KERNEL:
	case SLOT_FREE:
		break;
	}
	return RINGO_PLACE_KERNEL;
}

uint32_t ringo_loop_in_flight(const struct ringo_loop *loop, struct ringo_in_flight *list,
			      uint32_t room)
{
	const struct ring *ring = &loop->ring;
	uint32_t count = 0;

	for (uint32_t i = 0; i < ring->slot_touched; i++) {
		const struct slot *slot = &ring->slots[i];

		if (slot->state == SLOT_FREE)
			continue;
		if (count < room)
			list[count] =
				(struct ringo_in_flight){.user_data = slot->op.user_data,
							 .age_ns = ring->now_ns - slot->began_ns,
							 .fd = slot->op.fd,
							 .code = slot->op.code,
							 .place = (uint8_t)place_of(slot),
							 .cancelled = slot->cancelled};
		count++;
	}
	return count;
}

enum ringo_backend ringo_loop_backend(const struct ringo_loop *loop, int *why)
{
	if (why != NULL)
		*why = loop->ring.fallback;
	return loop->ring.backend == &backend_uring ? RINGO_BACKEND_URING : RINGO_BACKEND_THREADS;
}

uint32_t ringo_loop_buffers(const struct ringo_loop *loop, unsigned char **base, uint32_t *size)
{
	return ringo_loop_group(loop, 0, base, size);
}

uint32_t ringo_loop_group(const struct ringo_loop *loop, uint32_t id, unsigned char **base,
			  uint32_t *size)
{
	static const struct buffers none;
	const struct buffers *group = id < RINGO_BUFFER_GROUPS ? &loop->ring.groups[id] : &none;

	*base = group->base;
	*size = group->size;
	return group->count;
}

int ringo_loop_add_group(struct ringo_loop *loop, const struct ringo_buffer_group *group)
{
	if (loop->thread != (pid_t)syscall(SYS_gettid))
		return -EXDEV;
	return buffers_add(&loop->ring, group);
}

int ringo_loop_descriptor(const struct ringo_loop *loop)
{
	const struct backend *backend = loop->ring.backend;

	return backend->descriptor == NULL ? -EOPNOTSUPP : backend->descriptor(&loop->ring);
}
