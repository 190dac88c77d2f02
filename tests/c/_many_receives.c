/* SPDX-License-Identifier: MIT */
/*
 * 10,000 datagram sockets with a multishot receive each: all idle, then all speaking at once, three
 * times. Nothing is lost, nothing spins, and what it costs is printed. Too heavy for the tests:
 * `make proof`.
 */
#include "check.h"

enum { SOCKETS = 10000, BUFFERS = 4096, ROUNDS = 3 };

static int sockets[SOCKETS];
static struct sockaddr_in addresses[SOCKETS];
static uint32_t received[SOCKETS]; /* bytes, by socket; the loop's thread's until a round is over */
static _Atomic uint64_t total;
static _Atomic bool held; /* the loop, while all speak */
static unsigned char *base;
static uint32_t buffer_size;

/* Counts, checks and gives back. */
static uint32_t take(struct engine *e, const struct ringo_completion *completions, uint32_t count,
		     struct ringo_op *ops, uint32_t room)
{
	uint32_t given = 0;

	(void)room;
	while (atomic_load(&held))
		nap_ms(1);
	if (base == NULL)
		ringo_loop_buffers(e->loop, &base, &buffer_size);
	for (uint32_t i = 0; i < count; i++) {
		const struct ringo_completion *c = &completions[i];
		uint64_t socket = c->user_data - 1;

		if (!(c->flags & RINGO_BUFFER))
			continue;
		must(socket < SOCKETS && c->flags & RINGO_MORE && given < RINGO_SLOTLESS_ROOM);
		for (int64_t j = 0; j < c->result; j++)
			must(base[(size_t)c->extra * buffer_size + (size_t)j] ==
			     byte_at(socket, received[socket] + (uint64_t)j));
		received[socket] += (uint32_t)c->result;
		atomic_fetch_add(&total, (uint64_t)c->result);
		ops[given++] = OP(.code = RINGO_RETURN_BUFFER, .argument = (uint32_t)c->extra);
	}
	return given;
}

static uint64_t kilobytes(const char *wanted)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[128];
	unsigned long long value = 0;

	must(file != NULL);
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, wanted, strlen(wanted)) == 0)
			(void)sscanf(line + strlen(wanted), "%llu", &value);
	fclose(file);
	return value;
}

static void speak(struct engine *e, int sender, uint64_t round)
{
	atomic_store(&held, true);
	engine_post(e, OP(.code = RINGO_NOP));
	for (uint64_t i = 0; i < SOCKETS; i++) {
		unsigned char data[100];

		fill(data, sizeof(data), i, round * sizeof(data));
		must(sendto(sender, data, sizeof(data), 0, (struct sockaddr *)&addresses[i],
			    sizeof(addresses[i])) == sizeof(data));
	}
	atomic_store(&held, false);
}

static void all_at_once(uint32_t setup, uint32_t buffers)
{
	struct rlimit limit = {.rlim_cur = SOCKETS + 100, .rlim_max = SOCKETS + 100};
	int sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t empty;
	struct engine *e;

	atomic_store(&total, 0);
	memset(received, 0, sizeof(received));
	base = NULL;
	must(sender >= 0);
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0) /* only root may have more than the hard limit */
		skip_program("needs 10100 descriptors");
	empty = kilobytes("VmRSS:");
	e = engine_open_hooked(OPTIONS(.depth = 16384, .reserve = 1024, .sq_entries = 256,
				       .cq_entries = 1024, .setup = setup,
				       .receive_buffers = buffers, .receive_buffer_size = 256),
			       take, NULL);
	for (int i = 0; i < SOCKETS; i++) {
		socklen_t size = sizeof(addresses[i]);

		addresses[i] = (struct sockaddr_in){.sin_family = AF_INET,
						    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		sockets[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		must(sockets[i] >= 0 &&
		     bind(sockets[i], (struct sockaddr *)&addresses[i], size) == 0 &&
		     getsockname(sockets[i], (struct sockaddr *)&addresses[i], &size) == 0);
		assert_int_equal(engine_post(e, OP(.code = RINGO_RECV, .fd = sockets[i],
						   .flags = RINGO_MULTISHOT | RINGO_BUFFER_SELECT)),
				 (uint64_t)i + 1);
	}
	expect_asleep(e);
	printf("idle: %llu KiB resident more than before, turns %llu\n",
	       (unsigned long long)(kilobytes("VmRSS:") - empty),
	       (unsigned long long)engine_stats(e).turns);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		speak(e, sender, round);
		for (int i = 0; atomic_load(&total) < (round + 1) * 100 * SOCKETS; i++) {
			if (i == PATIENCE_SECONDS * 100)
				fail_msg("%llu bytes are missing",
					 (unsigned long long)((round + 1) * 100 * SOCKETS -
							      atomic_load(&total)));
			nap_ms(10);
		}
		expect_asleep(e);
	}
	for (int i = 0; i < SOCKETS; i++)
		assert_int_equal(received[i], ROUNDS * 100);
	printf("spoken %d times: %llu bytes, turns %llu, deliveries %llu, overflows %llu, starved "
	       "%llu; %llu KiB resident more than before\n",
	       ROUNDS, (unsigned long long)atomic_load(&total),
	       (unsigned long long)engine_stats(e).turns,
	       (unsigned long long)engine_stats(e).deliveries,
	       (unsigned long long)engine_stats(e).overflows,
	       (unsigned long long)engine_stats(e).starved,
	       (unsigned long long)(kilobytes("VmRSS:") - empty));
	engine_close(e, RINGO_STOP_DRAIN);
	for (int i = 0; i < SOCKETS; i++)
		close(sockets[i]);
	close(sender);
}

static void test_default(void **state)
{
	(void)state;
	all_at_once(0, BUFFERS);
}

/* Where completions come by themselves the queue overflows; and with few buffers most have to wait.
 */
static void test_overflow(void **state)
{
	(void)state;
	all_at_once(RINGO_SETUP_COOP_TASKRUN, BUFFERS);
}

static void test_few_buffers(void **state)
{
	(void)state;
	all_at_once(0, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_default),
					   cmocka_unit_test(test_overflow),
					   cmocka_unit_test(test_few_buffers)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
