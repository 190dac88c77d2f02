/* SPDX-License-Identifier: MIT */
/*
 * A backend around each of the two, with the same function table. The linker's --wrap gives its
 * name to all who ask for the real one, and hands what the real one reports (ring_result) to it.
 *
 *   core -> push -> queue -> [full, failed, shortened] -> turn [partial, skipped] -> real backend
 *   core <- ring_result <- held [delayed, reordered] <- [rewritten] <- reap <- real backend
 */
#include "faults.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

extern const struct backend __real_backend_uring, __real_backend_threads;
extern const struct backend __wrap_backend_uring, __wrap_backend_threads;
void __real_ring_result(struct ring *, uint64_t, int32_t, bool, int32_t);
void __wrap_ring_result(struct ring *, uint64_t, int32_t, bool, int32_t);

enum { QUEUE_SIZE = 512, DELAY_MAX = 8 };

struct queued {
	struct hop hop;
	uint64_t token;
};

/* A completion on its way to the core. */
struct held {
	uint64_t token;
	int32_t result;
	int32_t buffer;
	bool more;
	bool chained;
	uint64_t due; /* turn */
};

/* What is to be done when a hop of the real backend ends. */
struct note {
	uint64_t token;
	bool rewrite;
	bool chained;          /* its results come in their order */
	struct msghdr message; /* the shorter one that a shortened SENDMSG sends */
	struct iovec part;
	struct note *next;
};

struct faulty {
	const struct backend *real;
	void *real_state;
	struct queued queue[QUEUE_SIZE];
	uint32_t queue_count;
	struct held *held; /* in the order they came */
	uint32_t held_count, held_capacity;
	struct note *notes;
	uint64_t turn;
};

/* Whose reap is running on this thread. */
static _Thread_local struct faulty *reaping;

/* The real backend finds its own state where it expects it. */
static struct faulty *lend_state(struct ring *ring)
{
	struct faulty *faulty = ring->backend_state;

	ring->backend_state = faulty->real_state;
	return faulty;
}

static void take_state_back(struct ring *ring, struct faulty *faulty)
{
	ring->backend_state = faulty;
}

static bool is_slots(uint64_t token)
{
	return token >> 32 != 0;
}

/* Chains are left whole, and to the kernel. */
static bool goes_on(const struct queued *queued)
{
	return queued->hop.sqe_flags & (KERNEL_SQE_LINK | KERNEL_SQE_HARDLINK);
}

static bool is_chained(const struct faulty *faulty, uint32_t index)
{
	return goes_on(&faulty->queue[index]) || (index > 0 && goes_on(&faulty->queue[index - 1]));
}

/* Hops from `index` on that go together: a chain, or one. */
static uint32_t length_of_chain(const struct faulty *faulty, uint32_t index)
{
	uint32_t length = 1;

	while (goes_on(&faulty->queue[index + length - 1]))
		length++;
	return length;
}

static void hold(struct faulty *faulty, const struct held *completion)
{
	if (faulty->held_count == faulty->held_capacity) {
		faulty->held_capacity = faulty->held_capacity * 2 + 64;
		faulty->held = realloc(faulty->held, faulty->held_capacity * sizeof(struct held));
		if (faulty->held == NULL)
			abort();
	}
	faulty->held[faulty->held_count] = *completion;
	faulty->held[faulty->held_count].due = faulty->turn;
	if (is_slots(completion->token) && !completion->chained && fault_strikes(FAULT_DELAYED))
		faulty->held[faulty->held_count].due += 1 + fault_random(DELAY_MAX);
	faulty->held_count++;
}

/* What strikes a hop before it is run. */

static bool may_be_refused(const struct hop *hop)
{
	switch (hop->opcode) {
	case KERNEL_RECV:
	case KERNEL_SEND:
	case KERNEL_SENDMSG:
	case KERNEL_SEND_ZC:
	case KERNEL_ACCEPT:
		return !(hop->op_flags & MSG_DONTWAIT);
	case KERNEL_READ:
	case KERNEL_WRITE:
		return !(hop->op_flags & RWF_NOWAIT);
	case KERNEL_OPENAT2: /* a contained lookup that a rename raced */
		return ((const struct kernel_open_how *)(uintptr_t)hop->off)->resolve != 0;
	default:
		return false;
	}
}

