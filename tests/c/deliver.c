/* SPDX-License-Identifier: MIT */
/* Ops from deliver: as many as there is room for, counted apart from posts, AGAIN when asked. */
#include "check.h"

enum { RESERVE = 16 };

struct script {
	struct ringo_loop *loop;
	int fd;
	uint32_t calls, empty_calls, max_room, waiting, ended, cancelled;
};

static uint32_t fill_the_room(uintptr_t context, const struct ringo_completion *completions,
			      uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct script *s = (struct script *)context;
	uint32_t n = 0;

	s->calls++;
	s->empty_calls += count == 0;
	if (room > s->max_room)
		s->max_room = room;
	for (uint32_t i = 0; i < count; i++) {
		s->ended++;
		if (completions[i].result == -ECANCELED) {
			s->cancelled++;
			s->waiting--;
		}
	}
	must(room == RESERVE - s->waiting);
	if (s->calls <= 3) {
		/* Ops that wait take up the room until they end. */
		for (; n < room && n < 7; n++)
			ops[n] = OP(.code = RINGO_POLL, .fd = s->fd, .argument = POLLIN,
				    .user_data = s->calls);
		s->waiting += n;
		return n | RINGO_DELIVER_AGAIN;
	}
	if (s->calls == 4) {
		must(room == 0);
		ringo_loop_stop(s->loop, RINGO_STOP_DRAIN);
	}
	return 0;
}

static void test_room_is_what_the_reserve_has_left(void **state)
{
	struct script s = {0};
	int ends[2];
	struct ringo_op nop = OP(.code = RINGO_NOP, .user_data = 99);

	(void)state;
	make_pair(ends, 0);
	s.fd = ends[0];
	if (ringo_loop_open(OPTIONS(.depth = 4, .reserve = RESERVE), &s.loop) != 0)
		skip_program("no io_uring here");
	assert_int_equal(ringo_post(s.loop, &nop, 1, 0), 0);
	assert_int_equal(ringo_loop_run(s.loop, fill_the_room, (uintptr_t)&s), 0);
	assert_int_equal(s.max_room, RESERVE);
	assert_int_equal(s.ended, 1 + RESERVE);
	assert_int_equal(s.cancelled, RESERVE);
	assert_int_equal(s.empty_calls, 3); /* nothing completed: called because of AGAIN */
	ringo_loop_close(s.loop);
	close(ends[0]);
	close(ends[1]);
}

/* A chain of ops that only deliver feeds, one turn each. */
static uint32_t chain(uintptr_t context, const struct ringo_completion *completions, uint32_t count,
		      struct ringo_op *ops, uint32_t room)
{
	struct script *s = (struct script *)context;

	must(count == 1 && room == RESERVE && completions[0].user_data == s->ended);
	if (++s->ended == 1000) {
		ringo_loop_stop(s->loop, RINGO_STOP_DRAIN);
		return 0;
	}
	ops[0] = OP(.code = RINGO_NOP, .user_data = s->ended);
	return 1;
}

static void test_ops_from_deliver_start_in_the_next_turn(void **state)
{
	struct script s = {0};
	struct ringo_op nop = OP(.code = RINGO_NOP);

	(void)state;
	assert_int_equal(ringo_loop_open(OPTIONS(.reserve = RESERVE), &s.loop), 0);
	assert_int_equal(ringo_post(s.loop, &nop, 1, 0), 0);
	assert_int_equal(ringo_loop_run(s.loop, chain, (uintptr_t)&s), 0);
	assert_int_equal(s.ended, 1000);
	ringo_loop_close(s.loop);
}

/* Ops of deliver are taken even while the loop drains, and bad ones end like others. */
static uint32_t bad_ops(uintptr_t context, const struct ringo_completion *completions,
			uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct script *s = (struct script *)context;
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++)
		s->ended += completions[i].result == -EINVAL;
	if (s->calls++ > 0)
		return 0;
	for (; n < room; n++)
		ops[n] = n % 2 ? OP(.code = UINT16_MAX) : OP(.code = RINGO_CANCEL, .argument = 77);
	ringo_loop_stop(s->loop, RINGO_STOP_DRAIN);
	return n;
}

static void test_bad_ops_from_deliver(void **state)
{
	struct script s = {0};
	struct ringo_op nop = OP(.code = RINGO_NOP);

	(void)state;
	assert_int_equal(ringo_loop_open(OPTIONS(.depth = 1, .reserve = 262144), &s.loop), 0);
	assert_int_equal(ringo_post(s.loop, &nop, 1, 0), 0);
	assert_int_equal(ringo_loop_run(s.loop, bad_ops, (uintptr_t)&s), 0);
	assert_in_range(s.ended, 1, 262144);
	ringo_loop_close(s.loop);
}

