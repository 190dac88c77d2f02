/* SPDX-License-Identifier: MIT */
/*
 * The seeded program of ops, and what its actors share. An actor has things on which it runs ops
 * (a file, a stream, names in a directory, a listener), and a model of what they must hold.
 *
 * All runs on the loop's thread, inside deliver; the batch has the same actors afterwards.
 */
#ifndef SOAK_H
#define SOAK_H

#include "check.h"
#include "faults.h"

/* What an op names lives here while it is in flight. Afterwards it is filled with a pattern and
 * poisoned for some time: who still writes to it is found out. */
enum { FLIGHT_MEMORY = 16 << 10, FLIGHTS = 192 };

struct actor;
struct flight;
typedef void (*flight_end)(struct flight *, const struct ringo_completion *);

struct flight {
	struct ringo_op op; /* user_data is 0 when nothing is in flight */
	flight_end end;     /* takes each completion; those with RINGO_MORE come before the last */
	struct actor *actor;
	bool cancelled;
	unsigned char *memory;
	size_t memory_used;
	size_t length;  /* of the data in memory */
	uint64_t where; /* these two are its actor's */
	uint64_t seed;
	struct flight *next;
};

struct actor {
	const char *name;
	bool in_batch; /* its ops end by themselves */
	bool (*act)(struct actor *);
	void (*drain)(struct actor *); /* NULL, or lets go what no cancel ends */
	void (*check)(struct actor *); /* when nothing is in flight */
	void (*close)(struct actor *);
	void *things;
};

struct actor *file_actor(void);
struct actor *chains_actor(void);
struct actor *paths_actor(const char *directory);
struct actor *stream_actor(uint64_t seed);
struct actor *accept_actor(void);
struct actor *waits_actor(void);
struct actor *messages_actor(void);

/* The loop's ring, for messages; negative where there is none. */
int soak_descriptor(void);

/* A message has come. */
void messages_take(const struct ringo_completion *completion);

/* How many messages are sure to come yet. */
uint32_t messages_due(void);

/* Groups of provided buffers: two whose receives take what is free, and an incremental one, for one
 * stream alone, where there is such a thing. */
enum { GROUP_FIRST, GROUP_SMALL, GROUP_INCREMENTAL, GROUPS };
bool soak_has_group(uint32_t group);

/* Takes the data of a completion with RINGO_BUFFER; `mine` says whether the buffer has to be given
 * back. */
const unsigned char *soak_take_buffer(uint32_t group, const struct ringo_completion *completion,
				      bool *mine);

uint32_t soak_random(uint32_t limit);

/* A flight with `size` bytes of memory, or NULL when there are enough. */
struct flight *flight_take(struct actor *actor, flight_end end, size_t size);

/* Starts the op, from the outbox or the mailbox; false, and the flight is free, when all is full.
 */
bool flight_start(struct flight *flight, struct ringo_op op);

/* The same with several that are linked, in this order. */
bool chain_start(struct flight *const *flights, struct ringo_op *ops, uint32_t count);

/* Gives a flight back that was not started. */
void flight_free(struct flight *flight);

/* Asks what is in flight on these to end. */
void soak_cancel(uint32_t how, int fd, uint64_t user_data);
void soak_return_buffer(uint32_t group, int32_t id);
void soak_close(int fd);

/* Judges the errno (positive) that an op ended with: injected, or of a cancel. */
void judge_error(const struct flight *flight, int error);

/* Something is not as the model says. */
__attribute__((format(printf, 2, 3))) void wrong(const struct flight *flight, const char *format,
						 ...);

/* Index of the first byte that is not `fill`, or `length`. */
size_t first_other(const unsigned char *data, size_t length, unsigned char fill);

enum { UNTOUCHED = 0xa5 };

#endif
