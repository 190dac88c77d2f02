/* SPDX-License-Identifier: MIT */
/*
 * Faults, injected into the delivered libringo.a by the linker (--wrap): faults.c stands between
 * the core and its backends, syscalls.c between the core and the system calls that it makes itself.
 *
 *   kind         what happens
 *   -----------  ---------------------------------------------------------------------------------
 *   INTERRUPTED  a hop or call fails with EINTR; it was not run
 *   REFUSED      with EAGAIN, where that means "not now"
 *   NO_WORKER    with ECANCELED though nobody asked: io-wq found no worker
 *   FAILED       with FAULT_ERRNO, which no kernel gives for it: it must come out, once
 *   REWRITTEN    was run, but its completion says FAULT_ERRNO
 *   EXHAUSTED    accept: EMFILE and its like; receive: ENOBUFS
 *   SHORTENED    moves fewer bytes than asked for
 *   DELAYED      a completion comes some turns later
 *   REORDERED    a completion overtakes others
 *   PARTIAL      a submit takes only some of what was queued
 *   SKIPPED      a submit takes nothing, as when a signal came
 *   FULL         the submission queue has no room
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#define FAULT_ERRNO EREMOTEIO

enum fault {
	FAULT_INTERRUPTED,
	FAULT_REFUSED,
	FAULT_NO_WORKER,
	FAULT_FAILED,
	FAULT_REWRITTEN,
	FAULT_EXHAUSTED,
	FAULT_SHORTENED,
	FAULT_DELAYED,
	FAULT_REORDERED,
	FAULT_PARTIAL,
	FAULT_SKIPPED,
	FAULT_FULL,
	FAULT_COUNT
};

/* Starts injecting, at the same places for the same seed as far as threads allow; 0 stops it. */
void faults_start(uint64_t seed);

/* Whether to inject a fault here and now, as often as faults of its kind are; counts it. */
bool fault_strikes(enum fault kind);

/* Below `limit`, of the same sequence. */
uint32_t fault_random(uint32_t limit);

uint64_t faults_injected(enum fault kind);
const char *fault_name(enum fault kind);

#endif
