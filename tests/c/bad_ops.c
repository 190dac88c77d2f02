/* SPDX-License-Identifier: MIT */
/*
 * Bad input, op by op: bad descriptors, addresses, lengths, offsets, places, groups, flags. Each is
 * answered with a documented errno, once, and the loop goes on; likewise in a batch.
 */
#include "check.h"

#define BAD ((uint64_t)8) /* nobody's address */
#define DIR AT_FDCWD
#define NO_FD 1000000

/* What can be the matter with descriptors: none, and one that is closed. */
#define FD_ROWS(...)                                                                               \
	{{__VA_ARGS__, .fd = -1}, {EBADF}},                                                        \
	{                                                                                          \
		{__VA_ARGS__, .fd = NO_FD},                                                        \
		{                                                                                  \
			EBADF                                                                      \
		}                                                                                  \
	}

static char data[64];

static const struct row {
	struct ringo_op op;
	int errors[4]; /* any of these; ring and threads need not agree */
} rows[] = {
	FD_ROWS(.code = RINGO_READ, .address = (uint64_t)(uintptr_t)0, .length = 1),
	FD_ROWS(.code = RINGO_WRITE, .length = 1),
	FD_ROWS(.code = RINGO_FSYNC),
	FD_ROWS(.code = RINGO_CLOSE),
	FD_ROWS(.code = RINGO_POLL, .argument = POLLIN),
	FD_ROWS(.code = RINGO_ACCEPT),
	FD_ROWS(.code = RINGO_ACCEPT, .flags = RINGO_MULTISHOT),
	FD_ROWS(.code = RINGO_RECV, .length = 1),
	FD_ROWS(.code = RINGO_SEND, .length = 1),
	FD_ROWS(.code = RINGO_SHUTDOWN),
	FD_ROWS(.code = RINGO_FALLOCATE, .length = 1),
	FD_ROWS(.code = RINGO_FADVISE),
	FD_ROWS(.code = RINGO_FTRUNCATE),
	FD_ROWS(.code = RINGO_LISTEN),
	FD_ROWS(.code = RINGO_SPLICE, .length = 1, .fd2 = -1, .offset = -1,
		.argument2 = UINT64_MAX),
	{{.code = RINGO_SENDFILE, .fd = -1, .fd2 = -1, .length = 1}, {EBADF}},
	{{.code = RINGO_READFILE, .fd = NO_FD, .address = 1, .length = 8}, {EFAULT, EBADF}},
	/* Addresses. */
	{{.code = RINGO_OPENAT2, .fd = DIR, .address = BAD}, {EFAULT}},
	{{.code = RINGO_STATX, .fd = DIR, .address = BAD, .address2 = BAD}, {EFAULT}},
	{{.code = RINGO_RENAMEAT, .fd = DIR, .fd2 = DIR, .address = BAD, .address2 = BAD},
	 {EFAULT}},
	{{.code = RINGO_UNLINKAT, .fd = DIR, .address = BAD}, {EFAULT}},
	{{.code = RINGO_READFILE, .fd = DIR, .address = BAD, .length = 8}, {EFAULT}},
	{{.code = RINGO_SENDMSG, .fd = 0, .address = BAD}, {EFAULT, ENOTSOCK}},
	{{.code = RINGO_RECVMSG, .fd = 0, .address = BAD}, {EFAULT, ENOTSOCK}},
	{{.code = RINGO_READV, .fd = 0, .address = BAD, .length = 1}, {EFAULT}},
	{{.code = RINGO_BIND, .fd = 0, .address = BAD, .length = 16}, {EFAULT, ENOTSOCK}},
	{{.code = RINGO_CONNECT, .fd = 0, .address = BAD, .length = 16}, {EFAULT, ENOTSOCK}},
	/* Not what they have to be. */
	{{.code = RINGO_SEND, .fd = 0, .length = 1}, {ENOTSOCK, EOPNOTSUPP}},
	{{.code = RINGO_RECV, .fd = 0, .length = 1}, {ENOTSOCK, EOPNOTSUPP}},
	{{.code = RINGO_ACCEPT, .fd = 0}, {ENOTSOCK, EINVAL}},
	{{.code = RINGO_SHUTDOWN, .fd = 0}, {ENOTSOCK}},
	{{.code = RINGO_LISTEN, .fd = 0}, {ENOTSOCK}},
	/* Lengths and offsets. */
	{{.code = RINGO_READ, .offset = -2}, {EINVAL}},
	{{.code = RINGO_WRITE, .offset = INT64_MIN}, {EINVAL}},
	{{.code = RINGO_READ, .length = UINT64_MAX}, {EINVAL}},
	{{.code = RINGO_WRITE, .length = INT64_MAX, .offset = 1}, {EINVAL}},
	{{.code = RINGO_READV, .offset = -2}, {EINVAL}},
	{{.code = RINGO_WRITEV, .length = 1025}, {EINVAL}},
	{{.code = RINGO_FALLOCATE, .offset = -1, .length = 1}, {EINVAL}},
	{{.code = RINGO_FALLOCATE, .length = UINT64_MAX}, {EINVAL}},
	{{.code = RINGO_FADVISE, .offset = -1}, {EINVAL}},
	{{.code = RINGO_FTRUNCATE, .length = UINT64_MAX}, {EINVAL}},
	{{.code = RINGO_SOCKET, .fd = AF_INET, .argument = SOCK_STREAM, .length = UINT64_MAX},
	 {EINVAL}},
	{{.code = RINGO_BIND, .length = 1000}, {EINVAL}},
	{{.code = RINGO_CONNECT, .length = 1000}, {EINVAL}},
	{{.code = RINGO_SEND, .length = UINT64_MAX}, {EINVAL}},
	{{.code = RINGO_SEND_ZC, .length = UINT64_MAX}, {EINVAL, EOPNOTSUPP}},
	/* Arguments. */
	{{.code = RINGO_OPENAT2, .fd = DIR, .address = BAD, .length = UINT64_MAX},
	 {EINVAL, EFAULT}},
	{{.code = RINGO_SOCKET, .fd = -1}, {EAFNOSUPPORT, EINVAL}},
	{{.code = RINGO_PIPE, .argument = UINT32_MAX}, {EINVAL}},
	{{.code = RINGO_CANCEL, .argument = 3}, {EINVAL}},
	{{.code = RINGO_CANCEL, .argument2 = 77}, {ENOENT}},
	{{.code = RINGO_CANCEL, .argument = RINGO_CANCEL_FD, .fd = NO_FD}, {ENOENT}},
	{{.code = RINGO_CANCEL, .argument = RINGO_CANCEL_ALL}, {ENOENT}},
	{{.code = RINGO_TIMEOUT, .flags = RINGO_MULTISHOT}, {EINVAL}},
	{{.code = RINGO_LINK_TIMEOUT}, {EINVAL}},
	{{.code = RINGO_POLL_UPDATE, .argument2 = 77}, {ENOENT}},
	{{.code = RINGO_MESSAGE_RING, .argument = 9}, {EINVAL, EOPNOTSUPP}},
	{{.code = RINGO_MESSAGE_RING, .fd = -1}, {EBADF, EOPNOTSUPP}},
	/* Groups, places, buffers. */
	{{.code = RINGO_RECV, .flags = RINGO_BUFFER_SELECT, .argument2 = 5}, {EINVAL}},
	{{.code = RINGO_RECV, .flags = RINGO_BUFFER_SELECT, .argument2 = UINT64_MAX}, {EINVAL}},
	{{.code = RINGO_RECV, .flags = RINGO_MULTISHOT}, {EINVAL}},
	{{.code = RINGO_RECVMSG, .flags = RINGO_BUFFER_SELECT}, {EINVAL}},
	{{.code = RINGO_READ, .flags = RINGO_FIXED_FILE, .fd = 0, .length = 1},
	 {EBADF, EOPNOTSUPP}},
	{{.code = RINGO_READ, .flags = RINGO_FIXED_FILE, .fd = -1, .length = 1},
	 {EBADF, EOPNOTSUPP}},
	{{.code = RINGO_READ, .flags = RINGO_FIXED_BUFFER, .fd2 = -1}, {EINVAL, EOPNOTSUPP}},
	{{.code = RINGO_READ, .flags = RINGO_FIXED_BUFFER, .length = 1}, {EFAULT, EOPNOTSUPP}},
	{{.code = RINGO_WRITE, .flags = RINGO_FIXED_BUFFER, .fd2 = 1 << 16}, {EINVAL, EOPNOTSUPP}},
	{{.code = RINGO_SOCKET,
	  .flags = RINGO_DIRECT,
	  .fd = AF_INET,
	  .argument = SOCK_STREAM,
	  .fd2 = -2},
	 {EINVAL, EOPNOTSUPP}},
	{{.code = RINGO_PIPE, .flags = RINGO_DIRECT, .fd2 = 0}, {EINVAL, EOPNOTSUPP}},
	{{.code = RINGO_CLOSE, .flags = RINGO_FIXED_FILE, .fd = -1}, {EBADF, EOPNOTSUPP}},
	{{.code = RINGO_CLOSE, .flags = RINGO_FIXED_FILE, .fd = INT32_MAX}, {EBADF, EOPNOTSUPP}},
	{{.code = RINGO_FILES_UPDATE, .offset = -2}, {EINVAL, EOPNOTSUPP}},
	{{.code = RINGO_FILES_UPDATE, .address = BAD, .length = 1}, {ENXIO, EINVAL, EOPNOTSUPP}},
	{{.code = RINGO_BUFFERS_UPDATE, .offset = -1}, {EINVAL, EOPNOTSUPP}},
	{{.code = RINGO_BUFFERS_UPDATE, .address = BAD, .length = 1}, {ENXIO, EINVAL, EOPNOTSUPP}},
	{{.code = RINGO_INSTALL_FD, .fd = -1}, {EBADF, EOPNOTSUPP}},
};

