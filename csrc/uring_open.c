//go:build linux && !ringo_threads

/* SPDX-License-Identifier: MIT */
/*
 * How a ring of backend "uring" is set up: flags, what the kernel knows, workers, tables, and what
 * it may do.
 *
 * A loop's ring belongs to its thread (SINGLE_ISSUER | DEFER_TASKRUN: completions are worked off
 * when that thread enters the kernel). A batch's ring is taken by any thread, so it is neither,
 * nor is its descriptor registered, which is per thread; unless it is bound to one.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "uring.h"

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

int uring_open(struct ring *ring, const struct ringo_options *options, bool shared)
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

void uring_close(struct ring *ring)
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
