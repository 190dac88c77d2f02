/* SPDX-License-Identifier: MIT */
/*
 * CANCEL of ops in every state they reach: ops start in one turn and are cancelled t turns later,
 * for each t, with submission queues so small that most of them wait. Each op ends exactly once,
 * soon, and leaves nothing open or running.
 */
#include "check.h"

enum { COPIES = 6, TURNS = 14, CANCEL_ID = 100, LAST_ID = 101 };

/* What the ops act on; all of it is there for every scene. */
static struct stage {
	char directory[64], fifo[80], lonely[80];
	char targets[COPIES][80];
	int fifo_writer, file, pipe[2], listener, stalled[2], quiet[2];
	unsigned char data[COPIES][70000];
} stage;

static struct ringo_op op_of(const char *scene, int i)
{
	const struct ringo_op file = {.fd = AT_FDCWD,
				      .address2 = ADDRESS(stage.data[i]),
				      .length = sizeof(stage.data[i])};
	struct ringo_op op = file;

	if (strcmp(scene, "nop") == 0)
		return OP(.code = RINGO_NOP);
	if (strcmp(scene, "close") == 0) /* whatever happens, it is closed */
		return OP(.code = RINGO_CLOSE, .fd = dup(stage.file));
	if (strcmp(scene, "timeout") == 0)
		return OP(.code = RINGO_TIMEOUT, .argument2 = UINT64_MAX);
	if (strcmp(scene, "poll") == 0)
		return OP(.code = RINGO_POLL, .fd = stage.quiet[0], .argument = POLLIN,
			  .flags = i % 2 ? RINGO_MULTISHOT : 0);
	if (strcmp(scene, "accept") == 0)
		return OP(.code = RINGO_ACCEPT, .fd = stage.listener,
			  .flags = i % 2 ? RINGO_MULTISHOT : 0);
	if (strcmp(scene, "recv") == 0) /* one of them gets the only buffer, the others park */
		return OP(.code = RINGO_RECV, .fd = stage.quiet[i % 2],
			  .flags = RINGO_MULTISHOT | RINGO_BUFFER_SELECT);
	if (strcmp(scene, "read-pipe") == 0)
		return OP(.code = RINGO_READ, .fd = stage.pipe[0], .offset = -1, .length = 1,
			  .address = ADDRESS(stage.data[i]));
	if (strcmp(scene, "send") == 0)
		return OP(.code = RINGO_SEND, .fd = stage.stalled[0], .length = 70000,
			  .address = ADDRESS(stage.data[i]));
	if (strncmp(scene, "sendfile", 8) == 0)
		return OP(.code = RINGO_SENDFILE, .fd = stage.file, .fd2 = stage.stalled[0],
			  .length = 1 << 20, .argument = (uint32_t)(scene[9] - '0'),
			  .address = ADDRESS("header"), .argument2 = 6);
	if (strcmp(scene, "readfile-fifo") == 0) {
		op.code = RINGO_READFILE;
		op.address = ADDRESS(stage.fifo);
		op.argument = O_NONBLOCK;
	} else if (strcmp(scene, "openat2-fifo") == 0) {
		op = OP(.code = RINGO_OPENAT2, .fd = AT_FDCWD, .address = ADDRESS(stage.lonely),
			.argument = O_WRONLY | O_CREAT, .argument2 = 0600);
	} else if (strcmp(scene, "readfile") == 0) {
		op.code = RINGO_READFILE;
		op.address = ADDRESS("/proc/self/maps");
	} else {
		op.code = RINGO_WRITEFILE;
		op.address = ADDRESS(stage.targets[i]);
		op.argument = strcmp(scene, "writefile-atomic") == 0
				      ? RINGO_WRITE_ATOMIC | RINGO_WRITE_SYNC
				      : RINGO_WRITE_SYNC;
		op.argument2 = 0600;
	}
	return op;
}

struct play {
	struct ringo_loop *loop;
	const char *scene;
	int turn, cancel_at, ended[LAST_ID + 1];
};

static uint32_t direct(uintptr_t context, const struct ringo_completion *completions,
		       uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct play *p = (struct play *)context;
	uint32_t n = 0;
	int all = 0;

	must(room >= COPIES + 1);
	for (uint32_t i = 0; i < count; i++) {
		const struct ringo_completion *c = &completions[i];

		must(c->user_data <= LAST_ID);
		p->ended[c->user_data] += !(c->flags & RINGO_MORE);
		if (c->flags & RINGO_FILE_OPEN)
			close(c->extra);
		if (strcmp(p->scene, "openat2-fifo") == 0 && c->user_data < CANCEL_ID &&
		    c->result >= 0)
			close((int)c->result);
	}
	if (p->turn == 0)
		for (; n < COPIES; n++) {
			ops[n] = op_of(p->scene, (int)n);
			ops[n].user_data = n;
		}
	if (p->turn++ == p->cancel_at)
		ops[n++] = OP(.code = RINGO_CANCEL, .argument = RINGO_CANCEL_ALL,
			      .user_data = CANCEL_ID);
	for (int i = 0; i < COPIES; i++)
		all += p->ended[i];
	if (all < COPIES || p->ended[CANCEL_ID] == 0)
		return n | RINGO_DELIVER_AGAIN;
	ringo_loop_stop(p->loop, RINGO_STOP_DRAIN);
	return n;
}

