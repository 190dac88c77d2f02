/* SPDX-License-Identifier: MIT */
/* Signals interrupt the loop's thread, a batch's and the kernel's workers; no op notices. */
#include "check.h"

enum { SEED = 81, SIZE = 1 << 20 };

static _Atomic uint64_t handled;

static void handle(int number)
{
	(void)number;
	handled++;
}

/* Without SA_RESTART, as hard as it can be. */
static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = handle};

	must(sigaction(SIGURG, &action, NULL) == 0 && signal(SIGPIPE, SIG_IGN) != SIG_ERR);
}

struct storm {
	pthread_t thread, target;
	_Atomic bool over;
};

static void *send_signals(void *context)
{
	struct storm *s = context;

	while (!s->over) {
		must(pthread_kill(s->target, SIGURG) == 0);
		for (int i = 0; i < 300; i++)
			atomic_signal_fence(memory_order_seq_cst);
	}
	return NULL;
}

static void start_storm(struct storm *s, pthread_t target)
{
	s->target = target;
	s->over = false;
	must(pthread_create(&s->thread, NULL, send_signals, s) == 0);
}

static void end_storm(struct storm *s)
{
	s->over = true;
	pthread_join(s->thread, NULL);
}

static void test_loop_in_a_storm(void **state)
{
	static unsigned char data[SIZE], got[SIZE];
	struct engine *e = engine_open(OPTIONS(.turn_budget = 4096));
	int file = make_file(SEED, 0, SIZE), ends[2];
	static struct storm s; /* its thread outlives a test that failed */

	(void)state;
	catch_signals();
	make_pair(ends, SOCK_NONBLOCK);
	fill(data, SIZE, SEED, 0);
	start_storm(&s, e->thread);
	for (uint32_t round = 0; round < 20; round++) {
		uint64_t timeout = engine_post(e, OP(.code = RINGO_TIMEOUT, .argument2 = 3000000)),
			 send = round % 5 == 4
					? engine_post(e,
						      OP(.code = RINGO_SEND, .fd = ends[0],
							 .length = SIZE, .address = ADDRESS(data)))
					: engine_post(e, OP(.code = RINGO_SENDFILE, .fd = file,
							    .fd2 = ends[0], .length = SIZE,
							    .argument = round % 5));

		assert_int_equal(read_fully(ends[1], got, SIZE), SIZE);
		assert_int_equal(first_wrong(got, SIZE, SEED, 0), SIZE);
		assert_int_equal(engine_wait(e, send).result, SIZE);
		assert_int_equal(engine_result(e, OP(.code = RINGO_READFILE, .fd = AT_FDCWD,
						     .address = ADDRESS("/proc/self/status"),
						     .address2 = ADDRESS(got), .length = SIZE)) > 0,
				 1);
		assert_int_equal(engine_wait(e, timeout).result, 0);
	}
	end_storm(&s);
	assert_true(handled > 100);
	engine_close(e, RINGO_STOP_DRAIN);
	close(file);
	close(ends[0]);
	close(ends[1]);
}

/* The first op of a new thread that needs a worker: signals interrupt the kernel in starting it. */
static void test_first_worker_in_a_storm(void **state)
{
	char directory[64], path[80];
	unsigned char byte = 'x';

	(void)state;
	catch_signals();
	make_scratch(directory);
	(void)snprintf(path, sizeof(path), "%s/file", directory);
	for (int round = 0; round < 200; round++) {
		struct engine *e = engine_open(OPTIONS(.depth = 8));
		static struct storm s; /* its thread outlives a test that failed */

		start_storm(&s, e->thread);
		assert_int_equal(
			engine_result(e, OP(.code = RINGO_WRITEFILE, .fd = AT_FDCWD,
					    .address = ADDRESS(path), .length = 1,
					    .address2 = ADDRESS(&byte),
					    .argument = RINGO_WRITE_ATOMIC, .argument2 = 0600)),
			1);
		end_storm(&s);
		engine_close(e, RINGO_STOP_DRAIN);
	}
	remove_tree(directory);
}

static void test_batch_in_a_storm(void **state)
{
	static unsigned char data[100][1000];
	struct ringo_op ops[100];
	struct ringo_completion completions[100];
	struct ringo_batch *batch;
	int file = make_file(SEED, 0, SIZE);
	static struct storm s; /* its thread outlives a test that failed */

	(void)state;
	catch_signals();
	assert_int_equal(ringo_batch_open(OPTIONS(.depth = 32), &batch), 0);
	start_storm(&s, pthread_self());
	for (int round = 0; round < 50; round++) {
		for (uint64_t i = 0; i < LENGTH_OF(ops); i++)
			ops[i] =
				i % 10 ? OP(.code = RINGO_READ, .fd = file, .length = 1000,
					    .address = ADDRESS(data[i]), .offset = (int64_t)i * 999)
				       : OP(.code = RINGO_TIMEOUT, .argument2 = 100000);
		assert_int_equal(
			ringo_batch_run(batch, ops, LENGTH_OF(ops), round % 2, completions), 0);
		for (uint64_t i = 0; i < LENGTH_OF(ops); i++) {
			assert_int_equal(completions[i].result, i % 10 ? 1000 : 0);
			if (i % 10)
				assert_int_equal(first_wrong(data[i], 1000, SEED, i * 999), 1000);
		}
	}
	end_storm(&s);
	ringo_batch_close(batch);
	close(file);
}

/* What the child does while it is stopped and continued: an open that waits in a worker. */
static int open_fifo(const char *path)
{
	struct ringo_batch *batch;
	struct ringo_op op = OP(.code = RINGO_OPENAT2, .fd = AT_FDCWD, .address = ADDRESS(path),
				.argument = O_WRONLY | O_CREAT, .argument2 = 0600);
	struct ringo_completion c;

	if (ringo_batch_open(OPTIONS(.depth = 1), &batch) != 0 ||
	    ringo_batch_run(batch, &op, 1, false, &c) != 0)
		return 2;
	return c.result >= 0 && write((int)c.result, "x", 1) == 1 ? 0 : 3;
}

static void test_stopped_and_continued(void **state)
{
	char directory[64], path[80], byte;
	int status, fd;
	pid_t child;

	(void)state;
	make_scratch(directory);
	(void)snprintf(path, sizeof(path), "%s/fifo", directory);
	must(mkfifo(path, 0600) == 0);
	child = fork();
	if (child == 0)
		_exit(open_fifo(path));
	must(child > 0);
	for (int i = 0; i < 20; i++) {
		nap_ms(10);
		must(kill(child, SIGSTOP) == 0 && waitpid(child, &status, WUNTRACED) == child);
		if (!WIFSTOPPED(status))
			fail_msg("the open ended: %d", WEXITSTATUS(status));
		must(kill(child, SIGCONT) == 0);
	}
	nap_ms(10);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0);
	assert_int_equal(read(fd, &byte, 1), 1);
	must(waitpid(child, &status, 0) == child);
	assert_int_equal(status, 0);
	close(fd);
	remove_tree(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loop_in_a_storm),
		cmocka_unit_test(test_first_worker_in_a_storm),
		cmocka_unit_test(test_batch_in_a_storm),
		cmocka_unit_test(test_stopped_and_continued),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
