/* SPDX-License-Identifier: MIT */
/*
 * Runs random ops with injected faults against a model, on loops and in batches:
 *
 *	soak [SEED OPS uring|threads]
 *
 * Without arguments a short run on each backend that is there. Prints the faults by kind, and how
 * many ops were lost, doubled or wrong; exits 1 unless none was.
 */
#include "soak.h"

#include <inttypes.h>

#ifdef __has_feature /* clang */
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

enum {
	GONE = 0xdb, /* what memory is filled with when its op has ended */
	ACTORS_MAX = 16,
	STREAMS = 6,
	BATCH_OPS = 100,
	BATCH_SHARE = 8, /* ops on loops for each in a batch */
	PARTS = 16,      /* loops and batches of a run */
	SILENCE_SECONDS = 60,
	SEED = 20240229,
	SHORT_RUN = 8000,
	INCREMENTAL_BUFFERS = 4,
};

static struct {
	uint64_t seed, random, serial;
	struct ringo_loop *loop; /* NULL in batches */
	struct actor *actors[ACTORS_MAX];
	uint32_t actor_count;
	struct flight flights[FLIGHTS];
	struct flight *free_first, *free_last;
	uint32_t in_flight, cancels;
	uint64_t started, ended, wanted;
	uint64_t wrong, doubled, surfaced;
	struct ringo_op *outbox;
	uint32_t outbox_count, outbox_slots, outbox_room;
	bool ticking, stopping;
	struct {
		unsigned char *base;
		uint32_t count, size;
		uint32_t filled[INCREMENTAL_BUFFERS]; /* of incremental ones */
	} groups[GROUPS];
} soak;

uint32_t soak_random(uint32_t limit)
{
	soak.random ^= soak.random << 13;
	soak.random ^= soak.random >> 7;
	soak.random ^= soak.random << 17;
	return (uint32_t)((soak.random >> 16) % limit);
}

/* Verdicts. */

void wrong(const struct flight *flight, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (soak.wrong++ < 10) {
		fprintf(stderr, "WRONG seed %" PRIu64 ": ", soak.seed);
		if (flight != NULL)
			fprintf(stderr, "op %#" PRIx64 " %s of %s: ", flight->op.user_data,
				ringo_code_name(flight->op.code),
				flight->actor == NULL ? "the program" : flight->actor->name);
		vfprintf(stderr, format, arguments);
		fputc('\n', stderr);
	}
	va_end(arguments);
}

void judge_error(const struct flight *flight, int error)
{
	if (error == FAULT_ERRNO)
		soak.surfaced++;
	else if (error != ECANCELED || !flight->cancelled)
		wrong(flight, "%s", strerrordesc_np(error));
}

size_t first_other(const unsigned char *data, size_t length, unsigned char fill)
{
	size_t i = 0;

	while (i < length && data[i] == fill)
		i++;
	return i;
}

/* Flights. */

void flight_free(struct flight *flight)
{
	flight->op.user_data = 0;
	flight->next = NULL;
	memset(flight->memory, GONE, flight->memory_used);
	ASAN_POISON_MEMORY_REGION(flight->memory, FLIGHT_MEMORY);
	if (soak.free_first == NULL)
		soak.free_first = flight;
	else
		soak.free_last->next = flight;
	soak.free_last = flight;
}

static void flights_open(void)
{
	for (size_t i = 0; i < FLIGHTS; i++) {
		soak.flights[i].memory = malloc(FLIGHT_MEMORY);
		must(soak.flights[i].memory != NULL);
		soak.flights[i].memory_used = FLIGHT_MEMORY;
		flight_free(&soak.flights[i]);
	}
}

static void flights_close(void)
{
	for (size_t i = 0; i < FLIGHTS; i++) {
		ASAN_UNPOISON_MEMORY_REGION(soak.flights[i].memory, FLIGHT_MEMORY);
		if (first_other(soak.flights[i].memory, FLIGHT_MEMORY, GONE) != FLIGHT_MEMORY)
			wrong(NULL, "memory was written to after its op had ended");
		free(soak.flights[i].memory);
	}
}

struct flight *flight_take(struct actor *actor, flight_end end, size_t size)
{
	struct flight *flight = soak.free_first;

