/* SPDX-License-Identifier: MIT */
/*
 * A client of an echo server: echo PORT CONNECTIONS SECONDS. Each connection has one message of 512
 * bytes under way, and sends the next when it is back, with the bytes it sent. It prints messages,
 * wall nanoseconds, and the median and the 99th percentile of a round trip in nanoseconds.
 *
 * With SECONDS 0 it opens the connections, says so with a line, and keeps them until its input
 * ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 512, EVENTS = 256 };

/* Round trips by time: 64 buckets for each power of two. */
enum { STEPS = 64, BUCKETS = 48 * STEPS };
static uint64_t buckets[BUCKETS];

struct connection {
	int fd;
	uint32_t received;
	uint64_t sent_ns;
	unsigned char mark; /* what the message under way is made of */
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint32_t bucket_of(uint64_t ns)
{
	uint32_t power = ns < STEPS ? 0 : (uint32_t)(63 - __builtin_clzll(ns)) - 5;
	uint32_t bucket =
		power == 0 ? (uint32_t)ns
			   : power * STEPS / 2 + STEPS / 2 + (uint32_t)(ns >> power) - STEPS / 2;

	return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static uint64_t value_of(uint32_t bucket)
{
	uint32_t power;

	if (bucket < STEPS)
		return bucket;
	power = (bucket - STEPS / 2) / (STEPS / 2);
	return (uint64_t)(bucket - power * STEPS / 2) << power;
}

static uint64_t quantile(uint64_t count, double q)
{
	uint64_t seen = 0;

	for (uint32_t i = 0; i < BUCKETS; i++) {
		seen += buckets[i];
		if ((double)seen >= q * (double)count)
			return value_of(i);
	}
	return 0;
}

static int connect_to(uint16_t port, uint32_t index)
{
	/* A source address has 28,000 ports or so. */
	struct sockaddr_in local = {.sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(0x7f000001u + 1 + index / 20000)};
	struct sockaddr_in server = {.sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0)
		fail("bind");
	if (connect(fd, (struct sockaddr *)&server, sizeof(server)) != 0)
		fail("connect");
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0)
		fail("setsockopt");
	return fd;
}

static void send_message(struct connection *c)
{
	unsigned char message[MESSAGE];

	memset(message, ++c->mark, sizeof(message));
	c->received = 0;
	c->sent_ns = now_ns();
	if (send(c->fd, message, sizeof(message), MSG_NOSIGNAL) != MESSAGE)
		fail("send");
}

/* Returns whether a message is back, whole and as it was sent. */
static int receive(struct connection *c)
{
	unsigned char part[MESSAGE];
	ssize_t n = recv(c->fd, part, MESSAGE - c->received, MSG_DONTWAIT);

	if (n <= 0) {
		if (n < 0 && errno == EAGAIN)
			return 0;
		fail("recv");
	}
	if (part[0] != c->mark || part[n - 1] != c->mark) {
		fprintf(stderr, "echo: other bytes came back than were sent\n");
		exit(1);
	}
	c->received += (uint32_t)n;
	return c->received == MESSAGE;
}

static void exchange(struct connection *connections, uint32_t count, uint64_t duration_ns)
{
	struct epoll_event events[EVENTS];
	uint64_t start, now, messages = 0;
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	for (uint32_t i = 0; i < count; i++) {
		events[0] = (struct epoll_event){.events = EPOLLIN, .data.ptr = &connections[i]};
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &events[0]) != 0)
			fail("epoll_ctl");
		send_message(&connections[i]);
	}
	for (start = now = now_ns(); now - start < duration_ns;) {
		int ready = epoll_wait(epoll, events, EVENTS, 1000);

		if (ready <= 0) {
			fprintf(stderr, "echo: no answer for a second\n");
			exit(1);
		}
		for (int i = 0; i < ready; i++) {
			struct connection *c = events[i].data.ptr;

			if (!receive(c))
				continue;
			now = now_ns();
			buckets[bucket_of(now - c->sent_ns)]++;
			messages++;
			send_message(c);
		}
	}
	printf("%llu %llu %llu %llu\n", (unsigned long long)messages,
	       (unsigned long long)(now - start), (unsigned long long)quantile(messages, 0.5),
	       (unsigned long long)quantile(messages, 0.99));
}

int main(int argc, char **argv)
{
	struct rlimit files = {.rlim_cur = 30000, .rlim_max = 30000};
	struct connection *connections;
	uint32_t count;
	double seconds;

	if (argc != 4) {
		fprintf(stderr, "usage: echo PORT CONNECTIONS SECONDS\n");
		return 2;
	}
	count = (uint32_t)atoi(argv[2]);
	seconds = atof(argv[3]);
	(void)setrlimit(RLIMIT_NOFILE, &files);
	connections = calloc(count + 1, sizeof(*connections));
	if (connections == NULL)
		fail("calloc");
	for (uint32_t i = 0; i < count; i++)
		connections[i].fd = connect_to((uint16_t)atoi(argv[1]), i);
	if (seconds > 0) {
		exchange(connections, count, (uint64_t)(seconds * 1e9));
		return 0;
	}
	puts("open");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
