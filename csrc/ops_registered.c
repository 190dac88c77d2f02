//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * Registered files and buffers: the ops that fill the tables, and what ops that use them have in
 * common.
 */
#include <errno.h>
#include <fcntl.h>

#include "ops.h"

/* `file_index` of a request: 0 is none, so places count from 1. */
int hop_set_direct(struct slot *slot)
{
	if (!(slot->op.flags & RINGO_DIRECT))
		return 0;
	if (slot->op.fd2 < -1 || slot->op.fd2 == INT32_MAX)
		return -EINVAL;
	slot->hop.splice_fd_in =
		slot->op.fd2 == -1 ? (int32_t)KERNEL_FILE_INDEX_ALLOCATE : slot->op.fd2 + 1;
	return 0;
}

int hop_set_buffer(struct slot *slot, uint8_t opcode)
{
	if (!(slot->op.flags & RINGO_FIXED_BUFFER))
		return 0;
	if (slot->op.fd2 < 0 || slot->op.fd2 > UINT16_MAX)
		return -EINVAL;
	slot->hop.opcode = opcode;
	slot->hop.buffer = (uint16_t)slot->op.fd2;
	return 0;
}

/* The kernel says 0 for a place that was asked for. */
enum step direct_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
			 int32_t buffer)
{
	(void)ring, (void)more, (void)buffer;
	if (result == 0 && slot->op.flags & RINGO_DIRECT && slot->op.fd2 >= 0)
		result = slot->op.fd2;
	return step_done(slot, result);
}

enum step files_update_start(struct ring *ring, struct slot *slot)
{
	const struct ringo_op *op = &slot->op;

	(void)ring;
	if (op->offset < -1 || op->offset > INT32_MAX || op->length > INT32_MAX)
		return step_done(slot, -EINVAL);
	slot->hop = (struct hop){.opcode = KERNEL_FILES_UPDATE,
				 .fd = -1,
				 .addr = op->address,
				 .len = (uint32_t)op->length,
				 .off = op->offset == -1 ? KERNEL_FILE_INDEX_ALLOCATE
							 : (uint64_t)op->offset};
	return STEP_SUBMIT;
}

enum step buffers_update_start(struct ring *ring, struct slot *slot)
{
	const struct ringo_op *op = &slot->op;

	if (ring->backend->update_buffers == NULL)
		return step_done(slot, -EOPNOTSUPP);
	if (op->offset < 0 || op->offset > UINT16_MAX || op->length > UINT16_MAX)
		return step_done(slot, -EINVAL);
	return step_done(slot,
			 ring->backend->update_buffers(ring, (uint32_t)op->offset,
						       (const struct iovec *)(uintptr_t)op->address,
						       (uint32_t)op->length));
}

enum step install_fd_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->sqe_flags |= KERNEL_SQE_FIXED_FILE;
	slot->hop = (struct hop){
		.opcode = KERNEL_FIXED_FD_INSTALL,
		.fd = slot->op.fd,
		.op_flags = slot->op.argument & O_CLOEXEC ? 0 : KERNEL_INSTALL_NO_CLOEXEC};
	return STEP_SUBMIT;
}
