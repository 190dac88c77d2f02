/* SPDX-License-Identifier: MIT */
/* RECVMSG: one message with its sender and control data, and many into provided buffers. */
#include "check.h"

#define BUFFERS OPTIONS(.receive_buffers = 16, .receive_buffer_size = 512)

static int make_datagram_socket(struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_in){.sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	must(fd >= 0 && bind(fd, (struct sockaddr *)address, sizeof(*address)) == 0);
	must(getsockname(fd, (struct sockaddr *)address, &size) == 0);
	return fd;
}

static void test_one_message(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct sockaddr_in to, from, sender = {0};
	int receiver = make_datagram_socket(&to), fd = make_datagram_socket(&from);
	char data[10] = {0};
	struct iovec pieces[2] = {{.iov_base = data, .iov_len = 2},
				  {.iov_base = data + 2, .iov_len = 8}};
	struct msghdr message = {.msg_name = &sender,
				 .msg_namelen = sizeof(sender),
				 .msg_iov = pieces,
				 .msg_iovlen = 2};
	uint64_t id = engine_post(
		e, OP(.code = RINGO_RECVMSG, .fd = receiver, .address = ADDRESS(&message)));

	(void)state;
	must(sendto(fd, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)) == 5);
	assert_int_equal(engine_wait(e, id).result, 5);
	assert_memory_equal(data, "hello", 5);
	assert_int_equal(sender.sin_port, from.sin_port);
	message.msg_namelen = sizeof(sender);
	assert_int_equal(
		engine_result(e, OP(.code = RINGO_RECVMSG, .fd = receiver,
				    .address = ADDRESS(&message), .argument = MSG_DONTWAIT)),
		-EAGAIN);
	close(fd);
	close(receiver);
	engine_close(e, RINGO_STOP_DRAIN);
}

/* A descriptor comes along as control data. */
static void test_control_data(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} out = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
			    .cmsg_level = SOL_SOCKET,
			    .cmsg_type = SCM_RIGHTS}},
	  in = {.bytes = {0}};
	char byte = 'x';
	struct iovec piece = {.iov_base = &byte, .iov_len = 1};
	struct msghdr sent = {.msg_iov = &piece,
			      .msg_iovlen = 1,
			      .msg_control = &out,
			      .msg_controllen = sizeof(out)};
	struct msghdr got = {.msg_iov = &piece,
			     .msg_iovlen = 1,
			     .msg_control = &in,
			     .msg_controllen = sizeof(in)};
	int ends[2], passed;

	(void)state;
	make_pair(ends, 0);
	memcpy(CMSG_DATA(&out.header), &ends[0], sizeof(int));
	must(sendmsg(ends[1], &sent, 0) == 1);
	assert_int_equal(
		engine_result(e, OP(.code = RINGO_RECVMSG, .fd = ends[0], .address = ADDRESS(&got),
				    .argument = MSG_CMSG_CLOEXEC)),
		1);
	assert_int_equal(in.header.cmsg_type, SCM_RIGHTS);
	memcpy(&passed, CMSG_DATA(&in.header), sizeof(int));
	assert_true(passed >= 0 && passed != ends[0]);
	close(passed);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static const struct ringo_message *message_in(struct engine *e, int32_t buffer)
{
	unsigned char *base;
	uint32_t size;

	ringo_loop_buffers(e->loop, &base, &size);
	return (const void *)(base + (size_t)buffer * size);
}

