/* SPDX-License-Identifier: MIT */
/*
 * Messages of a loop to itself: each that was sent comes once, with what it was given; one whose op
 * failed may have come. Where there is no ring there are none.
 */
#include "soak.h"

enum { MESSAGES = 32 };

#define OF_MESSAGES (UINT64_C(1) << 62)

/* `user_data` is 0 when the place is free. */
static struct message {
	uint64_t user_data;
	int64_t value;
	bool sending; /* its op has not ended */
	bool sure;    /* ... has said that it was sent */
	bool come;
} messages[MESSAGES];

static uint64_t serial;

/* A message whose op failed keeps its place: nobody knows whether it comes. It ends with the loop.
 */
static void settle(struct message *message)
{
	if (!message->sending && message->sure && message->come)
		*message = (struct message){0};
}

void messages_take(const struct ringo_completion *c)
{
	struct message *message = &messages[c->user_data % MESSAGES];

	if (message->user_data != c->user_data || message->come)
		wrong(NULL, "message %#llx came though none is due",
		      (unsigned long long)c->user_data);
	else if (c->result != message->value)
		wrong(NULL, "a message says %lld", (long long)c->result);
	message->come = true;
	settle(message);
}

uint32_t messages_due(void)
{
	uint32_t due = 0;

	for (size_t i = 0; i < MESSAGES; i++)
		due += messages[i].sure && !messages[i].come;
	return due;
}

/* The kernel may find the other ring's queue full. */
static void send_ended(struct flight *flight, const struct ringo_completion *c)
{
	struct message *message = &messages[flight->where];

	message->sending = false;
	message->sure = c->result == 0;
	if (c->result < 0 && c->result != -EOVERFLOW)
		judge_error(flight, (int)-c->result);
	else if (c->result > 0)
		wrong(flight, "%lld", (long long)c->result);
	settle(message);
}

static bool act(struct actor *actor)
{
	struct message *message = &messages[++serial % MESSAGES];
	struct flight *flight;

	if (soak_descriptor() < 0 || message->user_data != 0)
		return false;
	flight = flight_take(actor, send_ended, 0);
	if (flight == NULL)
		return false;
	*message = (struct message){.user_data = OF_MESSAGES + serial,
				    .value = soak_random(INT32_MAX),
				    .sending = true};
	flight->where = serial % MESSAGES;
	if (flight_start(flight,
			 OP(.code = RINGO_MESSAGE_RING, .fd = soak_descriptor(),
			    .argument2 = message->user_data, .length = (uint64_t)message->value)))
		return true;
	*message = (struct message){0};
	return false;
}

static void check(struct actor *actor)
{
	(void)actor;
	if (messages_due() > 0)
		wrong(NULL, "%u messages are lost", messages_due());
	memset(messages, 0, sizeof(messages));
}

static void close_nothing(struct actor *actor)
{
	(void)actor;
}

static struct actor self = {.name = "messages", .act = act, .check = check, .close = close_nothing};

struct actor *messages_actor(void)
{
	return &self;
}
