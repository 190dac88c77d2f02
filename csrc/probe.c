//go:build linux

/* SPDX-License-Identifier: MIT */
/* What the kernel and the build offer. */
#include <stdio.h>

#include "internal.h"

enum support { SUPPORT_NONE, SUPPORT_RING, SUPPORT_PLAIN };

/* A kernel that lacks the opcode does not matter where a system call takes its place. */
static enum support support_of(const struct ring *ring, const struct op_row *row)
{
	if (ring == NULL)
		return plain_has(row->opcode) ? SUPPORT_PLAIN : SUPPORT_NONE;
	if (ring->backend->supports(ring, row->opcode))
		return SUPPORT_RING;
	return row->plain_now != NULL || row->plain_wait != NULL ? SUPPORT_PLAIN : SUPPORT_NONE;
}

int ringo_probe(struct ringo_features *features)
{
	const struct ringo_options small = {.backend = RINGO_BACKEND_URING, .depth = 8};
	struct ringo_options options;
	struct ring ring;
	int ret = options_complete(&small, &options);

	if (ret == 0)
		ret = ring_open(&ring, &options, false);
	*features = (struct ringo_features){
		.backend = error_means_no_uring(ret) ? RINGO_BACKEND_THREADS : RINGO_BACKEND_URING,
		.uring_error = ret};
	(void)snprintf(features->liburing, sizeof(features->liburing), "%s", backend_uring.library);
	for (int code = 0; code < RINGO_CODE_COUNT; code++)
		features->supported[code] =
			(uint8_t)support_of(ret == 0 ? &ring : NULL, &op_rows[code]);
	if (ret == 0) {
		ring.backend->describe(&ring, features);
		ring_close(&ring);
	}
	return 0;
}
