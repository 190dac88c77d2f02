/* SPDX-License-Identifier: MIT */
/*
 * The functions that the table of ops names, and what they share. A start function fills the op's
 * first hop; an advance function takes a hop's result and says what comes next. EINTR, EAGAIN and
 * cancels were dealt with by slot.c before advance sees a result.
 */
#ifndef RINGO_OPS_H
#define RINGO_OPS_H

#include "internal.h"

#define OP_FUNCTIONS(name)                                                                         \
	enum step name##_start(struct ring *ring, struct slot *slot);                              \
	enum step name##_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,  \
				 int32_t buffer)

/* Puts the new file of an op with RINGO_DIRECT where it asks for. 0, or -EINVAL. */
int hop_set_direct(struct slot *slot);

/* Puts the registered buffer of an op with RINGO_FIXED_BUFFER, and `opcode`, into its hop. */
int hop_set_buffer(struct slot *slot, uint8_t opcode);

/* Ops of one hop whose result is the kernel's. */
enum step once_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
		       int32_t buffer);

/* Sends and receives move no more than this in one hop. */
static inline uint32_t hop_length(uint64_t length)
{
	return length < HOP_LENGTH_MAX ? (uint32_t)length : HOP_LENGTH_MAX;
}

/* Moves past `moved` bytes of an array of buffers, in place; returns whether any are left. */
bool iovec_advance(struct iovec **vector, size_t *count, size_t moved);

/* ops_files.c */
enum step fsync_start(struct ring *ring, struct slot *slot);
enum step statx_start(struct ring *ring, struct slot *slot);
enum step close_start(struct ring *ring, struct slot *slot);
enum step renameat_start(struct ring *ring, struct slot *slot);
enum step unlinkat_start(struct ring *ring, struct slot *slot);
enum step splice_start(struct ring *ring, struct slot *slot);
enum step fallocate_start(struct ring *ring, struct slot *slot);
enum step fadvise_start(struct ring *ring, struct slot *slot);
enum step ftruncate_start(struct ring *ring, struct slot *slot);
OP_FUNCTIONS(openat2);
OP_FUNCTIONS(transfer);
OP_FUNCTIONS(vector);
OP_FUNCTIONS(pipe);

/* ops_registered.c */
enum step files_update_start(struct ring *ring, struct slot *slot);
enum step buffers_update_start(struct ring *ring, struct slot *slot);
enum step install_fd_start(struct ring *ring, struct slot *slot);
enum step direct_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
			 int32_t buffer);

/* ops_sockets.c */
enum step socket_start(struct ring *ring, struct slot *slot);
enum step bind_start(struct ring *ring, struct slot *slot);
enum step listen_start(struct ring *ring, struct slot *slot);
enum step connect_start(struct ring *ring, struct slot *slot);
enum step shutdown_start(struct ring *ring, struct slot *slot);
OP_FUNCTIONS(accept);
OP_FUNCTIONS(recv);
OP_FUNCTIONS(recvmsg);
OP_FUNCTIONS(sendmsg);
OP_FUNCTIONS(sendzc);
enum step message_start(struct ring *ring, struct slot *slot);

/* ops_waits.c */
enum step nop_start(struct ring *ring, struct slot *slot);
OP_FUNCTIONS(poll);
OP_FUNCTIONS(poll_update);
OP_FUNCTIONS(timeout);
OP_FUNCTIONS(link_timeout);

#endif
