/* SPDX-License-Identifier: MIT */
/* Atomic WRITEFILE that fails or is cancelled: the old file stays as it was, nothing else is left.
 */
#include "check.h"

enum { SEED = 52, SIZE = 1 << 20 };

static char directory[64], target[80];
static unsigned char data[SIZE];

static struct ringo_op write_op(char *path, size_t length)
{
	return OP(.code = RINGO_WRITEFILE, .fd = AT_FDCWD, .address = ADDRESS(path),
		  .address2 = ADDRESS(data), .length = length,
		  .argument = RINGO_WRITE_ATOMIC | RINGO_WRITE_SYNC, .argument2 = 0644);
}

static void set_the_old_file(void)
{
	int fd;

	(void)snprintf(target, sizeof(target), "%s/target", directory);
	fd = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	must(fd >= 0 && write(fd, "old", 3) == 3);
	close(fd);
	fill(data, SIZE, SEED, 0);
}

/* The directory holds the target alone, old or new as a whole. Returns its length. */
static size_t check_directory(void)
{
	static unsigned char got[SIZE + 1];
	DIR *stream = opendir(directory);
	struct dirent *entry;
	int fd = open(target, O_RDONLY | O_CLOEXEC);
	size_t n;

	must(stream != NULL && fd >= 0);
	while ((entry = readdir(stream)) != NULL)
		if (entry->d_name[0] != '.' ? strcmp(entry->d_name, "target") != 0
					    : strlen(entry->d_name) > 2)
			fail_msg("left: %s", entry->d_name);
	closedir(stream);
	n = read_fully(fd, got, sizeof(got));
	close(fd);
	if (n == 3)
		assert_memory_equal(got, "old", 3);
	else
		assert_int_equal(first_wrong(got, n, SEED, 0), n);
	return n;
}

static void test_full_disk(void **state)
{
	struct engine *e;

	(void)state;
	make_scratch(directory);
	if (!mount_small(directory)) {
		rmdir(directory);
		skip();
	}
	e = engine_open(OPTIONS(0));
	set_the_old_file();
	assert_int_equal(engine_result(e, write_op(target, SIZE)), -ENOSPC);
	assert_int_equal(check_directory(), 3);
	assert_int_equal(engine_result(e, write_op(target, 100000)), 100000);
	assert_int_equal(check_directory(), 100000);
	engine_close(e, RINGO_STOP_DRAIN);
	must(umount(directory) == 0 && rmdir(directory) == 0);
}

static void test_bad_data(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct ringo_op op;
	int fds = count_fds();

	(void)state;
	make_scratch(directory);
	set_the_old_file();
	op = write_op(target, SIZE);
	op.address2 = 8;
	assert_int_equal(engine_result(e, op), -EFAULT);
	assert_int_equal(check_directory(), 3);
	assert_int_equal(count_fds(), fds);
	engine_close(e, RINGO_STOP_DRAIN);
	remove_tree(directory);
}

/* A cancel at any moment: the old or the new, and the result says which. */
static void test_cancel_in_flight(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	int fds = count_fds(), cancelled = 0;

	(void)state;
	make_scratch(directory);
	for (int i = 0; i < 150; i++) {
		struct ringo_completion c;
		char path[80];
		uint64_t id;

		set_the_old_file();
		memcpy(path, target, sizeof(path));
		id = engine_post(e, write_op(path, SIZE));
		for (int spin = 0; spin < i % 30 * (i % 30) * 40; spin++)
			atomic_signal_fence(memory_order_seq_cst);
		engine_result(e, OP(.code = RINGO_CANCEL, .argument2 = id));
		c = engine_wait(e, id);
		assert_string_equal(path, target);
		if (c.result == SIZE) {
			assert_int_equal(check_directory(), SIZE);
			continue;
		}
		assert_int_equal(c.result, -ECANCELED);
		assert_int_equal(check_directory(), 3);
		cancelled++;
	}
	assert_true(cancelled > 0);
	assert_int_equal(count_fds(), fds);
	engine_close(e, RINGO_STOP_DRAIN);
	remove_tree(directory);
}

/* Many writers of one name: each is whole, the last one stays. */
static void test_many_writers_of_one_name(void **state)
{
	struct engine *e = engine_open(OPTIONS(.depth = 64));
	uint64_t ids[50];
	char paths[50][80];

	(void)state;
	make_scratch(directory);
	set_the_old_file();
	for (size_t i = 0; i < LENGTH_OF(ids); i++) {
		memcpy(paths[i], target, sizeof(paths[i]));
		ids[i] = engine_post(e, write_op(paths[i], 1000 * (i + 1)));
	}
	for (size_t i = 0; i < LENGTH_OF(ids); i++)
		assert_int_equal(engine_wait(e, ids[i]).result, 1000 * (i + 1));
	assert_int_equal(check_directory() % 1000, 0);
	engine_close(e, RINGO_STOP_DRAIN);
	remove_tree(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_bad_data),
		cmocka_unit_test(test_cancel_in_flight),
		cmocka_unit_test(test_many_writers_of_one_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
