/* SPDX-License-Identifier: MIT */
/*
 * Random reads of 4 KiB on plain liburing, for comparison with ringo's windows and batches:
 *
 *   window FILE DEPTH cached|direct window|list MILLISECONDS
 *
 * window keeps DEPTH in flight and waits for one at a time; list submits DEPTH and waits for all.
 * The ring has the flags of a batch of ringo's. Prints operations, wall and CPU nanoseconds.
 */
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { BLOCK = 4096, DEPTH_MAX = 1024 };

struct run {
	struct io_uring ring;
	unsigned char *memory;
	uint64_t random;
	uint64_t blocks;
	uint64_t ended;
	int file;
};

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void push_read(struct run *run, uint64_t lane)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&run->ring);

	run->random ^= run->random << 13;
	run->random ^= run->random >> 7;
	run->random ^= run->random << 17;
	io_uring_prep_read(sqe, run->file, run->memory + lane * BLOCK, BLOCK,
			   run->random % run->blocks * BLOCK);
	io_uring_sqe_set_data64(sqe, lane);
}

/* Takes what has ended; the lanes are used again at once, or all together once none is left. */
static int reap(struct run *run, bool again)
{
	struct io_uring_cqe *cqe;
	unsigned int head, count = 0;

	io_uring_for_each_cqe(&run->ring, head, cqe)
	{
		if (cqe->res != BLOCK)
			return -1;
		if (again)
			push_read(run, cqe->user_data);
		count++;
	}
	io_uring_cq_advance(&run->ring, count);
	run->ended += count;
	return (int)count;
}

static int work(struct run *run, unsigned int depth, bool list, int64_t end_ns)
{
	while (clock_ns(CLOCK_MONOTONIC) < end_ns) {
		if (list)
			for (unsigned int i = 0; i < depth; i++)
				push_read(run, i);
		for (int round = 0; round < (list ? 1 : 64); round++)
			if (io_uring_submit_and_wait(&run->ring, list ? depth : 1) < 0 ||
			    reap(run, !list) < 0)
				return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
						  IORING_SETUP_CLAMP | IORING_SETUP_COOP_TASKRUN};
	struct run run = {.random = 88172645463325252};
	unsigned int depth = argc == 6 ? (unsigned int)atoi(argv[2]) : 0;
	struct stat status;
	int64_t wall, cpu;
	bool list;

	if (depth < 1 || depth > DEPTH_MAX) {
		fprintf(stderr, "usage: window FILE DEPTH cached|direct window|list MS\n");
		return 2;
	}
	list = strcmp(argv[4], "list") == 0;
	run.file = open(argv[1], O_RDONLY | (strcmp(argv[3], "direct") == 0 ? O_DIRECT : 0));
	run.memory = aligned_alloc(BLOCK, (size_t)depth * BLOCK);
	params.cq_entries = 4 * depth;
	if (run.file < 0 || run.memory == NULL || fstat(run.file, &status) != 0 ||
	    io_uring_queue_init_params(depth, &run.ring, &params) != 0)
		return 1;
	run.blocks = (uint64_t)status.st_size / BLOCK;
	wall = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (unsigned int i = 0; i < depth && !list; i++)
		push_read(&run, i);
	if (work(&run, depth, list, wall + atoll(argv[5]) * 1000000) != 0)
		return 1;
	printf("%llu %lld %lld\n", (unsigned long long)run.ended,
	       (long long)(clock_ns(CLOCK_MONOTONIC) - wall),
	       (long long)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu));
	return 0;
}
