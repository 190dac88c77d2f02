/* SPDX-License-Identifier: MIT */
/*
 * What the files of backend "uring" share: uring.c, uring_open.c, uring_abi.c. They alone know
 * liburing.
 */
#ifndef RINGO_URING_H
#define RINGO_URING_H

#include <liburing.h>

#include "internal.h"

struct uring {
	struct io_uring ring;
	int enter_fd;         /* the ring's, or its index among the thread's registered ones */
	uint32_t enter_flags; /* KERNEL_ENTER_*, of every entry */
	unsigned *no_array;   /* where liburing may write the indices that the ring does without */
	uint64_t supported;   /* a bit per kernel opcode */
	uint32_t sq_mask;     /* of places in the queues */
	uint32_t cq_mask;
	uint32_t room; /* in it, when last looked at; there may be more by now */
};

/* uring_open.c */
int uring_open(struct ring *ring, const struct ringo_options *options, bool shared);
void uring_close(struct ring *ring);

#endif
