//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * How many completions one sleep waits for. A wake-up costs a switch of threads, so where many
 * completions are due it should carry many; but none may wait where few are.
 *
 *   fewer than DUE_MIN due    1: no completion waits for another
 *   more                      a quarter of them at most, from 2 on: twice as many after each sleep
 *                             that got what it waited for, half as many after one whose time was up
 *   any                       never longer than the delay
 *
 * Due are the hops that end by themselves: what waits for others may never come. A fixed wait_batch
 * takes the place of all this. The submission threshold does not adapt: what is posted while the
 * loop is awake goes with its next entry, and more is held back only by the caller's wish. A
 * threshold saves wake-ups where posters keep many ops in flight, and costs those who wait for
 * theirs the whole delay; a post does not say which it is. docs/results/core.md has the figures.
 */
#include "internal.h"

enum {
	DUE_MIN = 8,
	BATCH_MAX = 32,
	TRY_AGAIN = 32, /* sleeps for one completion after which two are tried again */
};

void policy_open(struct policy *policy, const struct ringo_options *options)
{
	*policy = (struct policy){.submit_threshold = options->submit_threshold,
				  .submit_delay_ns = options->submit_delay_us * INT64_C(1000),
				  .wait_batch = options->wait_batch,
				  .wait_delay_ns = options->wait_delay_us * INT64_C(1000),
				  .batch = 2};
}

/* How many of `due` completions to wait for; more than one only for wait_delay_ns. */
uint32_t policy_wait(const struct policy *policy, uint32_t due)
{
	uint32_t quarter = due / 4;

	if (policy->wait_batch != 0)
		return due > policy->wait_batch ? policy->wait_batch : 1;
	if (due < DUE_MIN)
		return 1;
	return policy->batch < quarter ? policy->batch : quarter;
}

/* A sleep for `waited_for` of `due` completions took `slept_ns`. */
void policy_learn(struct policy *policy, uint32_t waited_for, uint32_t due, int64_t slept_ns)
{
	if (policy->wait_batch != 0 || due < DUE_MIN)
		return;
	if (waited_for <= 1) {
		if (++policy->singles == TRY_AGAIN)
			policy->batch = 2;
		return;
	}
	policy->singles = 0;
	if (slept_ns >= policy->wait_delay_ns)
		policy->batch /= 2;
	else if (waited_for == policy->batch && policy->batch < BATCH_MAX)
		policy->batch *= 2;
}