static bool is_expected(const struct row *row, int64_t result)
{
	for (size_t i = 0; i < LENGTH_OF(row->errors); i++)
		if (row->errors[i] != 0 && result == -row->errors[i])
			return true;
	return false;
}

static void complain(size_t i, int64_t result)
{
	if (rows[i].op.code < RINGO_CODE_COUNT)
		fail_msg("row %zu, %s: %lld", i, ringo_code_name(rows[i].op.code),
			 (long long)result);
}

/* Descriptor 0 is a regular file in all of this. */
static void have_a_file_at_0(void)
{
	int fd = make_file(1, 0, 64);

	must(dup2(fd, 0) == 0);
	close(fd);
}

static void test_in_a_loop(void **state)
{
	struct engine *e = engine_open(OPTIONS(.depth = 8, .receive_buffers = 1));
	int before;

	(void)state;
	engine_run(e, OP(.code = RINGO_NOP));
	before = count_fds();
	for (size_t i = 0; i < LENGTH_OF(rows); i++) {
		int64_t result = engine_result(e, rows[i].op);

		if (!is_expected(&rows[i], result))
			complain(i, result);
		assert_int_equal(engine_result(e, OP(.code = RINGO_NOP)), 0);
	}
	assert_int_equal(count_fds(), before);
	assert_int_equal(engine_result(e, OP(.code = RINGO_READ, .fd = 0, .address = ADDRESS(data),
					     .length = 64)),
			 64);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_in_a_batch(void **state)
{
	struct ringo_completion completions[LENGTH_OF(rows)];
	struct ringo_op ops[LENGTH_OF(rows)];
	struct ringo_batch *batch;

	(void)state;
	assert_int_equal(open_batch(OPTIONS(.depth = 8), &batch), 0);
	for (size_t i = 0; i < LENGTH_OF(rows); i++)
		ops[i] = rows[i].op;
	assert_int_equal(ringo_batch_run(batch, ops, LENGTH_OF(ops), true, completions), 0);
	for (size_t i = 0; i < LENGTH_OF(rows); i++)
		if (!is_expected(&rows[i], completions[i].result) &&
		    completions[i].result != -EINVAL)
			complain(i, completions[i].result);
	ringo_batch_close(batch);
}

/* What names an op that has ended finds nothing, though its slot has another one by now. */
static void test_stale(void **state)
{
	static const struct ringo_op stale[] = {
		{.code = RINGO_CANCEL},
		{.code = RINGO_POLL_UPDATE, .argument = POLLIN},
	};
	struct engine *e = engine_open(OPTIONS(.depth = 2));
	int ends[2];

	(void)state;
	make_pair(ends, SOCK_NONBLOCK);
	for (int use = 0; use < 100; use++) {
		struct ringo_op poll = OP(.code = RINGO_POLL, .fd = ends[0], .argument = POLLOUT);
		uint64_t ended = engine_post(e, poll), waiting;

		assert_int_equal(engine_wait(e, ended).result, POLLOUT);
		poll.argument = POLLIN;
		waiting = engine_post(e, poll);
		for (size_t i = 0; i < LENGTH_OF(stale); i++) {
			struct ringo_op op = stale[i];

			op.argument2 = ended;
			assert_int_equal(engine_result(e, op), -ENOENT);
		}
		assert_int_equal(engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = waiting)),
				 1);
		assert_int_equal(engine_wait(e, waiting).result, -ECANCELED);
	}
	engine_close(e, RINGO_STOP_DRAIN);
	close(ends[0]);
	close(ends[1]);
}

