/* SPDX-License-Identifier: MIT */
/* SOCKET, BIND, LISTEN, CONNECT, ACCEPT: a connection made by ops alone. */
#include "check.h"

#include <sys/un.h>

static int make_socket(struct engine *e, int domain, uint32_t type)
{
	int64_t fd = engine_result(
		e, OP(.code = RINGO_SOCKET, .fd = domain, .argument = type | SOCK_CLOEXEC));

	assert_true(fd >= 0);
	return (int)fd;
}

static struct ringo_op with_address(uint16_t code, int fd, const void *address, size_t size)
{
	return OP(.code = code, .fd = fd, .address = ADDRESS(address), .length = size);
}

static int listen_at(struct engine *e, struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int fd = make_socket(e, AF_INET, SOCK_STREAM);

	*address = (struct sockaddr_in){.sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(engine_result(e, with_address(RINGO_BIND, fd, address, sizeof(*address))),
			 0);
	assert_int_equal(engine_result(e, OP(.code = RINGO_LISTEN, .fd = fd, .argument = 16)), 0);
	must(getsockname(fd, (struct sockaddr *)address, &size) == 0);
	return fd;
}

static void check_connection(struct engine *e, uint32_t type)
{
	struct sockaddr_in address, peer = {0}, own = {0};
	socklen_t peer_size = sizeof(peer), own_size = sizeof(own);
	int listener = listen_at(e, &address), fd = make_socket(e, AF_INET, type);
	char byte = 0;
	uint64_t id =
		engine_post(e, OP(.code = RINGO_ACCEPT, .fd = listener, .address = ADDRESS(&peer),
				  .address2 = ADDRESS(&peer_size), .argument = SOCK_CLOEXEC));
	int64_t accepted;

	assert_int_equal(
		engine_result(e, with_address(RINGO_CONNECT, fd, &address, sizeof(address))), 0);
	accepted = engine_wait(e, id).result;
	assert_true(accepted >= 0);
	must(getsockname(fd, (struct sockaddr *)&own, &own_size) == 0);
	assert_int_equal(peer_size, own_size);
	assert_int_equal(peer.sin_port, own.sin_port);
	must(write(fd, "x", 1) == 1);
	assert_int_equal(read_fully((int)accepted, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(
		engine_result(e, with_address(RINGO_CONNECT, fd, &address, sizeof(address))),
		-EISCONN);
	close((int)accepted);
	close(fd);
	close(listener);
}

static void test_connection(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));

	(void)state;
	check_connection(e, SOCK_STREAM);
	check_connection(e, SOCK_STREAM | SOCK_NONBLOCK);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* A port that was bound and never listened on. */
static void test_refused_connection(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int silent = make_socket(e, AF_INET, SOCK_STREAM);

	(void)state;
	assert_int_equal(
		engine_result(e, with_address(RINGO_BIND, silent, &address, sizeof(address))), 0);
	must(getsockname(silent, (struct sockaddr *)&address, &size) == 0);
	for (uint32_t flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
		int fd = make_socket(e, AF_INET, SOCK_STREAM | flags);

		assert_int_equal(engine_result(e, with_address(RINGO_CONNECT, fd, &address,
							       sizeof(address))),
				 -ECONNREFUSED);
		close(fd);
	}
	close(silent);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* The backlog is full, so the peer does not answer: a connect waits, and can be cancelled. */
static void test_cancelled_connection(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct sockaddr_in address;
	int listener = make_socket(e, AF_INET, SOCK_STREAM), fds[8];
	socklen_t size = sizeof(address);
	uint64_t ids[8];
	size_t waiting = 0;

	(void)state;
	address = (struct sockaddr_in){.sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	must(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 0) == 0);
	must(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
	for (size_t i = 0; i < LENGTH_OF(fds); i++) {
		fds[i] = make_socket(e, AF_INET, SOCK_STREAM);
		ids[i] = engine_post(
			e, with_address(RINGO_CONNECT, fds[i], &address, sizeof(address)));
	}
	engine_wait(e, ids[0]);
	for (size_t i = 0; i < LENGTH_OF(fds); i++)
		engine_run(e, OP(.code = RINGO_CANCEL, .argument2 = ids[i]));
	for (size_t i = 0; i < LENGTH_OF(fds); i++) {
		int64_t result = engine_wait(e, ids[i]).result;

		assert_true(result == 0 || result == -ECANCELED);
		waiting += result == -ECANCELED;
		close(fds[i]);
	}
	assert_true(waiting > 0);
	close(listener);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_unix_connection(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = make_socket(e, AF_UNIX, SOCK_STREAM),
	    fd = make_socket(e, AF_UNIX, SOCK_STREAM);

	(void)state;
	(void)snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "ringo-test-%d",
		       (int)getpid());
	assert_int_equal(
		engine_result(e, with_address(RINGO_BIND, listener, &address, sizeof(address))), 0);
	assert_int_equal(
		engine_result(e, with_address(RINGO_CONNECT, fd, &address, sizeof(address))),
		-ECONNREFUSED);
	assert_int_equal(engine_result(e, OP(.code = RINGO_LISTEN, .fd = listener, .argument = 1)),
			 0);
	assert_int_equal(
		engine_result(e, with_address(RINGO_CONNECT, fd, &address, sizeof(address))), 0);
	close(fd);
	close(listener);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_refused_ops(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct sockaddr_storage address = {.ss_family = AF_INET};
	int fd = make_socket(e, AF_INET, SOCK_STREAM);

	(void)state;
	assert_int_equal(
		engine_result(e, OP(.code = RINGO_SOCKET, .fd = 9999, .argument = SOCK_STREAM)),
		-EAFNOSUPPORT);
	assert_int_equal(engine_result(e, OP(.code = RINGO_SOCKET, .fd = AF_INET,
					     .argument = SOCK_STREAM, .length = UINT64_MAX)),
			 -EINVAL);
	assert_int_equal(
		engine_result(e, with_address(RINGO_BIND, fd, &address, sizeof(address) + 1)),
		-EINVAL);
	assert_int_equal(engine_result(e, with_address(RINGO_CONNECT, fd, (void *)8, 16)), -EFAULT);
	assert_int_equal(engine_result(e, with_address(RINGO_BIND, -1, &address, 16)), -EBADF);
	assert_int_equal(engine_result(e, with_address(RINGO_CONNECT, -1, &address, 16)), -EBADF);
	assert_int_equal(engine_result(e, OP(.code = RINGO_LISTEN, .fd = -1)), -EBADF);
	assert_int_equal(engine_result(e, OP(.code = RINGO_ACCEPT, .fd = fd,
					     .flags = RINGO_MULTISHOT, .address = 8)),
			 -EINVAL);
	close(fd);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connection),
		cmocka_unit_test(test_refused_connection),
		cmocka_unit_test(test_cancelled_connection),
		cmocka_unit_test(test_unix_connection),
		cmocka_unit_test(test_refused_ops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
