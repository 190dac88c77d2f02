//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * Backend "threads": the same hops without io_uring, for kernels and containers that forbid it.
 *
 *   sockets, polls    tried at once without blocking; refused, they wait in epoll and are tried
 *                     again at each edge
 *   timeouts          a list in the order of their ends
 *   everything else   a bounded pool of threads makes the plain system call
 *
 * One thread at a time drives a ring; only `pool` is shared with the workers, under its lock. A
 * hop becomes a job when it is pushed and ends as a result, which reap hands over. A call that a
 * worker is in cannot be interrupted: its cancel comes too late.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

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
	struct pool pool;
	int epoll;
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
	uint32_t *buffers; /* ids at hand */
	uint32_t buffer_count;
};

/* Lists. */

static void append(struct job_list *list, struct job *job)
{
	job->next = NULL;
	if (list->head == NULL)
		list->head = job;
	else
		list->tail->next = job;
	list->tail = job;
}

static struct job *take_first(struct job_list *list)
{
	struct job *job = list->head;

	if (job != NULL)
		list->head = job->next;
	return job;
}

static void take_out(struct job_list *list, struct job *job)
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

/* Results. */

static void give_result(struct threads *threads, uint64_t token, int32_t result, bool more,
			int32_t buffer)
{
	uint32_t at = (threads->result_head + threads->result_count) % threads->result_capacity;

	if (token == TOKEN_IGNORED)
		return;
	assert(threads->result_count < threads->result_capacity);
	threads->results[at] =
		(struct result){.token = token, .result = result, .buffer = buffer, .more = more};
	threads->result_count++;
}

static bool results_are_full(const struct threads *threads)
{
	return threads->result_count >= REAP_LIMIT;
}

static void end_job(struct threads *threads, struct job *job, int32_t result, int32_t buffer)
{
	give_result(threads, job->token, result, false, buffer);
	job->place = JOB_FREE;
	append(&threads->free, job);
}

/* The calls a worker makes. */

static int32_t outcome(long ret)
{
	return ret < 0 ? -errno : (int32_t)ret;
}

/* Whether opening waits for the FIFO's other end, as nobody asked it not to. */
static bool may_wait_for_fifo(const struct kernel_open_how *how)
{
	return !(how->flags & (O_NONBLOCK | O_PATH | O_RDWR));
}

/* A FIFO is opened without waiting for its other end, which could not be cancelled: who reads it
 * waits for a writer, and ENXIO, no reader, is tried again later. openat2(2) is there since Linux
 * 5.6; before that, only unrestricted lookups are. */
static int32_t call_openat2(const struct hop *hop)
{
	struct kernel_open_how how = *(const struct kernel_open_how *)(uintptr_t)hop->off;
	const char *path = (const char *)(uintptr_t)hop->addr;
	bool clear = may_wait_for_fifo(&how);
	long fd;

	if (clear)
		how.flags |= O_NONBLOCK;
	fd = syscall(SYS_openat2, hop->fd, path, &how, sizeof(how));
	if (fd < 0 && errno == ENOSYS && how.resolve == 0)
		fd = openat(hop->fd, path, (int)how.flags, (mode_t)how.mode);
	if (fd >= 0 && clear)
		(void)fcntl((int)fd, F_SETFL, (int)how.flags & ~O_NONBLOCK);
	return outcome(fd);
}

static bool lacks_reader(const struct job *job)
{
	const struct kernel_open_how *how = (const struct kernel_open_how *)(uintptr_t)job->hop.off;
	struct stat status;

	return job->hop.opcode == KERNEL_OPENAT2 && job->result == -ENXIO &&
	       may_wait_for_fifo(how) &&
	       fstatat(job->hop.fd, (const char *)(uintptr_t)job->hop.addr, &status, 0) == 0 &&
	       S_ISFIFO(status.st_mode);
}

