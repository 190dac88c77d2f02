//go:build linux && ringo_threads

/* SPDX-License-Identifier: MIT */
/* In the place of uring*.c where liburing is left out: a backend "uring" that cannot be opened. */
#include <errno.h>

#include "internal.h"

static int none_open(struct ring *ring, const struct ringo_options *options, bool shared)
{
	(void)ring, (void)options, (void)shared;
	return -EOPNOTSUPP;
}

const struct backend backend_uring = {
	.name = "uring",
	.library = "none",
	.open = none_open,
};
