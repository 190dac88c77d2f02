/* SPDX-License-Identifier: MIT */
/*
 * What the files of backend "threads" share: threads.c, threads_pool.c, threads_watch.c,
 * threads_timers.c.
 *
 * A hop becomes a job when it is pushed and ends as a result, which reap hands over. One thread at
 * a time drives a ring; only `pool` is shared with the workers, under its lock.
 */
#ifndef RINGO_THREADS_H
#define RINGO_THREADS_H

#include <pthread.h>

#include "internal.h"

enum job_place {
	JOB_FREE,
	JOB_PUSHED,  /* waits for the next turn */
	JOB_QUEUED,  /* waits for a worker */
	JOB_RUNNING, /* a worker is in its call */
	JOB_DONE,    /* the worker has its result */
	JOB_WATCHED, /* waits for an edge of its descriptor */
	JOB_TIMED,
};

struct job {
	struct hop hop;
	const struct op_row *row; /* whose plain calls do the hop */
	uint64_t token;
	uint64_t end_ns; /* TIMED */
	uint32_t moved;  /* of a receive that waits for all it asked for */
	int32_t result;
	uint8_t place;  /* enum job_place */
	bool cancelled; /* too late for the call it is in, but not to be tried again */
	struct job *next;
};

struct job_list {
	struct job *head;
	struct job *tail;
};

struct result {
	uint64_t token;
	int32_t result;
	int32_t buffer;
	bool more;
};

/* Shared with the workers. */
struct pool {
	pthread_mutex_t lock;
	pthread_cond_t queued_or_closing;
	struct job_list queued;
	struct job_list ended;
	pthread_t *workers;
	uint32_t worker_count;
	uint32_t worker_limit;
	uint32_t idle;
	bool closing;
	int wake; /* eventfd: a job has ended */
};

struct threads {
	struct ring *ring;
	struct pool pool;
	int epoll;
	const struct op_row *rows[KERNEL_OPCODE_COUNT]; /* by opcode: who has plain calls for it */
	struct job *jobs;
	uint32_t job_count;
	struct job_list free;
	struct job_list pushed;
	struct job_list timed;    /* soonest first */
	struct job_list *watched; /* by descriptor */
	uint32_t watched_count;
	struct result *results;
	uint32_t result_head;
	uint32_t result_count;
	uint32_t result_capacity;
};

static inline void job_append(struct job_list *list, struct job *job)
{
	job->next = NULL;
	if (list->head == NULL)
		list->head = job;
	else
		list->tail->next = job;
	list->tail = job;
}

static inline struct job *job_take_first(struct job_list *list)
{
	struct job *job = list->head;

	if (job != NULL)
		list->head = job->next;
	return job;
}

static inline void job_take_out(struct job_list *list, struct job *job)
{
	struct job *before = NULL;

	for (struct job *j = list->head; j != job; j = j->next)
		before = j;
	if (before == NULL)
		list->head = job->next;
	else
		before->next = job->next;
	if (list->tail == job)
		list->tail = before;
}

/* threads.c */
void job_push_again(struct threads *threads, struct job *job);
void job_give(struct threads *threads, const struct job *job, int32_t result, int32_t buffer);
void job_end(struct threads *threads, struct job *job, int32_t result, int32_t buffer);
bool results_are_full(const struct threads *threads);

/* threads_pool.c: blocking calls. */
int pool_open(struct pool *pool, uint32_t worker_limit);
void pool_close(struct pool *pool);
bool pool_queue(struct pool *pool, struct job *job);
struct job *pool_take_ended(struct pool *pool);
bool pool_cancel(struct pool *pool, struct job *job);

/* threads_watch.c: calls that are tried, and wait for their descriptor. */
void watch_start(struct threads *threads, struct job *job);
void watch_edge(struct threads *threads, int fd);
void watch_cancel(struct threads *threads, struct job *job);

/* threads_timers.c: what waits for a time, CLOCK_MONOTONIC in nanoseconds. */
void timers_start(struct threads *threads, struct job *job);
void timers_sleep_until(struct threads *threads, struct job *job, uint64_t end_ns);
struct job *timers_take_expired(struct threads *threads, uint64_t now_ns);
int timers_wait_ms(const struct threads *threads, uint64_t end_ns);

#endif
