/* SPDX-License-Identifier: MIT */
/* PIPE, SPLICE, and reads and writes of streams: by the descriptor's own position, and never an
 * EAGAIN for one that is merely nonblocking. */
#include "check.h"

enum { SEED = 11, SIZE = 500000 };

static uint64_t post_io(struct engine *e, uint16_t code, int fd, void *data, uint64_t length)
{
	return engine_post(e, OP(.code = code, .fd = fd, .address = ADDRESS(data), .length = length,
				 .offset = -1));
}

static void make_pipe(struct engine *e, int ends[2], uint32_t flags)
{
	int64_t result = engine_result(e, OP(.code = RINGO_PIPE, .argument = flags));

	assert_true(result >= 0);
	ends[0] = (int32_t)result;
	ends[1] = (int32_t)(result >> 32);
}

static void test_pipe(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int ends[2], fds = count_fds();

	(void)state;
	make_pipe(e, ends, O_CLOEXEC | O_NONBLOCK);
	assert_int_equal(count_fds(), fds + 2);
	assert_int_equal(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(ends[1], F_GETFL), O_WRONLY | O_NONBLOCK);
	assert_int_equal(write(ends[1], "abc", 3), 3);
	assert_int_equal(engine_result(e, OP(.code = RINGO_CLOSE, .fd = ends[0])), 0);
	assert_int_equal(engine_result(e, OP(.code = RINGO_CLOSE, .fd = ends[1])), 0);
	assert_int_equal(engine_result(e, OP(.code = RINGO_CLOSE, .fd = ends[1])), -EBADF);
	assert_int_equal(engine_result(e, OP(.code = RINGO_PIPE, .argument = O_CREAT)), -EINVAL);
	assert_int_equal(count_fds(), fds);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void run_stream(uint32_t flags)
{
	static unsigned char sent[SIZE], got[SIZE];
	struct engine *e = engine_open(OPTIONS(0));
	struct ringo_completion c;
	int ends[2];
	uint64_t id;
	size_t done = 0;

	make_pipe(e, ends, flags);
	/* A read of an empty pipe waits, and gives what came first. */
	id = post_io(e, RINGO_READ, ends[0], got, SIZE);
	nap_ms(20);
	assert_int_equal(engine_count(e, id), 0);
	assert_int_equal(write(ends[1], "abc", 3), 3);
	assert_int_equal(engine_wait(e, id).result, 3);
	assert_memory_equal(got, "abc", 3);
	/* A write of more than the pipe holds goes on until all is written. */
	fill(sent, SIZE, SEED, 0);
	id = post_io(e, RINGO_WRITE, ends[1], sent, SIZE);
	nap_ms(20);
	assert_int_equal(engine_count(e, id), 0);
	while (done < SIZE) {
		c = engine_wait(e, post_io(e, RINGO_READ, ends[0], got + done, SIZE - done));
		assert_in_range(c.result, 1, SIZE - done);
		done += (size_t)c.result;
	}
	c = engine_wait(e, id);
	assert_int_equal(c.result, SIZE);
	assert_int_equal(first_wrong(got, SIZE, SEED, 0), SIZE);
	id = post_io(e, RINGO_READ, ends[0], got, SIZE);
	close(ends[1]);
	assert_int_equal(engine_wait(e, id).result, 0);
	close(ends[0]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_blocking_stream(void **state)
{
	(void)state;
	run_stream(O_CLOEXEC);
}

static void test_nonblocking_stream(void **state)
{
	(void)state;
	run_stream(O_CLOEXEC | O_NONBLOCK);
}

static void test_nowait_reports_eagain(void **state)
{
	enum { RWF_NOWAIT_FLAG = 8 };
	struct engine *e = engine_open(OPTIONS(0));
	unsigned char byte;
	int ends[2];

	(void)state;
	make_pipe(e, ends, O_CLOEXEC);
	assert_int_equal(
		engine_result(e, OP(.code = RINGO_READ, .fd = ends[0], .address = ADDRESS(&byte),
				    .length = 1, .offset = -1, .argument = RWF_NOWAIT_FLAG)),
		-EAGAIN);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_write_without_reader(void **state)
{
	static unsigned char data[SIZE];
	struct engine *e = engine_open(OPTIONS(0));
	struct ringo_completion c;
	int ends[2];
	uint64_t id;

	(void)state;
	must(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	make_pipe(e, ends, O_CLOEXEC | O_NONBLOCK);
	id = post_io(e, RINGO_WRITE, ends[1], data, SIZE);
	await_input(ends[0]);
	close(ends[0]);
	c = engine_wait(e, id);
	assert_in_range(c.result, 1, SIZE - 1);
	assert_int_equal(c.extra, EPIPE);
	c = engine_wait(e, post_io(e, RINGO_WRITE, ends[1], data, SIZE));
	assert_int_equal(c.result, -EPIPE);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_splice(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int file = make_file(SEED, 0, 5000), out = make_file(SEED, 0, 0), ends[2];
	unsigned char got[4000];

	(void)state;
	make_pipe(e, ends, O_CLOEXEC);
	assert_int_equal(
		engine_result(e, OP(.code = RINGO_SPLICE, .fd = file, .length = 4000,
				    .offset = 1000, .fd2 = ends[1], .argument2 = UINT64_MAX)),
		4000);
	assert_int_equal(engine_result(e, OP(.code = RINGO_SPLICE, .fd = ends[0], .length = 4000,
					     .offset = -1, .fd2 = out, .argument2 = 7)),
			 4000);
	assert_int_equal(pread(out, got, 4000, 7), 4000);
	assert_int_equal(first_wrong(got, 4000, SEED, 1000), 4000);
	assert_int_equal(
		engine_result(e, OP(.code = RINGO_SPLICE, .fd = file, .length = 10, .offset = 5000,
				    .fd2 = ends[1], .argument2 = UINT64_MAX)),
		0);
	assert_int_equal(engine_result(e, OP(.code = RINGO_SPLICE, .fd = file, .length = 10,
					     .offset = 0, .fd2 = out)),
			 -EINVAL);
	close(file);
	close(out);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_blocking_stream),
		cmocka_unit_test(test_nonblocking_stream),
		cmocka_unit_test(test_nowait_reports_eagain),
		cmocka_unit_test(test_write_without_reader),
		cmocka_unit_test(test_splice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
