/* SPDX-License-Identifier: MIT */
/* Receives that find no provided buffer: they wait, lose nothing, and go on when one comes back. */
#include "check.h"

enum { SEED = 22, BUFFER_SIZE = 256 };

static void give_back(struct engine *e, uint32_t id)
{
	struct ringo_op op = OP(.code = RINGO_RETURN_BUFFER, .argument = id);

	assert_int_equal(ringo_post(e->loop, &op, 1, 0), 0);
}

static uint64_t post_recv(struct engine *e, int fd)
{
	return engine_post(e, OP(.code = RINGO_RECV, .fd = fd,
				 .flags = RINGO_BUFFER_SELECT | RINGO_MULTISHOT));
}

/* Holds on to what comes, gives it back late: two buffers for two hundred times as much. */
static void test_two_buffers_many_messages(void **state)
{
	enum { TOTAL = 400 * BUFFER_SIZE };
	static unsigned char data[TOTAL];
	struct engine *e =
		engine_open(OPTIONS(.receive_buffers = 2, .receive_buffer_size = BUFFER_SIZE));
	unsigned char *base;
	uint32_t size, held[2], held_count = 0;
	size_t taken = 0, where = 0;
	int ends[2];
	uint64_t id;

	(void)state;
	make_pair(ends, 0);
	fill(data, TOTAL, SEED, 0);
	ringo_loop_buffers(e->loop, &base, &size);
	id = post_recv(e, ends[0]);
	write_fully(ends[1], data, TOTAL);
	for (size_t next = 0; where < TOTAL; next++) {
		struct ringo_completion c;

		engine_await(e, id, next + 1);
		pthread_mutex_lock(&e->lock);
		c = e->log[next];
		taken = e->log_count;
		pthread_mutex_unlock(&e->lock);
		assert_int_equal(c.flags, RINGO_MORE | RINGO_BUFFER);
		assert_in_range(c.result, 1, BUFFER_SIZE);
		assert_int_equal(
			first_wrong(base + (size_t)c.extra * size, (size_t)c.result, SEED, where),
			c.result);
		where += (size_t)c.result;
		assert_true(held_count < 2);
		held[held_count++] = (uint32_t)c.extra;
		if (held_count == 2) { /* none is left: nothing may come until one is back */
			if (next % 20 == 1)
				nap_ms(5);
			assert_int_equal(taken, next + 1);
			assert_true(held[0] != held[1]);
			give_back(e, held[0]);
			if (next % 3)
				give_back(e, held[1]);
			held[0] = held[1];
			held_count = next % 3 ? 0 : 1;
		}
	}
	assert_true(engine_stats(e).starved > 50);
	shutdown(ends[1], SHUT_WR);
	while (held_count > 0)
		give_back(e, held[--held_count]);
	assert_int_equal(engine_wait(e, id).result, 0);
	engine_close(e, RINGO_STOP_DRAIN);
	close(ends[0]);
	close(ends[1]);
}

/* A buffer comes back while an idle connection waits before a busy one: the busy one gets it. */
static void test_idle_receiver_does_not_keep_the_buffer_from_others(void **state)
{
	enum { IDLE = 200 };
	struct engine *e =
		engine_open(OPTIONS(.receive_buffers = 1, .receive_buffer_size = BUFFER_SIZE));
	int first[2], busy[2], idle[IDLE][2];
	struct ringo_completion c;
	uint64_t id, busy_id;

	(void)state;
	make_pair(first, 0);
	make_pair(busy, 0);
	id = post_recv(e, first[0]);
	must(write(first[1], "a", 1) == 1);
	c = engine_await(e, id, 1); /* the only buffer */
	for (int i = 0; i < IDLE; i++) {
		make_pair(idle[i], 0);
		post_recv(e, idle[i][0]);
	}
	busy_id = post_recv(e, busy[0]);
	must(write(busy[1], "b", 1) == 1);
	while (engine_stats(e).starved < IDLE + 1)
		nap_ms(1);
	assert_int_equal(engine_count(e, busy_id), 0);
	give_back(e, (uint32_t)c.extra);
	c = engine_await(e, busy_id, 1);
	assert_int_equal(c.result, 1);
	engine_close(e, RINGO_STOP_DRAIN);
	for (int i = 0; i < IDLE; i++) {
		close(idle[i][0]);
		close(idle[i][1]);
	}
	close(first[0]);
	close(first[1]);
	close(busy[0]);
	close(busy[1]);
}

/* Giving back what one does not have: nothing happens. Twice the same: once. */
static void test_bad_returns_are_harmless(void **state)
{
	struct engine *e =
		engine_open(OPTIONS(.receive_buffers = 2, .receive_buffer_size = BUFFER_SIZE));
	struct ringo_completion c;
	int ends[2];
	uint64_t id;
	bool held[2] = {false, false};

	(void)state;
	make_pair(ends, 0);
	give_back(e, 0);
	give_back(e, 1);
	give_back(e, 2);
	give_back(e, UINT32_MAX);
	id = post_recv(e, ends[0]);
	for (size_t n = 1; n <= 2; n++) {
		must(write(ends[1], "x", 1) == 1);
		c = engine_await(e, id, n);
		assert_false(held[c.extra]); /* each buffer is lent to one holder only */
		held[c.extra] = true;
	}
	for (int i = 0; i < 5; i++)
		give_back(e, 1);
	engine_run(e, OP(.code = RINGO_NOP)); /* all of them, before it can be lent again */
	for (size_t n = 3; n <= 4; n++) {
		must(write(ends[1], "x", 1) == 1);
		engine_await(e, id, 3);
		nap_ms(20);
		assert_int_equal(engine_count(e, id), 3); /* buffer 1 was there once */
	}
	give_back(e, 0);
	engine_await(e, id, 4);
	engine_close(e, RINGO_STOP_DRAIN);
	close(ends[0]);
	close(ends[1]);
}

static void test_parked_receive_can_be_cancelled(void **state)
{
	struct engine *e =
		engine_open(OPTIONS(.receive_buffers = 1, .receive_buffer_size = BUFFER_SIZE));
	struct ringo_completion c;
	int ends[2];
	uint64_t id, parked;

	(void)state;
	make_pair(ends, 0);
	id = post_recv(e, ends[0]);
	must(write(ends[1], "x", 1) == 1);
	c = engine_await(e, id, 1);
	parked = post_recv(e, ends[1]);
	while (engine_stats(e).starved == 0)
		nap_ms(1);
	assert_int_equal(engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = parked)), 1);
	assert_int_equal(engine_wait(e, parked).result, -ECANCELED);
	give_back(e, (uint32_t)c.extra);
	must(write(ends[1], "y", 1) == 1);
	assert_int_equal(engine_await(e, id, 2).result, 1);
	engine_close(e, RINGO_STOP_DRAIN);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_buffers_many_messages),
		cmocka_unit_test(test_idle_receiver_does_not_keep_the_buffer_from_others),
		cmocka_unit_test(test_bad_returns_are_harmless),
		cmocka_unit_test(test_parked_receive_can_be_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
