/* SPDX-License-Identifier: MIT */
/*
 * Memory: an open loop of depth 256 costs less than 1 MiB, and what it runs allocates nothing. The
 * C library's own functions are counted, which a sanitizer has replaced.
 */
#include "check.h"

#include <sys/syscall.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef SANITIZED
static _Atomic uint64_t allocations;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_realloc(memory, size);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	atomic_fetch_add(&allocations, 1);
	return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}
#endif

/* All that is mapped, whether touched or not, in bytes. */
static uint64_t mapped(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	must(file != NULL && fscanf(file, "%lu", &pages) == 1);
	fclose(file);
	return (uint64_t)pages * 4096;
}

static void test_size(void **state)
{
	struct ringo_loop *loop, *first;
	uint64_t before, after;
	int ret;

	(void)state;
	must(mapped() > 0); /* stdio has its memory */
	ret = open_loop(OPTIONS(.depth = 256), &first);
	if (ret == -EPERM || ret == -ENOSYS)
		skip_program("no io_uring here");
	assert_int_equal(ret, 0);
	before = mapped();
	assert_int_equal(open_loop(OPTIONS(.depth = 256), &loop), 0);
	after = mapped();
	print_message("a loop of depth 256: %llu KiB\n",
		      (unsigned long long)(after - before) / 1024);
	assert_true(after - before < 1 << 20);
	ringo_loop_close(loop);
	ringo_loop_close(first);
}

#ifndef SANITIZED
/* One of each op that needs nothing else, again and again from deliver. */
struct work {
	struct ringo_loop *loop;
	int file, ends[2];
	char data[64], path[32];
	struct iovec piece;
	struct msghdr message;
	uint64_t ended, allocated;
	unsigned char status[256];
};

enum { ROUNDS = 2000, WARM = 500 };

static void fill_op(struct work *w, uint32_t i, struct ringo_op *op)
{
	static const uint16_t codes[] = {RINGO_NOP,   RINGO_READ,  RINGO_WRITE,   RINGO_READV,
					 RINGO_FSYNC, RINGO_STATX, RINGO_POLL,    RINGO_TIMEOUT,
					 RINGO_SEND,  RINGO_RECV,  RINGO_READFILE};

	*op = OP(.code = codes[i % LENGTH_OF(codes)], .user_data = i, .fd = w->file,
		 .address = ADDRESS(w->data), .length = 8);
	switch (op->code) {
	case RINGO_READV:
		w->piece = (struct iovec){.iov_base = w->data, .iov_len = 8};
		op->address = ADDRESS(&w->piece);
		op->length = 1;
		break;
	case RINGO_STATX:
	case RINGO_READFILE:
		op->fd = AT_FDCWD;
		op->address = ADDRESS(w->path);
		op->address2 = op->code == RINGO_STATX ? ADDRESS(w->status) : ADDRESS(w->data);
		op->length = op->code == RINGO_STATX ? 0 : 64;
		op->argument2 = op->code == RINGO_STATX ? 0x7ff : 0;
		break;
	case RINGO_POLL:
		op->fd = w->ends[0];
		op->argument = POLLOUT;
		break;
	case RINGO_TIMEOUT:
		op->argument2 = 1000;
		op->length = 0;
		break;
	case RINGO_SEND:
		op->fd = w->ends[0];
		break;
	case RINGO_RECV:
		op->fd = w->ends[1];
		break;
	}
}

static uint32_t deliver(uintptr_t context, const struct ringo_completion *completions,
			uint32_t count, struct ringo_op *ops, uint32_t room)
{
	struct work *w = (struct work *)context;
	uint32_t given = 0;

	for (uint32_t i = 0; i < count && w->ended < ROUNDS; i++) {
		must(completions[i].result >= 0 && given < room);
		if (++w->ended == WARM)
			w->allocated = atomic_load(&allocations);
		if (w->ended < ROUNDS) {
			fill_op(w, (uint32_t)completions[i].user_data, &ops[given++]);
			continue;
		}
		w->allocated = atomic_load(&allocations) - w->allocated;
		ringo_loop_stop(w->loop, RINGO_STOP_CANCEL);
	}
	return given;
}

static void test_no_allocation(void **state)
{
	struct ringo_op ops[22];
	struct work w = {.file = make_file(1, 0, 64), .path = "/proc/self/comm"};

	(void)state;
	make_pair(w.ends, 0);
	must(write(w.ends[0], w.data, 64) == 64);
	/* Few workers, so that a pool of threads has started all of them, by malloc, when warm. */
	assert_int_equal(
		open_loop(OPTIONS(.depth = 64, .bounded_workers = 1, .unbounded_workers = 1),
			  &w.loop),
		0);
	for (uint32_t i = 0; i < LENGTH_OF(ops); i++)
		fill_op(&w, i, &ops[i]);
	assert_int_equal(ringo_post(w.loop, ops, LENGTH_OF(ops), 0), 0);
	alarm(PATIENCE_SECONDS);
	assert_int_equal(ringo_loop_run(w.loop, deliver, (uintptr_t)&w), 0);
	alarm(0);
	assert_int_equal(w.ended, ROUNDS);
	assert_int_equal(w.allocated, 0);
	ringo_loop_close(w.loop);
	close(w.file);
	close(w.ends[0]);
	close(w.ends[1]);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size),
#ifndef SANITIZED
		cmocka_unit_test(test_no_allocation),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