/* Streams have no offsets: as on the ring, they are ignored. */
static int32_t call_transfer(const struct hop *hop, uint32_t extra_flags)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)hop->addr, .iov_len = hop->len};
	off_t offset = hop->off == UINT64_MAX ? -1 : (off_t)hop->off;
	int flags = (int)(hop->op_flags | extra_flags);
	bool reads = hop->opcode == KERNEL_READ;
	ssize_t ret = reads ? preadv2(hop->fd, &iov, 1, offset, flags)
			    : pwritev2(hop->fd, &iov, 1, offset, flags);

	if (ret < 0 && errno == ESPIPE)
		ret = reads ? preadv2(hop->fd, &iov, 1, -1, flags)
			    : pwritev2(hop->fd, &iov, 1, -1, flags);
	return outcome(ret);
}

static int32_t call_splice(const struct hop *hop)
{
	loff_t in = (loff_t)hop->addr, out = (loff_t)hop->off;

	return outcome(splice(hop->splice_fd_in, in < 0 ? NULL : &in, hop->fd,
			      out < 0 ? NULL : &out, hop->len, hop->op_flags));
}

static int32_t call(const struct hop *hop)
{
	const char *path = (const char *)(uintptr_t)hop->addr;
	void *second = (void *)(uintptr_t)hop->off;

	switch (hop->opcode) {
	case KERNEL_OPENAT2:
		return call_openat2(hop);
	case KERNEL_READ:
	case KERNEL_WRITE:
		return call_transfer(hop, 0);
	case KERNEL_SPLICE:
		return call_splice(hop);
	case KERNEL_FSYNC:
		return outcome(hop->op_flags ? fdatasync(hop->fd) : fsync(hop->fd));
	case KERNEL_STATX:
		return outcome(statx(hop->fd, path, (int)hop->op_flags, hop->len, second));
	case KERNEL_CLOSE:
		return outcome(close(hop->fd));
	case KERNEL_RENAMEAT:
		return outcome(renameat2(hop->fd, path, (int)hop->len, (const char *)second,
					 hop->op_flags));
	case KERNEL_UNLINKAT:
		return outcome(unlinkat(hop->fd, path, (int)hop->op_flags));
	default:
		return -EOPNOTSUPP;
	}
}

/* The pool. */

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
		struct job *job = take_first(&pool->queued);

		if (job == NULL) {
			pool->idle++;
			pthread_cond_wait(&pool->queued_or_closing, &pool->lock);
			pool->idle--;
			continue;
		}
		job->place = JOB_RUNNING;
		pthread_mutex_unlock(&pool->lock);
		job->result = call(&job->hop);
		pthread_mutex_lock(&pool->lock);
		if (pool->ended.head == NULL)
			wake_ring(pool->wake);
		job->place = JOB_DONE;
		append(&pool->ended, job);
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

/* Queues a job for the workers; one that no worker can be had for at all runs here. */
static void enqueue(struct threads *threads, struct job *job)
{
	struct pool *pool = &threads->pool;
	bool queued = true;

	pthread_mutex_lock(&pool->lock);
	if (pool->idle == 0 && pool->worker_count < pool->worker_limit)
		queued = start_worker(pool) == 0 || pool->worker_count > 0;
	if (queued) {
		job->place = JOB_QUEUED;
		append(&pool->queued, job);
		pthread_cond_signal(&pool->queued_or_closing);
	}
	pthread_mutex_unlock(&pool->lock);
	if (!queued)
		end_job(threads, job, call(&job->hop), -1);
}

/* Descriptors that are waited for. All watches are edge-triggered for everything: a job tries its
 * call before it waits and at each edge, so no edge is missed that matters. */

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
	append(&threads->watched[fd], job);
	return 0;
}

static void unwatch(struct threads *threads, struct job *job)
{
	struct job_list *list = &threads->watched[job->hop.fd];

	take_out(list, job);
	if (list->head == NULL)
		(void)epoll_ctl(threads->epoll, EPOLL_CTL_DEL, job->hop.fd, NULL);
}

/* What a try came to. */
enum attempt {
	ATTEMPT_ENDED,   /* the job has its result and is gone */
	ATTEMPT_REFUSED, /* wait for an edge */
	ATTEMPT_FULL,    /* there is more, but no room for results in this turn */
};

