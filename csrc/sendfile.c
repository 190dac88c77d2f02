//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * SENDFILE: file -> socket, any length from any offset, after an optional header.
 *
 *   SYSCALL  nonblocking sendfile(2) on the loop's thread
 *   SPLICE   file -> pipe -> socket, both hops on the ring
 *   COPY     ring reads into a buffer, sends from it
 *   ZEROCOPY the same, but the kernel sends the buffer's pages and does not copy them
 *   AUTO     SYSCALL for chunks whose two ends are in the page cache, SPLICE for those that are
 *            not: io-wq takes the wait for the disk, and readahead has brought the next meanwhile
 *
 * One hop is in flight at a time and hops are never linked: a short splice would break the link.
 * A pipe is drained before it is filled again, so only the socket's side can be refused; the
 * socket is nonblocking, so a slow reader costs a poll and never an io-wq worker. An op that has
 * sent its budget yields until the next turn, so that a fast reader does not hold the loop; and all
 * of a turn together have some of these budgets, so that many fast readers do not.
 *
 * sendfile(2) blocks on pages that are not there whatever O_NONBLOCK says, and readahead brings a
 * chunk's pages in order: reading one byte at both ends with RWF_NOWAIT tells, and does not wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"

enum sendfile_phase {
	SENDING_HEADER,
	CALLING, /* sendfile(2) on this thread; a hop of it is a poll for room in the socket */
	OPENING_PIPE,
	FILLING,   /* file -> pipe, or file -> buffer */
	DRAINING,  /* pipe -> socket, or buffer -> socket */
	NOTIFYING, /* ZEROCOPY: sent, and the buffer is still the kernel's */
};

/* COPY's and ZEROCOPY's buffer. */
#define CHUNK_SIZE (64u << 10)
/* What a pipe holds, and a large one: what a transfer sends in a turn goes through that in two
 * hops, each of which waits for a worker. A user's pipes have an allowance, beyond which new ones
 * are tiny, so only some are large. */
#define PIPE_SIZE (64u << 10)
#define LARGE_PIPE_SIZE (256u << 10)
#define LARGE_PIPES_MAX 16
#define IDLE_TRANSFERS_MAX 32

/* Owned by a slot while it runs; kept for the next one afterwards. It has a pipe or a buffer, never
 * both: idle pipes are at hand for every splice, even when they hold the last descriptors. */
struct transfer {
	struct transfer *next;
	int32_t pipe[2];       /* -1 until opened */
	bool large;            /* the pipe */
	unsigned char *buffer; /* NULL but for COPY and ZEROCOPY */
	uint32_t filled;       /* bytes in the pipe or buffer that the socket has not taken */
	uint32_t drained;      /* of the buffer */
	int32_t sent;          /* while NOTIFYING: what the send had as its result */
};

/* Transfers. */

static struct transfer *transfer_take(struct transfer_list *idle)
{
	struct transfer *transfer = idle->head;

	if (transfer != NULL) {
		idle->head = transfer->next;
		idle->count--;
		return transfer;
	}
	transfer = calloc(1, sizeof(*transfer));
	if (transfer != NULL)
		transfer->pipe[0] = transfer->pipe[1] = -1;
	return transfer;
}

static void transfer_free(struct ring *ring, struct transfer *transfer)
{
	if (transfer->large)
		ring->large_pipes--;
	if (transfer->pipe[0] >= 0) {
		close(transfer->pipe[0]);
		close(transfer->pipe[1]);
	}
	memory_unmap(transfer->buffer, CHUNK_SIZE);
	free(transfer);
}

/* A pipe with bytes left in it would give them to the next socket. */
static bool transfer_is_reusable(const struct transfer *transfer)
{
	return transfer->buffer != NULL || (transfer->pipe[0] >= 0 && transfer->filled == 0);
}

