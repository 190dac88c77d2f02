/* SPDX-License-Identifier: MIT */
/* SENDFILE by SPLICE when no descriptor is left: the pipes that are kept serve the next ones. */
#include "check.h"

enum { LIMIT = 64, SIZE = 1 << 20, SMALL = 1000 };

static int set_up(void **state)
{
	const struct rlimit low = {.rlim_cur = LIMIT, .rlim_max = LIMIT};

	(void)state;
	return setrlimit(RLIMIT_NOFILE, &low);
}

static void use_up_descriptors(int taken[LIMIT])
{
	while ((*taken = dup(0)) >= 0)
		taken++;
	must(errno == EMFILE);
}

static void give_back_descriptors(const int *taken)
{
	while (*taken >= 0)
		close(*taken++);
}

static uint64_t post_send(struct engine *e, int file, int to, uint32_t strategy, size_t length)
{
	return engine_post(e, OP(.code = RINGO_SENDFILE, .fd = file, .fd2 = to, .length = length,
				 .argument = strategy));
}

/* With a reader that takes nothing: it is in progress when this returns. */
static uint64_t post_stalled(struct engine *e, int file, const int ends[2], uint32_t strategy)
{
	uint64_t id = post_send(e, file, ends[0], strategy, SIZE);

	await_input(ends[1]);
	return id;
}

static void send_small(struct engine *e, int file, const int ends[2])
{
	uint64_t id = post_send(e, file, ends[0], RINGO_SENDFILE_SPLICE, SMALL);
	unsigned char data[SMALL];
	struct ringo_completion c = engine_wait(e, id);

	assert_int_equal(c.result, SMALL);
	assert_int_equal(c.extra, 0);
	assert_int_equal(read_fully(ends[1], data, SMALL), SMALL);
	assert_int_equal(first_wrong(data, SMALL, 1, 0), SMALL);
}

static void close_pair(const int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

/* One ends with an empty pipe, then another is cancelled with a full one, which is closed. */
static void test_after_a_transfer_without_a_pipe(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int file = make_file(1, 0, SIZE), quick[2], stalled[2], taken[LIMIT];
	uint64_t id;

	(void)state;
	make_pair(quick, SOCK_NONBLOCK);
	make_pair(stalled, SOCK_NONBLOCK);
	id = post_stalled(e, file, stalled, RINGO_SENDFILE_SPLICE);
	send_small(e, file, quick);
	engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = id));
	engine_wait(e, id);
	use_up_descriptors(taken);
	for (int i = 0; i < 3; i++)
		send_small(e, file, quick);
	give_back_descriptors(taken);
	close_pair(quick);
	close_pair(stalled);
	close(file);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* COPY needs no pipe, and takes none away while it runs. */
static void test_beside_a_copy(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int file = make_file(1, 0, SIZE), quick[2], stalled[2], taken[LIMIT];
	uint64_t id;

	(void)state;
	make_pair(quick, SOCK_NONBLOCK);
	make_pair(stalled, SOCK_NONBLOCK);
	send_small(e, file, quick);
	id = post_stalled(e, file, stalled, RINGO_SENDFILE_COPY);
	use_up_descriptors(taken);
	send_small(e, file, quick);
	give_back_descriptors(taken);
	engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = id));
	engine_wait(e, id);
	close_pair(quick);
	close_pair(stalled);
	close(file);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* Where there is none to be had the op says so, and leaves nothing behind. */
static void test_no_pipe_at_all(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int file = make_file(1, 0, SIZE), ends[2], taken[LIMIT];

	(void)state;
	make_pair(ends, SOCK_NONBLOCK);
	use_up_descriptors(taken);
	for (int i = 0; i < 100; i++)
		assert_int_equal(
			engine_wait(e, post_send(e, file, ends[0], RINGO_SENDFILE_SPLICE, SMALL))
				.result,
			-EMFILE);
	give_back_descriptors(taken);
	send_small(e, file, ends);
	close_pair(ends);
	close(file);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_after_a_transfer_without_a_pipe),
		cmocka_unit_test(test_beside_a_copy),
		cmocka_unit_test(test_no_pipe_at_all),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