	must(size <= FLIGHT_MEMORY);
	if (flight == NULL)
		return NULL;
	soak.free_first = flight->next;
	ASAN_UNPOISON_MEMORY_REGION(flight->memory, FLIGHT_MEMORY);
	if (first_other(flight->memory, flight->memory_used, GONE) != flight->memory_used)
		wrong(flight, "memory was written to after the op had ended");
	flight->actor = actor;
	flight->end = end;
	flight->cancelled = false;
	flight->memory_used = size;
	flight->length = 0;
	return flight;
}

static bool cancel_matches(const struct flight *flight, const struct ringo_op *cancel)
{
	switch (cancel->argument) {
	case RINGO_CANCEL_USER_DATA:
		return flight->op.user_data == cancel->argument2;
	case RINGO_CANCEL_FD:
		return flight->op.fd == cancel->fd;
	default:
		return true;
	}
}

/* A cancel sees each op that is posted before it is run: also those that came after it. */
static bool cancel_is_under_way(const struct flight *flight)
{
	for (size_t i = 0; i < FLIGHTS && soak.cancels > 0; i++)
		if (soak.flights[i].op.user_data != 0 && soak.flights[i].op.code == RINGO_CANCEL &&
		    cancel_matches(flight, &soak.flights[i].op))
			return true;
	return false;
}

/* All or none, one behind the other. */
static bool post(const struct ringo_op *ops, uint32_t count, bool slotless)
{
	bool by_mailbox = soak.loop != NULL && soak_random(2) == 0;

	if (by_mailbox && ringo_post(soak.loop, ops, count, 0) == 0)
		return true;
	if (!slotless && soak.outbox_slots + count > soak.outbox_room)
		return false;
	memcpy(&soak.outbox[soak.outbox_count], ops, count * sizeof(*ops));
	soak.outbox_count += count;
	soak.outbox_slots += slotless ? 0 : count;
	return true;
}

bool chain_start(struct flight *const *flights, struct ringo_op *ops, uint32_t count)
{
	bool cancels = ops[0].code == RINGO_CANCEL;

	for (uint32_t i = 0; i < count; i++) {
		ops[i].user_data = ++soak.serial << 16 | (uint64_t)(flights[i] - soak.flights);
		flights[i]->op = ops[i];
		flights[i]->cancelled = cancel_is_under_way(flights[i]);
	}
	if (!post(ops, count, cancels)) {
		for (uint32_t i = 0; i < count; i++)
			flight_free(flights[i]);
		return false;
	}
	soak.started += cancels ? 0 : count;
	soak.cancels += cancels;
	soak.in_flight += count;
	return true;
}

bool flight_start(struct flight *flight, struct ringo_op op)
{
	return chain_start(&flight, &op, 1);
}

static void complete(const struct ringo_completion *completion)
{
	uint64_t index = completion->user_data & 0xffff;
	struct flight *flight = &soak.flights[index < FLIGHTS ? index : 0];

	if (completion->flags & RINGO_MESSAGE) {
		messages_take(completion);
		return;
	}
	if (index >= FLIGHTS || completion->user_data == 0 ||
	    flight->op.user_data != completion->user_data) {
		soak.doubled++;
		fprintf(stderr, "DOUBLED %#" PRIx64 ": %" PRId64 "\n", completion->user_data,
			completion->result);
		return;
	}
	flight->end(flight, completion);
	if (completion->flags & RINGO_MORE)
		return;
	soak.in_flight--;
	soak.ended += flight->op.code != RINGO_CANCEL;
	flight_free(flight);
	if (soak.ended % 256 == 0)
		alarm(SILENCE_SECONDS);
}

/* Ops of the program itself. */

static void cancel_ended(struct flight *flight, const struct ringo_completion *completion)
{
	soak.cancels--;
	if (completion->result <= 0 && completion->result != -ENOENT)
		wrong(flight, "%" PRId64, completion->result);
}

void soak_cancel(uint32_t how, int fd, uint64_t user_data)
{
	struct ringo_op op =
		OP(.code = RINGO_CANCEL, .argument = how, .fd = fd, .argument2 = user_data);
	struct flight *flight = flight_take(NULL, cancel_ended, 0);

	if (flight == NULL)
		return;
	for (size_t i = 0; i < FLIGHTS; i++)
		if (soak.flights[i].op.user_data != 0 && cancel_matches(&soak.flights[i], &op))
			soak.flights[i].cancelled = true;
	(void)flight_start(flight, op);
}