/* Hops that must be run: who frees something, and who sleeps. */
static bool may_fail(const struct hop *hop)
{
	switch (hop->opcode) {
	case KERNEL_CLOSE:
	case KERNEL_UNLINKAT:
	case KERNEL_TIMEOUT:
	case KERNEL_ASYNC_CANCEL:
		return false;
	default:
		return true;
	}
}

static int32_t exhaustion(const struct hop *hop)
{
	static const int32_t of_accept[] = {-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM, -ECONNABORTED};

	if (hop->opcode == KERNEL_ACCEPT)
		return of_accept[fault_random(sizeof(of_accept) / sizeof(of_accept[0]))];
	return hop->opcode == KERNEL_RECV && hop->sqe_flags & KERNEL_SQE_BUFFER_SELECT ? -ENOBUFS
										       : 0;
}

/* The errno that the hop gets instead of being run, or 0. */
static int32_t error_for(const struct hop *hop)
{
	if (hop->opcode != KERNEL_CLOSE && fault_strikes(FAULT_INTERRUPTED))
		return -EINTR;
	if (fault_strikes(FAULT_NO_WORKER))
		return -ECANCELED;
	if (may_be_refused(hop) && fault_strikes(FAULT_REFUSED))
		return -EAGAIN;
	if (may_fail(hop) && fault_strikes(FAULT_FAILED))
		return -FAULT_ERRNO;
	if (exhaustion(hop) != 0 && fault_strikes(FAULT_EXHAUSTED))
		return exhaustion(hop);
	return 0;
}

static struct note *make_note(struct faulty *faulty, uint64_t token)
{
	struct note *note = calloc(1, sizeof(*note));

	if (note == NULL)
		abort();
	note->token = token;
	note->next = faulty->notes;
	faulty->notes = note;
	return note;
}

/* What the core is told in the place of `result`. */
static int32_t heed_note(struct faulty *faulty, uint64_t token, int32_t result, bool *chained)
{
	struct note **at = &faulty->notes, *note;

	while (*at != NULL && (*at)->token != token)
		at = &(*at)->next;
	note = *at;
	if (note == NULL)
		return result;
	*at = note->next;
	if (note->rewrite && result >= 0)
		result = -FAULT_ERRNO;
	if (chained != NULL)
		*chained = note->chained;
	free(note);
	return result;
}

static void shorten_message(struct faulty *faulty, struct hop *hop, uint64_t token)
{
	const struct msghdr *whole = (const struct msghdr *)(uintptr_t)hop->addr;
	struct note *note;

	if (whole->msg_iovlen == 0 || whole->msg_iov->iov_len == 0)
		return;
	note = make_note(faulty, token);
	note->part = *whole->msg_iov;
	note->part.iov_len = 1 + fault_random((uint32_t)note->part.iov_len);
	note->message = (struct msghdr){.msg_iov = &note->part, .msg_iovlen = 1};
	hop->addr = (uintptr_t)&note->message;
}

static void shorten(struct faulty *faulty, struct hop *hop, uint64_t token)
{
	switch (hop->opcode) {
	case KERNEL_READ:
	case KERNEL_WRITE:
	case KERNEL_SEND:
	case KERNEL_SEND_ZC:
	case KERNEL_SPLICE:
	case KERNEL_RECV:
		if (hop->len > 1 && fault_strikes(FAULT_SHORTENED))
			hop->len = 1 + fault_random(hop->len - 1);
		return;
	case KERNEL_SENDMSG:
		if (fault_strikes(FAULT_SHORTENED))
			shorten_message(faulty, hop, token);
		return;
	}
}

/* Only what leaves nothing behind that the model has to know of. */
static void rewrite(struct faulty *faulty, const struct hop *hop, uint64_t token)
{
	switch (hop->opcode) {
	case KERNEL_NOP:
	case KERNEL_CLOSE:
	case KERNEL_FSYNC:
	case KERNEL_STATX:
	case KERNEL_MSG_RING:
		if (fault_strikes(FAULT_REWRITTEN))
			make_note(faulty, token)->rewrite = true;
		return;
	}
}

