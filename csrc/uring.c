//go:build linux && !ringo_threads

/* SPDX-License-Identifier: MIT */
/*
 * Backend "uring": hops become SQEs, CQEs become results. The only file that knows liburing.
 *
 * A loop's ring belongs to its thread (SINGLE_ISSUER | DEFER_TASKRUN: completions are worked off
 * when that thread enters the kernel). A batch's ring is taken by any thread, so it is neither,
 * nor is its descriptor registered, which is per thread; unless it is bound to one.
 */
#include <liburing.h>

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct uring {
	struct io_uring ring;
	int enter_fd;         /* the ring's, or its index among the thread's registered ones */
	uint32_t enter_flags; /* KERNEL_ENTER_*, of every entry */
	unsigned *no_array;   /* where liburing may write the indices that the ring does without */
	uint64_t supported;   /* a bit per kernel opcode */
	uint32_t sq_mask;     /* of places in the queues */
	uint32_t cq_mask;
	uint32_t room; /* in it, when last looked at; there may be more by now */
};

static_assert(sizeof(struct kernel_open_how) == 24, "struct open_how of openat2(2)");
static_assert(sizeof(struct kernel_timespec) == sizeof(struct __kernel_timespec), "timespec");
/* What the oldest liburing that this builds with knows (2.3). */
#define SAME(ours, theirs) static_assert((int)(ours) == (int)(theirs), "linux/io_uring.h")
SAME(KERNEL_NOP, IORING_OP_NOP);
SAME(KERNEL_READV, IORING_OP_READV);
SAME(KERNEL_WRITEV, IORING_OP_WRITEV);
SAME(KERNEL_FSYNC, IORING_OP_FSYNC);
SAME(KERNEL_READ_FIXED, IORING_OP_READ_FIXED);
SAME(KERNEL_WRITE_FIXED, IORING_OP_WRITE_FIXED);
SAME(KERNEL_POLL_ADD, IORING_OP_POLL_ADD);
SAME(KERNEL_POLL_REMOVE, IORING_OP_POLL_REMOVE);
SAME(KERNEL_SENDMSG, IORING_OP_SENDMSG);
SAME(KERNEL_RECVMSG, IORING_OP_RECVMSG);
SAME(KERNEL_TIMEOUT, IORING_OP_TIMEOUT);
SAME(KERNEL_ACCEPT, IORING_OP_ACCEPT);
SAME(KERNEL_ASYNC_CANCEL, IORING_OP_ASYNC_CANCEL);
SAME(KERNEL_LINK_TIMEOUT, IORING_OP_LINK_TIMEOUT);
SAME(KERNEL_CONNECT, IORING_OP_CONNECT);
SAME(KERNEL_FALLOCATE, IORING_OP_FALLOCATE);
SAME(KERNEL_CLOSE, IORING_OP_CLOSE);
SAME(KERNEL_FILES_UPDATE, IORING_OP_FILES_UPDATE);
SAME(KERNEL_STATX, IORING_OP_STATX);
SAME(KERNEL_READ, IORING_OP_READ);
SAME(KERNEL_WRITE, IORING_OP_WRITE);
SAME(KERNEL_FADVISE, IORING_OP_FADVISE);
SAME(KERNEL_SEND, IORING_OP_SEND);
SAME(KERNEL_RECV, IORING_OP_RECV);
SAME(KERNEL_OPENAT2, IORING_OP_OPENAT2);
SAME(KERNEL_SPLICE, IORING_OP_SPLICE);
SAME(KERNEL_SHUTDOWN, IORING_OP_SHUTDOWN);
SAME(KERNEL_RENAMEAT, IORING_OP_RENAMEAT);
SAME(KERNEL_UNLINKAT, IORING_OP_UNLINKAT);
SAME(KERNEL_MSG_RING, IORING_OP_MSG_RING);
SAME(KERNEL_SOCKET, IORING_OP_SOCKET);
SAME(KERNEL_SEND_ZC, IORING_OP_SEND_ZC);
SAME(KERNEL_SENDMSG_ZC, IORING_OP_SENDMSG_ZC);
SAME(KERNEL_SQE_FIXED_FILE, IOSQE_FIXED_FILE);
SAME(KERNEL_SQE_LINK, IOSQE_IO_LINK);
SAME(KERNEL_SQE_HARDLINK, IOSQE_IO_HARDLINK);
SAME(KERNEL_SQE_ASYNC, IOSQE_ASYNC);
SAME(KERNEL_SQE_BUFFER_SELECT, IOSQE_BUFFER_SELECT);
SAME(KERNEL_SQE_SKIP_SUCCESS, IOSQE_CQE_SKIP_SUCCESS);
SAME(KERNEL_ACCEPT_MULTISHOT, IORING_ACCEPT_MULTISHOT);
SAME(KERNEL_POLL_FIRST, IORING_RECVSEND_POLL_FIRST);
SAME(KERNEL_RECV_MULTISHOT, IORING_RECV_MULTISHOT);
SAME(KERNEL_SEND_FIXED_BUFFER, IORING_RECVSEND_FIXED_BUF);
SAME(KERNEL_POLL_MULTISHOT, IORING_POLL_ADD_MULTI);
SAME(KERNEL_POLL_UPDATE_EVENTS, IORING_POLL_UPDATE_EVENTS);
SAME(KERNEL_FSYNC_DATASYNC, IORING_FSYNC_DATASYNC);
SAME(KERNEL_MESSAGE_DATA, IORING_MSG_DATA);
SAME(KERNEL_MESSAGE_DESCRIPTOR, IORING_MSG_SEND_FD);
SAME(KERNEL_FILE_INDEX_ALLOCATE, IORING_FILE_INDEX_ALLOC);
SAME(KERNEL_ENTER_GETEVENTS, IORING_ENTER_GETEVENTS);
SAME(KERNEL_ENTER_SQ_WAKEUP, IORING_ENTER_SQ_WAKEUP);
SAME(KERNEL_ENTER_SQ_WAIT, IORING_ENTER_SQ_WAIT);
SAME(KERNEL_ENTER_EXT_ARG, IORING_ENTER_EXT_ARG);
SAME(KERNEL_ENTER_REGISTERED_RING, IORING_ENTER_REGISTERED_RING);
SAME(KERNEL_REGISTER_RESTRICTIONS, IORING_REGISTER_RESTRICTIONS);
SAME(KERNEL_REGISTER_ENABLE_RINGS, IORING_REGISTER_ENABLE_RINGS);
SAME(KERNEL_REGISTER_BUFFERS_UPDATE, IORING_REGISTER_BUFFERS_UPDATE);
SAME(KERNEL_UNREGISTER_RING_FDS, IORING_UNREGISTER_RING_FDS);
SAME(KERNEL_REGISTER_PBUF_RING, IORING_REGISTER_PBUF_RING);
SAME(KERNEL_UNREGISTER_PBUF_RING, IORING_UNREGISTER_PBUF_RING);
SAME(sizeof(struct kernel_buffer_group), sizeof(struct io_uring_buf_reg));
SAME(sizeof(struct kernel_enter_arg), sizeof(struct io_uring_getevents_arg));
SAME(KERNEL_SETUP_IOPOLL, IORING_SETUP_IOPOLL);
SAME(KERNEL_SETUP_SQPOLL, IORING_SETUP_SQPOLL);
SAME(KERNEL_SETUP_SQ_AFFINITY, IORING_SETUP_SQ_AFF);
SAME(KERNEL_SETUP_CQSIZE, IORING_SETUP_CQSIZE);
SAME(KERNEL_SETUP_CLAMP, IORING_SETUP_CLAMP);
SAME(KERNEL_SETUP_DISABLED, IORING_SETUP_R_DISABLED);
SAME(KERNEL_SETUP_SUBMIT_ALL, IORING_SETUP_SUBMIT_ALL);
SAME(KERNEL_SETUP_COOP_TASKRUN, IORING_SETUP_COOP_TASKRUN);
SAME(KERNEL_SETUP_SINGLE_ISSUER, IORING_SETUP_SINGLE_ISSUER);
SAME(KERNEL_SETUP_DEFER_TASKRUN, IORING_SETUP_DEFER_TASKRUN);
SAME(KERNEL_FEATURE_NODROP, IORING_FEAT_NODROP);
SAME(KERNEL_FEATURE_EXT_ARG, IORING_FEAT_EXT_ARG);
SAME(KERNEL_FEATURE_CQE_SKIP, IORING_FEAT_CQE_SKIP);