static void cancel_one(void)
{
	const struct flight *flight = &soak.flights[soak_random(FLIGHTS)];

	if (soak.loop == NULL || flight->op.user_data == 0)
		return;
	if (soak_random(8) == 0 && flight->op.fd > 0)
		soak_cancel(RINGO_CANCEL_FD, flight->op.fd, 0);
	else
		soak_cancel(soak_random(64) == 0 ? RINGO_CANCEL_ALL : RINGO_CANCEL_USER_DATA, -1,
			    flight->op.user_data);
}

/* A close is never cancelled; what it says may be rewritten. */
static void close_ended(struct flight *flight, const struct ringo_completion *completion)
{
	if (completion->result == -FAULT_ERRNO)
		soak.surfaced++;
	else if (completion->result != 0)
		wrong(flight, "%" PRId64, completion->result);
}

void soak_close(int fd)
{
	struct flight *flight = flight_take(NULL, close_ended, 0);

	if (flight == NULL || !flight_start(flight, OP(.code = RINGO_CLOSE, .fd = fd)))
		close(fd);
}

void soak_return_buffer(uint32_t group, int32_t id)
{
	const struct ringo_op op =
		OP(.code = RINGO_RETURN_BUFFER, .argument = (uint32_t)id, .argument2 = group);

	(void)post(&op, 1, true);
}

bool soak_has_group(uint32_t group)
{
	return soak.groups[group].count > 0;
}

const unsigned char *soak_take_buffer(uint32_t group, const struct ringo_completion *completion,
				      bool *mine)
{
	uint32_t id = (uint32_t)completion->extra, begin = 0;

	*mine = !(completion->flags & RINGO_BUFFER_MORE);
	if (group == GROUP_INCREMENTAL) {
		uint32_t *filled = &soak.groups[group].filled[id];

		begin = *filled;
		*filled = *mine ? 0 : begin + (uint32_t)completion->result;
	}
	return soak.groups[group].base + (size_t)id * soak.groups[group].size + begin;
}

int soak_descriptor(void)
{
	return soak.loop == NULL ? -EOPNOTSUPP : ringo_loop_descriptor(soak.loop);
}

/* Something ends each millisecond, so that deliver is called though all else waits. */
static void tick_ended(struct flight *flight, const struct ringo_completion *completion)
{
	soak.ticking = false;
	if (completion->result < 0)
		judge_error(flight, (int)-completion->result);
}

static void tick(void)
{
	struct flight *flight = flight_take(NULL, tick_ended, 0);

	soak.ticking = flight != NULL &&
		       flight_start(flight, OP(.code = RINGO_TIMEOUT, .argument2 = 1000 * 1000));
}

/* The loop. */

static bool is_enough(void)
{
	return soak.started >= soak.wanted;
}

static void act(uint32_t how_often)
{
	for (uint32_t i = 0; i < how_often && !is_enough(); i++) {
		struct actor *actor = soak.actors[soak_random(soak.actor_count)];

		if (soak.loop != NULL || actor->in_batch)
			(void)actor->act(actor);
		if (soak_random(32) == 0)
			cancel_one();
	}
}

/* Closes cannot be cancelled, and what was is on its way. */
static bool must_be_cancelled(const struct flight *flight)
{
	return flight->op.user_data != 0 && !flight->cancelled && flight->op.code != RINGO_CLOSE &&
	       flight->op.code != RINGO_CANCEL;
}

/* The memory of a zero-copy send is the kernel's until the peer has the data, whoever cancels. */
static bool sends_zero_copy(void)
{
	for (size_t i = 0; i < FLIGHTS; i++)
		if (soak.flights[i].op.user_data != 0 && soak.flights[i].op.code == RINGO_SEND_ZC)
			return true;
	return false;
}

static void finish(void)
{
	bool any = false;

	for (size_t i = 0; i < FLIGHTS && !any; i++)
		any = must_be_cancelled(&soak.flights[i]);
	if (any)
		soak_cancel(RINGO_CANCEL_ALL, -1, 0);
	for (uint32_t i = 0; i < soak.actor_count; i++)
		if (soak.actors[i]->drain != NULL)
			soak.actors[i]->drain(soak.actors[i]);
	soak.stopping = soak.in_flight == 0 && messages_due() == 0;
	if (soak.stopping)
		ringo_loop_stop(soak.loop, RINGO_STOP_DRAIN);
}

