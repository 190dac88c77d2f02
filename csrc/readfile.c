//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * READFILE: path -> bytes. Open, read until the end or until the caller's buffer is full, close.
 *
 * A read that gave less than was asked for is the end of a regular file whose size says so; it is
 * not the end of a pipe or of a file in /proc, which has size 0 and may answer in pieces. So one
 * fstat(2), a few hundred nanoseconds, decides whether to read on to a read of 0. A full buffer
 * ends the op with the file open: the caller knows better how much memory the rest deserves.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "internal.h"

enum readfile_phase { READFILE_OPENING, READFILE_READING, READFILE_CLOSING };

static enum step read_next(struct slot *slot)
{
	slot->phase = READFILE_READING;
	hop_transfer(slot, KERNEL_READ, slot->file, slot->op.address2, -1);
	return STEP_SUBMIT;
}

static enum step close_file(struct slot *slot, int32_t error)
{
	slot->phase = READFILE_CLOSING;
	slot->cleaning = true;
	slot->error = error;
	slot->hop = (struct hop){.opcode = KERNEL_CLOSE, .fd = slot->file};
	slot->file = -1;
	return STEP_SUBMIT;
}

static bool is_whole(const struct slot *slot)
{
	struct stat status;

	return fstat(slot->file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 &&
	       status.st_size == slot->done;
}

enum step readfile_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->error = 0;
	slot->file = -1;
	if (slot->op.length > INT64_MAX)
		return step_done(slot, -EINVAL);
	slot->memory.how = (struct kernel_open_how){.flags = slot->op.argument | O_CLOEXEC};
	slot->hop = (struct hop){.opcode = KERNEL_OPENAT2,
				 .fd = slot->op.fd,
				 .addr = slot->op.address,
				 .len = sizeof(slot->memory.how),
				 .off = (uintptr_t)&slot->memory.how};
	return STEP_SUBMIT;
}

static enum step advance_reading(struct slot *slot, int32_t result)
{
	if (result < 0)
		return close_file(slot, result);
	slot->done += result;
	if (result == 0)
		return close_file(slot, 0);
	if ((uint64_t)slot->done < slot->op.length)
		return is_whole(slot) ? close_file(slot, 0) : read_next(slot);
	slot->flags = RINGO_FILE_OPEN;
	slot->extra = slot->file;
	return step_done(slot, slot->done);
}

enum step readfile_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
			   int32_t buffer)
{
	(void)ring, (void)more, (void)buffer;
	switch ((enum readfile_phase)slot->phase) {
	case READFILE_OPENING:
		if (result < 0)
			return step_done(slot, result);
		slot->file = result;
		if (slot->op.length > 0)
			return read_next(slot);
		slot->flags = RINGO_FILE_OPEN;
		slot->extra = slot->file;
		return step_done(slot, 0);
	case READFILE_READING:
		return advance_reading(slot, result);
	case READFILE_CLOSING:
		break;
	}
	/* What close(2) says about a file that was only read changes nothing for the reader. */
	return step_done(slot, slot->error != 0 ? slot->error : slot->done);
}
