/* SPDX-License-Identifier: MIT */
/* Many SENDFILEs at once: stalled readers hold no worker, pipes never carry one transfer's bytes to
 * another, and the turn's budget lets transfers take turns. */
#include "check.h"

enum { STALLED = 32, SIZE = 1 << 20, BUDGET = 4096, FAR_AHEAD = 16 * BUDGET };

static int ignore_sigpipe(void **state)
{
	(void)state;
	return signal(SIGPIPE, SIG_IGN) == SIG_ERR;
}

static uint64_t post_send(struct engine *e, int file, int to, uint32_t strategy, size_t length)
{
	return engine_post(e, OP(.code = RINGO_SENDFILE, .fd = file, .fd2 = to, .length = length,
				 .argument = strategy));
}

static void expect_stream(int fd, uint64_t seed, size_t length)
{
	static unsigned char data[SIZE];

	assert_int_equal(read_fully(fd, data, length), length);
	assert_int_equal(first_wrong(data, length, seed, 0), length);
}

/* One worker of each kind, and far more readers that take nothing. */
static void test_stalled_readers_hold_no_worker(void **state)
{
	struct engine *e = engine_open(OPTIONS(.bounded_workers = 1, .unbounded_workers = 1));
	int file = make_file(1, 0, SIZE), stalled[STALLED][2], ends[2];
	uint64_t ids[STALLED], id;

	(void)state;
	for (uint32_t strategy = RINGO_SENDFILE_AUTO; strategy <= RINGO_SENDFILE_COPY; strategy++) {
		for (int i = 0; i < STALLED; i++) {
			make_pair(stalled[i], SOCK_NONBLOCK);
			ids[i] = post_send(e, file, stalled[i][0], strategy, SIZE);
		}
		nap_ms(100);
		for (uint32_t other = 0; other < strategy_count(); other++) {
			make_pair(ends, SOCK_NONBLOCK);
			id = post_send(e, file, ends[0], other, SIZE);
			expect_stream(ends[1], 1, SIZE);
			assert_int_equal(engine_wait(e, id).result, SIZE);
			close(ends[0]);
			close(ends[1]);
		}
		/* Nor are they forgotten: half go on, half are cancelled. */
		for (int i = 0; i < STALLED; i += 2) {
			expect_stream(stalled[i][1], 1, SIZE);
			assert_int_equal(engine_wait(e, ids[i]).result, SIZE);
		}
		assert_int_equal(
			engine_result(e, OP(.code = RINGO_CANCEL, .argument = RINGO_CANCEL_ALL)),
			STALLED / 2);
		for (int i = 0; i < STALLED; i++) {
			engine_wait(e, ids[i]);
			close(stalled[i][0]);
			close(stalled[i][1]);
		}
	}
	close(file);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* Transfers that are cancelled or lose their peer with a full pipe; then others, by content. */
static void test_no_bytes_of_another_transfer(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int fds = count_fds();

	(void)state;
	for (uint64_t round = 1; round <= 40; round++) {
		int old_file = make_file(2 * round, 0, SIZE),
		    new_file = make_file(2 * round + 1, 0, 100000), old[4][2], new[2];
		uint32_t strategy = round % 4 == 3 ? RINGO_SENDFILE_COPY : RINGO_SENDFILE_SPLICE;
		uint64_t ids[4];

		for (int i = 0; i < 4; i++) {
			make_pair(old[i], SOCK_NONBLOCK);
			ids[i] = post_send(e, old_file, old[i][0], strategy, SIZE);
		}
		nap_ms((long)(round % 5));
		for (int i = 0; i < 4; i++) {
			if (i % 2)
				engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = ids[i]));
			else
				close(old[i][1]);
			engine_wait(e, ids[i]);
		}
		for (int i = 0; i < 6; i++) {
			make_pair(new, SOCK_NONBLOCK);
			ids[0] = post_send(e, new_file, new[0], RINGO_SENDFILE_SPLICE, 100000);
			expect_stream(new[1], 2 * round + 1, 100000);
			assert_int_equal(engine_wait(e, ids[0]).result, 100000);
			close(new[0]);
			close(new[1]);
		}
		for (int i = 0; i < 4; i++) {
			close(old[i][0]);
			if (i % 2)
				close(old[i][1]);
		}
		close(old_file);
		close(new_file);
	}
	assert_in_range(count_fds(), fds, fds + 2 * 32); /* the pipes that are kept */
	engine_close(e, RINGO_STOP_DRAIN);
}

struct watch {
	int ends[2][2];
	int64_t seen[2], largest_step;
};

