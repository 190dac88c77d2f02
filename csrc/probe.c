//go:build linux

/* SPDX-License-Identifier: MIT */
/* What the kernel and the build offer: ops, by the table of ops, and abilities, by the table here.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "internal.h"

enum support { SUPPORT_NONE, SUPPORT_RING, SUPPORT_PLAIN };

/* How an ability is looked for. */
enum probe {
	PROBE_RING,        /* every ring that opens has it */
	PROBE_OPCODE,      /* of the ring's probe */
	PROBE_FEATURE,     /* IORING_FEAT_* of the ring */
	PROBE_SETUP,       /* RINGO_SETUP_* that a loop, or else a batch, opens with */
	PROBE_TABLES,      /* opens with registered files and buffers */
	PROBE_RESTRICTED,  /* opens restricted */
	PROBE_INCREMENTAL, /* takes an incremental group */
	PROBE_RELEASE,     /* shown by nothing but the kernel's release */
};

static const struct ability {
	const char *name;
	const char *kernel; /* first with it */
	enum probe probe;
	uint32_t what;
	bool portable; /* the core, or backend threads, does it without the kernel's help */
} abilities[] = {
	{"poll_multishot", "5.13", PROBE_RING, 0, true},
	{"accept_multishot", "5.19", PROBE_RING, 0, true},
	{"recv_multishot", "6.0", PROBE_RING, 0, true},
	{"recvmsg_multishot", "6.0", PROBE_RING, 0, true},
	{"poll_first", "5.19", PROBE_RING, 0, true},
	{"buffer_rings", "5.19", PROBE_RING, 0, true},
	{"incremental_buffers", "6.12", PROBE_INCREMENTAL, 0, false},
	{"io_link", "5.3", PROBE_RING, 0, true},
	{"io_hardlink", "5.5", PROBE_RING, 0, true},
	{"async", "5.6", PROBE_RING, 0, true},
	{"cqe_skip_success", "5.17", PROBE_FEATURE, KERNEL_FEATURE_CQE_SKIP, true},
	{"single_issuer", "6.0", PROBE_RING, 0, false},
	{"defer_taskrun", "6.1", PROBE_RING, 0, false},
	{"coop_taskrun", "5.19", PROBE_SETUP, RINGO_SETUP_COOP_TASKRUN, false},
	{"sqpoll", "5.11", PROBE_SETUP, RINGO_SETUP_SQPOLL, false},
	{"iopoll", "5.1", PROBE_SETUP, RINGO_SETUP_IOPOLL, false},
	{"hybrid_iopoll", "6.13", PROBE_SETUP, RINGO_SETUP_IOPOLL | RINGO_SETUP_HYBRID_IOPOLL,
	 false},
	{"no_sqarray", "6.6", PROBE_SETUP, RINGO_SETUP_NO_SQARRAY, false},
	{"no_iowait", "6.15", PROBE_SETUP, RINGO_SETUP_NO_IOWAIT, false},
	{"registered_ring", "5.18", PROBE_RING, 0, false},
	{"registered_files", "5.19", PROBE_TABLES, 0, false},
	{"direct_descriptors", "5.19", PROBE_TABLES, 0, false},
	{"registered_buffers", "5.19", PROBE_TABLES, 0, false},
	{"registered_vectors", "6.15", PROBE_OPCODE, KERNEL_READV_FIXED, false},
	{"restrictions", "5.10", PROBE_RESTRICTED, 0, true},
	{"wait_timeout", "5.11", PROBE_FEATURE, KERNEL_FEATURE_EXT_ARG, true},
	{"min_wait", "6.12", PROBE_FEATURE, KERNEL_FEATURE_MIN_TIMEOUT, false},
	{"no_drop", "5.5", PROBE_FEATURE, KERNEL_FEATURE_NODROP, false},
	{"send_zc_report", "6.2", PROBE_RELEASE, 0, false},
	{"rwf_nowait", "4.14", PROBE_RELEASE, 0, true},
	{"rwf_dsync", "4.7", PROBE_RELEASE, 0, true},
	{"rwf_atomic", "6.11", PROBE_RELEASE, 0, true},
	{"rwf_dontcache", "6.14", PROBE_RELEASE, 0, true},
	{"recv_zc_in_kernel", "6.15", PROBE_OPCODE, KERNEL_RECV_ZC, false},
};
static_assert(sizeof(abilities) / sizeof(abilities[0]) == RINGO_ABILITIES, "ringo.h");

