//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * Backend "threads": calls that could wait for others without end. They are tried at once without
 * blocking; refused, they wait for an edge of their descriptor and are tried again, in the order
 * they came. All watches are edge-triggered for everything: a job tries its call before it waits
 * and at each edge, so no edge is missed that matters.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "threads.h"

static bool grow_watched(struct threads *threads, int fd)
{
	uint32_t count = threads->watched_count == 0 ? 64 : threads->watched_count;
	struct job_list *grown;

	if (fd < (int)threads->watched_count)
		return true;
	while (count <= (uint32_t)fd)
		count *= 2;
	grown = realloc(threads->watched, count * sizeof(*grown));
	if (grown == NULL)
		return false;
	memset(grown + threads->watched_count, 0,
	       (count - threads->watched_count) * sizeof(*grown));
	threads->watched = grown;
	threads->watched_count = count;
	return true;
}

static int watch(struct threads *threads, struct job *job)
{
	int fd = job->hop.fd;
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET,
				    .data.u64 = (uint64_t)fd};

	if (fd < 0)
		return -EBADF;
	if (!grow_watched(threads, fd))
		return -ENOMEM;
	if (threads->watched[fd].head == NULL &&
	    epoll_ctl(threads->epoll, EPOLL_CTL_ADD, fd, &event) != 0 && errno != EEXIST)
		return -errno;
	job->place = JOB_WATCHED;
	job_append(&threads->watched[fd], job);
	return 0;
}

static void unwatch_if_unused(struct threads *threads, int fd)
{
	if (threads->watched[fd].head == NULL)
		(void)epoll_ctl(threads->epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* Trying. */

static bool is_multishot(const struct hop *hop)
{
	switch (hop->opcode) {
	case KERNEL_POLL_ADD:
		return hop->len & KERNEL_POLL_MULTISHOT;
	case KERNEL_ACCEPT:
		return hop->ioprio & KERNEL_ACCEPT_MULTISHOT;
	case KERNEL_RECV:
	case KERNEL_RECVMSG:
		return hop->ioprio & KERNEL_RECV_MULTISHOT;
	default:
		return false;
	}
}

/* Whether the caller asked to be told of EAGAIN. */
static bool wants_refusal(const struct hop *hop)
{
	switch (hop->opcode) {
	case KERNEL_RECV:
	case KERNEL_RECVMSG:
	case KERNEL_SEND:
	case KERNEL_SENDMSG:
		return hop->op_flags & MSG_DONTWAIT;
	case KERNEL_CONNECT: /* a Unix socket whose peer has no room; being under way is
				-EINPROGRESS */
		return true;
	case KERNEL_READ:
	case KERNEL_READV:
	case KERNEL_WRITE:
	case KERNEL_WRITEV:
		return hop->op_flags & RWF_NOWAIT;
	default:
		return false;
	}
}

/* A receive with MSG_WAITALL goes on until it has all, or something else happens. */
static bool wants_rest(struct job *job, int32_t result)
{
	struct hop *hop = &job->hop;

	if (hop->opcode != KERNEL_RECV || !(hop->op_flags & MSG_WAITALL) ||
	    hop->sqe_flags & KERNEL_SQE_BUFFER_SELECT || result <= 0 ||
	    (uint32_t)result == hop->len)
		return false;
	hop->addr += (uint32_t)result;
	hop->len -= (uint32_t)result;
	job->moved += (uint32_t)result;
	return true;
}

/* Into a provided buffer, which is taken when something came. */
static int32_t try_with_buffer(struct threads *threads, const struct job *job, int32_t *buffer)
{
	struct buffers *receive = &threads->ring->groups[job->hop.buffer];
	struct hop hop = job->hop;
	uint32_t id;
	int32_t result;

	if (receive->stacked == 0)
		return -ENOBUFS;
	id = ((const uint32_t *)receive->shared)[receive->stacked - 1];
	hop.addr = (uintptr_t)receive->base + (uint64_t)id * receive->size;
	hop.len = receive->size;
	result = hop.opcode == KERNEL_RECVMSG
			 ? plain_recvmsg_into(&job->hop, (void *)(uintptr_t)hop.addr, hop.len)
			 : job->row->plain_try(&hop);
	if (result > 0) {
		receive->stacked--;
		*buffer = (int32_t)id;
	}
	return result;
}

static int32_t try_once(struct threads *threads, const struct job *job, int32_t *buffer)
{
	*buffer = -1;
	return job->hop.sqe_flags & KERNEL_SQE_BUFFER_SELECT ? try_with_buffer(threads, job, buffer)
							     : job->row->plain_try(&job->hop);
}

/* A message without data ends a multishot RECVMSG. */
static bool is_last_message(const struct threads *threads, const struct hop *hop, int32_t buffer)
{
	const struct buffers *receive = &threads->ring->groups[hop->buffer];

	return hop->opcode == KERNEL_RECVMSG &&
	       ((const struct ringo_message *)(const void *)(receive->base +
							     (size_t)buffer * receive->size))
			       ->payload_length == 0;
}

/* What trying came to. */
enum attempt {
	ATTEMPT_ENDED,   /* the job has its result and is gone */
	ATTEMPT_REFUSED, /* wait for an edge */
	ATTEMPT_FULL,    /* there is more, but no room for results in this turn */
};

/* A multishot goes on as long as there is something; a poll has one result per edge. */
static enum attempt attempt(struct threads *threads, struct job *job)
{
	const struct hop *hop = &job->hop;
	bool multishot = is_multishot(hop);
	int32_t buffer, result;

	for (;;) {
		if (results_are_full(threads))
			return ATTEMPT_FULL;
		result = try_once(threads, job, &buffer);
		if (result == -EINTR || wants_rest(job, result))
			continue;
		if (result == -EINPROGRESS || (result == -EAGAIN && !wants_refusal(hop)))
			return ATTEMPT_REFUSED;
		if (!multishot || result < 0 || (result == 0 && hop->opcode == KERNEL_RECV))
			break;
		if (is_last_message(threads, hop, buffer))
			break;
		job_give(threads, job, result, buffer);
		if (hop->opcode == KERNEL_POLL_ADD)
			return ATTEMPT_REFUSED;
	}
	if (job->moved > 0)
		result = (int32_t)job->moved + (result > 0 ? result : 0);
	job_end(threads, job, result, buffer);
	return ATTEMPT_ENDED;
}

void watch_start(struct threads *threads, struct job *job)
{
	int ret;

	switch (attempt(threads, job)) {
	case ATTEMPT_ENDED:
		return;
	case ATTEMPT_FULL:
		job_push_again(threads, job);
		return;
	case ATTEMPT_REFUSED:
		ret = watch(threads, job);
		if (ret != 0)
			job_end(threads, job, ret, -1);
	}
}

/* An edge of fd: everyone who waits for it tries again. */
void watch_edge(struct threads *threads, int fd)
{
	struct job_list waiting = threads->watched[fd];
	struct job *job;

	threads->watched[fd].head = NULL;
	while ((job = job_take_first(&waiting)) != NULL) {
		switch (attempt(threads, job)) {
		case ATTEMPT_ENDED:
			break;
		case ATTEMPT_REFUSED:
			job_append(&threads->watched[fd], job);
			break;
		case ATTEMPT_FULL:
			job_push_again(threads, job);
		}
	}
	unwatch_if_unused(threads, fd);
}

void watch_cancel(struct threads *threads, struct job *job)
{
	job_take_out(&threads->watched[job->hop.fd], job);
	unwatch_if_unused(threads, job->hop.fd);
}