static void transfer_release(struct ring *ring, struct slot *slot)
{
	struct transfer *transfer = slot->transfer;
	struct transfer_list *idle;

	slot->transfer = NULL;
	if (transfer == NULL)
		return;
	idle = transfer->buffer != NULL ? &ring->idle_buffers : &ring->idle_pipes;
	if (!transfer_is_reusable(transfer) || idle->count >= IDLE_TRANSFERS_MAX) {
		transfer_free(ring, transfer);
		return;
	}
	transfer->filled = transfer->drained = 0;
	transfer->next = idle->head;
	idle->head = transfer;
	idle->count++;
}

void transfers_close(struct ring *ring)
{
	while (ring->idle_pipes.head != NULL)
		transfer_free(ring, transfer_take(&ring->idle_pipes));
	while (ring->idle_buffers.head != NULL)
		transfer_free(ring, transfer_take(&ring->idle_buffers));
}

/* Steps. */

static uint32_t strategy_of(const struct slot *slot)
{
	return slot->op.argument & RINGO_SENDFILE_MASK;
}

/* Through a buffer, not through a pipe. */
static bool is_buffered(const struct slot *slot)
{
	return strategy_of(slot) == RINGO_SENDFILE_COPY ||
	       strategy_of(slot) == RINGO_SENDFILE_ZEROCOPY;
}

static uint64_t left_of(const struct slot *slot)
{
	return slot->op.length - (uint64_t)slot->done;
}

static bool more_follows(const struct slot *slot, uint64_t chunk)
{
	return slot->op.argument & RINGO_SENDFILE_MORE || left_of(slot) > chunk;
}

static enum step finish(struct ring *ring, struct slot *slot, int32_t error)
{
	transfer_release(ring, slot);
	return step_done_after(slot, error);
}

static enum step submit_fill(struct ring *ring, struct slot *slot)
{
	struct transfer *transfer = slot->transfer;
	uint32_t room = is_buffered(slot) ? CHUNK_SIZE
			: transfer->large ? LARGE_PIPE_SIZE
					  : PIPE_SIZE;
	uint32_t most = ring->turn_budget < room ? ring->turn_budget : room;
	uint64_t where = (uint64_t)(slot->op.offset + slot->done);
	uint64_t left = strategy_of(slot) == RINGO_SENDFILE_AUTO
				? (uint64_t)slot->asked_until - where
				: left_of(slot);
	uint32_t chunk = left < most ? (uint32_t)left : most;

	slot->phase = FILLING;
	if (is_buffered(slot))
		slot->hop = (struct hop){.opcode = KERNEL_READ,
					 .fd = slot->op.fd,
					 .addr = (uintptr_t)transfer->buffer,
					 .off = where,
					 .len = chunk};
	else
		slot->hop = (struct hop){.opcode = KERNEL_SPLICE,
					 .fd = transfer->pipe[1],
					 .off = UINT64_MAX,
					 .splice_fd_in = slot->op.fd,
					 .addr = where,
					 .len = chunk,
					 .op_flags = SPLICE_F_MOVE};
	return STEP_SUBMIT;
}

static enum step submit_drain(struct slot *slot)
{
	struct transfer *transfer = slot->transfer;
	/* What is held back for more is not notified of, and ZEROCOPY waits for that. */
	bool more = strategy_of(slot) != RINGO_SENDFILE_ZEROCOPY &&
		    more_follows(slot, transfer->filled);

	slot->phase = DRAINING;
	if (is_buffered(slot))
		slot->hop = (struct hop){
			.opcode = strategy_of(slot) == RINGO_SENDFILE_COPY ? KERNEL_SEND
									   : KERNEL_SEND_ZC,
			.fd = slot->op.fd2,
			.addr = (uintptr_t)transfer->buffer + transfer->drained,
			.len = transfer->filled,
			.op_flags = MSG_NOSIGNAL | (more ? (uint32_t)MSG_MORE : 0)};
	else
		slot->hop = (struct hop){.opcode = KERNEL_SPLICE,
					 .fd = slot->op.fd2,
					 .off = UINT64_MAX,
					 .splice_fd_in = transfer->pipe[0],
					 .addr = UINT64_MAX,
					 .len = transfer->filled,
					 .op_flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK |
						     (more ? SPLICE_F_MORE : 0)};
	return STEP_SUBMIT;
}

