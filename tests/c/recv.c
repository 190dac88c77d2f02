/* SPDX-License-Identifier: MIT */
/* RECV: into the caller's memory, into provided buffers, once and many times. */
#include "check.h"

#include <sys/ioctl.h>

enum { SEED = 21, BUFFERS = 8, BUFFER_SIZE = 1024 };

static void test_into_memory(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	char data[16] = {0};
	int ends[2];
	uint64_t id;
	struct ringo_op recv_op;

	(void)state;
	make_tcp_pair(ends, SOCK_NONBLOCK);
	recv_op = OP(.code = RINGO_RECV, .fd = ends[0], .address = ADDRESS(data),
		     .length = sizeof(data));
	id = engine_post(e, recv_op);
	nap_ms(20);
	assert_int_equal(engine_count(e, id), 0);
	must(write(ends[1], "hello", 5) == 5);
	assert_int_equal(engine_wait(e, id).result, 5);
	assert_memory_equal(data, "hello", 5);
	recv_op.argument = MSG_DONTWAIT;
	assert_int_equal(engine_result(e, recv_op), -EAGAIN);
	recv_op.argument = MSG_WAITALL;
	id = engine_post(e, recv_op);
	must(write(ends[1], "01234567", 8) == 8);
	nap_ms(20);
	assert_int_equal(engine_count(e, id), 0);
	must(write(ends[1], "89abcdef", 8) == 8);
	assert_int_equal(engine_wait(e, id).result, 16);
	assert_memory_equal(data, "0123456789abcdef", 16);
	close(ends[1]);
	recv_op.argument = 0;
	assert_int_equal(engine_result(e, recv_op), 0);
	close(ends[0]);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* Bytes that a receive has taken are its result, though it waited for more when it was cancelled.
 */
static void test_cancelled_half_way(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	char data[16] = {0};
	int ends[2], left;
	uint64_t id;

	(void)state;
	make_pair(ends, 0);
	id = engine_post(e, OP(.code = RINGO_RECV, .fd = ends[0], .address = ADDRESS(data),
			       .length = sizeof(data), .argument = MSG_WAITALL));
	must(write(ends[1], "hello", 5) == 5);
	do /* until it has taken them */
		must(ioctl(ends[0], FIONREAD, &left) == 0);
	while (left > 0 || engine_result(e, OP(.code = RINGO_NOP)) != 0);
	engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = id));
	assert_int_equal(engine_wait(e, id).result, 5);
	assert_memory_equal(data, "hello", 5);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_what_is_refused(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	char byte;
	int ends[2];

	(void)state;
	make_pair(ends, 0);
	/* Many times needs provided buffers, and this loop has none. */
	assert_int_equal(
		engine_result(e, OP(.code = RINGO_RECV, .fd = ends[0], .flags = RINGO_MULTISHOT,
				    .address = ADDRESS(&byte), .length = 1)),
		-EINVAL);
	assert_int_equal(engine_result(e, OP(.code = RINGO_RECV, .fd = ends[0],
					     .flags = RINGO_BUFFER_SELECT)),
			 -EINVAL);
	assert_int_equal(engine_result(e, OP(.code = RINGO_RECV, .fd = -1, .length = 1,
					     .address = ADDRESS(&byte))),
			 -EBADF);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* Checks a received buffer against the stream and gives it back. */
static void take_buffer(struct engine *e, const struct ringo_completion *c, size_t *where)
{
	unsigned char *base;
	uint32_t size;
	struct ringo_op give_back = OP(.code = RINGO_RETURN_BUFFER);

	assert_int_equal(ringo_loop_buffers(e->loop, &base, &size), BUFFERS);
	assert_true(c->flags & RINGO_BUFFER);
	assert_in_range(c->result, 1, size);
	assert_in_range(c->extra, 0, BUFFERS - 1);
	assert_int_equal(
		first_wrong(base + (size_t)c->extra * size, (size_t)c->result, SEED, *where),
		c->result);
	*where += (size_t)c->result;
	give_back.argument = (uint32_t)c->extra;
	assert_int_equal(ringo_post(e->loop, &give_back, 1, 0), 0);
}

static void test_once_into_a_provided_buffer(void **state)
{
	struct engine *e = engine_open(
		OPTIONS(.receive_buffers = BUFFERS, .receive_buffer_size = BUFFER_SIZE));
	unsigned char data[3 * BUFFER_SIZE];
	struct ringo_completion c;
	size_t where = 0;
	int ends[2];

	(void)state;
	make_pair(ends, 0);
	fill(data, sizeof(data), SEED, 0);
	write_fully(ends[1], data, sizeof(data));
	for (int i = 0; i < 3; i++) {
		c = engine_run(e,
			       OP(.code = RINGO_RECV, .fd = ends[0], .flags = RINGO_BUFFER_SELECT));
		assert_int_equal(c.result, BUFFER_SIZE);
		assert_int_equal(c.flags, RINGO_BUFFER);
		take_buffer(e, &c, &where);
	}
	close(ends[1]);
	/* The end of the stream keeps no buffer: this works any number of times. */
	for (int i = 0; i < 3 * BUFFERS; i++) {
		c = engine_run(e,
			       OP(.code = RINGO_RECV, .fd = ends[0], .flags = RINGO_BUFFER_SELECT));
		assert_int_equal(c.result, 0);
		assert_int_equal(c.flags, 0);
	}
	close(ends[0]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_many_times(void **state)
{
	enum { TOTAL = 100 * BUFFER_SIZE, LARGEST_PIECE = 3 * BUFFER_SIZE };
	static unsigned char data[TOTAL];
	struct engine *e = engine_open(
		OPTIONS(.receive_buffers = BUFFERS, .receive_buffer_size = BUFFER_SIZE));
	struct ringo_completion c;
	size_t where = 0, sent = 0;
	int ends[2];
	uint64_t id;

	(void)state;
	make_tcp_pair(ends, SOCK_NONBLOCK);
	fill(data, TOTAL, SEED, 0);
	id = engine_post(e, OP(.code = RINGO_RECV, .fd = ends[0],
			       .flags = RINGO_BUFFER_SELECT | RINGO_MULTISHOT));
	for (size_t n = 1; where < TOTAL; n++) {
		size_t piece = 1 + n * 37 % LARGEST_PIECE;

		if (piece > TOTAL - sent)
			piece = TOTAL - sent;
		write_fully(ends[1], data + sent, piece);
		sent += piece;
		c = engine_await(e, id, n);
		pthread_mutex_lock(&e->lock); /* the n-th, for more may have come */
		for (size_t i = 0, k = 0; i < e->log_count; i++)
			if (e->log[i].user_data == id && ++k == n)
				c = e->log[i];
		pthread_mutex_unlock(&e->lock);
		assert_int_equal(c.flags, RINGO_MORE | RINGO_BUFFER);
		take_buffer(e, &c, &where);
	}
	close(ends[1]);
	c = engine_wait(e, id);
	assert_int_equal(c.result, 0);
	assert_int_equal(c.flags, 0);
	close(ends[0]);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_into_memory),
		cmocka_unit_test(test_cancelled_half_way),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_once_into_a_provided_buffer),
		cmocka_unit_test(test_many_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
