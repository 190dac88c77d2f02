//go:build linux && !ringo_threads

/* SPDX-License-Identifier: MIT */
/* Backend "uring": hops become SQEs, CQEs become results. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "uring.h"

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
	if (uring->ring.flags & KERNEL_SETUP_SQPOLL) {
		/* Before the flags are read, see poller_needs_nothing. */
		__atomic_store_n(sq->ktail, sq->sqe_tail, __ATOMIC_SEQ_CST);
		return fresh;
	}
	io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
	return sq->sqe_tail - io_uring_smp_load_acquire(sq->khead);
}

/* With SQPOLL the kernel's thread submits: it has to be woken when it sleeps, and waited for when
 * it is behind with a full queue. It says that it will sleep and then looks at the queue once more;
 * here the queue is written and then that is looked at, both sequentially consistent (the barrier
 * of io_uring_setup(2)), so one of the two sees the other. True when there is nothing else to enter
 * the kernel for. */
static bool poller_needs_nothing(struct uring *uring, uint32_t wait_count, uint32_t *flags)
{
	struct io_uring_sq *sq = &uring->ring.sq;

	if (__atomic_load_n(sq->kflags, __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP)
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
	uint32_t flags = uring->enter_flags | KERNEL_ENTER_GETEVENTS;
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
	/* Without a time the kernel need not fetch the argument. */
	if (arg.timespec == 0)
		return io_uring_enter2((unsigned int)uring->enter_fd, submit, wait_count, flags,
				       NULL, _NSIG / 8);
	return io_uring_enter2((unsigned int)uring->enter_fd, submit, wait_count,
			       flags | KERNEL_ENTER_EXT_ARG, (sigset_t *)&arg, sizeof(arg));
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
