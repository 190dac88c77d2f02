/* SPDX-License-Identifier: MIT */
/* CANCEL: by name, by descriptor, all; of what is not there; of what blocks a worker thread. */
#include "check.h"

static struct ringo_op poll_op(int fd)
{
	return OP(.code = RINGO_POLL, .fd = fd, .argument = POLLIN);
}

static int64_t cancel(struct engine *e, uint32_t how, int fd, uint64_t user_data)
{
	return engine_result(
		e, OP(.code = RINGO_CANCEL, .argument = how, .fd = fd, .argument2 = user_data));
}

static void test_by_name_descriptor_and_all(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int a[2], b[2];
	uint64_t ids[6];

	(void)state;
	make_pair(a, 0);
	make_pair(b, 0);
	for (int i = 0; i < 6; i++)
		ids[i] = engine_post(e, poll_op(i < 3 ? a[0] : b[0]));
	assert_int_equal(cancel(e, RINGO_CANCEL_USER_DATA, 0, 12345), -ENOENT);
	assert_int_equal(cancel(e, RINGO_CANCEL_FD, a[1], 0), -ENOENT);
	assert_int_equal(cancel(e, 3, 0, 0), -EINVAL);
	assert_int_equal(cancel(e, RINGO_CANCEL_USER_DATA, 0, ids[1]), 1);
	assert_int_equal(engine_wait(e, ids[1]).result, -ECANCELED);
	assert_int_equal(cancel(e, RINGO_CANCEL_USER_DATA, 0, ids[1]), -ENOENT);
	assert_int_equal(cancel(e, RINGO_CANCEL_FD, a[0], 0), 2);
	assert_int_equal(engine_wait(e, ids[0]).result, -ECANCELED);
	assert_int_equal(engine_wait(e, ids[2]).result, -ECANCELED);
	assert_int_equal(cancel(e, RINGO_CANCEL_ALL, 0, 0), 3);
	for (int i = 3; i < 6; i++)
		assert_int_equal(engine_wait(e, ids[i]).result, -ECANCELED);
	assert_int_equal(cancel(e, RINGO_CANCEL_ALL, 0, 0), -ENOENT);
	engine_close(e, RINGO_STOP_DRAIN);
	close(a[0]);
	close(a[1]);
	close(b[0]);
	close(b[1]);
}

static void test_several_of_one_name(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct ringo_op ops[4];
	int ends[2];

	(void)state;
	make_pair(ends, 0);
	/* The cancel stands before the last op of its post: it sees at least those before it. */
	ops[0] = ops[1] = ops[3] = poll_op(ends[0]);
	ops[0].user_data = ops[1].user_data = 77;
	ops[3].user_data = 78;
	ops[2] = OP(.code = RINGO_CANCEL, .argument2 = 77, .user_data = 79);
	assert_int_equal(ringo_post(e->loop, ops, 4, 0), 0);
	assert_int_equal(engine_wait(e, 79).result, 2);
	engine_await(e, 77, 2);
	assert_int_equal(engine_count(e, 77), 2);
	assert_int_equal(engine_count(e, 78), 0);
	engine_close(e, RINGO_STOP_DRAIN);
	close(ends[0]);
	close(ends[1]);
}

/* These wait inside a worker thread, where a cancel has to interrupt them. */
static void test_what_blocks_a_worker(void **state)
{
	struct engine *e = engine_open(OPTIONS(.bounded_workers = 4, .unbounded_workers = 4));
	char directory[64], path[80], other[80], data[16];
	struct ringo_completion c;
	int fds = count_fds();
	uint64_t ids[3];

	(void)state;
	make_scratch(directory);
	(void)snprintf(path, sizeof(path), "%s/fifo", directory);
	(void)snprintf(other, sizeof(other), "%s/other", directory);
	must(mkfifo(path, 0600) == 0 && mkfifo(other, 0600) == 0);
	for (int round = 0; round < 20; round++) {
		/* With O_CREAT the kernel does not try to open without waiting. */
		ids[0] = engine_post(e, OP(.code = RINGO_OPENAT2, .fd = AT_FDCWD,
					   .address = ADDRESS(path), .argument2 = 0600,
					   .argument = O_WRONLY | O_CREAT));
		ids[1] = engine_post(e, OP(.code = RINGO_READFILE, .fd = AT_FDCWD,
					   .address = ADDRESS(other), .address2 = ADDRESS(data),
					   .length = sizeof(data)));
		ids[2] = engine_post(e, OP(.code = RINGO_WRITEFILE, .fd = AT_FDCWD,
					   .address = ADDRESS(path), .address2 = ADDRESS(data),
					   .length = sizeof(data)));
		nap_ms(round % 5);
		assert_int_equal(cancel(e, RINGO_CANCEL_ALL, 0, 0), 3);
		for (int i = 0; i < 3; i++) {
			c = engine_wait(e, ids[i]);
			assert_int_equal(c.result, -ECANCELED);
			assert_int_equal(c.flags, 0);
		}
	}
	assert_int_equal(count_fds(), fds);
	engine_close(e, RINGO_STOP_DRAIN);
	remove_tree(directory);
}

/* What was done before the cancel stays the result; the cancel is beside it. */
static void test_partial_result_survives(void **state)
{
	static char data[4 << 20];
	struct engine *e = engine_open(OPTIONS(0));
	struct ringo_completion c;
	int ends[2];
	uint64_t id;

	(void)state;
	for (int flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
		make_pair(ends, flags);
		id = engine_post(e, OP(.code = RINGO_SEND, .fd = ends[0], .address = ADDRESS(data),
				       .length = sizeof(data)));
		await_input(ends[1]);
		assert_int_equal(cancel(e, RINGO_CANCEL_USER_DATA, 0, id), 1);
		c = engine_wait(e, id);
		assert_in_range(c.result, 1, sizeof(data) - 1);
		assert_int_equal(c.extra, ECANCELED);
		must(fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
		for (ssize_t n, left = (ssize_t)c.result;; left -= n) {
			n = read(ends[1], data, sizeof(data));
			if (n < 0) {
				assert_int_equal(left, 0);
				break;
			}
		}
		close(ends[0]);
		close(ends[1]);
	}
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_name_descriptor_and_all),
		cmocka_unit_test(test_several_of_one_name),
		cmocka_unit_test(test_what_blocks_a_worker),
		cmocka_unit_test(test_partial_result_survives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
