/* SPDX-License-Identifier: MIT */
/* A submission queue of 4 and a completion queue of 8, for a thousand ops at once; what overflows
 * the completion queue, multishots that it ends among it, is not lost. */
#include "check.h"

enum { CONCURRENT = 1000, SEED = 31, PAIRS = 64, BUFFER_SIZE = 64 };

static void test_a_thousand_ops_at_once(void **state)
{
	static unsigned char data[CONCURRENT][64];
	struct engine *e =
		engine_open(OPTIONS(.depth = CONCURRENT, .sq_entries = 4, .cq_entries = 8));
	static struct ringo_op ops[CONCURRENT];
	char bytes[CONCURRENT / 3];
	int file = make_file(SEED, 0, CONCURRENT + 64), ends[2];

	(void)state;
	must(pipe2(ends, O_CLOEXEC) == 0);
	for (int round = 0; round < 5; round++) {
		uint64_t first = e->last_id + 1;

		for (uint64_t i = 0; i < CONCURRENT; i++) {
			if (i % 3 == 0)
				ops[i] = OP(.code = RINGO_NOP);
			else if (i % 3 == 1)
				ops[i] = OP(.code = RINGO_READ, .fd = file, .length = 64,
					    .address = ADDRESS(data[i]), .offset = (int64_t)i);
			else
				ops[i] = OP(.code = RINGO_READ, .fd = ends[0], .length = 1,
					    .address = ADDRESS(data[i]), .offset = -1);
			ops[i].user_data = first + i;
		}
		e->last_id += CONCURRENT;
		assert_int_equal(ringo_post(e->loop, ops, CONCURRENT, 0), 0);
		/* The pipe's readers wait and hold back nothing; then each gets a byte. */
		for (uint64_t i = 0; i < CONCURRENT; i++)
			if (i % 3 != 2)
				assert_int_equal(engine_wait(e, first + i).result, i % 3 * 64);
		memset(bytes, 'x', sizeof(bytes));
		write_fully(ends[1], bytes, CONCURRENT / 3);
		for (uint64_t i = 0; i < CONCURRENT; i++) {
			if (i % 3 == 2)
				assert_int_equal(engine_wait(e, first + i).result, 1);
			if (i % 3 == 1)
				assert_int_equal(first_wrong(data[i], 64, SEED, i), 64);
		}
	}
	engine_close(e, RINGO_STOP_DRAIN);
	close(file);
	close(ends[0]);
	close(ends[1]);
}

struct stream {
	int ends[2];
	uint64_t received;
	bool ended;
};

struct traffic {
	struct stream streams[PAIRS];
	_Atomic int ended;
};

/* Checks each stream's bytes in their order, and gives the buffers back at once. */
static uint32_t receive(struct engine *e, const struct ringo_completion *completions,
			uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct traffic *t = e->hook_context;
	unsigned char *base;
	uint32_t size, n = 0;

	ringo_loop_buffers(e->loop, &base, &size);
	for (const struct ringo_completion *c = completions; c < completions + count; c++) {
		struct stream *stream = &t->streams[c->user_data - 1];

		must(!stream->ended && c->result >= 0);
		if (!(c->flags & RINGO_MORE)) {
			must(c->result == 0);
			stream->ended = true;
			t->ended++;
			continue;
		}
		must(c->flags & RINGO_BUFFER && n < room);
		must(first_wrong(base + (size_t)c->extra * size, (size_t)c->result, c->user_data,
				 stream->received) == (size_t)c->result);
		stream->received += (uint64_t)c->result;
		ops[n++] = OP(.code = RINGO_RETURN_BUFFER, .argument = (uint32_t)c->extra);
	}
	return n;
}

static void run_traffic(uint32_t buffers, uint32_t cq_entries, int rounds)
{
	static struct traffic t;
	struct engine *e;
	uint64_t sent[PAIRS] = {0};
	unsigned char data[200];

	memset(&t, 0, sizeof(t));
	e = engine_open_hooked(OPTIONS(.depth = PAIRS, .reserve = 2048, .sq_entries = 4,
				       .cq_entries = cq_entries, .receive_buffers = buffers,
				       .receive_buffer_size = BUFFER_SIZE),
			       receive, &t);
	for (int i = 0; i < PAIRS; i++) {
		make_pair(t.streams[i].ends, 0);
		engine_post(e, OP(.code = RINGO_RECV, .fd = t.streams[i].ends[0],
				  .flags = RINGO_MULTISHOT | RINGO_BUFFER_SELECT));
	}
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < PAIRS; i++) {
			size_t length = 1 + (size_t)(round * 7 + i) % sizeof(data);

			fill(data, length, (uint64_t)i + 1, sent[i]);
			write_fully(t.streams[i].ends[1], data, length);
			sent[i] += length;
		}
	for (int i = 0; i < PAIRS; i++)
		shutdown(t.streams[i].ends[1], SHUT_WR);
	for (int ms = 0; t.ended < PAIRS; ms++) {
		if (ms > PATIENCE_SECONDS * 1000)
			fail_msg("%d streams of %d ended", t.ended, PAIRS);
		nap_ms(1);
	}
	print_message("%u buffers, queue of %u: %llu overflows, %llu starved\n", buffers,
		      cq_entries, (unsigned long long)engine_stats(e).overflows,
		      (unsigned long long)engine_stats(e).starved);
	if (buffers >= 1024 && cq_entries <= 8 &&
	    ringo_loop_backend(e->loop, NULL) == RINGO_BACKEND_URING)
		assert_true(engine_stats(e).overflows > 0);
	engine_close(e, RINGO_STOP_DRAIN);
	for (int i = 0; i < PAIRS; i++) {
		assert_int_equal(t.streams[i].received, sent[i]);
		close(t.streams[i].ends[0]);
		close(t.streams[i].ends[1]);
	}
}

static void test_multishot_receives_overflow(void **state)
{
	(void)state;
	run_traffic(1024, 8, 100);
	run_traffic(1024, 4, 100);
}

static void test_overflow_and_starvation_together(void **state)
{
	(void)state;
	run_traffic(4, 4, 100);
	run_traffic(1, 4, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_thousand_ops_at_once),
		cmocka_unit_test(test_multishot_receives_overflow),
		cmocka_unit_test(test_overflow_and_starvation_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