static void set_the_stage(void)
{
	struct sockaddr_in address;

	make_scratch(stage.directory);
	(void)snprintf(stage.fifo, sizeof(stage.fifo), "%s/fifo", stage.directory);
	(void)snprintf(stage.lonely, sizeof(stage.lonely), "%s/lonely", stage.directory);
	for (int i = 0; i < COPIES; i++)
		(void)snprintf(stage.targets[i], sizeof(stage.targets[i]), "%s/target%d",
			       stage.directory, i);
	must(mkfifo(stage.fifo, 0600) == 0 && mkfifo(stage.lonely, 0600) == 0);
	stage.fifo_writer = open(stage.fifo, O_RDWR | O_CLOEXEC);
	stage.file = make_file(1, 0, 1 << 20);
	must(stage.fifo_writer >= 0 && pipe2(stage.pipe, O_CLOEXEC | O_NONBLOCK) == 0);
	stage.listener = make_listener(&address);
	must(fcntl(stage.listener, F_SETFL, O_NONBLOCK) == 0);
	make_pair(stage.stalled, SOCK_NONBLOCK);
	make_pair(stage.quiet, SOCK_NONBLOCK);
}

static void strike_the_stage(void)
{
	const int fds[] = {stage.fifo_writer, stage.file,     stage.pipe[0],
			   stage.pipe[1],     stage.listener, stage.stalled[0],
			   stage.stalled[1],  stage.quiet[0], stage.quiet[1]};

	for (size_t i = 0; i < LENGTH_OF(fds); i++)
		close(fds[i]);
	remove_tree(stage.directory);
}

/* No temporary file is left, and what an atomic write gave a name is whole. */
static void check_the_directory(const char *scene)
{
	DIR *directory = opendir(stage.directory);
	struct dirent *entry;
	struct stat status;

	must(directory != NULL);
	while ((entry = readdir(directory)) != NULL) {
		if (strncmp(entry->d_name, ".ringo", 6) == 0)
			fail_msg("%s: left %s", scene, entry->d_name);
		if (strcmp(scene, "writefile-atomic") != 0 ||
		    strncmp(entry->d_name, "target", 6) != 0)
			continue;
		must(fstatat(dirfd(directory), entry->d_name, &status, 0) == 0);
		assert_int_equal(status.st_size, sizeof(stage.data[0]));
	}
	closedir(directory);
}

static void play(const char *scene, uint32_t sq_entries, int cancel_at)
{
	struct play p = {.scene = scene, .cancel_at = cancel_at};
	int fds = count_fds();

	set_the_stage();
	if (strcmp(scene, "recv") == 0)
		must(write(stage.quiet[0], "x", 1) == 1 && write(stage.quiet[1], "x", 1) == 1);
	assert_int_equal(open_loop(OPTIONS(.depth = 16, .sq_entries = sq_entries,
					   .cq_entries = 2 * sq_entries, .receive_buffers = 1),
				   &p.loop),
			 0);
	ringo_wake(p.loop);
	assert_int_equal(ringo_post(p.loop, &OP(.code = RINGO_NOP, .user_data = LAST_ID), 1, 0), 0);
	alarm(PATIENCE_SECONDS);
	assert_int_equal(ringo_loop_run(p.loop, direct, (uintptr_t)&p), 0);
	alarm(0);
	ringo_loop_close(p.loop);
	for (int i = 0; i < COPIES; i++)
		if (p.ended[i] != 1)
			fail_msg("%s, queue of %u, turn %d: op %d ended %d times", scene,
				 sq_entries, cancel_at, i, p.ended[i]);
	check_the_directory(scene);
	strike_the_stage();
	if (count_fds() != fds)
		fail_msg("%s, queue of %u, turn %d: leaks", scene, sq_entries, cancel_at);
}

static void test_every_scene_at_every_turn(void **state)
{
	static const char *const scenes[] = {
		"nop",           "timeout",      "poll",       "accept",
		"recv",          "read-pipe",    "send",       "readfile",
		"readfile-fifo", "openat2-fifo", "sendfile 0", "sendfile 1",
		"sendfile 2",    "sendfile 3",   "writefile",  "writefile-atomic",
		"close",
	};

	(void)state;
	must(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	for (size_t scene = 0; scene < LENGTH_OF(scenes); scene++)
		for (uint32_t sq_entries = 1; sq_entries <= 4; sq_entries *= 4)
			for (int turn = 0; turn < TURNS; turn++)
				play(scenes[scene], sq_entries, turn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_scene_at_every_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
