//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * Backend "threads": the same hops without io_uring, for kernels and containers that forbid it.
 * Each row of the table of ops says how its hop is done without a ring:
 *
 *   plain_now    never waits: on the ring's thread
 *   plain_try    may wait for others: tried until it is not refused    threads_watch.c
 *   plain_wait   may wait for the disk: a system call of a worker      threads_pool.c
 *
 * TIMEOUT, POLL_REMOVE and ASYNC_CANCEL are this backend's own. threads_timers.c has what waits for
 * a time.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "threads.h"

/* How long an open waits for a reader of its FIFO before it looks again. */
#define READER_PAUSE_NS UINT64_C(10000000)

/* Results. */

static void give_result(struct threads *threads, const struct result *result)
{
	uint32_t at = (threads->result_head + threads->result_count) % threads->result_capacity;

	if (result->token == TOKEN_IGNORED)
		return;
	assert(threads->result_count < threads->result_capacity);
	threads->results[at] = *result;
	threads->result_count++;
}

bool results_are_full(const struct threads *threads)
{
	return threads->result_count >= REAP_LIMIT;
}

/* One result of a multishot, which goes on. */
void job_give(struct threads *threads, const struct job *job, int32_t result, int32_t buffer)
{
	give_result(threads,
		    &(struct result){
			    .token = job->token, .result = result, .buffer = buffer, .more = true});
}

void job_end(struct threads *threads, struct job *job, int32_t result, int32_t buffer)
{
	give_result(threads,
		    &(struct result){.token = job->token, .result = result, .buffer = buffer});
	job->place = JOB_FREE;
	job->token = 0; /* which no hop has */
	job_append(&threads->free, job);
}

/* The next turn starts it anew. */
void job_push_again(struct threads *threads, struct job *job)
{
	job->place = JOB_PUSHED;
	job_append(&threads->pushed, job);
}

/* Starting and cancelling. */

static void enqueue(struct threads *threads, struct job *job)
{
	if (!pool_queue(&threads->pool, job))
		job_end(threads, job, job->row->plain_wait(&job->hop), -1);
}

static struct job *find(struct threads *threads, uint64_t token)
{
	for (uint32_t i = 0; i < threads->job_count; i++)
		if (threads->jobs[i].token == token)
			return &threads->jobs[i];
	return NULL;
}

static void cancel(struct threads *threads, uint64_t token)
{
	struct job *job = find(threads, token);

	if (job == NULL || !pool_cancel(&threads->pool, job))
		return;
	if (job->place == JOB_WATCHED)
		watch_cancel(threads, job);
	else if (job->place == JOB_TIMED)
		job_take_out(&threads->timed, job);
	else if (job->place == JOB_PUSHED)
		job_take_out(&threads->pushed, job);
	/* What a receive has taken from its socket is not lost. */
	job_end(threads, job, job->moved > 0 ? (int32_t)job->moved : -ECANCELED, -1);
}

/* A poll in flight waits for other events from now on. */
static int32_t update_poll(struct threads *threads, const struct hop *hop)
{
	struct job *job = find(threads, hop->addr);

	if (job == NULL)
		return -ENOENT;
	job->hop.op_flags = hop->op_flags;
	if (job->place == JOB_WATCHED) {
		watch_cancel(threads, job);
		watch_start(threads, job);
	}
	return 0;
}

static void start_with_row(struct threads *threads, struct job *job)
{
	const struct op_row *row = threads->rows[job->hop.opcode];

	job->row = row;
	if (row == NULL)
		job_end(threads, job, -EOPNOTSUPP, -1);
	else if (row->plain_now != NULL)
		job_end(threads, job, row->plain_now(&job->hop), -1);
	else if (row->plain_try != NULL && (row->plain_wait == NULL || plain_is_stream(&job->hop)))
		watch_start(threads, job);
	else
		enqueue(threads, job);
}

static void start_job(struct threads *threads, struct job *job)
{
	switch (job->hop.opcode) {
	case KERNEL_ASYNC_CANCEL:
		cancel(threads, job->hop.addr);
		job_end(threads, job, 0, -1);
		return;
	case KERNEL_POLL_REMOVE:
		job_end(threads, job, update_poll(threads, &job->hop), -1);
		return;
	case KERNEL_TIMEOUT:
		timers_start(threads, job);
		return;
	default:
		start_with_row(threads, job);
	}
}

static void start_pushed(struct threads *threads)
{
	struct job *last = threads->pushed.head == NULL ? NULL : threads->pushed.tail;
	struct job *job = NULL;

	while (job != last && threads->pushed.head != NULL) {
		job = job_take_first(&threads->pushed);
		count_up(&threads->ring->stats.submitted, 1);
		start_job(threads, job);
	}
}

/* Ending. */

static void take_ended(struct threads *threads)
{
	struct job *job, *next;

	for (job = pool_take_ended(&threads->pool); job != NULL; job = next) {
		next = job->next;
		if (job->hop.opcode != KERNEL_OPENAT2 || !plain_open_waits(&job->hop, job->result))
			job_end(threads, job, job->result, -1);
		else if (job->cancelled)
			job_end(threads, job, -ECANCELED, -1);
		else
			timers_sleep_until(threads, job, now_ns() + READER_PAUSE_NS);
	}
}

/* Timeouts end; an open that had no reader is tried again. */
static void end_timeouts(struct threads *threads)
{
	uint64_t now = threads->timed.head == NULL ? 0 : now_ns();
	struct job *job;

	while ((job = timers_take_expired(threads, now)) != NULL) {
		if (job->hop.opcode == KERNEL_TIMEOUT)
			job_end(threads, job, -ETIME, -1);
		else
			enqueue(threads, job);
	}
}

