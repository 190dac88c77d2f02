/* SPDX-License-Identifier: MIT */
/*
 * What abilities of io_uring are worth here: each with against without, in turns, a loop of ringo
 * either way. abilities [ROUNDS [WORDS]] prints, for each whose line has WORDS in it, the medians
 * of the rounds' ratios of operations per second and of CPU time per operation, with a 95 %
 * interval.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "ringo.h"

enum { DEPTH = 32, BLOCK = 4096, BLOCKS = 16384, ROUNDS_MAX = 99 };

struct work {
	const char *name;
	uint32_t setup;
	uint16_t code, flags;
	bool direct; /* O_DIRECT */
	uint32_t depth;
	uint64_t length; /* of one op */
	uint64_t ops;    /* in all */
};

static const struct work pairs[][2] = {
	{{"DEFER_TASKRUN (default) against COOP_TASKRUN, 4 KiB O_DIRECT reads", 0, RINGO_READ, 0,
	  true, DEPTH, BLOCK, 20000},
	 {"", RINGO_SETUP_COOP_TASKRUN, RINGO_READ, 0, true, DEPTH, BLOCK, 20000}},
	{{"DEFER_TASKRUN (default) against COOP_TASKRUN, NOP", 0, RINGO_NOP, 0, false, DEPTH, 0,
	  2000000},
	 {"", RINGO_SETUP_COOP_TASKRUN, RINGO_NOP, 0, false, DEPTH, 0, 2000000}},
	{{"SQPOLL, 4 KiB O_DIRECT reads", RINGO_SETUP_SQPOLL, RINGO_READ, 0, true, DEPTH, BLOCK,
	  20000},
	 {"", 0, RINGO_READ, 0, true, DEPTH, BLOCK, 20000}},
	{{"SQPOLL, 4 KiB cached reads", RINGO_SETUP_SQPOLL, RINGO_READ, 0, false, DEPTH, BLOCK,
	  200000},
	 {"", 0, RINGO_READ, 0, false, DEPTH, BLOCK, 200000}},
	{{"registered file, 4 KiB cached reads", 0, RINGO_READ, RINGO_FIXED_FILE, false, DEPTH,
	  BLOCK, 400000},
	 {"", 0, RINGO_READ, 0, false, DEPTH, BLOCK, 400000}},
	{{"registered buffer, 4 KiB O_DIRECT reads", 0, RINGO_READ, RINGO_FIXED_BUFFER, true, DEPTH,
	  BLOCK, 20000},
	 {"", 0, RINGO_READ, 0, true, DEPTH, BLOCK, 20000}},
	{{"registered buffer, 64 KiB O_DIRECT reads", 0, RINGO_READ, RINGO_FIXED_BUFFER, true,
	  DEPTH, 16 * BLOCK, 6000},
	 {"", 0, RINGO_READ, 0, true, DEPTH, 16 * BLOCK, 6000}},
	{{"registered file and buffer, 4 KiB O_DIRECT reads", 0, RINGO_READ,
	  RINGO_FIXED_FILE | RINGO_FIXED_BUFFER, true, DEPTH, BLOCK, 20000},
	 {"", 0, RINGO_READ, 0, true, DEPTH, BLOCK, 20000}},
	{{"NO_IOWAIT, 4 KiB O_DIRECT reads", RINGO_SETUP_NO_IOWAIT, RINGO_READ, 0, true, DEPTH,
	  BLOCK, 20000},
	 {"", 0, RINGO_READ, 0, true, DEPTH, BLOCK, 20000}},
	{{"NO_SQARRAY, NOP", RINGO_SETUP_NO_SQARRAY, RINGO_NOP, 0, false, DEPTH, 0, 2000000},
	 {"", 0, RINGO_NOP, 0, false, DEPTH, 0, 2000000}},
	{{"SEND_ZC against SEND, 16 KiB over loopback", 0, RINGO_SEND_ZC, 0, false, 1, 16384,
	  20000},
	 {"", 0, RINGO_SEND, 0, false, 1, 16384, 20000}},
	{{"SEND_ZC against SEND, 1 MiB over loopback", 0, RINGO_SEND_ZC, 0, false, 1, 1 << 20, 800},
	 {"", 0, RINGO_SEND, 0, false, 1, 1 << 20, 800}},
};