/* 0, or -EBUSY when the real queue is full. */
static int submit(struct ring *ring, struct faulty *faulty, uint32_t index)
{
	const struct queued *queued = &faulty->queue[index];
	struct hop hop = queued->hop;
	int32_t error = 0;
	int ret;

	if (is_chained(faulty, index)) {
		make_note(faulty, queued->token)->chained = true;
	} else if (is_slots(queued->token)) {
		error = error_for(&hop);
		if (error == 0) {
			shorten(faulty, &hop, queued->token);
			rewrite(faulty, &hop, queued->token);
		}
	}
	if (error != 0) {
		hold(faulty, &(struct held){.token = queued->token, .result = error, .buffer = -1});
		return 0;
	}
	lend_state(ring);
	ret = faulty->real->push(ring, &hop, queued->token);
	take_state_back(ring, faulty);
	if (ret != 0)
		(void)heed_note(faulty, queued->token, 0, NULL);
	return ret;
}

/* The function table. */

static uint32_t faulty_room(const struct ring *ring)
{
	const struct faulty *faulty = ring->backend_state;

	return QUEUE_SIZE - faulty->queue_count;
}

static int faulty_push(struct ring *ring, const struct hop *hop, uint64_t token)
{
	struct faulty *faulty = ring->backend_state;
	const struct queued queued = {.hop = *hop, .token = token};
	bool chained = goes_on(&queued) || (faulty->queue_count > 0 &&
					    goes_on(&faulty->queue[faulty->queue_count - 1]));

	if (faulty->queue_count == QUEUE_SIZE || (!chained && fault_strikes(FAULT_FULL)))
		return -EBUSY;
	faulty->queue[faulty->queue_count++] = queued;
	return 0;
}

static uint32_t real_room(struct ring *ring, const struct faulty *faulty)
{
	struct ring copy = *ring;

	copy.backend_state = faulty->real_state;
	return faulty->real->room(&copy);
}

/* Takes hops from the queue in their order, as a submit does: a cancel stays behind its target. */
static void submit_some(struct ring *ring, struct faulty *faulty)
{
	uint32_t count = faulty->queue_count, taken = 0;

	if (count > 1 && fault_strikes(FAULT_PARTIAL))
		count = fault_random(count);
	while (taken < count) {
		uint32_t length = length_of_chain(faulty, taken);

		if (length > 1 && real_room(ring, faulty) < length)
			break;
		if (submit(ring, faulty, taken) != 0)
			break;
		for (uint32_t i = 1; i < length; i++)
			if (submit(ring, faulty, taken + i) != 0)
				abort();
		taken += length;
	}
	faulty->queue_count -= taken;
	memmove(faulty->queue, &faulty->queue[taken],
		faulty->queue_count * sizeof(faulty->queue[0]));
}

static int faulty_turn(struct ring *ring, uint32_t wait_count, int64_t timeout_ns)
{
	struct faulty *faulty = ring->backend_state;
	int ret;

	faulty->turn++;
	if (fault_strikes(FAULT_SKIPPED))
		return 0;
	submit_some(ring, faulty);
	if (faulty->queue_count > 0 || faulty->held_count > 0)
		wait_count = 0;
	lend_state(ring);
	ret = faulty->real->turn(ring, wait_count, timeout_ns);
	take_state_back(ring, faulty);
	return ret;
}

void __wrap_ring_result(struct ring *ring, uint64_t token, int32_t result, bool more,
			int32_t buffer)
{
	bool chained = false;

	(void)ring;
	if (!more)
		result = heed_note(reaping, token, result, &chained);
	hold(reaping, &(struct held){.token = token,
				     .result = result,
				     .more = more,
				     .chained = chained,
				     .buffer = buffer});
}

static bool keep_their_order(const struct held *a, const struct held *b)
{
	return a->token == b->token || (a->chained && b->chained);
}

/* The first due completion, or one that overtakes it; never one of the same hop, or of a chain. */
static struct held *choose(struct faulty *faulty)
{
	uint32_t start = 0;

