/* SPDX-License-Identifier: MIT */
/* Stopping with work of every kind in flight: DRAIN ends what waits for others and lets the rest
 * end by itself, CANCEL ends all. */
#include "check.h"

enum { SIZE = 2 << 20 };

struct work {
	char directory[64], target[80], fifo[80];
	int quiet[2], slow[2], pipe[2], listener, file;
	unsigned char byte, *data;
	uint64_t waiting[6], write, send, read_pipe, open_fifo;
};

static void begin(struct engine *e, struct work *w)
{
	struct sockaddr_in address;

	make_scratch(w->directory);
	(void)snprintf(w->target, sizeof(w->target), "%s/target", w->directory);
	(void)snprintf(w->fifo, sizeof(w->fifo), "%s/fifo", w->directory);
	must(mkfifo(w->fifo, 0600) == 0 && pipe2(w->pipe, O_CLOEXEC) == 0);
	make_pair(w->quiet, 0);
	make_pair(w->slow, SOCK_NONBLOCK);
	w->listener = make_listener(&address);
	w->file = make_file(1, 0, SIZE);
	w->data = malloc(SIZE);
	must(w->data != NULL);
	fill(w->data, SIZE, 2, 0);
	w->waiting[0] =
		engine_post(e, OP(.code = RINGO_POLL, .fd = w->quiet[0], .argument = POLLIN));
	w->waiting[1] = engine_post(e, OP(.code = RINGO_POLL, .fd = w->quiet[0], .argument = POLLIN,
					  .flags = RINGO_MULTISHOT));
	w->waiting[2] = engine_post(e, OP(.code = RINGO_TIMEOUT, .argument2 = UINT64_MAX));
	w->waiting[3] = engine_post(
		e, OP(.code = RINGO_ACCEPT, .fd = w->listener, .flags = RINGO_MULTISHOT));
	w->waiting[4] = engine_post(e, OP(.code = RINGO_RECV, .fd = w->quiet[0],
					  .flags = RINGO_MULTISHOT | RINGO_BUFFER_SELECT));
	w->waiting[5] = engine_post(e, OP(.code = RINGO_RECV, .fd = w->quiet[1], .length = 1,
					  .address = ADDRESS(&w->byte)));
	w->send = engine_post(
		e, OP(.code = RINGO_SENDFILE, .fd = w->file, .fd2 = w->slow[0], .length = SIZE));
	w->read_pipe = engine_post(e, OP(.code = RINGO_READ, .fd = w->pipe[0], .offset = -1,
					 .length = 1, .address = ADDRESS(&w->byte)));
	w->write = engine_post(e, OP(.code = RINGO_WRITEFILE, .fd = AT_FDCWD, .length = SIZE,
				     .address = ADDRESS(w->target), .address2 = ADDRESS(w->data),
				     .argument = RINGO_WRITE_ATOMIC, .argument2 = 0600));
	w->open_fifo = engine_post(e, OP(.code = RINGO_OPENAT2, .fd = AT_FDCWD,
					 .address = ADDRESS(w->fifo), .argument2 = 0600,
					 .argument = O_WRONLY | O_CREAT));
}

static void end(struct work *w)
{
	const int fds[] = {w->quiet[0], w->quiet[1], w->slow[0],  w->slow[1],
			   w->pipe[0],  w->pipe[1],  w->listener, w->file};

	for (size_t i = 0; i < LENGTH_OF(fds); i++)
		close(fds[i]);
	remove_tree(w->directory);
	free(w->data);
}

static void expect_waiting_cancelled(struct engine *e, const struct work *w)
{
	for (size_t i = 0; i < LENGTH_OF(w->waiting); i++)
		assert_int_equal(engine_wait(e, w->waiting[i]).result, -ECANCELED);
}

/* Goes on with what a draining loop still does; gives the FIFO's reader, which has to stay until
 * its writer is there. */
static int feed(struct work *w)
{
	char buffer[4096];
	int fd = open(w->fifo, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t got = 0;

	must(fd >= 0 && write(w->pipe[1], "x", 1) == 1);
	while (got < SIZE)
		got += read_fully(w->slow[1], buffer, sizeof(buffer));
	return fd;
}

static void test_drain(void **state)
{
	struct engine *e = engine_open(OPTIONS(.receive_buffers = 2));
	struct work w;
	struct ringo_completion c;
	int fds = count_fds(), reader;

	(void)state;
	begin(e, &w);
	nap_ms(20);
	ringo_loop_stop(e->loop, RINGO_STOP_DRAIN);
	expect_waiting_cancelled(e, &w);
	assert_int_equal(engine_wait(e, w.write).result, SIZE);
	assert_int_equal(engine_count(e, w.send), 0);
	assert_int_equal(engine_count(e, w.read_pipe), 0);
	assert_int_equal(engine_count(e, w.open_fifo), 0);
	reader = feed(&w);
	assert_int_equal(engine_wait(e, w.send).result, SIZE);
	assert_int_equal(engine_wait(e, w.read_pipe).result, 1);
	c = engine_wait(e, w.open_fifo);
	assert_true(c.result >= 0);
	close((int)c.result);
	close(reader);
	engine_close(e, RINGO_STOP_DRAIN);
	end(&w);
	assert_true(count_fds() < fds); /* the loop's own are gone as well */
}

static void stop_all(bool drain_first)
{
	struct engine *e = engine_open(OPTIONS(.receive_buffers = 2));
	struct work w;
	struct ringo_completion c;

	begin(e, &w);
	await_input(w.slow[1]);
	if (drain_first) {
		ringo_loop_stop(e->loop, RINGO_STOP_DRAIN);
		expect_waiting_cancelled(e, &w);
		assert_int_equal(engine_count(e, w.read_pipe), 0);
	}
	ringo_loop_stop(e->loop, RINGO_STOP_CANCEL);
	expect_waiting_cancelled(e, &w);
	assert_int_equal(engine_wait(e, w.read_pipe).result, -ECANCELED);
	assert_int_equal(engine_wait(e, w.open_fifo).result, -ECANCELED);
	c = engine_wait(e, w.send);
	assert_in_range(c.result, 1, SIZE - 1);
	assert_int_equal(c.extra, ECANCELED);
	c = engine_wait(e, w.write);
	assert_true(c.result == SIZE || c.result == -ECANCELED);
	engine_close(e, RINGO_STOP_CANCEL);
	end(&w);
}

static void test_cancel(void **state)
{
	(void)state;
	stop_all(false);
}

static void test_drain_then_cancel(void **state)
{
	(void)state;
	stop_all(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_drain_then_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