/* SPLICE promises the ring, which cannot make a pipe larger. */
static enum step take_pipe(struct ring *ring, struct slot *slot)
{
	struct transfer *transfer = slot->transfer;

	transfer->pipe[0] = slot->memory.pipe[0];
	transfer->pipe[1] = slot->memory.pipe[1];
	if (strategy_of(slot) == RINGO_SENDFILE_AUTO && ring->large_pipes < LARGE_PIPES_MAX &&
	    fcntl(transfer->pipe[0], F_SETPIPE_SZ, LARGE_PIPE_SIZE) >= 0) {
		transfer->large = true;
		ring->large_pipes++;
	}
	return submit_fill(ring, slot);
}

static enum step open_pipe(struct ring *ring, struct slot *slot)
{
	slot->phase = OPENING_PIPE;
	if (!ring_supports(ring, KERNEL_PIPE)) {
		if (pipe2(slot->memory.pipe, O_CLOEXEC | O_NONBLOCK) != 0)
			return finish(ring, slot, -errno);
		return take_pipe(ring, slot);
	}
	slot->hop = (struct hop){.opcode = KERNEL_PIPE,
				 .addr = (uintptr_t)slot->memory.pipe,
				 .op_flags = O_CLOEXEC | O_NONBLOCK};
	return STEP_SUBMIT;
}

/* The strategies that move the file through something of ours. */
static enum step start_through(struct ring *ring, struct slot *slot)
{
	bool buffered = is_buffered(slot);
	struct transfer *transfer =
		transfer_take(buffered ? &ring->idle_buffers : &ring->idle_pipes);

	if (transfer == NULL)
		return finish(ring, slot, -ENOMEM);
	slot->transfer = transfer;
	if (!buffered)
		return transfer->pipe[0] < 0 ? open_pipe(ring, slot) : submit_fill(ring, slot);
	if (transfer->buffer == NULL)
		transfer->buffer = memory_map(CHUNK_SIZE);
	if (transfer->buffer == NULL)
		return finish(ring, slot, -ENOMEM);
	return submit_fill(ring, slot);
}

/* Asked once for each chunk, not for each part of it that the socket takes. A page that is not
 * there is asked for by the question: were that the first one, readahead would begin as for a
 * reader of single pages, with a window of four. */
static bool is_cached(struct slot *slot, uint64_t chunk)
{
	off_t first = slot->op.offset + slot->done, last = first + (off_t)chunk - 1;
	char byte;
	struct iovec one = {.iov_base = &byte, .iov_len = 1};

	slot->asked_until = last + 1;
	return preadv2(slot->op.fd, &one, 1, last, RWF_NOWAIT) == 1 &&
	       preadv2(slot->op.fd, &one, 1, first, RWF_NOWAIT) == 1;
}

static enum step wait_for_room(struct slot *slot)
{
	slot->hop =
		(struct hop){.opcode = KERNEL_POLL_ADD, .fd = slot->op.fd2, .op_flags = POLLOUT};
	return STEP_SUBMIT;
}

/* From now on by another strategy. */
static void set_strategy(struct slot *slot, uint32_t strategy)
{
	slot->op.argument = (slot->op.argument & ~(uint32_t)RINGO_SENDFILE_MASK) | strategy;
}

/* How long sendfile(2) is called in one turn. 4 MiB take less, but 6 ms where memory is slow. */
enum { TURN_CALLS_NS = 1000000 };

static bool may_call(struct ring *ring)
{
	if (ring->left_in_turn <= 0)
		return false;
	if (ring->calls_until_ns == 0)
		ring->calls_until_ns = now_ns() + TURN_CALLS_NS;
	return true;
}

static void called(struct ring *ring, ssize_t sent)
{
	ring->left_in_turn = now_ns() < ring->calls_until_ns ? ring->left_in_turn - sent : 0;
}

