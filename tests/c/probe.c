/* SPDX-License-Identifier: MIT */
/* What the kernel and the build offer, and the names of ops. */
#include "check.h"

#include <linux/io_uring.h>

/* Forbidden, missing, or left out of this build: all is portable, and the loop says the same. */
static void check_without_uring(const struct ringo_features *features)
{
	const struct ringo_options uring = {.backend = RINGO_BACKEND_URING}, automatic = {0};
	struct ringo_loop *loop = NULL;
	int why = 0;

	assert_true(features->uring_error == -EPERM || features->uring_error == -ENOSYS ||
		    features->uring_error == -EOPNOTSUPP);
	assert_int_equal(features->uring_error == -EOPNOTSUPP,
			 strcmp(features->liburing, "none") == 0);
	assert_int_equal(features->backend, RINGO_BACKEND_THREADS);
	for (uint32_t code = 0; code < RINGO_CODE_COUNT; code++)
		assert_in_range(features->supported[code], 0, 2);
	assert_int_equal(features->supported[RINGO_READFILE], 2);
	assert_int_equal(ringo_loop_open(&uring, &loop), features->uring_error);
	assert_null(loop);
	assert_int_equal(ringo_loop_open(&automatic, &loop), 0);
	assert_int_equal(ringo_loop_backend(loop, &why), RINGO_BACKEND_THREADS);
	assert_int_equal(why, features->uring_error);
	ringo_loop_close(loop);
}

static void test_probe(void **state)
{
	struct ringo_features features;
	int fds = count_fds();

	(void)state;
	memset(&features, 0xff, sizeof(features));
	assert_int_equal(ringo_probe(&features), 0);
	assert_int_equal(count_fds(), fds);
	assert_true(memchr(features.liburing, '\0', sizeof(features.liburing)) != NULL);
	assert_in_range(strlen(features.liburing), 3, sizeof(features.liburing) - 1);
	if (features.uring_error != 0) {
		check_without_uring(&features);
		return;
	}
	assert_int_equal(features.uring_error, 0);
	assert_int_equal(features.backend, RINGO_BACKEND_URING);
	/* A loop's ring belongs to its thread: SINGLE_ISSUER, DEFER_TASKRUN. */
	assert_int_equal(features.setup_flags & (1u << 12 | 1u << 13), 1u << 12 | 1u << 13);
	assert_true(features.ring_features & IORING_FEAT_NODROP);
	/* Linux 6.1 has most; what is newer, and portable, works without the ring as well. */
	for (uint32_t code = 0; code < RINGO_CODE_COUNT; code++) {
		unsigned int major, minor;

		must(sscanf(ringo_code_kernel(code), "%u.%u", &major, &minor) == 2);
		if (major < 6 || minor <= 1)
			assert_int_equal(features.supported[code], 1);
		else
			assert_in_range(features.supported[code], 0, 2);
	}
}

static void test_names_and_kernels(void **state)
{
	static const char *const names[] = {
		"nop",          "openat2",        "read",       "write",       "fsync",
		"statx",        "close",          "renameat",   "unlinkat",    "splice",
		"pipe",         "poll",           "timeout",    "cancel",      "accept",
		"recv",         "send",           "sendmsg",    "shutdown",    "return_buffer",
		"readfile",     "writefile",      "sendfile",   "readv",       "writev",
		"fallocate",    "fadvise",        "ftruncate",  "socket",      "bind",
		"listen",       "connect",        "recvmsg",    "poll_update", "link_timeout",
		"files_update", "buffers_update", "install_fd", "send_zc",     "sendmsg_zc",
		"message_ring",
	};

	(void)state;
	assert_int_equal(LENGTH_OF(names), RINGO_CODE_COUNT);
	for (uint32_t code = 0; code < RINGO_CODE_COUNT; code++) {
		unsigned int major, minor;

		assert_string_equal(ringo_code_name(code), names[code]);
		assert_int_equal(sscanf(ringo_code_kernel(code), "%u.%u", &major, &minor), 2);
		assert_in_range(major, 5, 6);
	}
	assert_string_equal(ringo_code_kernel(RINGO_OPENAT2), "5.6");
	assert_null(ringo_code_name(RINGO_CODE_COUNT));
	assert_null(ringo_code_kernel(RINGO_CODE_COUNT));
	assert_null(ringo_code_name(UINT32_MAX));
}

static void test_abilities(void **state)
{
	struct ringo_features features;

	(void)state;
	assert_int_equal(ringo_probe(&features), 0);
	for (uint32_t i = 0; i < RINGO_ABILITIES; i++) {
		unsigned int major, minor;

		assert_int_equal(sscanf(ringo_ability_kernel(i), "%u.%u", &major, &minor), 2);
		assert_in_range(features.abilities[i], 0, 2);
		if (features.uring_error == 0 && major < 6)
			assert_int_equal(features.abilities[i], 1);
		for (uint32_t j = 0; j < i; j++)
			assert_string_not_equal(ringo_ability_name(i), ringo_ability_name(j));
	}
	assert_null(ringo_ability_name(RINGO_ABILITIES));
	assert_null(ringo_ability_kernel(UINT32_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_names_and_kernels),
		cmocka_unit_test(test_abilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