/* Kernels that loops open on can all be asked: where there is no answer, memory is short. */
static int probe_opcodes(struct uring *uring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&uring->ring);

	if (probe == NULL)
		return -ENOMEM;
	for (int op = 0; op < KERNEL_OPCODE_COUNT; op++)
		uring->supported |= (uint64_t)(io_uring_opcode_supported(probe, op) != 0) << op;
	io_uring_free_probe(probe);
	return 0;
}

/* io-wq starts workers as it needs them: cap them (bounded ones are for files, unbounded ones for
 * splices, sockets and odd files), and keep them on the CPUs of the thread they serve. */
static int limit_workers(struct io_uring *ring, const struct ringo_options *options)
{
	unsigned int workers[2] = {options->bounded_workers, options->unbounded_workers};
	cpu_set_t cpus;
	int ret = io_uring_register_iowq_max_workers(ring, workers);

	if (ret < 0)
		return ret;
	if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
		return -errno;
	return io_uring_register_iowq_aff(ring, sizeof(cpus), &cpus);
}

static uint32_t setup_flags(const struct ringo_options *options, bool shared)
{
	static const struct {
		uint32_t ours, kernels;
	} rows[] = {
		{RINGO_SETUP_SQPOLL, KERNEL_SETUP_SQPOLL},
		{RINGO_SETUP_IOPOLL, KERNEL_SETUP_IOPOLL},
		{RINGO_SETUP_HYBRID_IOPOLL, KERNEL_SETUP_HYBRID_IOPOLL},
		{RINGO_SETUP_COOP_TASKRUN, KERNEL_SETUP_COOP_TASKRUN},
		{RINGO_SETUP_NO_SQARRAY, KERNEL_SETUP_NO_SQARRAY},
	};
	uint32_t flags = KERNEL_SETUP_SUBMIT_ALL | KERNEL_SETUP_CQSIZE | KERNEL_SETUP_CLAMP;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		flags |= options->setup & rows[i].ours ? rows[i].kernels : 0;
	flags |= shared ? 0 : KERNEL_SETUP_SINGLE_ISSUER;
	/* The kernel's thread that submits for SQPOLL works completions off as well. */
	if (!(options->setup & (RINGO_SETUP_SQPOLL | RINGO_SETUP_COOP_TASKRUN)))
		flags |= shared ? KERNEL_SETUP_COOP_TASKRUN : KERNEL_SETUP_DEFER_TASKRUN;
	flags |= options->sq_cpu != 0 ? KERNEL_SETUP_SQ_AFFINITY : 0;
	if (options->allowed != UINT64_MAX || options->setup & RINGO_SETUP_NO_SQARRAY)
		flags |= KERNEL_SETUP_DISABLED;
	return flags;
}

