/* SPDX-License-Identifier: MIT */
/* Several groups of provided buffers, each of its own size, and incremental ones. */
#include "check.h"

/* Groups are added on the loop's thread: in its first delivery. */
struct wanted {
	struct ringo_buffer_group group;
	int result;
};

static uint32_t add_groups(struct engine *e, const struct ringo_completion *completions,
			   uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct wanted *wanted = e->hook_context;

	(void)completions, (void)count, (void)ops, (void)room;
	for (; wanted != NULL && wanted->result == 1; wanted++)
		wanted->result = ringo_loop_add_group(e->loop, &wanted->group);
	return 0;
}

static struct engine *open_with(struct wanted *wanted)
{
	struct engine *e = engine_open_hooked(
		OPTIONS(.receive_buffers = 4, .receive_buffer_size = 64), add_groups, wanted);

	engine_run(e, OP(.code = RINGO_NOP));
	engine_run(e, OP(.code = RINGO_NOP)); /* the first one's hook has returned */
	return e;
}

static uint64_t receive(struct engine *e, int fd, uint64_t group)
{
	return engine_post(e, OP(.code = RINGO_RECV, .fd = fd, .argument2 = group,
				 .flags = RINGO_MULTISHOT | RINGO_BUFFER_SELECT));
}

static void give_back(struct engine *e, uint64_t group, int32_t id)
{
	must(ringo_post(
		     e->loop,
		     &OP(.code = RINGO_RETURN_BUFFER, .argument = (uint32_t)id, .argument2 = group),
		     1, 0) == 0);
}

static unsigned char *memory_of(struct engine *e, uint32_t group, int32_t id)
{
	unsigned char *base;
	uint32_t size;

	assert_true((uint32_t)id < ringo_loop_group(e->loop, group, &base, &size));
	return base + (size_t)id * size;
}

static void test_groups(void **state)
{
	struct wanted wanted[] = {
		{{.id = 1, .count = 2, .size = 1000}, 1},
		{{.id = 15, .count = 1, .size = 4096}, 1},
		{{.id = 1, .count = 2, .size = 1000}, 1},
		{{.id = 0, .count = 2, .size = 1000}, 1},
		{{.id = 16, .count = 2, .size = 64}, 1},
		{{.id = 2, .count = 3, .size = 64}, 1},
		{{.id = 2, .count = 0, .size = 64}, 1},
		{{.id = 2, .count = 2, .size = 63}, 1},
		{{.id = 2, .count = 65536, .size = 64}, 1},
		{{.id = 2, .count = 2, .size = 64, .flags = 2}, 1},
		{{.id = 0}, 0},
	};
	struct engine *e = open_with(wanted);
	static const uint32_t ids[] = {0, 1, 15};
	unsigned char data[4096];
	int ends[3][2];
	uint64_t op[3];

	(void)state;
	assert_int_equal(wanted[0].result, 0);
	assert_int_equal(wanted[1].result, 0);
	assert_int_equal(wanted[2].result, -EEXIST);
	assert_int_equal(wanted[3].result, -EEXIST);
	for (int i = 4; i < 10; i++)
		assert_int_equal(wanted[i].result, -EINVAL);
	assert_int_equal(ringo_loop_add_group(e->loop, &wanted[9].group), -EXDEV);
	fill(data, sizeof(data), 1, 0);
	for (int i = 0; i < 3; i++) {
		make_pair(ends[i], 0);
		op[i] = receive(e, ends[i][0], ids[i]);
	}
	/* Each runs out of its own buffers, and goes on when it has one back. */
	for (size_t round = 1; round <= 20; round++) {
		for (int i = 0; i < 3; i++) {
			struct ringo_completion c;

			must(write(ends[i][1], data, 64) == 64);
			c = engine_await(e, op[i], round);
			assert_int_equal(c.result, 64);
			assert_int_equal(c.flags, RINGO_MORE | RINGO_BUFFER);
			assert_memory_equal(memory_of(e, ids[i], c.extra), data, 64);
			give_back(e, ids[i], c.extra);
		}
	}
	/* Of no such group. */
	assert_int_equal(engine_wait(e, receive(e, ends[0][0], 2)).result, -EINVAL);
	assert_int_equal(engine_wait(e, receive(e, ends[0][0], 16)).result, -EINVAL);
	give_back(e, 2, 0);
	give_back(e, UINT64_MAX, 0);
	give_back(e, 1, 2);
	engine_run(e, OP(.code = RINGO_NOP));
	engine_close(e, RINGO_STOP_DRAIN);
	for (int i = 0; i < 3; i++) {
		close(ends[i][0]);
		close(ends[i][1]);
	}
}

