/* SPDX-License-Identifier: MIT */
/* ACCEPT when descriptors have run out: it pauses instead of spinning, and goes on after a close.
 */
#include "check.h"

enum { LIMIT = 40 };

/* The kernel takes the limit of the time when an accept was armed: so it is low from the start,
 * and descriptors are used up. */
static int taken[LIMIT], taken_count;

static int set_up(void **state)
{
	struct rlimit low = {.rlim_cur = LIMIT, .rlim_max = LIMIT};

	(void)state;
	return setrlimit(RLIMIT_NOFILE, &low);
}

/* A sanitizer's own thread may have a file open for a moment: it is waited for. */
static void use_up_descriptors(void)
{
	for (int quiet_ms = 0; quiet_ms < 50; quiet_ms++) {
		while ((taken[taken_count] = dup(0)) >= 0) {
			taken_count++;
			quiet_ms = 0;
		}
		must(errno == EMFILE && taken_count > 1);
		nap_ms(1);
	}
}

static void give_back_descriptors(int count)
{
	while (count-- > 0)
		close(taken[--taken_count]);
}

static void connect_client(int client, const struct sockaddr_in *address)
{
	must(connect(client, (const struct sockaddr *)address, sizeof(*address)) == 0);
}

static int make_client(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0);
	return fd;
}

static void test_many_times(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct sockaddr_in address;
	struct ringo_stats before, after;
	struct timespec start, end;
	int64_t elapsed_ms;
	int listener = make_listener(&address), clients[2] = {make_client(), make_client()};
	uint64_t id = engine_post(e, OP(.code = RINGO_ACCEPT, .fd = listener,
					.argument = SOCK_CLOEXEC, .flags = RINGO_MULTISHOT));
	struct ringo_completion c;

	(void)state;
	use_up_descriptors();
	before = engine_stats(e);
	clock_gettime(CLOCK_MONOTONIC, &start);
	connect_client(clients[0], &address);
	c = engine_await(e, id, 1);
	assert_int_equal(c.result, -EMFILE);
	assert_int_equal(c.flags, RINGO_MORE);
	while (engine_stats(e).backoffs < before.backoffs + 10)
		nap_ms(10);
	after = engine_stats(e);
	clock_gettime(CLOCK_MONOTONIC, &end);
	elapsed_ms = (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
	/* 20 ms a pause, each of a few turns. */
	assert_in_range(after.backoffs - before.backoffs, 10, elapsed_ms / 20 + 2);
	assert_in_range(after.turns - before.turns, 10, 10 * (after.backoffs - before.backoffs));
	/* One descriptor: the connection that waited all the while is accepted. */
	give_back_descriptors(1);
	do
		c = engine_await(e, id, engine_count(e, id) + 1);
	while (c.result == -EMFILE);
	assert_int_equal(c.result, taken[taken_count]);
	assert_int_equal(c.flags, RINGO_MORE);
	/* A cancel in the middle of a pause ends it. */
	connect_client(clients[1], &address);
	assert_int_equal(engine_await(e, id, engine_count(e, id) + 1).result, -EMFILE);
	assert_int_equal(engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = id)), 1);
	assert_int_equal(engine_wait(e, id).result, -ECANCELED);
	close((int)c.result);
	give_back_descriptors(taken_count);
	close(clients[0]);
	close(clients[1]);
	close(listener);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_once_reports_it(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct sockaddr_in address;
	int listener = make_listener(&address), client = connect_to(&address);
	int64_t result;

	(void)state;
	use_up_descriptors();
	assert_int_equal(engine_result(e, OP(.code = RINGO_ACCEPT, .fd = listener)), -EMFILE);
	give_back_descriptors(taken_count);
	result = engine_result(e, OP(.code = RINGO_ACCEPT, .fd = listener));
	assert_true(result >= 0);
	close((int)result);
	close(client);
	close(listener);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_times),
		cmocka_unit_test(test_once_reports_it),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