struct run {
	const struct work *work;
	struct ringo_loop *loop;
	unsigned char *memory;
	int fd;
	uint64_t started, ended;
	uint64_t random;
};

static void need(bool condition, const char *what)
{
	if (condition)
		return;
	perror(what);
	exit(1);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static struct ringo_op next_op(struct run *run, uint64_t index)
{
	const struct work *work = run->work;
	struct ringo_op op = {.user_data = index,
			      .code = work->code,
			      .flags = work->flags,
			      .fd = work->flags & RINGO_FIXED_FILE ? 0 : run->fd,
			      .address = (uintptr_t)(run->memory + index * work->length),
			      .length = work->length};

	run->started++;
	run->random = run->random * 6364136223846793005u + 1442695040888963407u;
	if (work->code == RINGO_READ)
		op.offset = (int64_t)((run->random >> 33) % (BLOCKS - 16) * BLOCK);
	return op;
}

static uint32_t deliver(uintptr_t context, const struct ringo_completion *completions,
			uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct run *run = (struct run *)context;
	uint32_t given = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (completions[i].flags & RINGO_MORE || completions[i].user_data >= DEPTH)
			continue;
		if (completions[i].result != (int64_t)run->work->length) {
			fprintf(stderr, "%s: %lld\n", run->work->name,
				(long long)completions[i].result);
			exit(1);
		}
		run->ended++;
		if (run->started < run->work->ops && given < room)
			ops[given++] = next_op(run, completions[i].user_data);
	}
	if (run->ended == run->work->ops)
		ringo_loop_stop(run->loop, RINGO_STOP_DRAIN);
	return given;
}

static void *discard(void *socket)
{
	static char sink[1 << 20];

	while (recv(*(int *)socket, sink, sizeof(sink), MSG_TRUNC) > 0)
		;
	return NULL;
}

static void connect_pair(int ends[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	need(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1) == 0 &&
		     getsockname(listener, (struct sockaddr *)&address, &size) == 0,
	     "listen");
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	need(connect(ends[0], (struct sockaddr *)&address, size) == 0, "connect");
	ends[1] = accept(listener, NULL, NULL);
	need(ends[1] >= 0, "accept");
	close(listener);
}

static int make_file(bool direct)
{
	static char block[BLOCK * 64];
	char path[] = "abilities-XXXXXX";
	int fd = mkstemp(path), reopened;

	need(fd >= 0, "a file in this directory");
	for (int i = 0; i < BLOCKS / 64; i++)
		need(write(fd, block, sizeof(block)) == sizeof(block), "write");
	need(fsync(fd) == 0, "fsync");
	reopened = open(path, direct ? O_RDONLY | O_DIRECT : O_RDONLY);
	need(reopened >= 0, "O_DIRECT in this directory");
	unlink(path);
	close(fd);
	return reopened;
}

struct figures {
	double per_second, cpu_per_op;
};

static struct figures measure(const struct work *work, int fd, unsigned char *memory)
{
	struct ringo_options options = {.backend = RINGO_BACKEND_URING,
					.setup = work->setup,
					.depth = 64,
					.files = 1,
					.buffers = 1};
	struct run run = {.work = work, .memory = memory, .fd = fd, .random = 1};
	struct iovec whole = {.iov_base = memory, .iov_len = (size_t)DEPTH << 20};
	struct ringo_op prepare[2] = {{.code = RINGO_FILES_UPDATE,
				       .user_data = DEPTH,
				       .address = (uintptr_t)&fd,
				       .length = 1},
				      {.code = RINGO_BUFFERS_UPDATE,
				       .user_data = DEPTH,
				       .address = (uintptr_t)&whole,
				       .length = 1}};
	struct ringo_op ops[DEPTH];
	int64_t wall, cpu;