const char *ringo_ability_name(uint32_t ability)
{
	return ability < RINGO_ABILITIES ? abilities[ability].name : NULL;
}

const char *ringo_ability_kernel(uint32_t ability)
{
	return ability < RINGO_ABILITIES ? abilities[ability].kernel : NULL;
}

/* A kernel that lacks the opcode does not matter where a system call takes its place. */
static enum support support_of(const struct ring *ring, const struct op_row *row)
{
	if (ring == NULL)
		return plain_has(row->opcode) ? SUPPORT_PLAIN : SUPPORT_NONE;
	if (ring->backend->supports(ring, row->opcode))
		return SUPPORT_RING;
	return row->plain_now != NULL || row->plain_wait != NULL ? SUPPORT_PLAIN : SUPPORT_NONE;
}

/* Whether a small ring opens so. */
static bool opens(const struct ringo_options *given, bool shared)
{
	struct ringo_options options = *given;
	struct ring ring;

	options.backend = RINGO_BACKEND_URING;
	options.depth = 8;
	if (options_complete(&options, &options) != 0 || ring_open(&ring, &options, shared) != 0)
		return false;
	ring_close(&ring);
	return true;
}

static bool takes_incremental_group(struct ring *ring)
{
	const struct ringo_buffer_group group = {.id = RINGO_BUFFER_GROUPS - 1,
						 .count = 1,
						 .size = 64,
						 .flags = RINGO_BUFFERS_INCREMENTAL};

	return buffers_add(ring, &group) == 0;
}

static bool release_is_at_least(const char *version)
{
	struct utsname name;
	unsigned int major = 0, minor = 0, wanted_major = 0, wanted_minor = 0;

	if (uname(&name) != 0 || sscanf(name.release, "%u.%u", &major, &minor) != 2 ||
	    sscanf(version, "%u.%u", &wanted_major, &wanted_minor) != 2)
		return false;
	return major > wanted_major || (major == wanted_major && minor >= wanted_minor);
}

static bool ring_has(struct ring *ring, uint32_t features, const struct ability *ability)
{
	switch (ability->probe) {
	case PROBE_RING:
		return true;
	case PROBE_OPCODE:
		return ring_supports(ring, (uint8_t)ability->what);
	case PROBE_FEATURE:
		return features & ability->what;
	case PROBE_SETUP:
		return opens(&(struct ringo_options){.setup = ability->what},
			     ability->what & RINGO_SETUP_IOPOLL);
	case PROBE_TABLES:
		return opens(&(struct ringo_options){.files = 1, .buffers = 1}, false);
	case PROBE_RESTRICTED:
		return opens(&(struct ringo_options){.allowed = RINGO_ALLOW(RINGO_NOP)}, false);
	case PROBE_INCREMENTAL:
		return takes_incremental_group(ring);
	case PROBE_RELEASE:
		break;
	}
	return release_is_at_least(ability->kernel);
}

static enum support ability_of(struct ring *ring, uint32_t features, const struct ability *ability)
{
	if (ability->probe == PROBE_RELEASE && ability->portable)
		return release_is_at_least(ability->kernel) ? SUPPORT_RING : SUPPORT_NONE;
	if (ring != NULL && ring_has(ring, features, ability))
		return SUPPORT_RING;
	return ability->portable ? SUPPORT_PLAIN : SUPPORT_NONE;
}

int ringo_probe(struct ringo_features *features)
{
	const struct ringo_options small = {.backend = RINGO_BACKEND_URING, .depth = 8};
	struct ringo_options options;
	struct ring ring, *opened = NULL;
	int ret = options_complete(&small, &options);

	if (ret == 0)
		ret = ring_open(&ring, &options, false);
	*features = (struct ringo_features){
		.backend = error_means_no_uring(ret) ? RINGO_BACKEND_THREADS : RINGO_BACKEND_URING,
		.uring_error = ret};
	(void)snprintf(features->liburing, sizeof(features->liburing), "%s", backend_uring.library);
	if (ret == 0) {
		opened = &ring;
		ring.backend->describe(&ring, features);
	}
	for (int code = 0; code < RINGO_CODE_COUNT; code++)
		features->supported[code] = (uint8_t)support_of(opened, &op_rows[code]);
	for (int i = 0; i < RINGO_ABILITIES; i++)
		features->abilities[i] =
			(uint8_t)ability_of(opened, features->ring_features, &abilities[i]);
	if (opened != NULL)
		ring_close(opened);
	return 0;
}