static enum step call_sendfile(struct ring *ring, struct slot *slot)
{
	uint64_t chunk = left_of(slot) < ring->turn_budget ? left_of(slot) : ring->turn_budget;
	off_t where = slot->op.offset + slot->done;
	ssize_t sent;

	slot->phase = CALLING;
	if (!may_call(ring))
		return STEP_YIELD;
	if (strategy_of(slot) == RINGO_SENDFILE_AUTO) {
		if (where >= slot->asked_until && !is_cached(slot, chunk)) {
			count_up(&ring->stats.sendfile_misses, 1);
			return start_through(ring, slot);
		}
		if (chunk > (uint64_t)(slot->asked_until - where))
			chunk = (uint64_t)(slot->asked_until - where);
	}
	do
		sent = sendfile(slot->op.fd2, slot->op.fd, &where, chunk);
	while (sent < 0 && errno == EINTR);
	count_up(&ring->stats.sendfile_calls, 1);
	if (sent < 0)
		return errno == EAGAIN ? wait_for_room(slot) : finish(ring, slot, -errno);
	slot->done += sent;
	called(ring, sent);
	if (sent == 0 || left_of(slot) == 0)
		return finish(ring, slot, 0);
	return (uint64_t)sent < chunk ? wait_for_room(slot) : STEP_YIELD;
}

static enum step start_body(struct ring *ring, struct slot *slot)
{
	uint32_t strategy = strategy_of(slot);

	if (left_of(slot) == 0)
		return finish(ring, slot, 0);
	if (strategy != RINGO_SENDFILE_AUTO && strategy != RINGO_SENDFILE_SYSCALL)
		return start_through(ring, slot);
	/* Unlike the ring, sendfile(2) to a peer that is gone raises SIGPIPE. */
	if (ring->sigpipe_harmless)
		return call_sendfile(ring, slot);
	set_strategy(slot, RINGO_SENDFILE_SPLICE);
	return start_through(ring, slot);
}

/* Headers are small: nearly always the socket takes one at once, and the call that does it here
 * saves a turn. With the strategies that promise the ring it goes by the ring. */
static enum step send_header(struct ring *ring, struct slot *slot)
{
	const void *rest = (const char *)(uintptr_t)slot->op.address + slot->header_sent;
	uint32_t left = (uint32_t)slot->op.argument2 - slot->header_sent;
	int flags = MSG_NOSIGNAL | (more_follows(slot, 0) ? MSG_MORE : 0);
	ssize_t sent;

	slot->phase = SENDING_HEADER;
	slot->hop = (struct hop){.opcode = KERNEL_SEND,
				 .fd = slot->op.fd2,
				 .addr = (uintptr_t)rest,
				 .len = left,
				 .op_flags = (uint32_t)flags | MSG_WAITALL};
	if (strategy_of(slot) != RINGO_SENDFILE_AUTO && strategy_of(slot) != RINGO_SENDFILE_SYSCALL)
		return STEP_SUBMIT;
	sent = send(slot->op.fd2, rest, left, flags | MSG_DONTWAIT);
	if (sent < 0)
		return errno == EAGAIN || errno == EINTR ? STEP_SUBMIT : finish(ring, slot, -errno);
	slot->header_sent += (uint32_t)sent;
	if (slot->header_sent == slot->op.argument2)
		return start_body(ring, slot);
	slot->hop.addr += (uint64_t)sent;
	slot->hop.len -= (uint32_t)sent;
	return STEP_SUBMIT;
}

/* A blocking socket would let its reader hold a worker, or this thread. 0 or -errno. */
static int check_nonblocking(const struct ringo_op *op)
{
	int status;

	if (op->flags & RINGO_FD2_NONBLOCK)
		return 0;
	status = fcntl(op->fd2, F_GETFL);
	if (status < 0)
		return -errno;
	return status & O_NONBLOCK ? 0 : -EINVAL;
}

enum step sendfile_start(struct ring *ring, struct slot *slot)
{
	const struct ringo_op *op = &slot->op;
	int ret = check_nonblocking(op);

