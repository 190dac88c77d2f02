//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * Backend "threads": a bounded pool of threads for system calls that may wait, for the disk or
 * else. Workers are started when a job finds none idle, and stay. A call that a worker is in
 * cannot be interrupted: its cancel comes too late.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "threads.h"

static void wake_ring(int wake)
{
	static const uint64_t one = 1;

	if (write(wake, &one, sizeof(one)) < 0)
		abort(); /* the count would have to reach 2^64 - 1 */
}

static void *work(void *argument)
{
	struct pool *pool = argument;

	pthread_mutex_lock(&pool->lock);
	while (!pool->closing) {
		struct job *job = job_take_first(&pool->queued);

		if (job == NULL) {
			pool->idle++;
			pthread_cond_wait(&pool->queued_or_closing, &pool->lock);
			pool->idle--;
			continue;
		}
		job->place = JOB_RUNNING;
		pthread_mutex_unlock(&pool->lock);
		job->result = job->row->plain_wait(&job->hop);
		pthread_mutex_lock(&pool->lock);
		if (pool->ended.head == NULL)
			wake_ring(pool->wake);
		job->place = JOB_DONE;
		job_append(&pool->ended, job);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Signals are for the program's own threads. */
static int start_worker(struct pool *pool)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&pool->workers[pool->worker_count], NULL, work, pool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pool->worker_count += ret == 0;
	return -ret;
}

/* Queues a job for the workers; false when no worker can be had at all. */
bool pool_queue(struct pool *pool, struct job *job)
{
	bool queued = true;

	pthread_mutex_lock(&pool->lock);
	if (pool->idle == 0 && pool->worker_count < pool->worker_limit)
		queued = start_worker(pool) == 0 || pool->worker_count > 0;
	if (queued) {
		job->place = JOB_QUEUED;
		job_append(&pool->queued, job);
		pthread_cond_signal(&pool->queued_or_closing);
	}
	pthread_mutex_unlock(&pool->lock);
	return queued;
}

/* The jobs whose calls have returned, as a list by `next`. */
struct job *pool_take_ended(struct pool *pool)
{
	struct job *ended;
	uint64_t count;

	if (read(pool->wake, &count, sizeof(count)) < 0)
		return NULL;
	pthread_mutex_lock(&pool->lock);
	ended = pool->ended.head;
	pool->ended.head = NULL;
	pthread_mutex_unlock(&pool->lock);
	return ended;
}

/* Takes a job back from the queue, if it is there. False: a worker has it, and it is marked. */
bool pool_cancel(struct pool *pool, struct job *job)
{
	bool has_worker;

	pthread_mutex_lock(&pool->lock);
	has_worker = job->place == JOB_RUNNING || job->place == JOB_DONE;
	if (has_worker)
		job->cancelled = true;
	else if (job->place == JOB_QUEUED)
		job_take_out(&pool->queued, job);
	pthread_mutex_unlock(&pool->lock);
	return !has_worker;
}

int pool_open(struct pool *pool, uint32_t worker_limit)
{
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->queued_or_closing, NULL);
	pool->worker_limit = worker_limit;
	pool->wake = -1;
	pool->workers = calloc(worker_limit, sizeof(*pool->workers));
	if (pool->workers == NULL)
		return -ENOMEM;
	pool->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return pool->wake < 0 ? -errno : 0;
}

/* After pool_open, whether that failed or not. */
void pool_close(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->closing = true;
	pthread_cond_broadcast(&pool->queued_or_closing);
	pthread_mutex_unlock(&pool->lock);
	for (uint32_t i = 0; i < pool->worker_count; i++)
		pthread_join(pool->workers[i], NULL);
	pthread_cond_destroy(&pool->queued_or_closing);
	pthread_mutex_destroy(&pool->lock);
	if (pool->wake >= 0)
		close(pool->wake);
	free(pool->workers);
}