static void test_many_datagrams(void **state)
{
	struct engine *e = engine_open(BUFFERS);
	struct sockaddr_in to, from;
	int receiver = make_datagram_socket(&to), fd = make_datagram_socket(&from);
	const struct ringo_message *message;
	const struct msghdr asked = {.msg_namelen = sizeof(struct sockaddr_in)};
	struct ringo_completion c;
	uint64_t id = engine_post(e, OP(.code = RINGO_RECVMSG, .fd = receiver,
					.flags = RINGO_MULTISHOT | RINGO_BUFFER_SELECT,
					.address = ADDRESS(&asked)));

	(void)state;
	for (size_t i = 1; i <= 100; i++) {
		const struct sockaddr_in *sender;
		size_t head = sizeof(*message) + sizeof(*sender);
		unsigned char data[64];

		fill(data, i % 64 + 1, i, 0);
		must(sendto(fd, data, i % 64 + 1, 0, (struct sockaddr *)&to, sizeof(to)) > 0);
		c = engine_await(e, id, i);
		assert_int_equal(c.flags, RINGO_MORE | RINGO_BUFFER);
		assert_int_equal(c.result, head + i % 64 + 1);
		message = message_in(e, c.extra);
		sender = (const void *)(message + 1);
		assert_int_equal(message->name_length, sizeof(*sender));
		assert_int_equal(message->control_length, 0);
		assert_int_equal(message->payload_length, i % 64 + 1);
		assert_int_equal(message->flags & MSG_TRUNC, 0);
		assert_int_equal(sender->sin_port, from.sin_port);
		assert_memory_equal((const char *)message + head, data, i % 64 + 1);
		must(ringo_post(e->loop,
				&OP(.code = RINGO_RETURN_BUFFER, .argument = (uint32_t)c.extra), 1,
				0) == 0);
	}
	/* An empty one is the last. */
	must(sendto(fd, "", 0, 0, (struct sockaddr *)&to, sizeof(to)) == 0);
	c = engine_wait(e, id);
	assert_int_equal(c.flags, RINGO_BUFFER);
	assert_int_equal(message_in(e, c.extra)->payload_length, 0);
	close(fd);
	close(receiver);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_end_of_stream(void **state)
{
	struct engine *e = engine_open(BUFFERS);
	const struct msghdr asked = {0};
	struct ringo_completion c;
	uint64_t id;
	int ends[2];

	(void)state;
	make_pair(ends, 0);
	id = engine_post(e, OP(.code = RINGO_RECVMSG, .fd = ends[0],
			       .flags = RINGO_MULTISHOT | RINGO_BUFFER_SELECT,
			       .address = ADDRESS(&asked)));
	must(write(ends[1], "abc", 3) == 3);
	assert_int_equal(engine_await(e, id, 1).result, sizeof(struct ringo_message) + 3);
	close(ends[1]);
	c = engine_wait(e, id);
	assert_int_equal(c.flags, RINGO_BUFFER);
	assert_int_equal(c.result, sizeof(struct ringo_message));
	assert_int_equal(message_in(e, c.extra)->payload_length, 0);
	close(ends[0]);
	engine_close(e, RINGO_STOP_DRAIN);
}

static void test_refused(void **state)
{
	struct engine *e = engine_open(OPTIONS(0));
	struct msghdr message = {0};
	int ends[2];

	(void)state;
	make_pair(ends, 0);
	assert_int_equal(
		engine_result(e, OP(.code = RINGO_RECVMSG, .fd = ends[0], .flags = RINGO_MULTISHOT,
				    .address = ADDRESS(&message))),
		-EINVAL);
	assert_int_equal(engine_result(e, OP(.code = RINGO_RECVMSG, .fd = ends[0],
					     .flags = RINGO_MULTISHOT | RINGO_BUFFER_SELECT,
					     .address = ADDRESS(&message))),
			 -EINVAL); /* this loop has no buffers */
	assert_int_equal(
		engine_result(e, OP(.code = RINGO_RECVMSG, .fd = -1, .address = ADDRESS(&message))),
		-EBADF);
	assert_int_equal(engine_result(e, OP(.code = RINGO_RECVMSG, .fd = ends[0], .address = 8)),
			 -EFAULT);
	close(ends[0]);
	close(ends[1]);
	engine_close(e, RINGO_STOP_DRAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_message),    cmocka_unit_test(test_control_data),
		cmocka_unit_test(test_many_datagrams), cmocka_unit_test(test_end_of_stream),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
