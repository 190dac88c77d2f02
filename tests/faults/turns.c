/* SPDX-License-Identifier: MIT */
/*
 * A turn ends its calls of sendfile(2) when they have taken their time, however little they sent.
 * The linker puts this around sendfile; it makes each call a long one.
 */
#include <sys/sendfile.h>

#include "check.h"

ssize_t __real_sendfile(int, int, off_t *, size_t);
ssize_t __wrap_sendfile(int, int, off_t *, size_t);

enum { TRANSFERS = 8, SIZE = 16384 };

static struct {
	struct engine *engine;
	uint64_t turns[TRANSFERS];
	int calls;
} run;

ssize_t __wrap_sendfile(int to, int from, off_t *where, size_t length)
{
	run.turns[run.calls++] = engine_stats(run.engine).turns;
	nap_ms(2);
	return __real_sendfile(to, from, where, length);
}

static int ignore_sigpipe(void **state)
{
	(void)state;
	return signal(SIGPIPE, SIG_IGN) == SIG_ERR;
}

static void test_long_calls_share_no_turn(void **state)
{
	struct engine *e = run.engine = engine_open(OPTIONS(.depth = 32));
	int file = make_file(1, 0, SIZE), pairs[TRANSFERS][2];
	struct ringo_op ops[TRANSFERS];

	(void)state;
	for (int i = 0; i < TRANSFERS; i++) {
		make_pair(pairs[i], SOCK_NONBLOCK);
		ops[i] = OP(.code = RINGO_SENDFILE, .fd = file, .fd2 = pairs[i][0], .length = SIZE,
			    .argument = RINGO_SENDFILE_SYSCALL, .user_data = ++e->last_id);
	}
	assert_int_equal(ringo_post(e->loop, ops, TRANSFERS, 0), 0);
	for (int i = 0; i < TRANSFERS; i++)
		assert_int_equal(engine_wait(e, ops[i].user_data).result, SIZE);
	assert_int_equal(run.calls, TRANSFERS);
	for (int i = 1; i < TRANSFERS; i++)
		assert_true(run.turns[i] > run.turns[i - 1]);
	engine_close(e, RINGO_STOP_DRAIN);
	for (int i = 0; i < TRANSFERS; i++) {
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
	close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_calls_share_no_turn),
	};

	return cmocka_run_group_tests(tests, ignore_sigpipe, NULL);
}
