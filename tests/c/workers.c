/* SPDX-License-Identifier: MIT */
/* The kernel's workers are as many as the options say, however many ops block in them. */
#include "check.h"

enum { BLOCKED = 40, BOUNDED = 2, UNBOUNDED = 3 };

static int count_workers(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	int n = 0;

	must(tasks != NULL);
	while ((entry = readdir(tasks)) != NULL) {
		char path[300], name[32] = "";
		int fd;

		(void)snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		(void)read_fully(fd, name, sizeof(name) - 1);
		n += strncmp(name, "iou-wrk", 7) == 0;
		close(fd);
	}
	closedir(tasks);
	return n;
}

/* Half of them opens, which are bounded, half splices of an empty pipe, which are not. */
static void make_blocking_ops(struct ringo_op ops[BLOCKED], const char *fifo, const int in[2],
			      const int out[2])
{
	for (int i = 0; i < BLOCKED; i++)
		if (i % 2)
			ops[i] = OP(.code = RINGO_OPENAT2, .fd = AT_FDCWD, .argument2 = 0600,
				    .address = ADDRESS(fifo), .argument = O_WRONLY | O_CREAT);
		else
			ops[i] = OP(.code = RINGO_SPLICE, .fd = in[0], .fd2 = out[1], .length = 1,
				    .offset = -1, .argument2 = UINT64_MAX);
}

struct blocked {
	char directory[64], fifo[80];
	int in[2], out[2];
	struct ringo_op ops[BLOCKED];
};

static void set_up_blocked(struct blocked *b)
{
	make_scratch(b->directory);
	(void)snprintf(b->fifo, sizeof(b->fifo), "%s/fifo", b->directory);
	must(mkfifo(b->fifo, 0600) == 0);
	must(pipe2(b->in, O_CLOEXEC) == 0 && pipe2(b->out, O_CLOEXEC) == 0);
	make_blocking_ops(b->ops, b->fifo, b->in, b->out);
}

static void tear_down_blocked(struct blocked *b)
{
	close(b->in[0]);
	close(b->in[1]);
	close(b->out[0]);
	close(b->out[1]);
	remove_tree(b->directory);
}

static void expect_workers(void)
{
	int most = 0;

	for (int i = 0; i < 30; i++) {
		int n = count_workers();

		most = n > most ? n : most;
		nap_ms(10);
	}
	assert_in_range(most, 2, BOUNDED + UNBOUNDED);
}

static void test_loop(void **state)
{
	struct engine *e =
		engine_open(OPTIONS(.bounded_workers = BOUNDED, .unbounded_workers = UNBOUNDED));
	struct blocked b;

	(void)state;
	if (ringo_loop_backend(e->loop, NULL) != RINGO_BACKEND_URING)
		skip_program("these are io_uring's workers");
	set_up_blocked(&b);
	for (int i = 0; i < BLOCKED; i++)
		engine_post(e, b.ops[i]);
	expect_workers();
	engine_close(e, RINGO_STOP_CANCEL);
	tear_down_blocked(&b);
}

struct job {
	pthread_t thread;
	struct ringo_batch *batch;
	struct ringo_op *ops;
	struct ringo_completion completions[BLOCKED];
};

static void *run_job(void *context)
{
	struct job *job = context;

	must(ringo_batch_run(job->batch, job->ops, BLOCKED, true, job->completions) == 0);
	return NULL;
}

/* The limits are those of the thread that runs it, not of the one that opened it. */
static void test_batch_on_another_thread(void **state)
{
	struct blocked b;
	struct job job = {.ops = b.ops};

	(void)state;
	set_up_blocked(&b);
	assert_int_equal(
		open_batch(OPTIONS(.bounded_workers = BOUNDED, .unbounded_workers = UNBOUNDED),
			   &job.batch),
		0);
	must(pthread_create(&job.thread, NULL, run_job, &job) == 0);
	expect_workers();
	ringo_batch_cancel(job.batch);
	pthread_join(job.thread, NULL);
	for (int i = 0; i < BLOCKED; i++)
		assert_int_equal(job.completions[i].result, -ECANCELED);
	ringo_batch_close(job.batch);
	tear_down_blocked(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loop),
		cmocka_unit_test(test_batch_on_another_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
