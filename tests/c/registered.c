/* SPDX-License-Identifier: MIT */
/* Registered files, direct descriptors, registered buffers; in loops and batches. Ring only. */
#include "check.h"

enum { PLACES = 8, SIZE = 8192 };

static unsigned char memory[PLACES][SIZE] __attribute__((aligned(4096)));

#define TABLES OPTIONS(.files = PLACES, .buffers = PLACES)

static struct ringo_op update_files(int32_t *fds, size_t count, int64_t first)
{
	return OP(.code = RINGO_FILES_UPDATE, .address = ADDRESS(fds), .length = count,
		  .offset = first);
}

static struct ringo_op update_buffers(const struct iovec *buffers, size_t count, int64_t first)
{
	return OP(.code = RINGO_BUFFERS_UPDATE, .address = ADDRESS(buffers), .length = count,
		  .offset = first);
}

static struct ringo_op read_at(int32_t file, uint16_t flags, void *data, size_t length)
{
	return OP(.code = RINGO_READ, .fd = file, .flags = flags, .address = ADDRESS(data),
		  .length = length);
}

static void test_files(void **state)
{
	struct engine *e = engine_open(TABLES);
	int32_t fds[3] = {make_file(1, 0, 100), -2, make_file(3, 0, 100)}, none = -1;
	unsigned char data[100];

	(void)state;
	assert_int_equal(engine_result(e, read_at(0, RINGO_FIXED_FILE, data, 100)), -EBADF);
	assert_int_equal(engine_result(e, update_files(fds, 3, 5)), 3);
	close(fds[0]);
	close(fds[2]);
	assert_int_equal(engine_result(e, read_at(5, RINGO_FIXED_FILE, data, 100)), 100);
	assert_int_equal(first_wrong(data, 100, 1, 0), 100);
	assert_int_equal(engine_result(e, read_at(6, RINGO_FIXED_FILE, data, 100)), -EBADF);
	assert_int_equal(engine_result(e, read_at(7, RINGO_FIXED_FILE, data, 100)), 100);
	assert_int_equal(first_wrong(data, 100, 3, 0), 100);
	assert_int_equal(engine_result(e, update_files(&none, 1, 5)), 1);
	assert_int_equal(engine_result(e, read_at(5, RINGO_FIXED_FILE, data, 100)), -EBADF);
	assert_int_equal(
		engine_result(e, OP(.code = RINGO_CLOSE, .fd = 7, .flags = RINGO_FIXED_FILE)), 0);
	assert_int_equal(
		engine_result(e, OP(.code = RINGO_CLOSE, .fd = 7, .flags = RINGO_FIXED_FILE)),
		-EBADF);
	assert_int_equal(engine_result(e, read_at(7, RINGO_FIXED_FILE, data, 100)), -EBADF);
	assert_int_equal(engine_result(e, read_at(PLACES, RINGO_FIXED_FILE, data, 100)), -EBADF);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* Any free place; until there is none. */
static void test_allocation(void **state)
{
	struct engine *e = engine_open(TABLES);
	bool seen[PLACES] = {false};
	int fd = make_file(1, 0, 100);

	(void)state;
	for (int i = 0; i < PLACES; i++) {
		int32_t place = fd;

		assert_int_equal(engine_result(e, update_files(&place, 1, -1)), 1);
		assert_in_range(place, 0, PLACES - 1);
		assert_false(seen[place]);
		seen[place] = true;
	}
	assert_int_equal(engine_result(e, update_files(&fd, 1, -1)), -ENFILE);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_refused_updates(void **state)
{
	struct engine *e = engine_open(TABLES);
	int32_t bad = 12345;
	struct iovec huge = {.iov_base = memory, .iov_len = UINT64_C(1) << 40};

	(void)state;
	assert_int_equal(engine_result(e, update_files(&bad, 1, 0)), -EBADF);
	assert_int_equal(engine_result(e, update_files(&bad, 1, PLACES)), -EINVAL);
	assert_int_equal(engine_result(e, update_files(&bad, 1, -2)), -EINVAL);
	assert_int_equal(engine_result(e, update_files(&bad, UINT64_MAX, 0)), -EINVAL);
	assert_int_equal(engine_result(e, update_files((int32_t *)8, 1, 0)), -EFAULT);
	assert_int_equal(engine_result(e, update_buffers(&huge, 1, 0)), -EFAULT);
	assert_int_equal(engine_result(e, update_buffers(&huge, 1, PLACES)), -EINVAL);
	assert_int_equal(engine_result(e, update_buffers(&huge, 1, -1)), -EINVAL);
	assert_int_equal(engine_result(e, update_buffers(&huge, UINT64_MAX, 0)), -EINVAL);
	assert_int_equal(engine_result(e, update_buffers((struct iovec *)8, 1, 0)), -EFAULT);
	engine_close(e, RINGO_STOP_DRAIN);
	e = engine_open(OPTIONS(0));
	assert_true(engine_result(e, update_files(&bad, 1, 0)) < 0);
	assert_true(engine_result(e, update_buffers(&huge, 1, 0)) < 0);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_direct_descriptors(void **state)
{
	struct engine *e = engine_open(TABLES);
	char directory[64], path[80];
	unsigned char data[100];
	struct ringo_op open_it;
	int64_t place, fd;
	int before;

	(void)state;
	make_scratch(directory);
	(void)snprintf(path, sizeof(path), "%s/a", directory);
	fd = open_at(directory, "a", O_RDWR | O_CREAT);
	fill(data, 100, 9, 0);
	must(write((int)fd, data, 100) == 100);
	close((int)fd);
	before = count_fds();
	open_it = OP(.code = RINGO_OPENAT2, .fd = AT_FDCWD, .address = ADDRESS(path),
		     .argument = O_RDONLY | O_CLOEXEC, .flags = RINGO_DIRECT, .fd2 = 3);
	assert_int_equal(engine_result(e, open_it), 3);
	open_it.fd2 = -1;
	place = engine_result(e, open_it);
	assert_in_range(place, 0, PLACES - 1);
	assert_int_not_equal(place, 3);
	assert_int_equal(count_fds(), before);
	assert_int_equal(engine_result(e, read_at((int32_t)place, RINGO_FIXED_FILE, data, 100)),
			 100);
	assert_int_equal(first_wrong(data, 100, 9, 0), 100);
	open_it.fd2 = PLACES;
	assert_int_equal(engine_result(e, open_it), -EINVAL);
	open_it.fd2 = -2;
	assert_int_equal(engine_result(e, open_it), -EINVAL);
	open_it.address = ADDRESS("/nonexistent/file");
	open_it.fd2 = 3;
	assert_int_equal(engine_result(e, open_it), -ENOENT);
	/* A descriptor for it: on Linux before 6.8 there is no such op. */
	fd = engine_result(
		e, OP(.code = RINGO_INSTALL_FD, .fd = (int32_t)place, .argument = O_CLOEXEC));
	if (fd != -EOPNOTSUPP) {
		assert_int_equal(fcntl((int)fd, F_GETFD), FD_CLOEXEC);
		assert_int_equal(pread((int)fd, data, 100, 0), 100);
		close((int)fd);
		fd = engine_result(e, OP(.code = RINGO_INSTALL_FD, .fd = (int32_t)place));
		assert_int_equal(fcntl((int)fd, F_GETFD), 0);
		close((int)fd);
		assert_int_equal(engine_result(e, OP(.code = RINGO_INSTALL_FD, .fd = PLACES)),
				 -EBADF);
	}
	remove_tree(directory);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* A connection without a single descriptor of its own, opened and used as one chain. */
static void test_direct_sockets(void **state)
{
	struct engine *e = engine_open(TABLES);
	struct sockaddr_in address;
	int listener = make_listener(&address), before = count_fds();
	uint64_t accept = engine_post(e, OP(.code = RINGO_ACCEPT, .fd = listener,
					    .flags = RINGO_DIRECT | RINGO_MULTISHOT, .fd2 = -1,
					    .argument = SOCK_CLOEXEC));
	struct ringo_op ops[3] = {
		OP(.code = RINGO_SOCKET, .fd = AF_INET, .argument = SOCK_STREAM | SOCK_CLOEXEC,
		   .flags = RINGO_DIRECT | RINGO_LINK, .fd2 = 6),
		OP(.code = RINGO_CONNECT, .fd = 6, .flags = RINGO_FIXED_FILE | RINGO_LINK,
		   .address = ADDRESS(&address), .length = sizeof(address)),
		OP(.code = RINGO_SEND, .fd = 6, .flags = RINGO_FIXED_FILE,
		   .address = ADDRESS("hello"), .length = 5)};
	char data[5];
	int64_t place;

	(void)state;
	for (int i = 0; i < 3; i++)
		ops[i].user_data = ++e->last_id;
	assert_int_equal(ringo_post(e->loop, ops, 3, 0), 0);
	assert_int_equal(engine_wait(e, ops[0].user_data).result, 6);
	assert_int_equal(engine_wait(e, ops[1].user_data).result, 0);
	assert_int_equal(engine_wait(e, ops[2].user_data).result, 5);
	place = engine_await(e, accept, 1).result;
	assert_in_range(place, 0, PLACES - 1);
	assert_int_equal(engine_result(e, OP(.code = RINGO_RECV, .fd = (int32_t)place,
					     .flags = RINGO_FIXED_FILE, .address = ADDRESS(data),
					     .length = 5, .argument = MSG_WAITALL)),
			 5);
	assert_memory_equal(data, "hello", 5);
	assert_int_equal(count_fds(), before);
	assert_int_equal(engine_result(e, OP(.code = RINGO_ACCEPT, .fd = listener,
					     .flags = RINGO_DIRECT | RINGO_MULTISHOT, .fd2 = 1)),
			 -EINVAL);
	engine_close(e, RINGO_STOP_DRAIN);
	close(listener);
}

static void test_direct_pipe(void **state)
{
	struct engine *e = engine_open(TABLES);
	int before = count_fds();
	int64_t ends = engine_result(
		e, OP(.code = RINGO_PIPE, .flags = RINGO_DIRECT, .fd2 = -1, .argument = O_CLOEXEC));
	char data[3];

	(void)state;
	assert_int_equal(engine_result(e, OP(.code = RINGO_PIPE, .flags = RINGO_DIRECT, .fd2 = 1)),
			 -EINVAL);
	if (ends != -EOPNOTSUPP) { /* before 6.16 */
		assert_true(ends >= 0);
		assert_int_equal(count_fds(), before);
		assert_int_equal(
			engine_result(e, OP(.code = RINGO_WRITE, .fd = (int32_t)(ends >> 32),
					    .flags = RINGO_FIXED_FILE, .offset = -1,
					    .address = ADDRESS("abc"), .length = 3)),
			3);
		assert_int_equal(engine_result(e, OP(.code = RINGO_READ, .fd = (int32_t)ends,
						     .flags = RINGO_FIXED_FILE, .offset = -1,
						     .address = ADDRESS(data), .length = 3)),
				 3);
		assert_memory_equal(data, "abc", 3);
	}
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_buffers(void **state)
{
	struct engine *e = engine_open(TABLES);
	struct iovec buffers[2] = {{.iov_base = memory[0], .iov_len = SIZE},
				   {.iov_base = memory[1], .iov_len = SIZE}};
	struct iovec none = {0}, piece = {.iov_base = memory[1] + 10, .iov_len = 100};
	int fd = make_file(4, 0, SIZE);
	struct ringo_op op = read_at(fd, RINGO_FIXED_BUFFER, memory[0], SIZE);
	int64_t ret;

	(void)state;
	op.fd2 = 2;
	assert_int_equal(engine_result(e, op), -EFAULT);
	assert_int_equal(engine_result(e, update_buffers(buffers, 2, 2)), 2);
	assert_int_equal(engine_result(e, op), SIZE);
	assert_int_equal(first_wrong(memory[0], SIZE, 4, 0), SIZE);
	fill(memory[1], SIZE, 5, 0);
	op = OP(.code = RINGO_WRITE, .fd = fd, .flags = RINGO_FIXED_BUFFER, .fd2 = 3,
		.address = ADDRESS(memory[1] + 100), .length = 50, .offset = 100);
	assert_int_equal(engine_result(e, op), 50);
	must(pread(fd, memory[0], 50, 100) == 50);
	assert_int_equal(first_wrong(memory[0], 50, 5, 100), 50);
	/* Beyond its end, another's memory, no such place. */
	op.length = SIZE;
	assert_int_equal(engine_result(e, op), -EFAULT);
	op.length = 50;
	op.fd2 = 2;
	assert_int_equal(engine_result(e, op), -EFAULT);
	op.fd2 = PLACES;
	assert_int_equal(engine_result(e, op), -EFAULT);
	op.fd2 = -1;
	assert_int_equal(engine_result(e, op), -EINVAL);
	op.fd2 = 1 << 16;
	assert_int_equal(engine_result(e, op), -EINVAL);
	/* Vectors since 6.15. */
	ret = engine_result(e, OP(.code = RINGO_READV, .fd = fd, .flags = RINGO_FIXED_BUFFER,
				  .fd2 = 3, .address = ADDRESS(&piece), .length = 1));
	assert_true(ret == 100 || ret == -EOPNOTSUPP || ret == -EINVAL);
	/* An emptied place, and another buffer in it. */
	assert_int_equal(engine_result(e, update_buffers(&none, 1, 3)), 1);
	op.fd2 = 3;
	assert_int_equal(engine_result(e, op), -EFAULT);
	assert_int_equal(engine_result(e, update_buffers(&buffers[1], 1, 3)), 1);
	assert_int_equal(engine_result(e, op), 50);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_in_a_batch(void **state)
{
	struct ringo_completion completions[64];
	struct ringo_op ops[64];
	struct iovec buffer = {.iov_base = memory[0], .iov_len = SIZE};
	struct ringo_batch *batch;
	int fd = make_file(6, 0, SIZE);

	(void)state;
	assert_int_equal(open_batch(OPTIONS(.depth = 16, .files = 1, .buffers = 1), &batch), 0);
	ops[0] = update_files(&fd, 1, 0);
	ops[1] = update_buffers(&buffer, 1, 0);
	assert_int_equal(ringo_batch_run(batch, ops, 2, false, completions), 0);
	assert_int_equal(completions[0].result, 1);
	assert_int_equal(completions[1].result, 1);
	for (size_t i = 0; i < LENGTH_OF(ops); i++)
		ops[i] = OP(.code = RINGO_READ, .flags = RINGO_FIXED_FILE | RINGO_FIXED_BUFFER,
			    .address = ADDRESS(memory[0] + 128 * i), .length = 128,
			    .offset = (int64_t)(128 * i));
	assert_int_equal(ringo_batch_run(batch, ops, LENGTH_OF(ops), true, completions), 0);
	for (size_t i = 0; i < LENGTH_OF(ops); i++)
		assert_int_equal(completions[i].result, 128);
	assert_int_equal(first_wrong(memory[0], SIZE, 6, 0), SIZE);
	ringo_batch_close(batch);
	close(fd);
}

/* A nonblocking socket by its place: the poll in between finds it too. */
static void test_refusal_of_a_registered_file(void **state)
{
	struct engine *e = engine_open(TABLES);
	char byte = 0;
	int ends[2];
	uint64_t id;

	(void)state;
	make_pair(ends, SOCK_NONBLOCK);
	assert_int_equal(engine_result(e, update_files(ends, 1, 7)), 1);
	id = engine_post(e, OP(.code = RINGO_READ, .fd = 7, .flags = RINGO_FIXED_FILE,
			       .address = ADDRESS(&byte), .length = 1, .offset = -1));
	engine_run(e, OP(.code = RINGO_NOP));
	must(write(ends[1], "x", 1) == 1);
	assert_int_equal(engine_wait(e, id).result, 1);
	assert_int_equal(byte, 'x');
	id = engine_post(e, OP(.code = RINGO_RECV, .fd = 7,
			       .flags = RINGO_FIXED_FILE | RINGO_POLL_FIRST,
			       .address = ADDRESS(&byte), .length = 1));
	must(write(ends[1], "y", 1) == 1);
	assert_int_equal(engine_wait(e, id).result, 1);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_allocation),
		cmocka_unit_test(test_refused_updates),
		cmocka_unit_test(test_direct_descriptors),
		cmocka_unit_test(test_direct_sockets),
		cmocka_unit_test(test_direct_pipe),
		cmocka_unit_test(test_buffers),
		cmocka_unit_test(test_in_a_batch),
		cmocka_unit_test(test_refusal_of_a_registered_file),
	};

	need_ring();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