static int32_t poll_now(const struct hop *hop)
{
	struct pollfd one = {.fd = hop->fd, .events = (short)hop->op_flags};
	int ret = poll(&one, 1, 0);

	if (ret < 0)
		return -errno;
	if (ret > 0 && one.revents & POLLNVAL)
		return -EBADF;
	return ret == 0 ? -EAGAIN : one.revents;
}

static int32_t accept_now(const struct hop *hop)
{
	const struct hop readable = {.fd = hop->fd, .op_flags = POLLIN};
	int32_t ret = poll_now(&readable); /* the listening socket may be a blocking one */

	if (ret < 0)
		return ret;
	return outcome(
		accept4(hop->fd, NULL, NULL, (int)hop->op_flags & (SOCK_NONBLOCK | SOCK_CLOEXEC)));
}

static int32_t recv_now(struct threads *threads, struct ring *ring, const struct hop *hop,
			int32_t *buffer)
{
	void *data = (void *)(uintptr_t)hop->addr;
	size_t length = hop->len;
	int32_t ret;

	if (hop->buffer_select) {
		if (threads->buffer_count == 0)
			return -ENOBUFS;
		*buffer = (int32_t)threads->buffers[threads->buffer_count - 1];
		data = ring->receive.base + (size_t)*buffer * ring->receive.size;
		length = ring->receive.size;
	}
	ret = outcome(recv(hop->fd, data, length, (int)hop->op_flags | MSG_DONTWAIT));
	if (ret > 0 && hop->buffer_select)
		threads->buffer_count--;
	else
		*buffer = -1;
	return ret;
}

/* RWF_NOWAIT on a pipe or socket needs a newer kernel than this backend does; what poll(2) says is
 * there can be read, and PIPE_BUF bytes can be written, without blocking (pipe(7)). */
static int32_t transfer_now(const struct hop *hop)
{
	int status = fcntl(hop->fd, F_GETFL);
	bool nonblocking = status >= 0 && status & O_NONBLOCK;
	int32_t ret = call_transfer(hop, nonblocking ? 0 : RWF_NOWAIT);
	struct hop less = *hop;

	if (nonblocking || ret != -EOPNOTSUPP)
		return ret;
	less.op_flags = hop->opcode == KERNEL_READ ? POLLIN : POLLOUT;
	ret = poll_now(&less);
	if (ret < 0)
		return ret;
	less.op_flags = 0;
	if (hop->opcode == KERNEL_WRITE && less.len > PIPE_BUF)
		less.len = PIPE_BUF;
	return call_transfer(&less, 0);
}

static int32_t try_now(struct threads *threads, struct ring *ring, const struct hop *hop,
		       int32_t *buffer)
{
	const void *data = (const void *)(uintptr_t)hop->addr;

	*buffer = -1;
	switch (hop->opcode) {
	case KERNEL_POLL_ADD:
		return poll_now(hop);
	case KERNEL_ACCEPT:
		return accept_now(hop);
	case KERNEL_RECV:
		return recv_now(threads, ring, hop, buffer);
	case KERNEL_SEND:
		return outcome(send(hop->fd, data, hop->len,
				    ((int)hop->op_flags | MSG_DONTWAIT) & ~MSG_WAITALL));
	case KERNEL_SENDMSG:
		return outcome(
			sendmsg(hop->fd, data, ((int)hop->op_flags | MSG_DONTWAIT) & ~MSG_WAITALL));
	default:
		return transfer_now(hop);
	}
}

static bool is_multishot(const struct hop *hop)
{
	switch (hop->opcode) {
	case KERNEL_POLL_ADD:
		return hop->len & KERNEL_POLL_MULTISHOT;
	case KERNEL_ACCEPT:
		return hop->ioprio & KERNEL_ACCEPT_MULTISHOT;
	case KERNEL_RECV:
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
	case KERNEL_SEND:
	case KERNEL_SENDMSG:
		return hop->op_flags & MSG_DONTWAIT;
	case KERNEL_READ:
	case KERNEL_WRITE:
		return hop->op_flags & RWF_NOWAIT;
	default:
		return false;
	}
}

