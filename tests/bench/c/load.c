/* SPDX-License-Identifier: MIT */
/*
 * An HTTP client that costs as little as it can, so that the server is what limits:
 *
 *	load PORT CONNECTIONS SECONDS STATUS COUNT PATH [HEADER-LINE]...
 *
 * Each connection sends a request, reads the answer, and sends the next. Bodies are not copied:
 *what is behind a head is dropped by MSG_TRUNC. PATH may hold one %d, which goes from 0 to COUNT -
 *1, over and over. An answer with another status than STATUS, or a connection that ends, is an
 *error and ends the run. Prints one line: answers, bytes of bodies, ns that passed, and the
 *latencies' p50, p99 and p99.9 in ns.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 4096
#define DROP_MAX (8u << 20)
#define FINE 64 /* buckets for each doubling of a latency */

struct connection {
	int fd;
	uint64_t begun; /* ns */
	uint64_t left;  /* bytes of the body that have not come in; while in_body */
	bool in_body;
	size_t have; /* bytes of head */
	char head[HEAD_MAX];
};

static struct {
	int port, status, count, next;
	const char *path;
	char headers[2048];
	uint64_t answers, bytes;
	uint64_t latencies[64 * FINE];
} run;

static void fail(const char *what, const char *detail)
{
	fprintf(stderr, "load: %s: %s\n", what, detail);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static unsigned bucket_of(uint64_t ns)
{
	unsigned doubling = 63 - (unsigned)__builtin_clzll(ns | FINE);

	return (doubling - 6) * FINE + (unsigned)((ns | FINE) >> (doubling - 6)) % FINE;
}

static uint64_t quantile(double q)
{
	uint64_t wanted = (uint64_t)((double)run.answers * q), seen = 0;

	for (unsigned b = 0; b < 58 * FINE; b++) {
		seen += run.latencies[b];
		if (seen > wanted)
			return (uint64_t)(FINE + b % FINE) << (b / FINE);
	}
	return 0;
}

static void ask(struct connection *c)
{
	char path[1024], request[4096];
	int length;

	snprintf(path, sizeof(path), run.path, run.next);
	run.next = (run.next + 1) % run.count;
	length = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
			  path, run.headers);
	c->begun = now();
	c->in_body = false;
	c->have = 0;
	if (send(c->fd, request, (size_t)length, MSG_NOSIGNAL) != length)
		fail("send", strerror(errno));
}

static void answered(struct connection *c)
{
	run.answers++;
	run.latencies[bucket_of(now() - c->begun)]++;
	ask(c);
}

/* Finds the body's length once the head is complete. */
static bool head_complete(struct connection *c, uint64_t *behind)
{
	char *end, *length;

	c->head[c->have] = 0;
	end = strstr(c->head, "\r\n\r\n");
	if (end == NULL) {
		if (c->have == HEAD_MAX - 1)
			fail("an answer", "its head is too long");
		return false;
	}
	*behind = c->have - (size_t)(end + 4 - c->head);
	*end = 0;
	if (atoi(c->head + 9) != run.status)
		fail("an answer", c->head);
	length = strcasestr(c->head, "\r\ncontent-length:");
	c->left = length != NULL && run.status != 304 ? strtoull(length + 17, NULL, 10) : 0;
	run.bytes += c->left;
	return true;
}

/* Reads what there is; edge-triggered, so until there is no more. */
static void receive(struct connection *c)
{
	for (;;) {
		static char nothing[1];
		uint64_t behind;
		ssize_t n;

		if (c->in_body)
			n = recv(c->fd, nothing, c->left < DROP_MAX ? c->left : DROP_MAX,
				 MSG_TRUNC | MSG_DONTWAIT);
		else
			n = recv(c->fd, c->head + c->have, HEAD_MAX - 1 - c->have, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			fail("a connection ended",
			     n == 0 ? "closed by the server" : strerror(errno));
		if (c->in_body) {
			c->left -= (uint64_t)n;
		} else {
			c->have += (size_t)n;
			if (!head_complete(c, &behind))
				continue;
			if (behind > c->left)
				fail("an answer", "more came than was announced");
			c->left -= behind;
			c->in_body = true;
		}
		if (c->left == 0)
			answered(c);
	}
}

static void connect_all(struct connection *connections, int n, int poll)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)run.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	for (int i = 0; i < n; i++) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLET,
					    .data.ptr = &connections[i]};
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
			fail("connect", strerror(errno));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		connections[i].fd = fd;
		if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0)
			fail("epoll_ctl", strerror(errno));
	}
}

int main(int argc, char **argv)
{
	struct connection *connections;
	struct epoll_event events[256];
	uint64_t begun, end;
	int n, poll;

	if (argc < 7)
		fail("usage", "load PORT CONNECTIONS SECONDS STATUS COUNT PATH [HEADER-LINE]...");
	run.port = atoi(argv[1]);
	n = atoi(argv[2]);
	run.status = atoi(argv[4]);
	run.count = atoi(argv[5]);
	run.path = argv[6];
	for (int i = 7; i < argc; i++) {
		strncat(run.headers, argv[i], sizeof(run.headers) - strlen(run.headers) - 1);
		strncat(run.headers, "\r\n", sizeof(run.headers) - strlen(run.headers) - 1);
	}
	connections = calloc((size_t)n, sizeof(*connections));
	poll = epoll_create1(EPOLL_CLOEXEC);
	if (connections == NULL || poll < 0 || run.count < 1)
		fail("start", strerror(errno));
	connect_all(connections, n, poll);
	begun = now();
	end = begun + (uint64_t)(atof(argv[3]) * 1e9);
	for (int i = 0; i < n; i++)
		ask(&connections[i]);
	while (now() < end) {
		int ready = epoll_wait(poll, events, 256, 100);

		for (int i = 0; i < ready; i++)
			receive(events[i].data.ptr);
	}
	printf("%llu %llu %llu %llu %llu %llu\n", (unsigned long long)run.answers,
	       (unsigned long long)run.bytes, (unsigned long long)(now() - begun),
	       (unsigned long long)quantile(0.5), (unsigned long long)quantile(0.99),
	       (unsigned long long)quantile(0.999));
	return 0;
}