/* liburing before 2.6 does not know of rings without the array of indices. It takes the start of
 * the ring for their place, and has written them over all that is there. A ring that is disabled
 * has not used it yet. */
static void mend_ring(struct io_uring *ring, const struct io_uring_params *params)
{
	*ring->sq.khead = *ring->sq.ktail = *ring->cq.khead = *ring->cq.ktail = 0;
	*ring->sq.kring_mask = params->sq_entries - 1;
	*ring->cq.kring_mask = params->cq_entries - 1;
	*ring->sq.kring_entries = params->sq_entries;
	*ring->cq.kring_entries = params->cq_entries;
	*ring->sq.kdropped = *ring->sq.kflags = *ring->cq.koverflow = 0;
	if (ring->cq.kflags != NULL)
		*ring->cq.kflags = 0;
}

static int init_queues(struct uring *uring, const struct ringo_options *options, bool shared)
{
	struct io_uring_params params = {.flags = setup_flags(options, shared),
					 .cq_entries = options->cq_entries,
					 .sq_thread_idle = options->sq_idle_ms,
					 .sq_thread_cpu =
						 options->sq_cpu != 0 ? options->sq_cpu - 1 : 0};

	int ret = io_uring_queue_init_params(options->sq_entries, &uring->ring, &params);

	if (ret == 0 && params.flags & KERNEL_SETUP_NO_SQARRAY &&
	    params.flags & KERNEL_SETUP_DISABLED)
		mend_ring(&uring->ring, &params);
	return ret;
}

