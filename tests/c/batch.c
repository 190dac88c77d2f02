/* SPDX-License-Identifier: MIT */
/* Batches: every op, in any number, each completion in its place. */
#include "check.h"

#include <linux/stat.h>

enum { SEED = 71, SIZE = 100000, MANY = 5000 };

static struct ringo_batch *start_batch(uint32_t depth)
{
	struct ringo_batch *batch = NULL;
	int ret = open_batch(OPTIONS(.depth = depth), &batch);

	if (ret == -EPERM || ret == -ENOSYS)
		skip_program("no io_uring here");
	assert_int_equal(ret, 0);
	return batch;
}

static struct ringo_completion run_one(struct ringo_batch *batch, struct ringo_op op)
{
	struct ringo_completion c = {.flags = UINT32_MAX};

	op.user_data = 4711;
	assert_int_equal(ringo_batch_run(batch, &op, 1, false, &c), 0);
	assert_int_equal(c.user_data, 4711);
	return c;
}

static void test_many_reads_in_their_order(void **state)
{
	static unsigned char data[MANY][100];
	static struct ringo_op ops[MANY];
	static struct ringo_completion completions[MANY];
	int file = make_file(SEED, 0, SIZE);

	(void)state;
	for (uint32_t depth = 1; depth <= 4096; depth *= 8) {
		struct ringo_batch *batch = start_batch(depth);

		memset(data, 0, sizeof(data));
		for (uint64_t i = 0; i < MANY; i++)
			ops[i] = OP(.code = RINGO_READ, .fd = i % 7 ? file : -1, .user_data = ~i,
				    .length = 100, .address = ADDRESS(data[i]),
				    .offset = (int64_t)(i * 7919 % (SIZE - 100)));
		assert_int_equal(ringo_batch_run(batch, ops, MANY, false, completions), 0);
		for (uint64_t i = 0; i < MANY; i++) {
			assert_true(completions[i].user_data == ~i);
			assert_int_equal(completions[i].result, i % 7 ? 100 : -EBADF);
			if (i % 7)
				assert_int_equal(
					first_wrong(data[i], 100, SEED, i * 7919 % (SIZE - 100)),
					100);
		}
		assert_int_equal(ringo_batch_run(batch, ops, 0, true, NULL), 0);
		ringo_batch_close(batch);
	}
	close(file);
}

static void test_ops_on_files(void **state)
{
	struct ringo_batch *batch = start_batch(16);
	char directory[64], path[80], other[80], byte = 'x';
	struct statx status;
	int64_t result;

	(void)state;
	make_scratch(directory);
	(void)snprintf(path, sizeof(path), "%s/a", directory);
	(void)snprintf(other, sizeof(other), "%s/b", directory);
	assert_int_equal(run_one(batch, OP(.code = RINGO_WRITEFILE, .fd = AT_FDCWD, .length = 1,
					   .address = ADDRESS(path), .address2 = ADDRESS(&byte),
					   .argument = RINGO_WRITE_ATOMIC | RINGO_WRITE_SYNC,
					   .argument2 = 0600))
				 .result,
			 1);
	byte = 0;
	assert_int_equal(run_one(batch, OP(.code = RINGO_READFILE, .fd = AT_FDCWD, .length = 1,
					   .address = ADDRESS(path), .address2 = ADDRESS(&byte)))
				 .flags,
			 RINGO_FILE_OPEN);
	assert_int_equal(byte, 'x');
	result = run_one(batch, OP(.code = RINGO_OPENAT2, .fd = AT_FDCWD, .argument = O_RDWR,
				   .address = ADDRESS(path)))
			 .result;
	assert_true(result >= 0);
	assert_int_equal(run_one(batch, OP(.code = RINGO_WRITE, .fd = (int)result, .length = 1,
					   .address = ADDRESS("y")))
				 .result,
			 1);
	assert_int_equal(run_one(batch, OP(.code = RINGO_FSYNC, .fd = (int)result)).result, 0);
	assert_int_equal(run_one(batch, OP(.code = RINGO_STATX, .fd = (int)result,
					   .address = ADDRESS(""), .address2 = ADDRESS(&status),
					   .argument = AT_EMPTY_PATH, .argument2 = STATX_SIZE))
				 .result,
			 0);
	assert_int_equal(run_one(batch, OP(.code = RINGO_RENAMEAT, .fd = AT_FDCWD, .fd2 = AT_FDCWD,
					   .address = ADDRESS(path), .address2 = ADDRESS(other)))
				 .result,
			 0);
	assert_int_equal(run_one(batch, OP(.code = RINGO_UNLINKAT, .fd = AT_FDCWD,
					   .address = ADDRESS(other)))
				 .result,
			 0);
	close((int)result);
	ringo_batch_close(batch);
	remove_tree(directory);
}