static uint32_t deliver(uintptr_t context, const struct ringo_completion *completions,
			uint32_t count, struct ringo_op *ops, uint32_t room)
{
	(void)context;
	soak.outbox = ops;
	soak.outbox_count = soak.outbox_slots = 0;
	soak.outbox_room = room;
	for (uint32_t i = 0; i < count; i++)
		complete(&completions[i]);
	if (!soak.ticking && (!is_enough() || sends_zero_copy()))
		tick();
	act(1 + soak_random(24));
	if (is_enough() && !soak.stopping)
		finish();
	return soak.outbox_count |
	       (soak_random(8) == 0 && !soak.stopping ? RINGO_DELIVER_AGAIN : 0);
}

/* Small queues overflow and run full; large ones do not. */
static struct ringo_options random_options(uint32_t backend)
{
	static const uint32_t entries[] = {2, 4, 16, 64};
	uint32_t sq = entries[soak_random(4)];

	return (struct ringo_options){.backend = backend,
				      .depth = 64 + soak_random(64),
				      .reserve = 64 + soak_random(64),
				      .sq_entries = sq,
				      .cq_entries = sq * (1 + soak_random(4)),
				      .submit_threshold = 1 + 3 * soak_random(2),
				      .wait_batch = 1 + 7 * soak_random(2),
				      .bounded_workers = 2,
				      .unbounded_workers = 2,
				      .receive_buffers = 2u << soak_random(4),
				      .receive_buffer_size = 512,
				      .turn_budget = 4096u << soak_random(5)};
}

static void open_groups(void)
{
	static const struct ringo_buffer_group more[] = {
		{.id = GROUP_SMALL, .count = 2, .size = 128},
		{.id = GROUP_INCREMENTAL,
		 .count = INCREMENTAL_BUFFERS,
		 .size = 1000,
		 .flags = RINGO_BUFFERS_INCREMENTAL}};

	for (size_t i = 0; i < LENGTH_OF(more); i++) {
		int ret = ringo_loop_add_group(soak.loop, &more[i]);

		must(ret == 0 || (ret == -EOPNOTSUPP && more[i].flags != 0));
	}
	memset(soak.groups, 0, sizeof(soak.groups));
	for (uint32_t id = 0; id < GROUPS; id++)
		soak.groups[id].count = ringo_loop_group(soak.loop, id, &soak.groups[id].base,
							 &soak.groups[id].size);
}

static void run_loop(uint32_t backend, uint64_t ops)
{
	struct ringo_options options = random_options(backend);

	soak.wanted = soak.started + ops;
	soak.stopping = soak.ticking = false;
	must(open_loop(&options, &soak.loop) == 0);
	open_groups();
	soak.outbox_slots = soak.outbox_room = 0; /* the first op goes by the mailbox */
	while (!soak.ticking)
		tick();
	must(ringo_loop_run(soak.loop, deliver, 0) == 0);
	ringo_loop_close(soak.loop);
	soak.loop = NULL;
}

/* Batches. What completions start (a close) goes with the next batch. */

static void run_batches(uint32_t backend, uint64_t ops)
{
	static struct ringo_op lists[2][2 * BATCH_OPS];
	static struct ringo_completion completions[2 * BATCH_OPS];
	struct ringo_options options = random_options(backend);
	struct ringo_batch *batch;
	uint32_t count = 0;

	options.receive_buffers = 0;
	soak.wanted = soak.started + ops;
	soak.outbox_room = BATCH_OPS;
	must(open_batch(&options, &batch) == 0);
	for (uint32_t round = 0; count > 0 || !is_enough(); round++) {
		soak.outbox = lists[round % 2];
		soak.outbox_count = soak.outbox_slots = 0;
		for (uint32_t i = 0; i < count; i++)
			complete(&completions[i]);
		act(BATCH_OPS);
		count = soak.outbox_count;
		must(ringo_batch_run(batch, soak.outbox, count, soak_random(2) == 0, completions) ==
		     0);
	}
	ringo_batch_close(batch);
}

/* Reports. */

