/* SPDX-License-Identifier: MIT */
/* A listener: each connection that a client made is accepted once, whatever accept ran out of. */
#include "soak.h"

#include <sys/un.h>

enum { CLIENTS_MAX = 8 };

static struct {
	int listener;
	struct sockaddr_un address;
	socklen_t address_length;
	int clients[CLIENTS_MAX]; /* not yet accepted, oldest first */
	int waiting;
	bool accepting;
} door;

static struct actor self;

static void take_connection(struct flight *flight, int fd)
{
	if (door.waiting == 0) {
		wrong(flight, "accepted more connections than were made");
		return;
	}
	soak_close(fd);
	close(door.clients[0]);
	door.waiting--;
	memmove(door.clients, door.clients + 1, (size_t)door.waiting * sizeof(door.clients[0]));
}

static bool is_exhaustion(int64_t result)
{
	return result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM;
}

static void accept_ended(struct flight *flight, const struct ringo_completion *c)
{
	bool multishot = flight->op.flags & RINGO_MULTISHOT;

	door.accepting = c->flags & RINGO_MORE;
	if (c->result >= 0)
		take_connection(flight, (int)c->result);
	else if (is_exhaustion(c->result))
		multishot && !door.accepting ? wrong(flight, "accepting ended") : (void)0;
	else if (c->result != -ECONNABORTED || multishot)
		judge_error(flight, (int)-c->result);
}

static void make_client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	must(fd >= 0);
	must(connect(fd, (struct sockaddr *)&door.address, door.address_length) == 0);
	door.clients[door.waiting++] = fd;
}

static bool act(struct actor *actor)
{
	struct flight *flight;

	if (door.waiting < CLIENTS_MAX)
		make_client();
	if (door.accepting)
		return false;
	flight = flight_take(actor, accept_ended, 0);
	if (flight == NULL)
		return false;
	door.accepting =
		flight_start(flight, OP(.code = RINGO_ACCEPT, .fd = door.listener,
					.argument = SOCK_CLOEXEC, .length = soak_random(3),
					.flags = soak_random(4) == 0 ? 0 : RINGO_MULTISHOT));
	return door.accepting;
}

/* Those that nobody accepted are still in the backlog, all of them. */
static void check(struct actor *actor)
{
	(void)actor;
	if (door.accepting)
		wrong(NULL, "an accept has no end");
	while (door.waiting > 0) {
		int fd = accept4(door.listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0) {
			wrong(NULL, "%d connections are lost", door.waiting);
			return;
		}
		close(fd);
		close(door.clients[--door.waiting]);
	}
}

static void close_listener(struct actor *actor)
{
	(void)actor;
	close(door.listener);
}

static struct actor self = {.name = "accept", .act = act, .check = check, .close = close_listener};

struct actor *accept_actor(void)
{
	door.address.sun_family = AF_UNIX;
	door.address_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
					  (size_t)snprintf(door.address.sun_path + 1, 60,
							   "ringo-soak-%d", getpid()));
	door.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	must(door.listener >= 0 &&
	     bind(door.listener, (struct sockaddr *)&door.address, door.address_length) == 0);
	must(listen(door.listener, 4 * CLIENTS_MAX) == 0);
	return &self;
}