	if (faulty->held_count > 1 && fault_strikes(FAULT_REORDERED))
		start = fault_random(faulty->held_count);
	for (uint32_t n = 0; n < faulty->held_count; n++) {
		uint32_t i = (start + n) % faulty->held_count, first = 0;

		while (!keep_their_order(&faulty->held[first], &faulty->held[i]))
			first++;
		if (faulty->held[first].due <= faulty->turn)
			return &faulty->held[first];
	}
	return NULL;
}

static void faulty_reap(struct ring *ring, uint32_t limit)
{
	struct faulty *faulty = lend_state(ring);
	struct held *chosen;

	reaping = faulty;
	faulty->real->reap(ring, limit);
	reaping = NULL;
	take_state_back(ring, faulty);
	while (limit-- > 0 && (chosen = choose(faulty)) != NULL) {
		struct held completion = *chosen;
		size_t behind = (size_t)(faulty->held + faulty->held_count - (chosen + 1));

		memmove(chosen, chosen + 1, behind * sizeof(*chosen));
		faulty->held_count--;
		__real_ring_result(ring, completion.token, completion.result, completion.more,
				   completion.buffer);
	}
}

static int open_around(const struct backend *real, struct ring *ring,
		       const struct ringo_options *options, bool shared)
{
	struct faulty *faulty;
	int ret = real->open(ring, options, shared);

	if (ring->backend_state == NULL)
		return ret;
	faulty = calloc(1, sizeof(*faulty));
	if (faulty == NULL)
		abort();
	faulty->real = real;
	faulty->real_state = ring->backend_state;
	ring->backend_state = faulty;
	return ret;
}

static int open_uring(struct ring *ring, const struct ringo_options *options, bool shared)
{
	return open_around(&__real_backend_uring, ring, options, shared);
}

static int open_threads(struct ring *ring, const struct ringo_options *options, bool shared)
{
	return open_around(&__real_backend_threads, ring, options, shared);
}

static void faulty_close(struct ring *ring)
{
	struct faulty *faulty = lend_state(ring);

	faulty->real->close(ring);
	while (faulty->notes != NULL)
		(void)heed_note(faulty, faulty->notes->token, 0, NULL);
	free(faulty->held);
	free(faulty);
}

static bool faulty_supports(const struct ring *ring, uint8_t opcode)
{
	struct ring copy = *ring;
	const struct faulty *faulty = lend_state(&copy);

	return faulty->real->supports(&copy, opcode);
}

static void faulty_describe(const struct ring *ring, struct ringo_features *features)
{
	struct ring copy = *ring;
	const struct faulty *faulty = lend_state(&copy);

	faulty->real->describe(&copy, features);
}

static int faulty_register_buffers(struct ring *ring, uint16_t group, bool incremental)
{
	struct faulty *faulty = lend_state(ring);
	int ret = faulty->real->register_buffers(ring, group, incremental);

	take_state_back(ring, faulty);
	return ret;
}

static void faulty_provide_buffer(struct ring *ring, uint16_t group, uint32_t id)
{
	struct faulty *faulty = lend_state(ring);

	faulty->real->provide_buffer(ring, group, id);
	take_state_back(ring, faulty);
}

static int faulty_descriptor(const struct ring *ring)
{
	struct ring copy = *ring;
	const struct faulty *faulty = lend_state(&copy);

	return faulty->real->descriptor == NULL ? -EOPNOTSUPP : faulty->real->descriptor(&copy);
}

#define TABLE(open_function, takes_chains)                                                         \
	{                                                                                          \
		.name = "faulty", .library = "none", .links = (takes_chains),                      \
		.open = (open_function), .room = faulty_room, .close = faulty_close,               \
		.push = faulty_push, .turn = faulty_turn, .reap = faulty_reap,                     \
		.supports = faulty_supports, .describe = faulty_describe,                          \
		.register_buffers = faulty_register_buffers,                                       \
		.provide_buffer = faulty_provide_buffer, .descriptor = faulty_descriptor,          \
	}

const struct backend __wrap_backend_uring = TABLE(open_uring, true);
const struct backend __wrap_backend_threads = TABLE(open_threads, false);