/* The kernel refuses flags that it does not know, and does not say which: those of 6.1, which all
 * rings have, or one that the options ask for. */
static int why_refused(const struct ringo_options *options, bool shared)
{
	struct ringo_options plain = *options;
	struct uring uring;
	int ret;

	plain.setup = plain.sq_cpu = 0;
	memset(&uring, 0, sizeof(uring));
	ret = init_queues(&uring, &plain, shared);
	if (ret == 0)
		io_uring_queue_exit(&uring.ring);
	return ret == 0 ? -EINVAL : -ENOSYS;
}

/* The indices of the submission queue never change: entry i is at place i. */
static int fill_array(struct uring *uring)
{
	struct io_uring_sq *sq = &uring->ring.sq;
	unsigned int entries = *sq->kring_entries;

	if (uring->ring.flags & KERNEL_SETUP_NO_SQARRAY) {
		uring->no_array = calloc(entries, sizeof(*uring->no_array));
		sq->array = uring->no_array;
	}
	if (sq->array == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < entries; i++)
		sq->array[i] = i;
	return 0;
}

/* Entering by a registered descriptor is only an improvement, and a thread may have no more than 16
 * of them. */
static void choose_entry(struct uring *uring, const struct ringo_options *options, bool shared)
{
	uring->enter_fd = uring->ring.ring_fd;
	if (!shared && io_uring_register_ring_fd(&uring->ring) == 1) {
		uring->enter_fd = uring->ring.enter_ring_fd;
		uring->enter_flags |= KERNEL_ENTER_REGISTERED_RING;
	}
	if (options->setup & RINGO_SETUP_NO_IOWAIT)
		uring->enter_flags |= KERNEL_ENTER_NO_IOWAIT;
}

static int open_tables(struct uring *uring, const struct ringo_options *options)
{
	int ret = 0;

	if (options->files > 0)
		ret = io_uring_register_files_sparse(&uring->ring, options->files);
	if (ret == 0 && options->buffers > 0)
		ret = io_uring_register_buffers_sparse(&uring->ring, options->buffers);
	return ret;
}

/* Opcodes that a ring needs for itself, and for ops to be cancelled and tried again. */
#define OWN_OPCODES                                                                                \
	(UINT64_C(1) << KERNEL_POLL_ADD | UINT64_C(1) << KERNEL_ASYNC_CANCEL |                     \
	 UINT64_C(1) << KERNEL_TIMEOUT)

static uint64_t allowed_opcodes(uint64_t codes)
{
	uint64_t opcodes = OWN_OPCODES;

	for (int code = 0; code < RINGO_CODE_COUNT; code++)
		if (codes >> code & 1)
			opcodes |= UINT64_C(1) << op_rows[code].opcode | op_rows[code].also;
	return opcodes;
}

