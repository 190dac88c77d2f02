/* SPDX-License-Identifier: MIT */
/* What waits: timeouts, polls of an eventfd, once and many times; and NOPs, which do not. */
#include "soak.h"

#include <sys/eventfd.h>

static int event = -1;
static bool watched; /* by a multishot poll */
static struct actor self;

static void plain_ended(struct flight *flight, const struct ringo_completion *c)
{
	if (c->result < 0)
		judge_error(flight, (int)-c->result);
	else if (c->result != (int64_t)flight->where)
		wrong(flight, "%lld", (long long)c->result);
}

/* What a poll of many says is only that there is something. */
static void watch_ended(struct flight *flight, const struct ringo_completion *c)
{
	watched = c->flags & RINGO_MORE;
	if (c->result < 0)
		judge_error(flight, (int)-c->result);
	else if (!watched || !(c->result & POLLIN))
		wrong(flight, "%#llx", (long long)c->result);
}

static bool start(struct ringo_op op, flight_end end, uint64_t want)
{
	struct flight *flight = flight_take(&self, end, 0);

	if (flight == NULL)
		return false;
	flight->where = want;
	return flight_start(flight, op);
}

static bool act(struct actor *actor)
{
	(void)actor;
	must(eventfd_write(event, 1) == 0);
	switch (soak_random(4)) {
	case 0:
		return start(OP(.code = RINGO_TIMEOUT, .argument2 = soak_random(2000000)),
			     plain_ended, 0);
	case 1:
		return start(OP(.code = RINGO_POLL, .fd = event, .argument = POLLIN), plain_ended,
			     POLLIN);
	case 2:
		if (!watched)
			watched = start(OP(.code = RINGO_POLL, .fd = event, .argument = POLLIN,
					   .flags = RINGO_MULTISHOT),
					watch_ended, 0);
		return true;
	default:
		return start(OP(.code = RINGO_NOP), plain_ended, 0);
	}
}

static void check(struct actor *actor)
{
	(void)actor;
	if (watched)
		wrong(NULL, "a multishot poll has no end");
}

static void close_event(struct actor *actor)
{
	(void)actor;
	close(event);
}

static struct actor self = {.name = "waits", .act = act, .check = check, .close = close_event};

struct actor *waits_actor(void)
{
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(event >= 0);
	return &self;
}
