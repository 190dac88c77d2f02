/* SPDX-License-Identifier: MIT */
/* Options: what is out of range is refused, by loops and batches alike, and leaves nothing open. */
#include "check.h"

static const struct {
	struct ringo_options options;
	int want;
} rows[] = {
	{{.depth = 0}, 0},
	{{.depth = 1}, 0},
	{{.depth = 32768, .reserve = 1}, 0},
	{{.depth = 32769}, -EINVAL},
	{{.depth = UINT32_MAX}, -EINVAL},
	{{.reserve = 262144}, 0},
	{{.reserve = 262145}, -EINVAL},
	{{.sq_entries = 1, .cq_entries = 1}, 0},
	{{.sq_entries = 5, .cq_entries = 5}, 0},
	{{.sq_entries = 32768, .cq_entries = 65536}, 0},
	{{.sq_entries = 32769}, -EINVAL},
	{{.sq_entries = 1u << 30}, -EINVAL},
	{{.sq_entries = 16, .cq_entries = 15}, -EINVAL},
	{{.cq_entries = 65537}, -EINVAL},
	{{.depth = 8, .submit_threshold = 8}, 0},
	{{.depth = 8, .submit_threshold = 9}, -EINVAL},
	{{.submit_delay_us = 1000000}, 0},
	{{.submit_delay_us = 1000001}, -EINVAL},
	{{.depth = 8, .wait_batch = 8}, 0},
	{{.depth = 8, .wait_batch = 9}, -EINVAL},
	{{.wait_delay_us = 1000000}, 0},
	{{.wait_delay_us = 1000001}, -EINVAL},
	{{.bounded_workers = 1024, .unbounded_workers = 1024}, 0},
	{{.bounded_workers = 1025}, -EINVAL},
	{{.unbounded_workers = 1025}, -EINVAL},
	{{.receive_buffers = 1, .receive_buffer_size = 64}, 0},
	{{.receive_buffers = 32768, .receive_buffer_size = 64}, 0},
	{{.receive_buffers = 3}, -EINVAL},
	{{.receive_buffers = 65536}, -EINVAL},
	{{.receive_buffer_size = 63}, -EINVAL},
	{{.receive_buffers = 2, .receive_buffer_size = 1 << 20}, 0},
	{{.receive_buffer_size = (1 << 20) + 1}, -EINVAL},
	{{.turn_budget = 4096}, 0},
	{{.turn_budget = 4095}, -EINVAL},
	{{.turn_budget = 1u << 30}, 0},
	{{.turn_budget = (1u << 30) + 1}, -EINVAL},
	{{.backend = RINGO_BACKEND_URING}, 0},
	{{.backend = RINGO_BACKEND_THREADS}, 0},
	{{.backend = 3}, -EINVAL},
};

/* Backend uring is refused where there is none. */
static int want_of(size_t row)
{
	struct ringo_features features;

	assert_int_equal(ringo_probe(&features), 0);
	return rows[row].options.backend == RINGO_BACKEND_URING ? features.uring_error
								: rows[row].want;
}

static void test_loops(void **state)
{
	int fds = count_fds();

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(rows); i++) {
		struct ringo_loop *loop = NULL;
		int ret = open_loop(&rows[i].options, &loop);

		if (ret != want_of(i))
			fail_msg("row %zu: %d, want %d", i, ret, want_of(i));
		if (ret == 0)
			ringo_loop_close(loop);
		assert_int_equal(count_fds(), fds);
	}
}

static void test_batches(void **state)
{
	int fds = count_fds();

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(rows); i++) {
		struct ringo_batch *batch = NULL;
		int ret = open_batch(&rows[i].options, &batch);

		if (ret != want_of(i))
			fail_msg("row %zu: %d, want %d", i, ret, want_of(i));
		if (ret == 0)
			ringo_batch_close(batch);
		assert_int_equal(count_fds(), fds);
	}
}

static void test_buffers_are_where_they_are_said_to_be(void **state)
{
	struct ringo_loop *loop;
	unsigned char *base;
	uint32_t size;

	(void)state;
	assert_int_equal(
		open_loop(OPTIONS(.receive_buffers = 8, .receive_buffer_size = 100), &loop), 0);
	assert_int_equal(ringo_loop_buffers(loop, &base, &size), 8);
	assert_int_equal(size, 100);
	memset(base, 1, (size_t)8 * 100);
	ringo_loop_close(loop);
	assert_int_equal(open_loop(OPTIONS(0), &loop), 0);
	assert_int_equal(ringo_loop_buffers(loop, &base, &size), 0);
	ringo_loop_close(loop);
}

/* With each limit on descriptors, from none up: an error, and nothing left behind. */
static void test_open_without_descriptors_leaves_no_trace(void **state)
{
	struct rlimit old, low;
	struct ringo_loop *loop;
	struct ringo_batch *batch;
	int fds = count_fds(), spare = dup(0), ret = -EMFILE;

	(void)state;
	close(spare);
	must(getrlimit(RLIMIT_NOFILE, &old) == 0);
	for (low = old, low.rlim_cur = (rlim_t)spare; ret != 0; low.rlim_cur++) {
		must(setrlimit(RLIMIT_NOFILE, &low) == 0);
		ret = open_loop(OPTIONS(0), &loop);
		if (ret == 0)
			ringo_loop_close(loop);
		else
			assert_int_equal(ret, -EMFILE);
		ret = open_batch(OPTIONS(0), &batch);
		if (ret == 0)
			ringo_batch_close(batch);
		else
			assert_int_equal(ret, -EMFILE);
		must(setrlimit(RLIMIT_NOFILE, &old) == 0);
		assert_int_equal(count_fds(), fds);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loops),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_buffers_are_where_they_are_said_to_be),
		cmocka_unit_test(test_open_without_descriptors_leaves_no_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