static void test_ops_on_sockets(void **state)
{
	struct ringo_batch *batch = start_batch(16);
	char byte = 'x';
	struct iovec piece = {&byte, 1};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	struct sockaddr_in address;
	int ends[2], client, listener = make_listener(&address), file = make_file(SEED, 0, 1);
	int64_t result;

	(void)state;
	make_pair(ends, SOCK_NONBLOCK);
	assert_int_equal(
		run_one(batch, OP(.code = RINGO_SENDFILE, .fd = file, .fd2 = ends[0], .length = 1))
			.result,
		1);
	assert_int_equal(run_one(batch, OP(.code = RINGO_SEND, .fd = ends[0], .length = 1,
					   .address = ADDRESS("z")))
				 .result,
			 1);
	assert_int_equal(run_one(batch, OP(.code = RINGO_SENDMSG, .fd = ends[0],
					   .address = ADDRESS(&message)))
				 .result,
			 1);
	assert_int_equal(
		run_one(batch, OP(.code = RINGO_POLL, .fd = ends[1], .argument = POLLIN)).result,
		POLLIN);
	assert_int_equal(run_one(batch, OP(.code = RINGO_RECV, .fd = ends[1], .length = 1,
					   .address = ADDRESS(&byte)))
				 .result,
			 1);
	assert_int_equal((unsigned char)byte, byte_at(SEED, 0));
	assert_int_equal(
		run_one(batch, OP(.code = RINGO_SHUTDOWN, .fd = ends[0], .argument = SHUT_WR))
			.result,
		0);
	assert_int_equal(run_one(batch, OP(.code = RINGO_TIMEOUT, .argument2 = 1000)).result, 0);
	client = connect_to(&address);
	result = run_one(batch, OP(.code = RINGO_ACCEPT, .fd = listener)).result;
	assert_true(result >= 0);
	close(client);
	close((int)result);
	close(listener);
	close(file);
	close(ends[0]);
	close(ends[1]);
	ringo_batch_close(batch);
}

static void test_what_does_not_belong(void **state)
{
	struct ringo_batch *batch = start_batch(2);
	const struct ringo_op bad[] = {
		OP(.code = RINGO_CANCEL, .argument = RINGO_CANCEL_ALL),
		OP(.code = RINGO_RETURN_BUFFER),
		OP(.code = RINGO_POLL, .flags = RINGO_MULTISHOT, .argument = POLLIN),
		OP(.code = RINGO_ACCEPT, .flags = RINGO_MULTISHOT),
		OP(.code = RINGO_RECV, .flags = RINGO_MULTISHOT),
		OP(.code = RINGO_RECV, .flags = RINGO_BUFFER_SELECT),
		OP(.code = RINGO_CODE_COUNT),
	};
	struct ringo_completion completions[LENGTH_OF(bad)];

	(void)state;
	for (int round = 0; round < 3; round++) {
		assert_int_equal(
			ringo_batch_run(batch, bad, LENGTH_OF(bad), round % 2, completions), 0);
		for (size_t i = 0; i < LENGTH_OF(bad); i++)
			assert_int_equal(completions[i].result, -EINVAL);
	}
	ringo_batch_close(batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_reads_in_their_order),
		cmocka_unit_test(test_ops_on_files),
		cmocka_unit_test(test_ops_on_sockets),
		cmocka_unit_test(test_what_does_not_belong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