	slot->transfer = NULL;
	slot->header_sent = 0;
	slot->asked_until = 0;
	if (ret != 0)
		return step_done(slot, ret);
	if (op->offset < 0 || op->length > INT64_MAX ||
	    op->length > (uint64_t)(INT64_MAX - op->offset) || op->argument2 > INT32_MAX ||
	    strategy_of(slot) > RINGO_SENDFILE_ZEROCOPY)
		return step_done(slot, -EINVAL);
	if (strategy_of(slot) == RINGO_SENDFILE_ZEROCOPY && !ring_supports(ring, KERNEL_SEND_ZC))
		return step_done(slot, -EOPNOTSUPP);
	return op->argument2 > 0 ? send_header(ring, slot) : start_body(ring, slot);
}

static enum step advance_header(struct ring *ring, struct slot *slot, int32_t result)
{
	if (result < 0)
		return finish(ring, slot, result);
	slot->header_sent += (uint32_t)result;
	if (slot->cancelled) /* neither may call the kernel any more */
		return finish(ring, slot, -ECANCELED);
	if (slot->header_sent < slot->op.argument2)
		return send_header(ring, slot);
	return start_body(ring, slot);
}

static enum step advance_drain(struct ring *ring, struct slot *slot, uint32_t sent)
{
	struct transfer *transfer = slot->transfer;

	slot->done += sent;
	transfer->filled -= sent;
	transfer->drained += sent;
	if (transfer->filled > 0)
		return submit_drain(slot);
	transfer->drained = 0;
	if (left_of(slot) == 0)
		return finish(ring, slot, 0);
	if (strategy_of(slot) != RINGO_SENDFILE_AUTO ||
	    slot->op.offset + slot->done < slot->asked_until)
		return submit_fill(ring, slot);
	transfer_release(ring, slot);
	return slot->cancelled ? finish(ring, slot, -ECANCELED) : call_sendfile(ring, slot);
}

/* The buffer is ours again. What the socket refused is tried again; one that cannot send without a
 * copy (of AF_UNIX) is sent copies from now on. */
static enum step advance_notified(struct ring *ring, struct slot *slot, int32_t result)
{
	slot->phase = DRAINING;
	if (result >= 0)
		return advance_drain(ring, slot, (uint32_t)result);
	if (slot->cancelled)
		return finish(ring, slot, -ECANCELED);
	switch (result) {
	case -EAGAIN:
		slot->polling = true;
		return STEP_SUBMIT;
	case -EINTR:
		return STEP_SUBMIT;
	case -EOPNOTSUPP:
		slot->op.argument =
			(slot->op.argument & ~(uint32_t)RINGO_SENDFILE_MASK) | RINGO_SENDFILE_COPY;
		return submit_drain(slot);
	default:
		return finish(ring, slot, result);
	}
}

enum step sendfile_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
			   int32_t buffer)
{
	(void)buffer;
	if (more) { /* the first of SEND_ZC's two results */
		slot->phase = NOTIFYING;
		slot->transfer->sent = result;
		return STEP_DONE;
	}
	if (slot->phase == NOTIFYING)
		return advance_notified(ring, slot, slot->transfer->sent);
	if (result == -EOPNOTSUPP && slot->hop.opcode == KERNEL_SEND_ZC)
		return advance_notified(ring, slot, result);
	if (result >= 0 && slot->phase == SENDING_HEADER)
		return advance_header(ring, slot, result);
	if (result < 0)
		return finish(ring, slot, result);
	switch ((enum sendfile_phase)slot->phase) {
	case CALLING:
		return slot->cancelled ? finish(ring, slot, -ECANCELED) : call_sendfile(ring, slot);
	case OPENING_PIPE:
		return take_pipe(ring, slot);
	case FILLING:
		if (result == 0) /* the file is shorter than it was */
			return finish(ring, slot, 0);
		slot->transfer->filled = (uint32_t)result;
		return submit_drain(slot);
	default:
		return advance_drain(ring, slot, (uint32_t)result);
	}
}