/* liburing 2.3 declares functions for these two calls, but its shared library does not have them.
 */
static int call_register(struct uring *uring, unsigned int opcode, const void *arg,
			 unsigned int count)
{
	return io_uring_register((unsigned int)uring->ring.ring_fd, opcode, arg, count);
}

/* After this the kernel refuses all that is not on the list, for good. */
static int restrict_ring(struct uring *uring, const struct ringo_options *options)
{
	static const uint8_t calls[] = {KERNEL_REGISTER_BUFFERS_UPDATE, KERNEL_UNREGISTER_RING_FDS,
					KERNEL_REGISTER_PBUF_RING, KERNEL_UNREGISTER_PBUF_RING};
	struct io_uring_restriction list[KERNEL_OPCODE_COUNT + sizeof(calls) + 1];
	uint64_t opcodes = allowed_opcodes(options->allowed) & uring->supported;
	unsigned int count = 0;

	memset(list, 0, sizeof(list));
	for (unsigned int opcode = 0; opcode < KERNEL_OPCODE_COUNT; opcode++) {
		if (opcodes >> opcode & 1) {
			list[count].opcode = IORING_RESTRICTION_SQE_OP;
			list[count++].sqe_op = (uint8_t)opcode;
		}
	}
	for (size_t i = 0; i < sizeof(calls); i++) {
		list[count].opcode = IORING_RESTRICTION_REGISTER_OP;
		list[count++].register_op = calls[i];
	}
	list[count].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	list[count++].sqe_flags = KERNEL_SQE_FIXED_FILE | KERNEL_SQE_LINK | KERNEL_SQE_HARDLINK |
				  KERNEL_SQE_ASYNC | KERNEL_SQE_BUFFER_SELECT |
				  KERNEL_SQE_SKIP_SUCCESS;
	return call_register(uring, KERNEL_REGISTER_RESTRICTIONS, list, count);
}

static int set_up(struct uring *uring, const struct ringo_options *options, bool shared)
{
	int ret = fill_array(uring);

	if (ret == 0)
		ret = probe_opcodes(uring);
	/* A child that forks off would share the queues, and could upset them. */
	if (ret == 0)
		ret = io_uring_ring_dontfork(&uring->ring);
	if (ret == 0 && options->setup & RINGO_SETUP_NO_IOWAIT &&
	    !(uring->ring.features & KERNEL_FEATURE_NO_IOWAIT))
		ret = -EINVAL;
	if (ret == 0)
		ret = limit_workers(&uring->ring, options);
	if (ret == 0)
		ret = open_tables(uring, options);
	if (ret != 0)
		return ret;
	choose_entry(uring, options, shared);
	if (options->allowed != UINT64_MAX)
		ret = restrict_ring(uring, options);
	if (ret == 0 && uring->ring.flags & KERNEL_SETUP_DISABLED)
		ret = call_register(uring, KERNEL_REGISTER_ENABLE_RINGS, NULL, 0);
	return ret;
}

static int uring_open(struct ring *ring, const struct ringo_options *options, bool shared)
{
	struct uring *uring = calloc(1, sizeof(*uring));
	uint32_t cq_entries;
	int ret;

	if (uring == NULL)
		return -ENOMEM;
	shared = shared && !(options->setup & RINGO_SETUP_ONE_THREAD);
	ret = init_queues(uring, options, shared);
	if (ret != 0) {
		free(uring);
		return ret == -EINVAL ? why_refused(options, shared) : ret;
	}
	ring->backend_state = uring;
	uring->sq_mask = *uring->ring.sq.kring_mask;
	uring->cq_mask = *uring->ring.cq.kring_mask;
	ring->unwatched = options->setup & RINGO_SETUP_IOPOLL;
	/* Room is left for the doorbell and for cancels. */
	cq_entries = *uring->ring.cq.kring_entries;
	ring->bounded_limit = cq_entries > 4 ? cq_entries - 4 : 1;
	ring->chain_limit = *uring->ring.sq.kring_entries;
	if (ring->chain_limit > ring->bounded_limit)
		ring->chain_limit = ring->bounded_limit;
	return set_up(uring, options, shared);
}

