//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * Ops on files and pipes: one hop, or the same hop again for the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "ops.h"

enum step fsync_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop = (struct hop){.opcode = KERNEL_FSYNC,
				 .fd = slot->op.fd,
				 .op_flags = slot->op.argument ? KERNEL_FSYNC_DATASYNC : 0};
	return STEP_SUBMIT;
}

enum step statx_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop = (struct hop){.opcode = KERNEL_STATX,
				 .fd = slot->op.fd,
				 .addr = slot->op.address,
				 .off = slot->op.address2,
				 .len = (uint32_t)slot->op.argument2,
				 .op_flags = slot->op.argument};
	return STEP_SUBMIT;
}

enum step close_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->cleaning = true; /* a close that is cancelled is a descriptor lost */
	slot->hop = (struct hop){.opcode = KERNEL_CLOSE, .fd = slot->op.fd};
	if (slot->op.flags & RINGO_FIXED_FILE) {
		if (slot->op.fd < 0 || slot->op.fd == INT32_MAX)
			return step_done(slot, -EBADF);
		slot->sqe_flags &= (uint8_t)~KERNEL_SQE_FIXED_FILE;
		slot->hop.fd = 0;
		slot->hop.splice_fd_in = slot->op.fd + 1;
	}
	return STEP_SUBMIT;
}

enum step renameat_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop = (struct hop){.opcode = KERNEL_RENAMEAT,
				 .fd = slot->op.fd,
				 .addr = slot->op.address,
				 .off = slot->op.address2,
				 .len = (uint32_t)slot->op.fd2,
				 .op_flags = slot->op.argument};
	return STEP_SUBMIT;
}

enum step unlinkat_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop = (struct hop){.opcode = KERNEL_UNLINKAT,
				 .fd = slot->op.fd,
				 .addr = slot->op.address,
				 .op_flags = slot->op.argument};
	return STEP_SUBMIT;
}

enum step splice_start(struct ring *ring, struct slot *slot)
{
	const struct ringo_op *op = &slot->op;

	(void)ring;
	slot->hop = (struct hop){.opcode = KERNEL_SPLICE,
				 .fd = op->fd2,
				 .splice_fd_in = op->fd,
				 .addr = (uint64_t)op->offset,
				 .off = op->argument2,
				 .len = hop_length(op->length),
				 .op_flags = op->argument};
	return STEP_SUBMIT;
}

static bool range_is_valid(const struct ringo_op *op)
{
	return op->offset >= 0 && op->length <= (uint64_t)(INT64_MAX - op->offset);
}

enum step fallocate_start(struct ring *ring, struct slot *slot)
{
	const struct ringo_op *op = &slot->op;

	(void)ring;
	if (!range_is_valid(op))
		return step_done(slot, -EINVAL);
	slot->hop = (struct hop){.opcode = KERNEL_FALLOCATE,
				 .fd = op->fd,
				 .off = (uint64_t)op->offset,
				 .addr = op->length,
				 .len = op->argument};
	return STEP_SUBMIT;
}

/* The length has 64 bits, in `addr`, only since Linux 6.10 (io_fadvise_prep, io_uring/advise.c);
 * what does not fit before means the rest of the file, which is 0. */
enum step fadvise_start(struct ring *ring, struct slot *slot)
{
	const struct ringo_op *op = &slot->op;

	(void)ring;
	if (!range_is_valid(op))
		return step_done(slot, -EINVAL);
	slot->hop = (struct hop){.opcode = KERNEL_FADVISE,
				 .fd = op->fd,
				 .off = (uint64_t)op->offset,
				 .len = op->length <= UINT32_MAX ? (uint32_t)op->length : 0,
				 .op_flags = op->argument};
	return STEP_SUBMIT;
}

enum step ftruncate_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	if (slot->op.length > INT64_MAX)
		return step_done(slot, -EINVAL);
	slot->hop =
		(struct hop){.opcode = KERNEL_FTRUNCATE, .fd = slot->op.fd, .off = slot->op.length};
	return STEP_SUBMIT;
}

/* OPENAT2: a lookup contained by RESOLVE_BENEATH or IN_ROOT is refused with EAGAIN when a rename
 * or mount raced it (openat2(2)); such a race may be lost a bounded number of times. With
 * RESOLVE_CACHED EAGAIN is the caller's answer. */
enum { OPEN_ATTEMPTS_MAX = 32, RESOLVE_CACHED_FLAG = 0x20 };

enum step openat2_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->memory.how = (struct kernel_open_how){
		.flags = slot->op.argument, .mode = slot->op.argument2, .resolve = slot->op.length};
	slot->hop = (struct hop){.opcode = KERNEL_OPENAT2,
				 .fd = slot->op.fd,
				 .addr = slot->op.address,
				 .len = sizeof(slot->memory.how),
				 .off = (uintptr_t)&slot->memory.how};
	if (slot->op.flags & RINGO_DIRECT)
		slot->memory.how.flags &= ~(uint64_t)O_CLOEXEC; /* the kernel would refuse it */
	return hop_set_direct(slot) == 0 ? STEP_SUBMIT : step_done(slot, -EINVAL);
}

