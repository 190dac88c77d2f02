//go:build linux && !ringo_threads

/* SPDX-License-Identifier: MIT */
/*
 * Backend "uring": hops become SQEs, CQEs become results. The only file that knows liburing.
 *
 * A loop's ring belongs to its thread (SINGLE_ISSUER | DEFER_TASKRUN: completions are worked off
 * when that thread enters the kernel). A batch's ring is taken by any thread, so it is neither,
 * nor is its descriptor registered, which is per thread.
 */
#include <liburing.h>

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define BUFFER_GROUP 0

struct uring {
	struct io_uring ring;
	struct io_uring_buf_ring *buffers;
	size_t buffers_size;
	uint64_t supported; /* a bit per kernel opcode */
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

static int uring_open(struct ring *ring, const struct ringo_options *options, bool shared)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
						  IORING_SETUP_CLAMP,
					 .cq_entries = options->cq_entries};
	struct uring *uring = calloc(1, sizeof(*uring));
	int ret;

	if (uring == NULL)
		return -ENOMEM;
	params.flags |= shared ? IORING_SETUP_COOP_TASKRUN
			       : IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	ret = io_uring_queue_init_params(options->sq_entries, &uring->ring, &params);
	if (ret != 0) {
		free(uring);
		/* The flags are those of 6.1: an older kernel does not know them. */
		return ret == -EINVAL ? -ENOSYS : ret;
	}
	ring->backend_state = uring;
	/* Room is left for the doorbell and for cancels. */
	ring->bounded_limit = params.cq_entries > 4 ? params.cq_entries - 4 : 1;
	ring->chain_limit =
		params.sq_entries < ring->bounded_limit ? params.sq_entries : ring->bounded_limit;
	ret = probe_opcodes(uring);
	if (ret != 0)
		return ret;
	/* Only an improvement, and a thread may have no more than 16 of them. */
	if (!shared)
		(void)io_uring_register_ring_fd(&uring->ring);
	/* A child that forks off would share the queues, and could upset them. */
	ret = io_uring_ring_dontfork(&uring->ring);
	return ret == 0 ? limit_workers(&uring->ring, options) : ret;
}

static void uring_close(struct ring *ring)
{
	struct uring *uring = ring->backend_state;

	if (uring->buffers != NULL)
		io_uring_unregister_buf_ring(&uring->ring, BUFFER_GROUP);
	io_uring_queue_exit(&uring->ring);
	memory_unmap(uring->buffers, uring->buffers_size);
	free(uring);
	ring->backend_state = NULL;
}

static uint32_t uring_room(const struct ring *ring)
{
	const struct uring *uring = ring->backend_state;

	return io_uring_sq_space_left(&uring->ring);
}

static int uring_push(struct ring *ring, const struct hop *hop, uint64_t user_data)
{
	struct uring *uring = ring->backend_state;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

	if (sqe == NULL)
		return -EBUSY;
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = hop->opcode;
	sqe->flags = hop->sqe_flags;
	sqe->ioprio = hop->ioprio;
	sqe->fd = hop->fd;
	sqe->off = hop->off;
	sqe->addr = hop->addr;
	sqe->len = hop->len;
	sqe->rw_flags = (int)hop->op_flags;
	sqe->user_data = user_data;
	sqe->buf_group = BUFFER_GROUP;
	sqe->splice_fd_in = hop->splice_fd_in;
	return 0;
}

/* An overflowed completion queue loses nothing (IORING_FEAT_NODROP): the kernel keeps the rest
 * and hands it over at the next entry that asks for events. */
static bool uring_has_overflowed(const struct uring *uring)
{
	return IO_URING_READ_ONCE(*uring->ring.sq.kflags) & IORING_SQ_CQ_OVERFLOW;
}

static int uring_turn(struct ring *ring, uint32_t wait_count, int64_t timeout_ns)
{
	struct uring *uring = ring->backend_state;
	struct __kernel_timespec timeout;
	struct io_uring_cqe *cqe;
	int ret;

	if (uring_has_overflowed(uring)) {
		count_up(&ring->stats.overflows, 1);
		wait_count = 0;
	}
	if (wait_count == 0) {
		ret = io_uring_submit_and_get_events(&uring->ring);
	} else if (timeout_ns < 0) {
		ret = io_uring_submit_and_wait(&uring->ring, wait_count);
	} else {
		timeout = (struct __kernel_timespec){.tv_sec = timeout_ns / 1000000000,
						     .tv_nsec = timeout_ns % 1000000000};
		ret = io_uring_submit_and_wait_timeout(&uring->ring, &cqe, wait_count, &timeout,
						       NULL);
	}
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
	struct io_uring_cqe *cqe;
	unsigned int head, count = 0;

	io_uring_for_each_cqe(&uring->ring, head, cqe)
	{
		int32_t buffer = -1;

		if (count == limit)
			break;
		if (cqe->flags & IORING_CQE_F_BUFFER)
			buffer = (int32_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
		ring_result(ring, cqe->user_data, result_of(cqe), cqe->flags & IORING_CQE_F_MORE,
			    buffer);
		count++;
	}
	io_uring_cq_advance(&uring->ring, count);
}

static bool uring_supports(const struct ring *ring, uint8_t opcode)
{
	const struct uring *uring = ring->backend_state;

	return uring->supported >> opcode & 1;
}

static int uring_register_buffers(struct ring *ring, uint32_t count, uint32_t size)
{
	struct uring *uring = ring->backend_state;
	struct io_uring_buf_reg reg = {.ring_entries = count, .bgid = BUFFER_GROUP};
	int ret;

	(void)size;
	uring->buffers_size = count * sizeof(struct io_uring_buf);
	uring->buffers = memory_map(uring->buffers_size);
	if (uring->buffers == NULL)
		return -ENOMEM;
	reg.ring_addr = (uintptr_t)uring->buffers;
	ret = io_uring_register_buf_ring(&uring->ring, &reg, 0);
	if (ret != 0) {
		memory_unmap(uring->buffers, uring->buffers_size);
		uring->buffers = NULL;
		return ret;
	}
	io_uring_buf_ring_init(uring->buffers);
	return 0;
}

static void uring_provide_buffer(struct ring *ring, uint32_t id)
{
	struct uring *uring = ring->backend_state;
	const struct buffers *buffers = &ring->receive;

	io_uring_buf_ring_add(uring->buffers, buffers->base + (size_t)id * buffers->size,
			      buffers->size, (unsigned short)id,
			      io_uring_buf_ring_mask(buffers->count), 0);
	io_uring_buf_ring_advance(uring->buffers, 1);
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
};
