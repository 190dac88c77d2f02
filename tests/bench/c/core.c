/* SPDX-License-Identifier: MIT */
/*
 * The core's API beside a loop written by hand on liburing, with the same flags, queues and waits:
 *
 *	core raw-loop|loop|raw-batch|batch nop|cached|direct DEPTH COUNT FILE
 *
 * DEPTH ops are in flight until COUNT have ended; reads are 4 KiB at random places of FILE, through
 * the page cache or past it. Prints operations, wall and CPU nanoseconds, io-wq workers included.
 */
#include <fcntl.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ringo.h"

enum { BLOCK = 4096, DEPTH_MAX = 256, LIST = 4096, SQ_ENTRIES = 256, CQ_ENTRIES = 1024 };

struct job {
	bool reads;
	int fd;
	uint64_t blocks; /* in the file */
	uint64_t random;
	uint32_t depth;
	uint64_t count, started, ended;
	unsigned char *memory; /* a block for each in flight */
	struct ringo_loop *loop;
};

_Noreturn static void fail(const char *what, long error)
{
	fprintf(stderr, "core: %s: %ld\n", what, error);
	exit(1);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static uint64_t next_place(struct job *job)
{
	job->random ^= job->random << 13;
	job->random ^= job->random >> 7;
	job->random ^= job->random << 17;
	return job->random % job->blocks * BLOCK;
}

static void check(const struct job *job, int64_t result)
{
	if (result != (job->reads ? BLOCK : 0))
		fail("result", result);
}

/* By hand. */

static void open_raw(struct io_uring *ring, bool shared)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
						  IORING_SETUP_CLAMP,
					 .cq_entries = CQ_ENTRIES};
	int ret;

	params.flags |= shared ? IORING_SETUP_COOP_TASKRUN
			       : IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	ret = io_uring_queue_init_params(SQ_ENTRIES, ring, &params);
	if (ret != 0)
		fail("io_uring_queue_init_params", ret);
	if (!shared)
		(void)io_uring_register_ring_fd(ring);
}

/* `slot` names the memory. */
static void submit_raw(struct job *job, struct io_uring *ring, uint64_t slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (sqe == NULL)
		fail("io_uring_get_sqe", 0);
	if (job->reads)
		io_uring_prep_read(sqe, job->fd, job->memory + slot * BLOCK, BLOCK,
				   next_place(job));
	else
		io_uring_prep_nop(sqe);
	io_uring_sqe_set_data64(sqe, slot);
	job->started++;
}

static void reap_raw(struct job *job, struct io_uring *ring, uint64_t end)
{
	struct io_uring_cqe *cqe;
	unsigned int head, count = 0;

	io_uring_for_each_cqe(ring, head, cqe)
	{
		check(job, cqe->res);
		if (job->started < end)
			submit_raw(job, ring, cqe->user_data);
		count++;
	}
	io_uring_cq_advance(ring, count);
	job->ended += count;
}

/* Until `end` have ended. A batch waits for half of what is in flight, a loop for one, as the
 * core's do. */
static void turn_raw(struct job *job, struct io_uring *ring, uint64_t end, bool by_half)
{
	while (job->started < end && job->started - job->ended < job->depth)
		submit_raw(job, ring, job->started % job->depth);
	while (job->ended < end) {
		uint64_t in_flight = job->started - job->ended;
		int ret = io_uring_submit_and_wait(ring,
						   by_half ? 1 + (unsigned int)in_flight / 2 : 1);

		if (ret < 0)
			fail("io_uring_submit_and_wait", ret);
		reap_raw(job, ring, end);
	}
}

static void run_raw_loop(struct job *job)
{
	struct io_uring ring;

	open_raw(&ring, false);
	turn_raw(job, &ring, job->count, false);
	io_uring_queue_exit(&ring);
}

/* As many lists as the batch runs: each ends before the next begins. */
static void run_raw_batch(struct job *job)
{
	struct io_uring ring;

	open_raw(&ring, true);
	while (job->ended < job->count)
		turn_raw(job, &ring, job->ended + LIST, true);
	io_uring_queue_exit(&ring);
}

/* By the core. */

static void put_op(struct job *job, struct ringo_op *op, uint64_t slot)
{
	job->started++;
	*op = (struct ringo_op){.code = RINGO_NOP, .user_data = slot};
	if (!job->reads)
		return;
	op->code = RINGO_READ;
	op->fd = job->fd;
	op->address = (uintptr_t)job->memory + slot * BLOCK;
	op->length = BLOCK;
	op->offset = (int64_t)next_place(job);
}

