//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * WRITEFILE: bytes -> path. Plainly: create or truncate, write, fsync when asked, close. Atomic:
 *
 *   phase               goes on to                      an error or a cancel goes to
 *   OPENING_DIRECTORY   CREATING                        end
 *   CREATING            WRITING                         CLOSING_DIRECTORY
 *   WRITING             SYNCING or CLOSING              CLOSING
 *   SYNCING             CLOSING                         CLOSING
 *   CLOSING             RENAMING (UNLINKING on error)   UNLINKING
 *   RENAMING            SYNCING_DIRECTORY or
 *                       CLOSING_DIRECTORY               UNLINKING
 *   UNLINKING           CLOSING_DIRECTORY               CLOSING_DIRECTORY
 *   SYNCING_DIRECTORY   CLOSING_DIRECTORY               CLOSING_DIRECTORY
 *   CLOSING_DIRECTORY   end                             end
 *
 * The directory is held open, so a rename of one above it cannot part the temporary file from its
 * place. The plain form has CREATING, WRITING, SYNCING, CLOSING and no directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

enum writefile_phase {
	OPENING_DIRECTORY,
	CREATING,
	WRITING,
	SYNCING,
	CLOSING,
	RENAMING,
	UNLINKING,
	SYNCING_DIRECTORY,
	CLOSING_DIRECTORY,
};

enum { TEMPORARY_ATTEMPTS_MAX = 16 };

static bool is_atomic(const struct slot *slot)
{
	return slot->op.argument & RINGO_WRITE_ATOMIC;
}

static char *path_of(const struct slot *slot)
{
	return (char *)(uintptr_t)slot->op.address;
}

static const char *base_of(const struct slot *slot)
{
	const char *slash = strrchr(path_of(slot), '/');

	return slash == NULL ? path_of(slot) : slash + 1;
}

static enum step submit_open(struct slot *slot, enum writefile_phase phase, int32_t directory,
			     const char *path, uint64_t flags)
{
	slot->phase = (uint8_t)phase;
	slot->memory.how = (struct kernel_open_how){.flags = flags | O_CLOEXEC};
	if (flags & O_CREAT)
		slot->memory.how.mode = slot->op.argument2 & 07777;
	slot->hop = (struct hop){.opcode = KERNEL_OPENAT2,
				 .fd = directory,
				 .addr = (uintptr_t)path,
				 .len = sizeof(slot->memory.how),
				 .off = (uintptr_t)&slot->memory.how};
	return STEP_SUBMIT;
}

static enum step submit_close(struct slot *slot, enum writefile_phase phase, int32_t *fd)
{
	slot->phase = (uint8_t)phase;
	slot->hop = (struct hop){.opcode = KERNEL_CLOSE, .fd = *fd};
	*fd = -1;
	return STEP_SUBMIT;
}

static enum step submit_fsync(struct slot *slot, enum writefile_phase phase, int32_t fd)
{
	slot->phase = (uint8_t)phase;
	slot->hop = (struct hop){.opcode = KERNEL_FSYNC, .fd = fd};
	return STEP_SUBMIT;
}

static enum step submit_write(struct slot *slot)
{
	slot->phase = WRITING;
	hop_transfer(slot, KERNEL_WRITE, slot->file, slot->op.address2, 0);
	return STEP_SUBMIT;
}

static enum step finish(struct slot *slot)
{
	return step_done(slot, slot->error != 0 ? slot->error : slot->done);
}

static enum step end_directory(struct slot *slot)
{
	slot->cleaning = true;
	if (slot->directory < 0)
		return finish(slot);
	return submit_close(slot, CLOSING_DIRECTORY, &slot->directory);
}

static enum step end_file(struct slot *slot)
{
	/* From here on a cancel comes too late, or there is an error to clean up after. */
	slot->cleaning = true;
	return submit_close(slot, CLOSING, &slot->file);
}

static enum step create_plain(struct slot *slot)
{
	return submit_open(slot, CREATING, slot->op.fd, path_of(slot),
			   O_WRONLY | O_CREAT | O_TRUNC);
}

