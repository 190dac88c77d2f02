/* SPDX-License-Identifier: MIT */
/* SEND_ZC and SENDMSG_ZC: two completions, the memory free with the second. Ring only. */
#include "check.h"

enum { SIZE = 1 << 20 };

static unsigned char data[SIZE], back[SIZE];

static struct ringo_op send_zc(int fd, size_t length)
{
	return OP(.code = RINGO_SEND_ZC, .fd = fd, .address = ADDRESS(data), .length = length);
}

static void expect_sent(struct engine *e, uint64_t id, int64_t want)
{
	struct ringo_completion first = engine_await(e, id, 1), last = engine_wait(e, id);

	assert_int_equal(engine_count(e, id), 2);
	assert_int_equal(first.result, want);
	assert_int_equal(last.result, want);
	assert_true(last.flags & RINGO_NOTIFIED);
	assert_int_equal(last.flags & ~(uint32_t)(RINGO_NOTIFIED | RINGO_COPIED), 0);
}

static void *read_all(void *fd)
{
	must(read_fully(*(int *)fd, back, SIZE) == SIZE);
	return NULL;
}

static void test_two_completions(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int ends[2];

	(void)state;
	fill(data, SIZE, 1, 0);
	for (int flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
		pthread_t reader;
		uint64_t id;

		make_tcp_pair(ends, flags);
		must(pthread_create(&reader, NULL, read_all, &ends[1]) == 0);
		id = engine_post(e, send_zc(ends[0], SIZE));
		expect_sent(e, id, SIZE);
		pthread_join(reader, NULL);
		assert_int_equal(first_wrong(back, SIZE, 1, 0), SIZE);
		close(ends[0]);
		close(ends[1]);
	}
	engine_close(e, RINGO_STOP_DRAIN);
}

/* Loopback keeps no reference to the sender's memory: the kernel says that it has copied. */
static void test_copied(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct ringo_completion c;
	uint64_t id;
	int ends[2];

	(void)state;
	make_tcp_pair(ends, 0);
	id = engine_post(e, send_zc(ends[0], 4096));
	must(read_fully(ends[1], back, 4096) == 4096);
	c = engine_wait(e, id);
	assert_int_equal(c.flags, RINGO_NOTIFIED | RINGO_COPIED);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_message(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct iovec pieces[2] = {{.iov_base = data, .iov_len = 1000},
				  {.iov_base = data + 1000, .iov_len = 3000}};
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
	int ends[2];

	(void)state;
	fill(data, 4000, 2, 0);
	make_tcp_pair(ends, 0);
	expect_sent(e,
		    engine_post(e, OP(.code = RINGO_SENDMSG_ZC, .fd = ends[0],
				      .address = ADDRESS(&message))),
		    4000);
	must(read_fully(ends[1], back, 4000) == 4000);
	assert_int_equal(first_wrong(back, 4000, 2, 0), 4000);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_registered_buffer(void **state)
{
	struct engine *e = engine_open(OPTIONS(.buffers = 2));
	struct iovec whole = {.iov_base = data, .iov_len = SIZE};
	struct ringo_op op;
	int ends[2];

	(void)state;
	make_tcp_pair(ends, 0);
	assert_int_equal(engine_result(e, OP(.code = RINGO_BUFFERS_UPDATE,
					     .address = ADDRESS(&whole), .length = 1, .offset = 1)),
			 1);
	op = send_zc(ends[0], 5000);
	op.flags = RINGO_FIXED_BUFFER;
	op.fd2 = 1;
	expect_sent(e, engine_post(e, op), 5000);
	must(read_fully(ends[1], back, 5000) == 5000);
	assert_memory_equal(data, back, 5000);
	op.fd2 = 0;
	assert_int_equal(engine_result(e, op), -EFAULT);
	op.fd2 = -1;
	assert_int_equal(engine_result(e, op), -EINVAL);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* What fails ends once; one that is cancelled with a full socket too. */
static void test_failures(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	uint64_t id;
	int ends[2];

	(void)state;
	assert_int_equal(engine_result(e, send_zc(-1, 10)), -EBADF);
	assert_int_equal(engine_result(e, send_zc(0, SIZE_MAX)), -EINVAL);
	make_tcp_pair(ends, SOCK_NONBLOCK);
	id = engine_post(e, OP(.code = RINGO_SEND_ZC, .fd = ends[0], .address = 8, .length = 8));
	assert_int_equal(engine_wait(e, id).result, -EFAULT);
	assert_int_equal(engine_count(e, id), 1);
	while (send(ends[0], data, SIZE, 0) > 0)
		;
	id = engine_post(e, send_zc(ends[0], SIZE));
	engine_run(e, OP(.code = RINGO_NOP));
	assert_int_equal(engine_count(e, id), 0);
	assert_int_equal(engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = id)), 1);
	assert_int_equal(engine_wait(e, id).result, -ECANCELED);
	id = engine_post(e, OP(.code = RINGO_SEND_ZC, .fd = ends[0], .address = ADDRESS(data),
			       .length = 100, .argument = MSG_DONTWAIT));
	assert_int_equal(engine_wait(e, id).result, -EAGAIN);
	close(ends[1]);
	engine_run(e, OP(.code = RINGO_POLL, .fd = ends[0], .argument = POLLHUP));
	id = engine_post(e, send_zc(ends[0], 100));
	assert_true(engine_wait(e, id).result < 0);
	close(ends[0]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_in_a_batch(void **state)
{
	struct ringo_completion completions[50];
	struct ringo_op ops[50];
	struct ringo_batch *batch;
	int ends[2];

	(void)state;
	make_tcp_pair(ends, 0);
	assert_int_equal(open_batch(OPTIONS(.depth = 1), &batch), 0);
	fill(data, 5000, 3, 0);
	for (size_t i = 0; i < LENGTH_OF(ops); i++) {
		ops[i] = send_zc(ends[0], 100);
		ops[i].address += 100 * i;
	}
	assert_int_equal(ringo_batch_run(batch, ops, LENGTH_OF(ops), false, completions), 0);
	for (size_t i = 0; i < LENGTH_OF(ops); i++) {
		assert_int_equal(completions[i].result, 100);
		assert_true(completions[i].flags & RINGO_NOTIFIED);
	}
	must(read_fully(ends[1], back, 5000) == 5000);
	assert_int_equal(first_wrong(back, 5000, 3, 0), 5000);
	ringo_batch_close(batch);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_completions), cmocka_unit_test(test_copied),
		cmocka_unit_test(test_message),         cmocka_unit_test(test_registered_buffer),
		cmocka_unit_test(test_failures),        cmocka_unit_test(test_in_a_batch),
	};

	need_ring();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