enum step openat2_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
			  int32_t buffer)
{
	(void)ring, (void)more, (void)buffer;
	if (result == -EAGAIN && !(slot->op.length & RESOLVE_CACHED_FLAG) &&
	    slot->attempts++ < OPEN_ATTEMPTS_MAX)
		return STEP_SUBMIT;
	return direct_advance(ring, slot, result, more, buffer);
}

/* READ, WRITE, SEND: the same hop again for the rest. */

void hop_transfer(struct slot *slot, uint8_t opcode, int32_t fd, uint64_t base, int64_t offset)
{
	slot->hop = (struct hop){.opcode = opcode,
				 .fd = fd,
				 .addr = base + (uint64_t)slot->done,
				 .len = hop_length(slot->op.length - (uint64_t)slot->done),
				 .off = offset < 0 ? UINT64_MAX : (uint64_t)(offset + slot->done)};
}

static enum step submit_transfer(struct slot *slot)
{
	const struct ringo_op *op = &slot->op;
	uint8_t opcode = op_rows[op->code].opcode;

	hop_transfer(slot, opcode, op->fd, op->address, op->offset);
	slot->hop.op_flags = op->argument;
	if (op->code == RINGO_SEND) {
		slot->hop.off = 0; /* it would be the address to send to */
		slot->hop.op_flags |= MSG_NOSIGNAL | MSG_WAITALL;
		if (op->flags & RINGO_POLL_FIRST)
			slot->hop.ioprio = KERNEL_POLL_FIRST;
	}
	if (hop_set_buffer(slot, opcode == KERNEL_READ ? KERNEL_READ_FIXED : KERNEL_WRITE_FIXED) !=
	    0)
		return step_done(slot, -EINVAL);
	return STEP_SUBMIT;
}

enum step transfer_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	if (slot->op.code == RINGO_SEND)
		slot->op.offset = -1;
	if (slot->op.offset < -1 || slot->op.length > INT64_MAX ||
	    (slot->op.offset > 0 && slot->op.length > (uint64_t)(INT64_MAX - slot->op.offset)))
		return step_done(slot, -EINVAL);
	return submit_transfer(slot);
}

/* A read at an offset ends at the end of the file (0), one from a stream with its first bytes. */
static bool transfer_is_complete(const struct slot *slot, int32_t result)
{
	if (result == 0 || (uint64_t)slot->done == slot->op.length)
		return true;
	return slot->op.code == RINGO_READ && slot->op.offset < 0;
}

enum step transfer_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
			   int32_t buffer)
{
	(void)ring, (void)more, (void)buffer;
	if (result < 0)
		return step_done_after(slot, result);
	slot->done += result;
	if (transfer_is_complete(slot, result))
		return step_done_after(slot, 0);
	return submit_transfer(slot);
}

/* READV, WRITEV: as READ and WRITE; the array is advanced past what was moved. */

bool iovec_advance(struct iovec **vector, size_t *count, size_t moved)
{
	while (*count > 0 && moved >= (*vector)->iov_len) {
		moved -= (*vector)->iov_len;
		++*vector;
		--*count;
	}
	if (*count == 0)
		return false;
	(*vector)->iov_base = (char *)(*vector)->iov_base + moved;
	(*vector)->iov_len -= moved;
	return true;
}

static enum step submit_vector(struct slot *slot)
{
	const struct ringo_op *op = &slot->op;

	slot->hop = (struct hop){.opcode = op_rows[op->code].opcode,
				 .fd = op->fd,
				 .addr = op->address,
				 .len = (uint32_t)op->length,
				 .off = op->offset < 0 ? UINT64_MAX
						       : (uint64_t)(op->offset + slot->done),
				 .op_flags = op->argument};
	return STEP_SUBMIT;
}

enum step vector_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	if (slot->op.offset < -1 || slot->op.length > IOV_MAX)
		return step_done(slot, -EINVAL);
	return submit_vector(slot);
}

enum step vector_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
			 int32_t buffer)
{
	struct iovec *vector = (struct iovec *)(uintptr_t)slot->op.address;
	size_t count = (size_t)slot->op.length;

	(void)ring, (void)more, (void)buffer;
	if (result < 0)
		return step_done_after(slot, result);
	slot->done += result;
	if (result == 0 || !iovec_advance(&vector, &count, (size_t)result) ||
	    (slot->op.code == RINGO_READV && slot->op.offset < 0))
		return step_done_after(slot, 0);
	slot->op.address = (uintptr_t)vector;
	slot->op.length = count;
	return submit_vector(slot);
}

/* PIPE: on kernels without the op pipe2(2) does it at once: it never blocks. */

static int64_t pipe_result(const int32_t ends[2])
{
	return (int64_t)ends[0] | (int64_t)ends[1] << 32;
}

enum step pipe_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->hop = (struct hop){.opcode = KERNEL_PIPE,
				 .addr = (uintptr_t)slot->memory.pipe,
				 .op_flags = slot->op.argument};
	if (slot->op.flags & RINGO_DIRECT) {
		if (slot->op.fd2 != -1) /* before 7.0 the kernel does not tell the other place */
			return step_done(slot, -EINVAL);
		slot->hop.op_flags &= (uint32_t)~O_CLOEXEC;
		(void)hop_set_direct(slot);
	}
	return STEP_SUBMIT;
}

enum step pipe_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
		       int32_t buffer)
{
	(void)ring, (void)more, (void)buffer;
	return step_done(slot, result < 0 ? result : pipe_result(slot->memory.pipe));
}
