/* SPDX-License-Identifier: MIT */
/* READV and WRITEV: many pieces, short transfers, streams, what is out of range. */
#include "check.h"

enum { PIECES = 7, PIECE = 3000, TOTAL = PIECES * PIECE };

static unsigned char data[TOTAL];

static void cut(struct iovec pieces[PIECES])
{
	for (size_t i = 0; i < PIECES; i++)
		pieces[i] = (struct iovec){.iov_base = data + i * PIECE, .iov_len = PIECE};
}

static struct ringo_op vector(uint16_t code, int fd, struct iovec *pieces, uint64_t count,
			      int64_t offset)
{
	return OP(.code = code, .fd = fd, .address = ADDRESS(pieces), .length = count,
		  .offset = offset);
}

static void test_there_and_back(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct iovec pieces[PIECES];
	int fd = make_file(0, 0, 0);

	(void)state;
	fill(data, TOTAL, 7, 0);
	cut(pieces);
	assert_int_equal(engine_result(e, vector(RINGO_WRITEV, fd, pieces, PIECES, 100)), TOTAL);
	memset(data, 0, TOTAL);
	cut(pieces);
	assert_int_equal(engine_result(e, vector(RINGO_READV, fd, pieces, PIECES, 100)), TOTAL);
	assert_int_equal(first_wrong(data, TOTAL, 7, 0), TOTAL);
	/* The end of the file, in the middle of a piece. */
	cut(pieces);
	assert_int_equal(engine_result(e, vector(RINGO_READV, fd, pieces, PIECES, 100 + 4000)),
			 TOTAL - 4000);
	assert_int_equal(first_wrong(data, TOTAL - 4000, 7, 4000), TOTAL - 4000);
	cut(pieces);
	assert_int_equal(engine_result(e, vector(RINGO_READV, fd, pieces, PIECES, TOTAL + 100)), 0);
	assert_int_equal(engine_result(e, vector(RINGO_READV, fd, pieces, 0, 0)), 0);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* A nonblocking pipe takes what it has room for: the rest goes when there is some. */
static void test_streams(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	static unsigned char back[TOTAL];
	struct iovec pieces[PIECES];
	struct ringo_completion c;
	uint64_t id;
	int ends[2];

	(void)state;
	must(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	must(fcntl(ends[1], F_SETPIPE_SZ, 4096) > 0);
	fill(data, TOTAL, 8, 0);
	cut(pieces);
	id = engine_post(e, vector(RINGO_WRITEV, ends[1], pieces, PIECES, -1));
	assert_int_equal(read_fully(ends[0], back, TOTAL), TOTAL);
	assert_int_equal(engine_wait(e, id).result, TOTAL);
	assert_int_equal(first_wrong(back, TOTAL, 8, 0), TOTAL);
	/* A read of a stream ends with what came first. */
	cut(pieces);
	id = engine_post(e, vector(RINGO_READV, ends[0], pieces, PIECES, -1));
	must(write(ends[1], back, 10) == 10);
	assert_int_equal(engine_wait(e, id).result, 10);
	/* Of a write that fails after some bytes these are the result. */
	cut(pieces);
	id = engine_post(e, vector(RINGO_WRITEV, ends[1], pieces, PIECES, -1));
	assert_int_equal(read_fully(ends[0], back, 100), 100);
	must(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	close(ends[0]);
	c = engine_wait(e, id);
	assert_true(c.result >= 100 && c.result < TOTAL);
	assert_int_equal(c.extra, EPIPE);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_refused(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct iovec pieces[PIECES];
	int fd = make_file(0, 0, 10);

	(void)state;
	cut(pieces);
	assert_int_equal(engine_result(e, vector(RINGO_READV, fd, pieces, 1025, 0)), -EINVAL);
	assert_int_equal(engine_result(e, vector(RINGO_WRITEV, fd, pieces, 1, -2)), -EINVAL);
	assert_int_equal(engine_result(e, vector(RINGO_READV, -1, pieces, 1, 0)), -EBADF);
	assert_int_equal(engine_result(e, vector(RINGO_READV, fd, (struct iovec *)8, 1, 0)),
			 -EFAULT);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_in_a_batch(void **state)
{
	struct ringo_batch *batch;
	struct ringo_completion completions[2];
	struct iovec pieces[PIECES], one = {.iov_base = data, .iov_len = 10};
	struct ringo_op ops[2];
	int fd = make_file(9, 0, TOTAL);

	(void)state;
	assert_int_equal(open_batch(OPTIONS(0), &batch), 0);
	cut(pieces);
	ops[0] = vector(RINGO_READV, fd, pieces, PIECES, 0);
	ops[1] = vector(RINGO_WRITEV, fd, &one, 1, TOTAL);
	assert_int_equal(ringo_batch_run(batch, ops, 2, false, completions), 0);
	assert_true(completions[0].result == TOTAL || completions[0].result == TOTAL + 10);
	assert_int_equal(completions[1].result, 10);
	ringo_batch_close(batch);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_in_a_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