static void uring_close(struct ring *ring)
{
	struct uring *uring = ring->backend_state;

	for (int group = 0; group < RINGO_BUFFER_GROUPS; group++)
		if (ring->groups[group].shared != NULL)
			(void)io_uring_unregister_buf_ring(&uring->ring, group);
	io_uring_queue_exit(&uring->ring);
	free(uring->no_array);
	free(uring);
	ring->backend_state = NULL;
}

static uint32_t uring_room(const struct ring *ring)
{
	const struct uring *uring = ring->backend_state;

	return io_uring_sq_space_left(&uring->ring);
}

/* As io_uring_get_sqe, but the kernel's side of the queue is looked at only when it seems full. */
static struct io_uring_sqe *next_sqe(struct uring *uring)
{
	struct io_uring_sq *sq = &uring->ring.sq;

	if (uring->room == 0) {
		uring->room = io_uring_sq_space_left(&uring->ring);
		if (uring->room == 0)
			return NULL;
	}
	uring->room--;
	return &sq->sqes[sq->sqe_tail++ & uring->sq_mask];
}

static int uring_push(struct ring *ring, const struct hop *hop, uint64_t user_data)
{
	struct uring *uring = ring->backend_state;
	struct io_uring_sqe *sqe = next_sqe(uring);

	if (sqe == NULL)
		return -EBUSY;
	sqe->opcode = hop->opcode;
	sqe->flags = hop->sqe_flags;
	sqe->ioprio = hop->ioprio;
	sqe->fd = hop->fd;
	sqe->off = hop->off;
	sqe->addr = hop->addr;
	sqe->len = hop->len;
	sqe->rw_flags = (int)hop->op_flags;
	sqe->user_data = user_data;
	sqe->buf_group = hop->buffer;
	sqe->personality = 0;
	sqe->splice_fd_in = hop->splice_fd_in;
	memset(&sqe->addr3, 0, sizeof(*sqe) - offsetof(struct io_uring_sqe, addr3));
	sqe->addr3 = hop->addr3;
	return 0;
}

/* An overflowed completion queue loses nothing (IORING_FEAT_NODROP): the kernel keeps the rest
 * and hands it over at the next entry that asks for events. */
static bool uring_has_overflowed(const struct uring *uring)
{
	return IO_URING_READ_ONCE(*uring->ring.sq.kflags) & IORING_SQ_CQ_OVERFLOW;
}

/* Makes visible to the kernel what was queued; returns how much it has to take: with SQPOLL only
 * what is new, since the rest is on its way. */
static unsigned int flush(struct uring *uring)
{
	struct io_uring_sq *sq = &uring->ring.sq;
	unsigned int fresh = sq->sqe_tail - sq->sqe_head;

	sq->sqe_head = sq->sqe_tail;
	io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
	if (uring->ring.flags & KERNEL_SETUP_SQPOLL)
		return fresh;
	return sq->sqe_tail - io_uring_smp_load_acquire(sq->khead);
}

/* With SQPOLL the kernel's thread submits: it has to be woken when it sleeps (the barrier is that
 * of io_uring_setup(2)), and waited for when it is behind with a full queue. True when there is
 * nothing else to enter the kernel for. */
