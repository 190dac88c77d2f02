/* SPDX-License-Identifier: MIT */
/* How many completions a sleep waits for: the policy alone, without a loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "internal.h"

enum { DELAY_NS = 50000 };

static struct policy make_policy(uint32_t wait_batch)
{
	const struct ringo_options options = {.submit_threshold = 1,
					      .submit_delay_us = 100,
					      .wait_batch = wait_batch,
					      .wait_delay_us = DELAY_NS / 1000};
	struct policy policy;

	policy_open(&policy, &options);
	return policy;
}

static uint32_t sleep_once(struct policy *policy, uint32_t due, int64_t slept_ns)
{
	uint32_t count = policy_wait(policy, due);

	policy_learn(policy, count, due, slept_ns);
	return count;
}

/* At low depth no completion waits for another, whatever the load was before. */
static void test_few(void **state)
{
	struct policy policy = make_policy(0);

	(void)state;
	for (int i = 0; i < 100; i++)
		sleep_once(&policy, 128, 1000);
	for (uint32_t due = 0; due < 8; due++)
		assert_int_equal(policy_wait(&policy, due), 1);
}

/* At high depth a wake-up carries many, but never more than a quarter of what is due. */
static void test_many(void **state)
{
	struct policy policy = make_policy(0);

	(void)state;
	for (int i = 0; i < 10; i++)
		sleep_once(&policy, 1000, 1000);
	assert_int_equal(policy_wait(&policy, 1000), 32);
	assert_int_equal(policy_wait(&policy, 100), 25);
	for (uint32_t due = 8; due < 1000; due++)
		assert_in_range(policy_wait(&policy, due), 2, due / 4);
}

/* Where the time is up first, less is asked for, down to one; later more is tried again. */
static void test_slow(void **state)
{
	struct policy policy = make_policy(0);
	uint32_t before = 64, now;

	(void)state;
	for (int i = 0; i < 10; i++)
		sleep_once(&policy, 1000, 1000);
	while ((now = sleep_once(&policy, 1000, DELAY_NS)) > 1) {
		assert_true(now < before);
		before = now;
	}
	for (int i = 0; i < 31; i++)
		assert_int_equal(sleep_once(&policy, 1000, DELAY_NS), 1);
	assert_int_equal(policy_wait(&policy, 1000), 2);
}

static void test_fixed(void **state)
{
	struct policy policy = make_policy(16);

	(void)state;
	for (int i = 0; i < 100; i++)
		sleep_once(&policy, 1000, i % 2 ? DELAY_NS : 1000);
	assert_int_equal(policy_wait(&policy, 16), 1);
	assert_int_equal(policy_wait(&policy, 17), 16);
	assert_int_equal(policy_wait(&policy, 1000), 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_fixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
