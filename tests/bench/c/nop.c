/* SPDX-License-Identifier: MIT */
/* A NOP posted again from deliver: nop DEPTH COUNT prints operations, wall and CPU nanoseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ringo.h"

struct run {
	struct ringo_loop *loop;
	uint64_t ended;
	uint64_t count;
};

static uint32_t deliver(uintptr_t context, const struct ringo_completion *completions,
			uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct run *run = (struct run *)context;

	run->ended += count;
	if (run->ended >= run->count) {
		ringo_loop_stop(run->loop, RINGO_STOP_DRAIN);
		return 0;
	}
	for (uint32_t i = 0; i < count && i < room; i++)
		ops[i] = (struct ringo_op){.user_data = completions[i].user_data};
	return count;
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int argc, char **argv)
{
	struct ringo_options options = {0};
	struct ringo_op ops[1024] = {{0}};
	struct run run = {0};
	uint32_t depth = argc == 3 ? (uint32_t)atoi(argv[1]) : 0;
	int64_t wall, cpu;

	run.count = argc == 3 ? (uint64_t)atoll(argv[2]) : 0;
	if (depth < 1 || depth > 1024 || ringo_loop_open(&options, &run.loop) != 0) {
		fprintf(stderr, "usage: nop DEPTH(1..1024) COUNT, where io_uring is permitted\n");
		return 2;
	}
	wall = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	if (ringo_post(run.loop, ops, depth, 0) != 0 ||
	    ringo_loop_run(run.loop, deliver, (uintptr_t)&run) != 0)
		return 1;
	printf("%llu %lld %lld\n", (unsigned long long)run.ended,
	       (long long)(clock_ns(CLOCK_MONOTONIC) - wall),
	       (long long)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu));
	ringo_loop_close(run.loop);
	return 0;
}