static uint32_t deliver(uintptr_t context, const struct ringo_completion *completions,
			uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct job *job = (struct job *)context;
	uint32_t n = 0;

	(void)room;
	for (uint32_t i = 0; i < count; i++) {
		check(job, completions[i].result);
		if (job->started < job->count)
			put_op(job, &ops[n++], completions[i].user_data);
	}
	job->ended += count;
	if (job->ended >= job->count)
		ringo_loop_stop(job->loop, RINGO_STOP_DRAIN);
	return n;
}

static const struct ringo_options options = {
	.backend = RINGO_BACKEND_URING, .sq_entries = SQ_ENTRIES, .cq_entries = CQ_ENTRIES};

static void run_loop(struct job *job)
{
	struct ringo_op ops[DEPTH_MAX];
	int ret = ringo_loop_open(&options, &job->loop);

	if (ret != 0)
		fail("ringo_loop_open", ret);
	for (uint32_t i = 0; i < job->depth; i++)
		put_op(job, &ops[i], i);
	ret = ringo_post(job->loop, ops, job->depth, 0);
	if (ret == 0)
		ret = ringo_loop_run(job->loop, deliver, (uintptr_t)job);
	if (ret != 0)
		fail("ringo_loop_run", ret);
	ringo_loop_close(job->loop);
}

/* Lists of ops. Two in flight may read into the same block: nobody looks. */
static void run_batch(struct job *job)
{
	static struct ringo_op ops[LIST];
	static struct ringo_completion completions[LIST];
	struct ringo_options of_batch = options;
	struct ringo_batch *batch;
	int ret;

	of_batch.depth = job->depth;
	ret = ringo_batch_open(&of_batch, &batch);
	while (ret == 0 && job->ended < job->count) {
		for (uint32_t i = 0; i < LIST; i++)
			put_op(job, &ops[i], i % job->depth);
		ret = ringo_batch_run(batch, ops, LIST, false, completions);
		for (uint32_t i = 0; i < LIST && ret == 0; i++)
			check(job, completions[i].result);
		job->ended += LIST;
	}
	if (ret != 0)
		fail("ringo_batch_run", ret);
	ringo_batch_close(batch);
}

static void open_file(struct job *job, const char *path, bool direct)
{
	struct stat status;

	job->fd = open(path, O_RDONLY | O_CLOEXEC | (direct ? O_DIRECT : 0));
	if (job->fd < 0 || fstat(job->fd, &status) != 0 || status.st_size < BLOCK)
		fail(path, job->fd);
	job->blocks = (uint64_t)status.st_size / BLOCK;
}

static void run(struct job *job, const char *way)
{
	if (strcmp(way, "raw-loop") == 0)
		run_raw_loop(job);
	else if (strcmp(way, "loop") == 0)
		run_loop(job);
	else if (strcmp(way, "raw-batch") == 0)
		run_raw_batch(job);
	else
		run_batch(job);
}

int main(int argc, char **argv)
{
	struct job job = {.random = 88172645463325252u};
	int64_t wall, cpu;

	if (argc != 6 || atoi(argv[3]) < 1 || atoi(argv[3]) > DEPTH_MAX) {
		fprintf(stderr, "usage: core raw-loop|loop|raw-batch|batch nop|cached|direct "
				"DEPTH COUNT FILE\n");
		return 2;
	}
	job.depth = (uint32_t)atoi(argv[3]);
	job.count = (strtoull(argv[4], NULL, 10) + LIST - 1) / LIST * LIST;
	job.reads = strcmp(argv[2], "nop") != 0;
	job.memory = aligned_alloc(BLOCK, (size_t)DEPTH_MAX * BLOCK);
	if (job.memory == NULL)
		fail("memory", 0);
	memset(job.memory, 0, (size_t)DEPTH_MAX * BLOCK);
	if (job.reads)
		open_file(&job, argv[5], strcmp(argv[2], "direct") == 0);
	wall = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	run(&job, argv[1]);
	printf("%llu %lld %lld\n", (unsigned long long)job.ended,
	       (long long)(clock_ns(CLOCK_MONOTONIC) - wall),
	       (long long)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu));
	return 0;
}