/* After each turn: how much more has each socket got? */
static uint32_t watch_progress(struct engine *e, const struct ringo_completion *completions,
			       uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct watch *w = e->hook_context;

	(void)completions, (void)count, (void)ops, (void)room;
	for (int i = 0; i < 2; i++) {
		static char data[1 << 16];
		ssize_t n = read(w->ends[i][1], data, sizeof(data));

		if (n > w->largest_step)
			w->largest_step = n;
		w->seen[i] += n > 0 ? n : 0;
		/* Neither is ever far ahead while both go on. Which worker of the threads backend
		 * comes first is the scheduler's. */
		if (w->seen[0] < SIZE && w->seen[1] < SIZE &&
		    ringo_loop_backend(e->loop, NULL) == RINGO_BACKEND_URING)
			must(llabs(w->seen[0] - w->seen[1]) <= FAR_AHEAD);
	}
	return RINGO_DELIVER_AGAIN * (w->seen[0] < SIZE || w->seen[1] < SIZE);
}

static void test_budget_makes_transfers_take_turns(void **state)
{
	int file = make_file(1, 0, SIZE);

	(void)state;
	for (uint32_t strategy = RINGO_SENDFILE_AUTO; strategy < strategy_count(); strategy++) {
		struct watch w = {.largest_step = 0};
		struct engine *e;
		struct ringo_op ops[2];

		make_pair(w.ends[0], SOCK_NONBLOCK);
		make_pair(w.ends[1], SOCK_NONBLOCK);
		e = engine_open_hooked(OPTIONS(.turn_budget = BUDGET), watch_progress, &w);
		for (int i = 0; i < 2; i++)
			ops[i] =
				OP(.code = RINGO_SENDFILE, .fd = file, .fd2 = w.ends[i][0],
				   .length = SIZE, .argument = strategy, .user_data = ++e->last_id);
		engine_run(e, OP(.code = RINGO_NOP)); /* from here on deliver comes each turn */
		assert_int_equal(ringo_post(e->loop, ops, 2, 0), 0);
		for (int i = 0; i < 2; i++)
			assert_int_equal(engine_wait(e, ops[i].user_data).result, SIZE);
		engine_close(e, RINGO_STOP_DRAIN);
		assert_in_range(w.largest_step, 1, BUDGET);
		for (int i = 0; i < 2; i++) {
			close(w.ends[i][0]);
			close(w.ends[i][1]);
		}
	}
	close(file);
}

enum { CROWD = 40 };

struct crowd {
	int ends[CROWD][2];
	int64_t seen[CROWD];
};

/* After each turn: no more than 16 transfers have sent their budget, and none is far ahead. */
static uint32_t watch_crowd(struct engine *e, const struct ringo_completion *completions,
			    uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct crowd *w = e->hook_context;
	int64_t step = 0, least = INT64_MAX, most = 0;

	(void)completions, (void)count, (void)ops, (void)room;
	for (int i = 0; i < CROWD; i++) {
		static char data[1 << 16];
		ssize_t n = read(w->ends[i][1], data, sizeof(data));

		step += n > 0 ? n : 0;
		w->seen[i] += n > 0 ? n : 0;
		least = w->seen[i] < least ? w->seen[i] : least;
		most = w->seen[i] > most ? w->seen[i] : most;
	}
	must(step < (int64_t)17 * BUDGET);
	must(most == SIZE || most - least <= (int64_t)2 * BUDGET);
	return RINGO_DELIVER_AGAIN * (least < SIZE);
}

static void test_many_transfers_share_a_turn(void **state)
{
	int file = make_file(1, 0, SIZE);
	struct crowd w = {.seen = {0}};
	struct engine *e;
	struct ringo_op ops[CROWD];

	(void)state;
	for (int i = 0; i < CROWD; i++)
		make_pair(w.ends[i], SOCK_NONBLOCK);
	e = engine_open_hooked(OPTIONS(.turn_budget = BUDGET), watch_crowd, &w);
	for (int i = 0; i < CROWD; i++)
		ops[i] = OP(.code = RINGO_SENDFILE, .fd = file, .fd2 = w.ends[i][0], .length = SIZE,
			    .argument = RINGO_SENDFILE_SYSCALL, .user_data = ++e->last_id);
	engine_run(e, OP(.code = RINGO_NOP)); /* from here on deliver comes each turn */
	assert_int_equal(ringo_post(e->loop, ops, CROWD, 0), 0);
	for (int i = 0; i < CROWD; i++)
		assert_int_equal(engine_wait(e, ops[i].user_data).result, SIZE);
	engine_close(e, RINGO_STOP_DRAIN);
	for (int i = 0; i < CROWD; i++) {
		close(w.ends[i][0]);
		close(w.ends[i][1]);
	}
	close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stalled_readers_hold_no_worker),
		cmocka_unit_test(test_no_bytes_of_another_transfer),
		cmocka_unit_test(test_budget_makes_transfers_take_turns),
		cmocka_unit_test(test_many_transfers_share_a_turn),
	};

	return cmocka_run_group_tests(tests, ignore_sigpipe, NULL);
}
