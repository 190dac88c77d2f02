/* SPDX-License-Identifier: MIT */
/* Chains: a block of a file for each, which the ops of a chain write and read one after the other.
 * The model is what the block must hold, and whether the chain has been cut. */
#include "soak.h"

enum { BLOCK = 1024, CHAINS = 4, LENGTH_MAX = 5 };

static struct chain {
	unsigned char bytes[BLOCK];
	uint32_t length, ended; /* ops */
	bool cut;
} chains[CHAINS];

static int file = -1;
static struct actor self;

/* A flight's `where` is its chain, its `seed` its place there. */
static void ended(struct flight *flight, const struct ringo_completion *c)
{
	struct chain *chain = &chains[flight->where];
	bool whole = c->result == (int64_t)flight->length;

	if (flight->seed != chain->ended++)
		wrong(flight, "op %llu of a chain ended as number %u",
		      (unsigned long long)flight->seed, chain->ended - 1);
	if (chain->cut && c->result != -ECANCELED)
		wrong(flight, "%lld in a chain that was cut", (long long)c->result);
	if (c->result > (int64_t)flight->length)
		wrong(flight, "%lld of %zu bytes", (long long)c->result, flight->length);
	/* In a chain nothing is tried again. */
	if (c->result < 0 && c->result != -ECANCELED && c->result != -EINTR && c->result != -EAGAIN)
		judge_error(flight, (int)-c->result);
	if (flight->op.code == RINGO_WRITE && c->result > 0)
		memcpy(chain->bytes, flight->memory, (size_t)c->result);
	if (flight->op.code == RINGO_READ && c->result > 0 &&
	    memcmp(chain->bytes, flight->memory, (size_t)c->result) != 0)
		wrong(flight, "does not read what the chain wrote");
	chain->cut = chain->cut || (flight->op.flags & RINGO_LINK && !whole);
	if (chain->ended == chain->length) {
		chain->length = chain->ended = 0;
		chain->cut = false;
	}
}

static struct ringo_op choose(struct flight *flight)
{
	struct ringo_op op = OP(.fd = file, .offset = (int64_t)flight->where * BLOCK,
				.address = ADDRESS(flight->memory), .length = BLOCK);
	uint32_t choice = soak_random(6);

	flight->length = BLOCK;
	if (choice < 2) {
		op.code = RINGO_WRITE;
		fill(flight->memory, BLOCK, soak_random(1u << 30), 0);
	} else if (choice < 4) {
		op.code = RINGO_READ;
	} else {
		op = OP(.code = choice == 4 ? RINGO_NOP : RINGO_FSYNC, .fd = file);
		flight->length = 0;
	}
	return op;
}

static bool act(struct actor *actor)
{
	uint32_t which = soak_random(CHAINS), length = 2 + soak_random(LENGTH_MAX - 1);
	struct flight *flights[LENGTH_MAX];
	struct ringo_op ops[LENGTH_MAX];

	if (chains[which].length != 0)
		return false;
	for (uint32_t i = 0; i < length; i++) {
		flights[i] = flight_take(actor, ended, BLOCK);
		if (flights[i] == NULL) {
			while (i > 0)
				flight_free(flights[--i]);
			return false;
		}
		flights[i]->where = which;
		flights[i]->seed = i;
		ops[i] = choose(flights[i]);
		if (i < length - 1)
			ops[i].flags = soak_random(3) == 0 ? RINGO_HARDLINK : RINGO_LINK;
	}
	if (!chain_start(flights, ops, length))
		return false;
	chains[which].length = length;
	return true;
}

static void check(struct actor *actor)
{
	unsigned char bytes[BLOCK];

	(void)actor;
	for (int i = 0; i < CHAINS; i++) {
		must(pread(file, bytes, BLOCK, i * BLOCK) == BLOCK);
		if (memcmp(bytes, chains[i].bytes, BLOCK) != 0)
			wrong(NULL, "chain %d: the file does not hold what was written", i);
		if (chains[i].length != 0)
			wrong(NULL, "chain %d has no end", i);
	}
}

static void close_file(struct actor *actor)
{
	(void)actor;
	close(file);
}

static struct actor self = {
	.name = "chains", .in_batch = true, .act = act, .check = check, .close = close_file};

struct actor *chains_actor(void)
{
	file = make_file(7, 0, CHAINS * BLOCK);
	for (int i = 0; i < CHAINS; i++)
		fill(chains[i].bytes, BLOCK, 7, (uint64_t)i * BLOCK);
	return &self;
}