static bool poller_needs_nothing(struct uring *uring, uint32_t wait_count, uint32_t *flags)
{
	struct io_uring_sq *sq = &uring->ring.sq;

	atomic_thread_fence(memory_order_seq_cst);
	if (IO_URING_READ_ONCE(*sq->kflags) & IORING_SQ_NEED_WAKEUP)
		*flags |= KERNEL_ENTER_SQ_WAKEUP;
	if (io_uring_sq_space_left(&uring->ring) == 0)
		*flags |= KERNEL_ENTER_SQ_WAIT;
	return wait_count == 0 && !uring_has_overflowed(uring) &&
	       !(*flags & (KERNEL_ENTER_SQ_WAKEUP | KERNEL_ENTER_SQ_WAIT));
}

enum { LONG_WAIT_SECONDS = 3600 };

/* One io_uring_enter(2) that submits and waits; how many requests it took, or -errno. */
static int enter(struct ring *ring, uint32_t wait_count, int64_t timeout_ns)
{
	struct uring *uring = ring->backend_state;
	unsigned int submit = flush(uring);
	uint32_t flags = uring->enter_flags | KERNEL_ENTER_GETEVENTS | KERNEL_ENTER_EXT_ARG;
	struct kernel_timespec timeout = {.seconds = timeout_ns / 1000000000,
					  .nanoseconds = timeout_ns % 1000000000};
	struct kernel_enter_arg arg = {.signal_mask_size = _NSIG / 8};

	if (uring->ring.flags & KERNEL_SETUP_SQPOLL &&
	    poller_needs_nothing(uring, wait_count, &flags))
		return (int)submit;
	if (ring->min_wait_us != 0 && uring->ring.features & KERNEL_FEATURE_MIN_TIMEOUT) {
		/* Without a longer time of its own such a wait would end empty with the shorter one
		 * (io_cqring_min_timer_wakeup, io_uring/io_uring.c), as it does in older kernels.
		 */
		arg.min_wait_us = ring->min_wait_us;
		timeout = (struct kernel_timespec){.seconds = LONG_WAIT_SECONDS};
		arg.timespec = (uintptr_t)&timeout;
	} else if (wait_count > 0 && timeout_ns >= 0) {
		arg.timespec = (uintptr_t)&timeout;
	}
	ring->entries++;
	return io_uring_enter2((unsigned int)uring->enter_fd, submit, wait_count, flags,
			       (sigset_t *)&arg, sizeof(arg));
}

static int uring_turn(struct ring *ring, uint32_t wait_count, int64_t timeout_ns)
{
	struct uring *uring = ring->backend_state;
	int ret;

	if (uring_has_overflowed(uring)) {
		count_up(&ring->stats.overflows, 1);
		wait_count = 0;
	}
	ret = enter(ring, wait_count, timeout_ns);
	switch (ret) {
	case -EINTR: /* a signal: what was not submitted stays queued */
	case -ETIME:
	case -EAGAIN: /* no memory for a request: reap, then try again */
	case -EBUSY:  /* overflowed completions must be reaped first */
		return 0;
	default:
		if (ret > 0)
			count_up(&ring->stats.submitted, (uint64_t)ret);
		return ret < 0 ? ret : 0;
	}
}

/* A system call that a worker was interrupted in answers with one of the kernel's own codes for
 * "restart it" (ERESTARTSYS and its like, include/linux/errno.h), where a program would see EINTR:
 * only reads and writes are translated (openat2 of a FIFO is not, in 6.18). */
static int32_t result_of(const struct io_uring_cqe *cqe)
{
	enum { RESTART_FIRST = 512, RESTART_LAST = 516 };

	return cqe->res <= -RESTART_FIRST && cqe->res >= -RESTART_LAST ? -EINTR : cqe->res;
}