/* What deliver starts while the loop drains: what waits for others ends at once, the rest runs. */
static uint32_t start_while_draining(uintptr_t context, const struct ringo_completion *completions,
				     uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct script *s = (struct script *)context;

	(void)room;
	for (uint32_t i = 0; i < count; i++) {
		s->ended += completions[i].user_data == 2 && completions[i].result == 0;
		s->cancelled += completions[i].result == -ECANCELED;
	}
	if (s->calls++ > 0)
		return 0;
	ringo_loop_stop(s->loop, RINGO_STOP_DRAIN);
	ops[0] = OP(.code = RINGO_TIMEOUT, .argument2 = UINT64_MAX);
	ops[1] = OP(.code = RINGO_POLL, .fd = s->fd, .argument = POLLIN);
	ops[2] = OP(.code = RINGO_NOP, .user_data = 2);
	return 3;
}

/* The same one turn later, when the loop has heeded the stop. */
static uint32_t start_late(uintptr_t context, const struct ringo_completion *completions,
			   uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct script *s = (struct script *)context;

	if (s->calls == 0 && s->empty_calls++ < 2) {
		ringo_loop_stop(s->loop, RINGO_STOP_DRAIN);
		return RINGO_DELIVER_AGAIN;
	}
	return start_while_draining(context, completions, count, ops, room);
}

static void test_ops_from_deliver_while_draining(void **state)
{
	static const ringo_deliver delivers[] = {start_while_draining, start_late};
	struct ringo_op nop = OP(.code = RINGO_NOP);
	int ends[2];

	(void)state;
	make_pair(ends, 0);
	for (size_t i = 0; i < LENGTH_OF(delivers); i++) {
		struct script s = {.fd = ends[0]};

		assert_int_equal(ringo_loop_open(OPTIONS(.reserve = RESERVE), &s.loop), 0);
		assert_int_equal(ringo_post(s.loop, &nop, 1, 0), 0);
		alarm(PATIENCE_SECONDS);
		assert_int_equal(ringo_loop_run(s.loop, delivers[i], (uintptr_t)&s), 0);
		alarm(0);
		assert_int_equal(s.ended, 1);
		assert_int_equal(s.cancelled, 2);
		ringo_loop_close(s.loop);
	}
	close(ends[0]);
	close(ends[1]);
}

/* With all of the reserve used: no op more, but cancels of those that are there. */
static uint32_t overdraw(uintptr_t context, const struct ringo_completion *completions,
			 uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct script *s = (struct script *)context;
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++) {
		s->ended += completions[i].result == -EAGAIN && completions[i].user_data == 7;
		s->cancelled += completions[i].result == -ECANCELED;
		s->waiting += completions[i].result == 1; /* a cancel that found one */
	}
	switch (s->calls++) {
	case 0:
		for (; n < room; n++)
			ops[n] = OP(.code = RINGO_TIMEOUT, .user_data = 100 + n,
				    .argument2 = UINT64_MAX);
		return n | RINGO_DELIVER_AGAIN;
	case 1:
		must(room == 0);
		ops[n++] = OP(.code = RINGO_NOP, .user_data = 7);
		for (; n < RINGO_SLOTLESS_ROOM; n++)
			ops[n] = n <= RESERVE ? OP(.code = RINGO_CANCEL, .argument2 = 99 + n)
					      : OP(.code = RINGO_RETURN_BUFFER, .argument = n);
		return n;
	default:
		if (s->cancelled == RESERVE)
			ringo_loop_stop(s->loop, RINGO_STOP_DRAIN);
		return 0;
	}
}

static void test_full_reserve_can_be_relieved(void **state)
{
	struct script s = {0};
	struct ringo_op nop = OP(.code = RINGO_NOP);

	(void)state;
	assert_int_equal(ringo_loop_open(OPTIONS(.depth = 1, .reserve = RESERVE), &s.loop), 0);
	assert_int_equal(ringo_post(s.loop, &nop, 1, 0), 0);
	alarm(PATIENCE_SECONDS);
	assert_int_equal(ringo_loop_run(s.loop, overdraw, (uintptr_t)&s), 0);
	alarm(0);
	assert_int_equal(s.ended, 1);
	assert_int_equal(s.cancelled, RESERVE);
	assert_int_equal(s.waiting, RESERVE);
	ringo_loop_close(s.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room_is_what_the_reserve_has_left),
		cmocka_unit_test(test_ops_from_deliver_start_in_the_next_turn),
		cmocka_unit_test(test_bad_ops_from_deliver),
		cmocka_unit_test(test_ops_from_deliver_while_draining),
		cmocka_unit_test(test_full_reserve_can_be_relieved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