static void check_all(void)
{
	if (soak.in_flight != 0)
		fprintf(stderr, "LOST: %" PRIu32 " ops never ended\n", soak.in_flight);
	for (uint32_t i = 0; i < soak.actor_count; i++)
		soak.actors[i]->check(soak.actors[i]);
}

static void on_silence(int signal)
{
	(void)signal;
	fprintf(stderr, "LOST: nothing ends any more; in flight:\n");
	for (size_t i = 0; i < FLIGHTS; i++)
		if (soak.flights[i].op.user_data != 0)
			fprintf(stderr, "  op %#" PRIx64 " %s%s\n", soak.flights[i].op.user_data,
				ringo_code_name(soak.flights[i].op.code),
				soak.flights[i].cancelled ? ", cancelled" : "");
	_exit(1);
}

static uint64_t report(const char *backend)
{
	uint64_t lost = soak.started - soak.ended, sum = 0;

	printf("seed %" PRIu64 ", backend %s: %" PRIu64 " ops, and cancels: %" PRIu64
	       " lost, %" PRIu64 " doubled, %" PRIu64 " wrong; %" PRIu64
	       " ended with an injected error\nfaults:",
	       soak.seed, backend, soak.ended, lost, soak.doubled, soak.wrong, soak.surfaced);
	for (enum fault kind = 0; kind < FAULT_COUNT; kind++) {
		printf("%s %s %" PRIu64, kind == 0 ? "" : ",", fault_name(kind),
		       faults_injected(kind));
		sum += faults_injected(kind);
	}
	printf("; %" PRIu64 " in all\n", sum);
	return lost + soak.doubled + soak.wrong;
}

static void add_actor(struct actor *actor)
{
	must(soak.actor_count < ACTORS_MAX);
	soak.actors[soak.actor_count++] = actor;
}

static void add_actors(const char *directory)
{
	add_actor(file_actor());
	add_actor(chains_actor());
	add_actor(paths_actor(directory));
	for (uint64_t i = 0; i < STREAMS; i++)
		add_actor(stream_actor(i));
	add_actor(accept_actor());
	add_actor(waits_actor());
	add_actor(messages_actor());
}

/* In parts, each with other options. Returns how many ops were lost, doubled or wrong. */
static uint64_t run(uint64_t seed, uint64_t ops, const char *backend_name)
{
	uint32_t backend =
		strcmp(backend_name, "threads") == 0 ? RINGO_BACKEND_THREADS : RINGO_BACKEND_URING;
	char directory[64];
	int fds = count_fds();

	soak.seed = seed;
	soak.random = seed * UINT64_C(0x9e3779b97f4a7c15);
	make_scratch(directory);
	flights_open();
	add_actors(directory);
	faults_start(seed);
	while (soak.ended < ops && soak.wrong == 0) {
		run_loop(backend, ops / PARTS + 1);
		check_all();
		run_batches(backend, ops / PARTS / BATCH_SHARE);
		check_all();
	}
	faults_start(0);
	for (uint32_t i = 0; i < soak.actor_count; i++)
		soak.actors[i]->close(soak.actors[i]);
	flights_close();
	remove_tree(directory);
	if (count_fds() != fds)
		wrong(NULL, "%d descriptors are left over", count_fds() - fds);
	return report(backend_name);
}

/* In a process of its own, since a run counts from zero. */
static int run_apart(uint64_t seed, uint64_t ops, const char *backend)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		uint64_t bad = run(seed, ops, backend);

		fflush(stdout);
		_exit(bad == 0 ? 0 : 1);
	}
	must(child > 0 && waitpid(child, &status, 0) == child);
	return status == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	must(signal(SIGPIPE, SIG_IGN) != SIG_ERR && signal(SIGALRM, on_silence) != SIG_ERR);
	alarm(SILENCE_SECONDS);
	if (argc == 1)
		return (has_uring() ? run_apart(SEED, SHORT_RUN, "uring") : 0) |
		       run_apart(SEED, SHORT_RUN, "threads");
	if (argc != 4 || strtoull(argv[1], NULL, 10) == 0 || strtoull(argv[2], NULL, 10) == 0) {
		fprintf(stderr, "usage: soak [SEED OPS uring|threads]\n");
		return 2;
	}
	return run(strtoull(argv[1], NULL, 10), strtoull(argv[2], NULL, 10), argv[3]) == 0 ? 0 : 1;
}
