/* SPDX-License-Identifier: MIT */
/* Which fault comes when: a sequence that a seed gives, and how often each kind strikes. */
#include "faults.h"

#include <stdatomic.h>

/* Of 1024 times. What is asked about at each hop is rarer than what is asked about at each turn. */
static const struct {
	const char *name;
	uint32_t often;
} kinds[FAULT_COUNT] = {
	[FAULT_INTERRUPTED] = {"interrupted", 24}, [FAULT_REFUSED] = {"refused", 24},
	[FAULT_NO_WORKER] = {"no worker", 16},     [FAULT_FAILED] = {"failed", 12},
	[FAULT_REWRITTEN] = {"rewritten", 24},     [FAULT_EXHAUSTED] = {"exhausted", 16},
	[FAULT_SHORTENED] = {"shortened", 96},     [FAULT_DELAYED] = {"delayed", 96},
	[FAULT_REORDERED] = {"reordered", 256},    [FAULT_PARTIAL] = {"partial submit", 96},
	[FAULT_SKIPPED] = {"skipped submit", 32},  [FAULT_FULL] = {"full queue", 32},
};

static uint64_t seed;
static _Atomic uint64_t drawn;
static _Atomic uint64_t injected[FAULT_COUNT];

/* splitmix64 of the n-th draw: threads share the sequence without a lock. */
static uint64_t draw(void)
{
	uint64_t x = seed + atomic_fetch_add(&drawn, 1) * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

void faults_start(uint64_t of)
{
	seed = of;
	atomic_store(&drawn, 1);
}

bool fault_strikes(enum fault kind)
{
	if (seed == 0 || draw() % 1024 >= kinds[kind].often)
		return false;
	atomic_fetch_add(&injected[kind], 1);
	return true;
}

uint32_t fault_random(uint32_t limit)
{
	return (uint32_t)(draw() % limit);
}

uint64_t faults_injected(enum fault kind)
{
	return atomic_load(&injected[kind]);
}

const char *fault_name(enum fault kind)
{
	return kinds[kind].name;
}
