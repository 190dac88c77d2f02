//go:build linux

/* SPDX-License-Identifier: MIT */
/* Backend "threads": jobs that wait for a time, in the order of their ends. */
#include <errno.h>

#include "threads.h"

#define SECOND_NS UINT64_C(1000000000)

/* The longest sleep; who wakes early sleeps again. */
#define SLEEP_MAX_NS (3600 * SECOND_NS)

void timers_sleep_until(struct threads *threads, struct job *job, uint64_t end_ns)
{
	struct job **at = &threads->timed.head;

	job->place = JOB_TIMED;
	job->end_ns = end_ns;
	while (*at != NULL && (*at)->end_ns <= job->end_ns)
		at = &(*at)->next;
	job->next = *at;
	*at = job;
	if (job->next == NULL)
		threads->timed.tail = job;
}

/* A TIMEOUT: a time too far away to be told is never. */
void timers_start(struct threads *threads, struct job *job)
{
	const struct kernel_timespec *span =
		(const struct kernel_timespec *)(uintptr_t)job->hop.addr;
	uint64_t end_ns;

	if (__builtin_mul_overflow((uint64_t)span->seconds, SECOND_NS, &end_ns) ||
	    __builtin_add_overflow(end_ns, (uint64_t)span->nanoseconds + now_ns(), &end_ns))
		end_ns = UINT64_MAX;
	timers_sleep_until(threads, job, end_ns);
}

/* The next job whose time has come, or NULL. */
struct job *timers_take_expired(struct threads *threads, uint64_t now_ns)
{
	if (threads->timed.head == NULL || threads->timed.head->end_ns > now_ns)
		return NULL;
	return job_take_first(&threads->timed);
}

/* How long to wait for events: until `end_ns`, or until the first job's time; -1 without end. */
int timers_wait_ms(const struct threads *threads, uint64_t end_ns)
{
	uint64_t now = now_ns(), left;

	if (threads->timed.head != NULL && threads->timed.head->end_ns < end_ns)
		end_ns = threads->timed.head->end_ns;
	if (end_ns == UINT64_MAX)
		return -1;
	left = end_ns > now ? end_ns - now : 0;
	if (left > SLEEP_MAX_NS)
		left = SLEEP_MAX_NS;
	return (int)((left + 999999) / 1000000);
}