/* A receive with MSG_WAITALL goes on until it has all, or something else happens. */
static bool wants_rest(struct job *job, int32_t result)
{
	struct hop *hop = &job->hop;

	if (hop->opcode != KERNEL_RECV || !(hop->op_flags & MSG_WAITALL) || hop->buffer_select ||
	    result <= 0 || (uint32_t)result == hop->len)
		return false;
	hop->addr += (uint32_t)result;
	hop->len -= (uint32_t)result;
	job->moved += (uint32_t)result;
	return true;
}

/* A multishot goes on as long as there is something; a poll has one result per edge. */
static enum attempt attempt(struct threads *threads, struct ring *ring, struct job *job)
{
	const struct hop *hop = &job->hop;
	bool multishot = is_multishot(hop);
	int32_t buffer, result;

	for (;;) {
		if (results_are_full(threads))
			return ATTEMPT_FULL;
		result = try_now(threads, ring, hop, &buffer);
		if (result == -EINTR || wants_rest(job, result))
			continue;
		if (result == -EAGAIN && !wants_refusal(hop))
			return ATTEMPT_REFUSED;
		if (!multishot || result < 0 || (result == 0 && hop->opcode == KERNEL_RECV))
			break;
		give_result(threads, job->token, result, true, buffer);
		if (hop->opcode == KERNEL_POLL_ADD)
			return ATTEMPT_REFUSED;
	}
	if (job->moved > 0)
		result = (int32_t)job->moved + (result > 0 ? result : 0);
	end_job(threads, job, result, buffer);
	return ATTEMPT_ENDED;
}

/* Starting what was pushed. */