static bool takes_no_slot(uint16_t code)
{
	return code == RINGO_CANCEL || code == RINGO_RETURN_BUFFER;
}

/* Flags that no op knows, and codes that are none. */
static void test_unknown(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));

	(void)state;
	for (unsigned int code = 0; code < RINGO_CODE_COUNT; code++)
		for (int bit = 11; bit < 16 && !takes_no_slot((uint16_t)code); bit++)
			assert_int_equal(engine_result(e, OP(.code = (uint16_t)code, .fd = -1,
							     .flags = (uint16_t)(1 << bit))),
					 -EINVAL);
	for (unsigned code = RINGO_CODE_COUNT; code <= UINT16_MAX; code += 977)
		assert_int_equal(engine_result(e, OP(.code = (uint16_t)code)), -EINVAL);
	/* A buffer that is nobody's: no completion, no harm. */
	must(ringo_post(e->loop, &OP(.code = RINGO_RETURN_BUFFER, .argument = 99), 1, 0) == 0);
	assert_int_equal(engine_result(e, OP(.code = RINGO_NOP)), 0);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_after_the_end(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));

	(void)state;
	ringo_loop_stop(e->loop, RINGO_STOP_DRAIN);
	for (unsigned int code = 0; code < RINGO_CODE_COUNT; code++)
		assert_int_equal(ringo_post(e->loop, &OP(.code = (uint16_t)code), 1, 0),
				 -ESHUTDOWN);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_a_loop),     cmocka_unit_test(test_in_a_batch),
		cmocka_unit_test(test_stale),         cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_after_the_end),
	};

	have_a_file_at_0();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