/* O_EXCL makes the name ours; the clock only makes a second try rare. */
static enum step create_temporary(struct slot *slot)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(slot->temporary, sizeof(slot->temporary), ".ringo-%" PRIx64 "-%x.tmp",
		 (uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec,
		 (unsigned int)getpid() ^ (unsigned int)(slot->token >> 32) << 16 ^ slot->attempts);
	return submit_open(slot, CREATING, slot->directory, slot->temporary,
			   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
}

static enum step open_directory(struct slot *slot)
{
	char *path = path_of(slot), *slash = strrchr(path, '/');
	uint64_t flags = O_DIRECTORY | (slot->op.argument & RINGO_WRITE_SYNC ? O_RDONLY : O_PATH);

	if (*base_of(slot) == '\0')
		return step_done(slot, *path == '\0' ? -ENOENT : -EISDIR);
	if (slash == NULL)
		return submit_open(slot, OPENING_DIRECTORY, slot->op.fd, ".", flags);
	if (slash == path)
		return submit_open(slot, OPENING_DIRECTORY, slot->op.fd, "/", flags);
	*slash = '\0';
	return submit_open(slot, OPENING_DIRECTORY, slot->op.fd, path, flags);
}

/* Puts back the slash that open_directory cut the path at. */
static void mend_path(struct slot *slot)
{
	char *end = path_of(slot) + strlen(path_of(slot));

	if (slot->hop.addr == slot->op.address)
		*end = '/';
}

static enum step rename_temporary(struct slot *slot)
{
	slot->phase = RENAMING;
	slot->hop = (struct hop){.opcode = KERNEL_RENAMEAT,
				 .fd = slot->directory,
				 .addr = (uintptr_t)slot->temporary,
				 .len = (uint32_t)slot->directory,
				 .off = (uintptr_t)base_of(slot)};
	return STEP_SUBMIT;
}

static enum step unlink_temporary(struct slot *slot)
{
	slot->phase = UNLINKING;
	slot->hop = (struct hop){.opcode = KERNEL_UNLINKAT,
				 .fd = slot->directory,
				 .addr = (uintptr_t)slot->temporary};
	return STEP_SUBMIT;
}

enum step writefile_start(struct ring *ring, struct slot *slot)
{
	(void)ring;
	slot->error = 0;
	slot->file = slot->directory = -1;
	if (slot->op.length > INT64_MAX ||
	    slot->op.argument & ~(uint32_t)(RINGO_WRITE_ATOMIC | RINGO_WRITE_SYNC))
		return step_done(slot, -EINVAL);
	return is_atomic(slot) ? open_directory(slot) : create_plain(slot);
}

static enum step advance_creating(struct slot *slot, int32_t result)
{
	if (result == -EEXIST && is_atomic(slot) && slot->attempts++ < TEMPORARY_ATTEMPTS_MAX)
		return create_temporary(slot);
	if (result < 0) {
		slot->error = result;
		return end_directory(slot);
	}
	slot->file = result;
	if (slot->op.length > 0)
		return submit_write(slot);
	if (slot->op.argument & RINGO_WRITE_SYNC)
		return submit_fsync(slot, SYNCING, slot->file);
	return end_file(slot);
}

static enum step advance_writing(struct slot *slot, int32_t result)
{
	if (result <= 0) {
		slot->error = result < 0 ? result : -EIO;
		return end_file(slot);
	}
	slot->done += result;
	if ((uint64_t)slot->done < slot->op.length)
		return submit_write(slot);
	if (slot->op.argument & RINGO_WRITE_SYNC)
		return submit_fsync(slot, SYNCING, slot->file);
	return end_file(slot);
}

/* Keeps the first error. */
static void note_error(struct slot *slot, int32_t result)
{
	if (slot->error == 0 && result < 0)
		slot->error = result;
}

enum step writefile_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
			    int32_t buffer)
{
	enum writefile_phase phase = (enum writefile_phase)slot->phase;

	(void)ring, (void)more, (void)buffer;
	if (phase == OPENING_DIRECTORY && is_atomic(slot)) {
		mend_path(slot);
		if (result < 0)
			return step_done(slot, result);
		slot->directory = result;
		return create_temporary(slot);
	}
	if (phase == CREATING)
		return advance_creating(slot, result);
	if (phase == WRITING)
		return advance_writing(slot, result);
	note_error(slot, result);
	switch (phase) {
	case SYNCING:
		return end_file(slot);
	case CLOSING:
		if (!is_atomic(slot))
			return finish(slot);
		return slot->error == 0 ? rename_temporary(slot) : unlink_temporary(slot);
	case RENAMING:
		if (slot->error != 0)
			return unlink_temporary(slot);
		if (slot->op.argument & RINGO_WRITE_SYNC)
			return submit_fsync(slot, SYNCING_DIRECTORY, slot->directory);
		return end_directory(slot);
	case UNLINKING:
	case SYNCING_DIRECTORY:
		return end_directory(slot);
	default:
		return finish(slot);
	}
}