/* The backend. */

static int threads_push(struct ring *ring, const struct hop *hop, uint64_t user_data)
{
	struct threads *threads = ring->backend_state;
	struct job *job = job_take_first(&threads->free);

	if (job == NULL)
		return -EBUSY;
	job->hop = *hop;
	job->moved = 0;
	job->cancelled = false;
	job->token = user_data;
	job_push_again(threads, job);
	return 0;
}

static int wait_for_events(struct threads *threads, int timeout_ms)
{
	struct epoll_event events[128];
	int count = epoll_wait(threads->epoll, events, 128, timeout_ms);

	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		int fd = (int)events[i].data.u64;

		if (fd == threads->pool.wake)
			take_ended(threads);
		else
			watch_edge(threads, fd);
	}
	end_timeouts(threads);
	return 0;
}

static int threads_turn(struct ring *ring, uint32_t wait_count, int64_t timeout_ns)
{
	struct threads *threads = ring->backend_state;
	uint64_t end_ns = timeout_ns < 0 ? UINT64_MAX : now_ns() + (uint64_t)timeout_ns;
	bool sleep;
	int ret;

	start_pushed(threads);
	do {
		sleep = threads->result_count < wait_count && threads->pushed.head == NULL;
		ret = wait_for_events(threads, sleep ? timers_wait_ms(threads, end_ns) : 0);
	} while (ret == 0 && sleep && threads->result_count < wait_count && now_ns() < end_ns);
	return ret;
}

static void threads_reap(struct ring *ring, uint32_t limit)
{
	struct threads *threads = ring->backend_state;

	while (threads->result_count > 0 && limit-- > 0) {
		struct result r = threads->results[threads->result_head];

		threads->result_head = (threads->result_head + 1) % threads->result_capacity;
		threads->result_count--;
		ring_result(ring, r.token, r.result, r.more, r.buffer);
	}
}

static bool threads_supports(const struct ring *ring, uint8_t opcode)
{
	(void)ring;
	return plain_has(opcode);
}

static void threads_describe(const struct ring *ring, struct ringo_features *features)
{
	(void)ring, (void)features;
}

static int threads_register_buffers(struct ring *ring, uint16_t group, bool incremental)
{
	struct buffers *buffers = &ring->groups[group];

	if (incremental)
		return -EOPNOTSUPP;
	buffers->shared_size = buffers->count * sizeof(uint32_t);
	buffers->shared = memory_map(buffers->shared_size);
	return buffers->shared == NULL ? -ENOMEM : 0;
}

static void threads_provide_buffer(struct ring *ring, uint16_t group, uint32_t id)
{
	struct buffers *buffers = &ring->groups[group];

	((uint32_t *)buffers->shared)[buffers->stacked++] = id;
}

static void threads_close(struct ring *ring)
{
	struct threads *threads = ring->backend_state;

	pool_close(&threads->pool);
	if (threads->epoll >= 0)
		close(threads->epoll);
	free(threads->jobs);
	free(threads->watched);
	free(threads->results);
	free(threads);
	ring->backend_state = NULL;
}

static void index_rows(struct threads *threads)
{
	for (int code = 0; code < RINGO_CODE_COUNT; code++) {
		const struct op_row *row = &op_rows[code];

		if (row->plain_now != NULL || row->plain_try != NULL || row->plain_wait != NULL)
			threads->rows[row->opcode] = row;
	}
}

static int allocate(struct threads *threads)
{
	/* A hop for each slot, the doorbell, and as many cancels as a turn may push. */
	threads->job_count = threads->ring->slot_count + 64;
	threads->jobs = calloc(threads->job_count, sizeof(*threads->jobs));
	/* Each job that ends gives one result; multishots stop at REAP_LIMIT. */
	threads->result_capacity = threads->job_count + REAP_LIMIT + 64;
	threads->results = calloc(threads->result_capacity, sizeof(*threads->results));
	if (threads->jobs == NULL || threads->results == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < threads->job_count; i++)
		job_append(&threads->free, &threads->jobs[i]);
	return 0;
}

static int open_epoll(struct threads *threads)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)threads->pool.wake};

	threads->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (threads->epoll < 0)
		return -errno;
	return epoll_ctl(threads->epoll, EPOLL_CTL_ADD, threads->pool.wake, &event) == 0 ? 0
											 : -errno;
}

static int threads_open(struct ring *ring, const struct ringo_options *options, bool shared)
{
	struct threads *threads = calloc(1, sizeof(*threads));
	int ret;

	(void)shared;
	if (threads == NULL)
		return -ENOMEM;
	ring->backend_state = threads;
	ring->bounded_limit = UINT32_MAX;
	threads->ring = ring;
	threads->epoll = -1;
	index_rows(threads);
	ret = pool_open(&threads->pool, options->bounded_workers + options->unbounded_workers);
	if (ret == 0)
		ret = allocate(threads);
	return ret == 0 ? open_epoll(threads) : ret;
}

const struct backend backend_threads = {
	.name = "threads",
	.lacks = RINGO_FIXED_FILE | RINGO_FIXED_BUFFER | RINGO_DIRECT,
	.library = "none",
	.open = threads_open,
	.close = threads_close,
	.push = threads_push,
	.turn = threads_turn,
	.reap = threads_reap,
	.supports = threads_supports,
	.describe = threads_describe,
	.register_buffers = threads_register_buffers,
	.provide_buffer = threads_provide_buffer,
};
