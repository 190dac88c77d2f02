/* SPDX-License-Identifier: MIT */
/* A ring that can only wait sleeps: with more hops than its completion queue may hold, and after
 * storms of cancels. A loop's turns are counted, a batch's processor time. */
#include "check.h"

enum { LAST_ID = 999 };

/* Reads of an empty pipe at an offset: for the core they are reads of a file that take long, and
 * only a few of them may be with a kernel whose completion queue is small. */
static struct ringo_op slow_read(int fd, unsigned char *byte)
{
	return OP(.code = RINGO_READ, .fd = fd, .address = ADDRESS(byte), .length = 1);
}

static void test_loop_with_a_full_completion_queue(void **state)
{
	struct engine *e = engine_open(OPTIONS(.sq_entries = 4, .cq_entries = 8));
	unsigned char bytes[20];
	int ends[2];

	(void)state;
	must(pipe2(ends, O_CLOEXEC) == 0);
	for (int i = 0; i < 20; i++)
		engine_post(e, slow_read(ends[0], &bytes[i]));
	expect_asleep(e);
	write_fully(ends[1], "01234567890123456789", 20);
	for (uint64_t id = 1; id <= 20; id++)
		assert_int_equal(engine_wait(e, id).result, 1);
	engine_close(e, RINGO_STOP_DRAIN);
	close(ends[0]);
	close(ends[1]);
}

struct late_writer {
	pthread_t thread;
	int fd;
};

static void *write_late(void *context)
{
	struct late_writer *w = context;

	nap_ms(500);
	write_fully(w->fd, "01234567890123456789", 20);
	return NULL;
}

static void test_batch_with_a_full_completion_queue(void **state)
{
	struct ringo_batch *batch;
	struct ringo_op ops[20];
	struct ringo_completion completions[20];
	unsigned char bytes[20];
	struct late_writer w;
	struct timespec before, after;
	int ends[2];

	(void)state;
	must(pipe2(ends, O_CLOEXEC) == 0);
	w.fd = ends[1];
	for (int i = 0; i < 20; i++)
		ops[i] = slow_read(ends[0], &bytes[i]);
	assert_int_equal(ringo_batch_open(OPTIONS(.sq_entries = 4, .cq_entries = 8), &batch), 0);
	must(pthread_create(&w.thread, NULL, write_late, &w) == 0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	assert_int_equal(ringo_batch_run(batch, ops, 20, false, completions), 0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	pthread_join(w.thread, NULL);
	/* Of the half second that it waited, next to nothing. */
	assert_true((after.tv_sec - before.tv_sec) * 1000 +
			    (after.tv_nsec - before.tv_nsec) / 1000000 <
		    100);
	ringo_batch_close(batch);
	close(ends[0]);
	close(ends[1]);
}

/* Each completion starts an op and cancels others, so that slots end and are used again while the
 * cancels of their last ops find no room in the submission queue. */
static uint32_t restart_and_cancel(struct engine *e, const struct ringo_completion *completions,
				   uint32_t count, struct ringo_op *ops, uint32_t room)
{
	int *left = e->hook_context;
	uint32_t n = 0;

	for (uint32_t i = 0; i<count && * left> 0 && n + 3 <= room; i++) {
		if (completions[i].user_data < 1000) /* a cancel */
			continue;
		ops[n++] = OP(.code = *left % 3 ? RINGO_NOP : RINGO_TIMEOUT,
			      .user_data = 1000 + (uint64_t)(*left % 64), .argument2 = 10000);
		if (*left % 5 == 0)
			ops[n++] = OP(.code = RINGO_CANCEL, .argument = RINGO_CANCEL_ALL);
		if (--*left == 0)
			ops[n++] = OP(.code = RINGO_NOP, .user_data = LAST_ID);
	}
	return n;
}

static void test_loop_after_a_storm_of_cancels(void **state)
{
	int left = 20000;
	struct engine *e = engine_open_hooked(
		OPTIONS(.depth = 64, .reserve = 256, .sq_entries = 1, .cq_entries = 64),
		restart_and_cancel, &left);
	struct ringo_op first[64];

	(void)state;
	for (uint64_t i = 0; i < 64; i++)
		first[i] = OP(.code = RINGO_NOP, .user_data = 1000 + i);
	assert_int_equal(ringo_post(e->loop, first, 64, 0), 0);
	engine_wait(e, LAST_ID);
	expect_asleep(e);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loop_with_a_full_completion_queue),
		cmocka_unit_test(test_batch_with_a_full_completion_queue),
		cmocka_unit_test(test_loop_after_a_storm_of_cancels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