/* Jobs that may wait for ever are watched, not put to the workers, which they would block. */
static bool can_be_watched(const struct hop *hop)
{
	struct stat status;

	switch (hop->opcode) {
	case KERNEL_POLL_ADD:
	case KERNEL_ACCEPT:
	case KERNEL_RECV:
	case KERNEL_SEND:
	case KERNEL_SENDMSG:
		return true;
	case KERNEL_READ:
	case KERNEL_WRITE:
		return fstat(hop->fd, &status) == 0 &&
		       (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
	default:
		return false;
	}
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_until(struct threads *threads, struct job *job, uint64_t end_ns)
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

static void start_timeout(struct threads *threads, struct job *job)
{
	const struct kernel_timespec *span =
		(const struct kernel_timespec *)(uintptr_t)job->hop.addr;
	uint64_t end_ns;

	if (__builtin_mul_overflow((uint64_t)span->seconds, UINT64_C(1000000000), &end_ns) ||
	    __builtin_add_overflow(end_ns, (uint64_t)span->nanoseconds + now_ns(), &end_ns))
		end_ns = UINT64_MAX;
	sleep_until(threads, job, end_ns);
}

/* Timeouts end; an open that had no reader is tried again. */
static void end_timeouts(struct threads *threads)
{
	uint64_t now = threads->timed.head == NULL ? 0 : now_ns();

	while (threads->timed.head != NULL && threads->timed.head->end_ns <= now) {
		struct job *job = take_first(&threads->timed);

		if (job->hop.opcode == KERNEL_TIMEOUT)
			end_job(threads, job, -ETIME, -1);
		else
			enqueue(threads, job);
	}
}

/* How long an open waits for a reader of its FIFO before it looks again. */
#define READER_PAUSE_NS UINT64_C(10000000)

static void take_ended(struct threads *threads)
{
	struct pool *pool = &threads->pool;
	struct job_list ended;
	struct job *job;
	uint64_t count;

	if (read(pool->wake, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&pool->lock);
	ended = pool->ended;
	pool->ended.head = NULL;
	pthread_mutex_unlock(&pool->lock);
	while ((job = take_first(&ended)) != NULL) {
		if (!lacks_reader(job))
			end_job(threads, job, job->result, -1);
		else if (job->cancelled)
			end_job(threads, job, -ECANCELED, -1);
		else
			sleep_until(threads, job, now_ns() + READER_PAUSE_NS);
	}
}

static void cancel(struct threads *threads, uint64_t token)
{
	struct pool *pool = &threads->pool;
	struct job *job = NULL;

	pthread_mutex_lock(&pool->lock);
	for (uint32_t i = 0; i < threads->job_count && job == NULL; i++)
		if (threads->jobs[i].place != JOB_FREE && threads->jobs[i].token == token)
			job = &threads->jobs[i];
	if (job != NULL && job->place == JOB_QUEUED)
		take_out(&pool->queued, job);
	else if (job != NULL && (job->place == JOB_RUNNING || job->place == JOB_DONE)) {
		job->cancelled = true;
		job = NULL;
	}
	pthread_mutex_unlock(&pool->lock);
	if (job == NULL)
		return;
	if (job->place == JOB_WATCHED)
		unwatch(threads, job);
	else if (job->place == JOB_TIMED)
		take_out(&threads->timed, job);
	else if (job->place == JOB_PUSHED)
		take_out(&threads->pushed, job);
	end_job(threads, job, -ECANCELED, -1);
}

static void start_watched(struct threads *threads, struct ring *ring, struct job *job)
{
	enum attempt came = attempt(threads, ring, job);
	int ret;

	if (came == ATTEMPT_ENDED)
		return;
	if (came == ATTEMPT_FULL) {
		job->place = JOB_PUSHED;
		append(&threads->pushed, job);
		return;
	}
	ret = watch(threads, job);
	if (ret != 0)
		end_job(threads, job, ret, -1);
}

static void start_pipe(struct threads *threads, struct job *job)
{
	int ends[2];
	int ret = pipe2(ends, (int)job->hop.op_flags);

	if (ret == 0)
		memcpy((void *)(uintptr_t)job->hop.addr, ends, sizeof(ends));
	end_job(threads, job, outcome(ret), -1);
}

static void start_job(struct threads *threads, struct ring *ring, struct job *job)
{
	switch (job->hop.opcode) {
	case KERNEL_NOP:
		end_job(threads, job, 0, -1);
		return;
	case KERNEL_ASYNC_CANCEL:
		cancel(threads, job->hop.addr);
		end_job(threads, job, 0, -1);
		return;
	case KERNEL_TIMEOUT:
		start_timeout(threads, job);
		return;
	case KERNEL_SHUTDOWN:
		end_job(threads, job, outcome(shutdown(job->hop.fd, (int)job->hop.len)), -1);
		return;
	case KERNEL_PIPE:
		start_pipe(threads, job);
		return;
	}
	if (can_be_watched(&job->hop))
		start_watched(threads, ring, job);
	else
		enqueue(threads, job);
}

static void start_pushed(struct threads *threads, struct ring *ring)
{
	struct job *last = threads->pushed.head == NULL ? NULL : threads->pushed.tail;
	struct job *job = NULL;

	while (job != last && threads->pushed.head != NULL) {
		job = take_first(&threads->pushed);
		count_up(&ring->stats.submitted, 1);
		start_job(threads, ring, job);
	}
}

/* The backend. */

static int threads_push(struct ring *ring, const struct hop *hop, uint64_t user_data)
{
	struct threads *threads = ring->backend_state;
	struct job *job = take_first(&threads->free);

	if (job == NULL)
		return -EBUSY;
	job->hop = *hop;
	job->moved = 0;
	job->cancelled = false;
	job->token = user_data;
	job->place = JOB_PUSHED;
	append(&threads->pushed, job);
	return 0;
}

/* An edge of fd: everyone who waits for it tries again, in the order they came. */
static void try_watched(struct threads *threads, struct ring *ring, int fd)
{
	struct job_list waiting = threads->watched[fd];
	struct job *job;

	threads->watched[fd].head = NULL;
	while ((job = take_first(&waiting)) != NULL) {
		switch (attempt(threads, ring, job)) {
		case ATTEMPT_ENDED:
			break;
		case ATTEMPT_REFUSED:
			append(&threads->watched[fd], job);
			break;
		case ATTEMPT_FULL:
			job->place = JOB_PUSHED;
			append(&threads->pushed, job);
		}
	}
	if (threads->watched[fd].head == NULL)
		(void)epoll_ctl(threads->epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* The longest sleep; who wakes early sleeps again. */
#define SLEEP_MAX_NS UINT64_C(3600000000000)

static int sleep_ms(const struct threads *threads, uint64_t end_ns)
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

static int wait_for_events(struct threads *threads, struct ring *ring, int timeout_ms)
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
			try_watched(threads, ring, fd);
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

	start_pushed(threads, ring);
	do {
		sleep = threads->result_count < wait_count && threads->pushed.head == NULL;
		ret = wait_for_events(threads, ring, sleep ? sleep_ms(threads, end_ns) : 0);
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
	(void)ring, (void)opcode;
	return true;
}

static int threads_register_buffers(struct ring *ring, uint32_t count, uint32_t size)
{
	struct threads *threads = ring->backend_state;

	(void)size;
	threads->buffers = calloc(count, sizeof(*threads->buffers));
	return threads->buffers == NULL ? -ENOMEM : 0;
}

static void threads_provide_buffer(struct ring *ring, uint32_t id)
{
	struct threads *threads = ring->backend_state;

	threads->buffers[threads->buffer_count++] = id;
}

static void threads_close(struct ring *ring)
{
	struct threads *threads = ring->backend_state;
	struct pool *pool = &threads->pool;

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
	if (threads->epoll >= 0)
		close(threads->epoll);
	free(pool->workers);
	free(threads->jobs);
	free(threads->watched);
	free(threads->results);
	free(threads->buffers);
	free(threads);
	ring->backend_state = NULL;
}

static int open_descriptors(struct threads *threads)
{
	struct epoll_event event = {.events = EPOLLIN};

	threads->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (threads->epoll < 0)
		return -errno;
	threads->pool.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (threads->pool.wake < 0)
		return -errno;
	event.data.u64 = (uint64_t)threads->pool.wake;
	return epoll_ctl(threads->epoll, EPOLL_CTL_ADD, threads->pool.wake, &event) == 0 ? 0
											 : -errno;
}

static int threads_open(struct ring *ring, const struct ringo_options *options, bool shared)
{
	struct threads *threads = calloc(1, sizeof(*threads));
	struct pool *pool;

	(void)shared;
	if (threads == NULL)
		return -ENOMEM;
	ring->backend_state = threads;
	ring->bounded_limit = UINT32_MAX;
	pool = &threads->pool;
	pool->wake = threads->epoll = -1;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->queued_or_closing, NULL);
	pool->worker_limit = options->bounded_workers + options->unbounded_workers;
	pool->workers = calloc(pool->worker_limit, sizeof(*pool->workers));
	/* A hop for each slot, the doorbell, and as many cancels as a turn may push. */
	threads->job_count = ring->slot_count + 64;
	threads->jobs = calloc(threads->job_count, sizeof(*threads->jobs));
	/* Each job that ends gives one result; multishots stop at REAP_LIMIT. */
	threads->result_capacity = threads->job_count + REAP_LIMIT + 64;
	threads->results = calloc(threads->result_capacity, sizeof(*threads->results));
	if (pool->workers == NULL || threads->jobs == NULL || threads->results == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < threads->job_count; i++)
		append(&threads->free, &threads->jobs[i]);
	return open_descriptors(threads);
}

const struct backend backend_threads = {
	.name = "threads",
	.open = threads_open,
	.close = threads_close,
	.push = threads_push,
	.turn = threads_turn,
	.reap = threads_reap,
	.supports = threads_supports,
	.register_buffers = threads_register_buffers,
	.provide_buffer = threads_provide_buffer,
};
