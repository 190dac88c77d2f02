/* SPDX-License-Identifier: MIT */
/* A process that forks while a loop runs: the child has no part in the ring, nor has what it
 * executes, and the parent's goes on. */
#include "check.h"

enum { ROUNDS = 20 };

/* How many lines of a file in /proc/self name io_uring; links for a directory. */
static int count_in_maps(void)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	int n = 0;

	if (maps == NULL)
		return -1;
	while (fgets(line, sizeof(line), maps) != NULL)
		n += strstr(line, "[io_uring]") != NULL;
	fclose(maps);
	return n;
}

/* 0 when the child sees nothing of the ring. */
static int look_around(void)
{
	return count_in_maps() == 0 ? 0 : 1;
}

static int exit_of(pid_t child)
{
	int status = 0;

	must(child > 0 && waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void test_fork(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int file = make_file(1, 0, 1000);
	unsigned char data[1000];

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t id = engine_post(e, OP(.code = RINGO_TIMEOUT, .argument2 = 1000000));
		pid_t child = fork();

		if (child == 0)
			_exit(look_around());
		assert_int_equal(engine_result(e, OP(.code = RINGO_READ, .fd = file, .length = 1000,
						     .address = ADDRESS(data))),
				 1000);
		assert_int_equal(first_wrong(data, 1000, 1, 0), 1000);
		assert_int_equal(engine_wait(e, id).result, 0);
		assert_int_equal(exit_of(child), 0);
	}
	close(file);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* Neither a ring, nor an eventfd or an epoll, is inherited by another program. */
static void test_exec(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct ringo_batch *batch = NULL;
	pid_t child;

	(void)state;
	assert_int_equal(open_batch(OPTIONS(0), &batch), 0);
	child = fork();
	if (child == 0) {
		execl("/bin/sh", "sh", "-c", "! ls -l /proc/$$/fd | grep -q 'anon_inode:'", NULL);
		_exit(99);
	}
	assert_int_equal(exit_of(child), 0);
	ringo_batch_close(batch);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_exec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