	need(ringo_loop_open(&options, &run.loop) == 0, "ringo_loop_open");
	if (work->flags & (RINGO_FIXED_FILE | RINGO_FIXED_BUFFER)) {
		need(ringo_post(run.loop, prepare, 2, 0) == 0, "ringo_post");
	}
	wall = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (uint32_t i = 0; i < work->depth; i++)
		ops[i] = next_op(&run, i);
	need(ringo_post(run.loop, ops, work->depth, 0) == 0, "ringo_post");
	need(ringo_loop_run(run.loop, deliver, (uintptr_t)&run) == 0, "ringo_loop_run");
	wall = clock_ns(CLOCK_MONOTONIC) - wall;
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	ringo_loop_close(run.loop);
	return (struct figures){(double)work->ops * 1e9 / (double)wall,
				(double)cpu / (double)work->ops};
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* How many ratios may be left out at each end: the median lies among the others with 95 %, by the
 * binomial distribution. */
static int outer_ranks(int rounds)
{
	double chance = 1, below = 0;
	int ranks = 0;

	for (int i = 0; i < rounds; i++)
		chance /= 2;
	for (below = chance; below <= 0.025; below += chance) {
		ranks++;
		chance *= (double)(rounds - ranks + 1) / ranks;
	}
	return ranks;
}

static void print_ratio(double *ratios, int rounds)
{
	int low = outer_ranks(rounds);

	qsort(ratios, (size_t)rounds, sizeof(*ratios), compare);
	low -= low > 0;
	printf(" %5.2f (%4.2f-%4.2f)", ratios[rounds / 2], ratios[low], ratios[rounds - 1 - low]);
}

static void run_pair(const struct work pair[2], int rounds, unsigned char *memory)
{
	double rate[ROUNDS_MAX], cpu[ROUNDS_MAX];
	struct figures with = {0}, without = {0};
	bool sends = pair[0].code == RINGO_SEND_ZC;
	int ends[2] = {-1, -1}, fd = -1;
	pthread_t reader;

	if (sends) {
		connect_pair(ends);
		need(pthread_create(&reader, NULL, discard, &ends[1]) == 0, "pthread_create");
		fd = ends[0];
	} else if (pair[0].code == RINGO_READ) {
		fd = make_file(pair[0].direct);
	}
	for (int i = -1; i < rounds; i++) { /* the first warms up */
		bool first = i % 2 == 0;

		for (int arm = 0; arm < 2; arm++) {
			if ((arm == 0) == first)
				with = measure(&pair[0], fd, memory);
			else
				without = measure(&pair[1], fd, memory);
		}
		if (i < 0)
			continue;
		rate[i] = with.per_second / without.per_second;
		cpu[i] = with.cpu_per_op / without.cpu_per_op;
	}
	printf("%-66s", pair[0].name);
	print_ratio(rate, rounds);
	print_ratio(cpu, rounds);
	printf("  %9.0f /s, %7.0f ns\n", without.per_second, without.cpu_per_op);
	fflush(stdout);
	close(fd);
	if (sends) {
		pthread_join(reader, NULL);
		close(ends[1]);
	}
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 9;
	unsigned char *memory = mmap(NULL, (size_t)DEPTH << 20, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(memory != MAP_FAILED && rounds > 0 && rounds <= ROUNDS_MAX,
	     "abilities [ROUNDS [WORDS]]");
	printf("%-66s %-18s %-18s  %s\n", "with against without", "operations/s",
	       "CPU per operation", "without");
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (argc < 3 || strstr(pairs[i][0].name, argv[2]) != NULL)
			run_pair(pairs[i], rounds, memory);
	return 0;
}
