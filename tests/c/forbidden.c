/* SPDX-License-Identifier: MIT */
/* Where io_uring is forbidden, missing, or may lock no memory: an error that says so, no trace. */
#include "check.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* io_uring_setup answers `error` from now on. */
static bool forbid_io_uring(uint16_t error)
{
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {.len = LENGTH_OF(program), .filter = program};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* Runs in a child, since there is no way back. 0 when all is as it should be. */
static int try_all(int want)
{
	struct ringo_loop *loop = NULL;
	struct ringo_batch *batch = NULL;
	struct ringo_features features;
	const struct ringo_options options = {.backend = RINGO_BACKEND_URING};
	uint32_t gives = want == -ENOMEM ? RINGO_BACKEND_URING : RINGO_BACKEND_THREADS;
	int fds = count_fds();

	for (int i = 0; i < 3; i++) {
		if (ringo_loop_open(&options, &loop) != want || loop != NULL)
			return 10;
		if (ringo_batch_open(&options, &batch) != want || batch != NULL)
			return 11;
		if (ringo_probe(&features) != 0)
			return 12;
		if (features.uring_error != want || features.backend != gives)
			return 13;
		for (int code = 0; code < RINGO_CODE_COUNT; code++)
			if (features.supported[code] == 1)
				return 14;
	}
	return count_fds() == fds ? 0 : 15;
}

/* AUTO does without the ring, unless only memory is short, and says why. */
static int try_auto(int want)
{
	const struct ringo_options automatic = {.backend = RINGO_BACKEND_AUTO};
	struct ringo_loop *loop = NULL;
	int why = 0, ret = ringo_loop_open(&automatic, &loop);

	if (want == -ENOMEM)
		return ret == -ENOMEM ? 0 : 20;
	if (ret != 0 || ringo_loop_backend(loop, &why) != RINGO_BACKEND_THREADS || why != want)
		return 21;
	ringo_loop_close(loop);
	return 0;
}

static int try_both(int want)
{
	int code = try_all(want);

	return code != 0 ? code : try_auto(want);
}

static int exit_of(pid_t child)
{
	int status = 0;

	must(child > 0 && waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void try_forbidden(uint16_t error)
{
	pid_t child = fork();
	int code;

	if (child == 0)
		_exit(forbid_io_uring(error) ? try_both(-error) : 77);
	code = exit_of(child);
	if (code == 77)
		skip();
	assert_int_equal(code, 0);
}

static void test_forbidden(void **state)
{
	(void)state;
	try_forbidden(EPERM);
}

static void test_missing(void **state)
{
	(void)state;
	try_forbidden(ENOSYS);
}

static void test_no_memory_may_be_locked(void **state)
{
	pid_t child = fork();
	int code;

	(void)state;
	if (child == 0) {
		const struct rlimit none = {0, 0};

		if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0))
			_exit(77);
		_exit(try_both(-ENOMEM));
	}
	code = exit_of(child);
	if (code == 77)
		skip();
	assert_int_equal(code, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_no_memory_may_be_locked),
	};

	if (!has_uring())
		skip_program("there is no io_uring to be forbidden");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