static void uring_reap(struct ring *ring, uint32_t limit)
{
	struct uring *uring = ring->backend_state;
	const struct io_uring_cq *cq = &uring->ring.cq;
	unsigned int head = *cq->khead, count = io_uring_cq_ready(&uring->ring);

	if (count > limit)
		count = limit;
	for (unsigned int i = 0; i < count; i++) {
		const struct io_uring_cqe *cqe = &cq->cqes[(head + i) & uring->cq_mask];
		int32_t buffer = -1;

		if (cqe->flags & IORING_CQE_F_BUFFER)
			buffer = (int32_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT) |
				 (cqe->flags & KERNEL_CQE_BUFFER_MORE ? BUFFER_KEPT : 0);
		ring_result(ring, cqe->user_data, result_of(cqe), cqe->flags & IORING_CQE_F_MORE,
			    buffer);
	}
	io_uring_cq_advance(&uring->ring, count);
}

static bool uring_supports(const struct ring *ring, uint8_t opcode)
{
	const struct uring *uring = ring->backend_state;

	return uring->supported >> opcode & 1;
}

static int uring_register_buffers(struct ring *ring, uint16_t group, bool incremental)
{
	struct uring *uring = ring->backend_state;
	struct buffers *buffers = &ring->groups[group];
	union {
		struct io_uring_buf_reg theirs;
		struct kernel_buffer_group ours;
	} reg = {.ours = {.entries = buffers->count,
			  .group = group,
			  .flags = incremental ? KERNEL_BUFFERS_INCREMENTAL : 0}};
	int ret;

	buffers->shared_size = buffers->count * sizeof(struct io_uring_buf);
	buffers->shared = memory_map(buffers->shared_size);
	if (buffers->shared == NULL)
		return -ENOMEM;
	reg.ours.address = (uintptr_t)buffers->shared;
	ret = io_uring_register_buf_ring(&uring->ring, &reg.theirs, 0);
	if (ret == 0) {
		io_uring_buf_ring_init(buffers->shared);
		return 0;
	}
	memory_unmap(buffers->shared, buffers->shared_size);
	buffers->shared = NULL;
	return ret == -EINVAL && incremental ? -EOPNOTSUPP : ret;
}

static void uring_provide_buffer(struct ring *ring, uint16_t group, uint32_t id)
{
	const struct buffers *buffers = &ring->groups[group];

	io_uring_buf_ring_add(buffers->shared, buffers->base + (size_t)id * buffers->size,
			      buffers->size, (unsigned short)id,
			      io_uring_buf_ring_mask(buffers->count), 0);
	io_uring_buf_ring_advance(buffers->shared, 1);
}

static int uring_descriptor(const struct ring *ring)
{
	const struct uring *uring = ring->backend_state;

	return uring->ring.ring_fd;
}

static int uring_update_buffers(struct ring *ring, uint32_t first, const struct iovec *buffers,
				uint32_t count)
{
	struct uring *uring = ring->backend_state;

	return io_uring_register_buffers_update_tag(&uring->ring, first, buffers, NULL, count);
}

/* Before 2.4 liburing's headers do not tell. */
#ifdef IO_URING_VERSION_MAJOR
#define TEXT_OF(number) #number
#define VERSION_OF(major, minor) TEXT_OF(major) "." TEXT_OF(minor)
#define LIBURING_VERSION VERSION_OF(IO_URING_VERSION_MAJOR, IO_URING_VERSION_MINOR)
#else
#define LIBURING_VERSION "<2.4"
#endif

static void uring_describe(const struct ring *ring, struct ringo_features *features)
{
	const struct uring *uring = ring->backend_state;

	features->setup_flags = uring->ring.flags;
	features->ring_features = uring->ring.features;
}

const struct backend backend_uring = {
	.name = "uring",
	.library = LIBURING_VERSION,
	.links = true,
	.open = uring_open,
	.close = uring_close,
	.room = uring_room,
	.push = uring_push,
	.turn = uring_turn,
	.reap = uring_reap,
	.supports = uring_supports,
	.describe = uring_describe,
	.register_buffers = uring_register_buffers,
	.provide_buffer = uring_provide_buffer,
	.update_buffers = uring_update_buffers,
	.descriptor = uring_descriptor,
};