/* A receive that waits for a buffer of one group is not helped by those of another. */
static void test_starved_group(void **state)
{
	struct wanted wanted[] = {{{.id = 1, .count = 1, .size = 64}, 1}, {{.id = 0}, 0}};
	struct engine *e = open_with(wanted);
	struct ringo_completion c;
	int ends[2][2];
	uint64_t op[2];

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		make_pair(ends[i], 0);
		op[i] = receive(e, ends[i][0], i);
	}
	must(write(ends[1][1], "a", 1) == 1);
	c = engine_await(e, op[1], 1);
	must(write(ends[1][1], "b", 1) == 1);
	while (engine_stats(e).starved == 0)
		nap_ms(1);
	must(write(ends[0][1], "c", 1) == 1);
	give_back(e, 0, engine_await(e, op[0], 1).extra);
	expect_asleep(e);
	assert_int_equal(engine_count(e, op[1]), 1);
	give_back(e, 1, c.extra);
	c = engine_await(e, op[1], 2);
	assert_int_equal(*memory_of(e, 1, c.extra), 'b');
	/* Cancelled while it waits. */
	must(write(ends[1][1], "d", 1) == 1);
	while (engine_stats(e).starved < 2)
		nap_ms(1);
	assert_int_equal(engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = op[1])), 1);
	assert_int_equal(engine_wait(e, op[1]).result, -ECANCELED);
	engine_close(e, RINGO_STOP_DRAIN);
	for (int i = 0; i < 2; i++) {
		close(ends[i][0]);
		close(ends[i][1]);
	}
}

/* A buffer is filled piece by piece, and is the caller's when it is full. */
static void test_incremental(void **state)
{
	enum { SIZE = 256, PIECE = 64 };
	struct wanted wanted[] = {
		{{.id = 1, .count = 2, .size = SIZE, .flags = RINGO_BUFFERS_INCREMENTAL}, 1},
		{{.id = 0}, 0}};
	struct engine *e = open_with(wanted);
	unsigned char data[PIECE];
	size_t used[2] = {0, 0};
	int ends[2];
	uint64_t op;

	(void)state;
	if (wanted[0].result == -EOPNOTSUPP) {
		engine_close(e, RINGO_STOP_DRAIN);
		skip();
		return;
	}
	assert_int_equal(wanted[0].result, 0);
	make_pair(ends, 0);
	op = receive(e, ends[0], 1);
	for (size_t i = 1; i <= 100; i++) {
		struct ringo_completion c;

		fill(data, PIECE, i, 0);
		must(write(ends[1], data, PIECE) == PIECE);
		c = engine_await(e, op, i);
		assert_int_equal(c.result, PIECE);
		assert_true(c.flags & RINGO_BUFFER);
		assert_in_range(c.extra, 0, 1);
		assert_memory_equal(memory_of(e, 1, c.extra) + used[c.extra], data, PIECE);
		used[c.extra] += PIECE;
		assert_int_equal(!(c.flags & RINGO_BUFFER_MORE), used[c.extra] == SIZE);
		if (used[c.extra] == SIZE) {
			used[c.extra] = 0;
			give_back(e, 1, c.extra);
		} else {
			give_back(e, 1, c.extra); /* not the caller's: nothing happens */
		}
	}
	engine_close(e, RINGO_STOP_DRAIN);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_starved_group),
		cmocka_unit_test(test_incremental),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
