/* SPDX-License-Identifier: MIT */
/*
 * What the files of the core share. Nothing here is public.
 *
 *   ring      one backend instance and the ops in flight on it; a loop and a batch each own one
 *   slot      where an op lives while in flight
 *   hop       one request to the kernel; an op is one hop or a few of them, one at a time
 *   backend   turns hops into results: uring.c, threads.c
 */
#ifndef RINGO_INTERNAL_H
#define RINGO_INTERNAL_H

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "kernel.h"
#include "ringo.h"

/* Nothing here leaves the library, so the compiler may inline it though it is compiled for one. */
#pragma GCC visibility push(hidden)

/* The longest transfer one read, write or send does (MAX_RW_COUNT, rounded down). */
#define HOP_LENGTH_MAX 0x7ffff000u

/* A request to the kernel: the fields of an SQE that ringo uses, under the same names. The order is
 * for the CPU: fields that are neighbours in an SQE are none here, or the compiler would copy two
 * of them by one load, which has to wait for the two stores that have just written them. */
struct hop {
	uint8_t opcode;
	uint16_t ioprio;
	int32_t fd;
	uint64_t off; /* or addr2 */
	uint32_t len;
	uint32_t op_flags;
	uint64_t addr;
	int32_t splice_fd_in; /* or file_index */
	uint16_t buffer;      /* buf_index or buf_group */
	uint8_t sqe_flags;
	uint64_t addr3;
};

enum slot_state {
	SLOT_FREE,    /* on the free list */
	SLOT_READY,   /* its hop waits for room in the submission queue */
	SLOT_KERNEL,  /* its hop is with the backend, which owes a final result */
	SLOT_PARKED,  /* a receive waiting for a provided buffer */
	SLOT_YIELDED, /* used its budget of this turn; goes on in the next */
	SLOT_CHAINED, /* waits for the op before it in its chain, or for the rest of its chain */
};

/* What an op wants after it was started or advanced. */
enum step {
	STEP_SUBMIT, /* its hop is filled: give it to the kernel */
	STEP_DONE,   /* its result is set */
	STEP_YIELD,  /* go on in the next turn */
	STEP_PARK,   /* go on when a provided buffer is there */
};

/* Beside a provided buffer's id: the kernel goes on to fill it (an incremental one). */
#define BUFFER_KEPT (1 << 16)
#define BUFFER_ID(buffer) ((uint32_t)(buffer)&0xffff)

/* A result whose user_data has this bit is a message of another ring. */
#define TOKEN_MESSAGE (UINT64_C(1) << 63)

#define NO_SLOT UINT32_MAX

/* Beside the flags of an op: that its code is known and allowed. */
#define ORDINARY (1u << 16)

/* Functions that few ops need: kept out of the line that most of them run through, which then saves
 * fewer registers. */
#define SELDOM __attribute__((noinline, cold))

/* Ops that deliver may give in one call, at most: as many as the reserve has room for. */
static inline uint32_t outbox_capacity(uint32_t reserve)
{
	return (reserve < 4096 ? reserve : 4096) + RINGO_SLOTLESS_ROOM;
}

/* Results taken from the backend in one turn, at most: bounds the size of a delivery. */
#define REAP_LIMIT 1024u

/* An op's place in a chain; see chain.c. */
struct chain_place {
	uint32_t next; /* slots, or NO_SLOT */
	uint32_t previous;
	bool assembling; /* the rest of the chain is still to come */
	bool linked;     /* the kernel runs the chain */
	bool silent;     /* ... and gives no result of this one when it succeeds */
};

/* What every op touches comes first and fills three cache lines; a turn in the kernel leaves few of
 * them in the CPU's first cache. Marks are bits of one word, so that one test asks for several. */
struct slot {
	_Alignas(64) struct ringo_op op;
	struct hop hop;
	const struct op_row *row; /* of op.code */
	uint64_t token;           /* the hop's user_data: of the present use, see slot.c */
	uint64_t began_ns;        /* the ring's now_ns when it was taken in */
	int64_t done;             /* bytes moved so far */
	int64_t result;           /* set with STEP_DONE */
	uint32_t flags;           /* of the final completion */
	int32_t extra;            /* likewise */
	uint32_t next;            /* on the list of its state */
	uint32_t previous;        /* PARKED and READY slots can leave their list from the middle */
	uint8_t phase;            /* of a composite op, an enum of its own file */
	uint8_t attempts;         /* bounded retries used */
	uint8_t refusals;  /* times in a row that the kernel ended a hop without running it */
	uint8_t sqe_flags; /* KERNEL_SQE_* of all its hops */
	bool own : 1;      /* came by deliver: counts against the reserve, else against the depth */
	bool polling : 1;  /* the hop in the kernel is a poll for what `hop` was refused */
	bool cancelled : 1;     /* asked to end: nothing is issued again except clean-up */
	bool cleaning : 1;      /* clean-up hops are not cancelled */
	bool cancel_unsent : 1; /* the submission queue had no room for its cancel yet */
	bool chained : 1;       /* `chain` holds */
	bool unstarted : 1;     /* READY, but its first hop is not filled yet */
	bool bounded : 1;       /* its hop in the kernel counts against bounded_limit */
	uint8_t state;          /* enum slot_state; written by slot_set_state only */
	struct chain_place chain;
	/* Of composite ops; their start functions set them. */
	int32_t error;             /* what it will end with once cleaned up */
	int32_t file;              /* descriptor it has open, or -1 */
	int32_t directory;         /* WRITEFILE: parent directory, or -1 */
	struct transfer *transfer; /* SENDFILE: what a transfer in progress owns */
	union {                    /* what the kernel reads or writes while the hop is there */
		struct kernel_timespec timespec;
		struct kernel_open_how how;
		int32_t pipe[2];
	} memory;
	char temporary[48];   /* WRITEFILE: name of the temporary file */
	uint32_t header_sent; /* SENDFILE */
	int64_t asked_until; /* SENDFILE: up to here it is known whether the page cache has the file
			      */
};

struct ring;

/* A hop as a system call: its result, or -errno. */
typedef int32_t (*plain_call)(const struct hop *hop);

/* A row of the table of ops. */
struct op_row {
	const char *name;
	const char *kernel; /* first version with all it needs */
	uint8_t opcode;     /* probed for, and issued by ops of one hop */
	bool waits;         /* may wait for others without end: cancelled by a draining stop */
	uint64_t also;      /* opcodes beside `opcode` that it may use, a bit for each */
	bool unlinkable; /* of several hops, or by what is in flight: the kernel cannot chain it */
	enum step (*start)(struct ring *, struct slot *);
	enum step (*advance)(struct ring *, struct slot *, int32_t result, bool more,
			     int32_t buffer);
	/* RINGO_* of an op: those that it knows; others are -EINVAL. */
	uint16_t flags;
	/* The hop without a ring (threads.c); an op that has none of them needs a ring. */
	plain_call plain_now;  /* never waits */
	plain_call plain_try;  /* does not wait, but may be refused (EAGAIN) till an edge of fd */
	plain_call plain_wait; /* may wait, for a worker to make; beside plain_try for files */
};

/* Poll results and doorbells share the kernel's user_data space with slots: generation 0 is
 * never a slot's. */
enum {
	TOKEN_IGNORED = 1,
	TOKEN_DOORBELL = 2,
};
#define TOKEN_CHAIN_CANCEL 0x80000000u /* | index of a slot */

struct backend {
	const char *name;
	const char *library; /* version of what it is built on; "none" */
	uint16_t lacks;      /* RINGO_* of ops that it cannot do */
	bool links;          /* takes chains; one that does not needs no `room` */
	int (*open)(struct ring *, const struct ringo_options *, bool shared);
	void (*close)(struct ring *);
	/* How many hops can be queued before the next turn. */
	uint32_t (*room)(const struct ring *);
	/* Queues a hop; -EBUSY when there is no room before the next turn. */
	int (*push)(struct ring *, const struct hop *, uint64_t user_data);
	/* Submits what is queued and waits for `wait_count` results, or `timeout_ns` if >= 0. */
	int (*turn)(struct ring *, uint32_t wait_count, int64_t timeout_ns);
	/* Hands at most `limit` results to ring_result. */
	void (*reap)(struct ring *, uint32_t limit);
	bool (*supports)(const struct ring *, uint8_t opcode);
	void (*describe)(const struct ring *, struct ringo_features *);
	/* Makes a group known; -EOPNOTSUPP when it cannot be incremental. */
	int (*register_buffers)(struct ring *, uint16_t group, bool incremental);
	void (*provide_buffer)(struct ring *, uint16_t group, uint32_t id);
	int (*descriptor)(const struct ring *); /* for other rings to send to */
	/* Registered buffers; NULL: has none. */
	int (*update_buffers)(struct ring *, uint32_t first, const struct iovec *, uint32_t count);
};

extern const struct backend backend_uring;
extern const struct backend backend_threads;

struct slot_list {
	uint32_t head;
	uint32_t tail;
};

/* Provided buffers of one size; see buffers.c. */
struct buffers {
	unsigned char *base;
	uint32_t count;
	uint32_t size;
	bool *lent; /* to the caller, by id */
	uint32_t lent_count;
	void *shared; /* the backend's: the kernel's ring of buffers, or a stack of ids */
	size_t shared_size;
	uint32_t stacked;        /* ids on the stack */
	struct slot_list parked; /* receives that wait for one */
};

struct transfer_list {
	struct transfer *head;
	uint32_t count;
};

/* A chain that is being put together. */
struct chain {
	uint32_t head;
	uint32_t tail;
	uint16_t last_code;
	bool open;   /* the next op belongs to it */
	bool broken; /* one of its ops was refused, or cancelled: none will run */
};

/* Everything below is touched by the ring's thread only, except `stats` (relaxed atomics). */
struct ring {
	const struct backend *backend;
	void *backend_state;
	int fallback; /* what AUTO fell back for, or 0 */

	struct slot *slots;
	uint64_t *user_data; /* of each slot, apart: a cancel scans it */
	uint32_t slot_count;
	uint32_t slot_touched; /* slots from here on were never used */
	uint32_t free_head;
	uint32_t in_use;
	uint32_t reserve;
	uint32_t own_in_use;
	struct slot_list ready;
	struct slot_list yielded;

	struct chain chains[2]; /* by `own`: of posted ops, and of those that deliver gave */
	uint32_t chain_limit;   /* ops that the kernel takes as one chain, at most */

	uint32_t bounded_in_kernel; /* hops that end by themselves, kept below the CQ's size */
	uint32_t bounded_limit;
	bool draining;   /* ops that wait are cancelled as they come */
	bool cancelling; /* all ops are */
	uint32_t cancels_unsent;
	bool doorbell_rung;
	bool doorbell_armed;

	struct ringo_completion *completions;
	uint32_t completion_count;
	uint32_t completion_capacity;
	uint32_t ended_posted; /* posted ops ended since the last delivery */

	struct buffers groups[RINGO_BUFFER_GROUPS];
	uint32_t parked;                   /* receives that wait for a buffer, in all groups */
	struct transfer_list idle_pipes;   /* of SENDFILE, kept for the next one */
	uint32_t large_pipes;              /* of SENDFILE, idle or not */
	struct transfer_list idle_buffers; /* likewise */
	uint32_t turn_budget;
	int64_t left_in_turn;    /* bytes that all of sendfile(2) may still send in this turn */
	uint64_t calls_until_ns; /* ... and until when; 0: it has not been called in this turn */
	bool sigpipe_harmless;   /* sendfile(2) to a dead peer would not kill the process */
	uint64_t now_ns;         /* when the last kernel entry returned; a batch has none */
	uint64_t supported;      /* kernel opcodes, a bit for each, that the backend has */
	uint16_t refused_flags;  /* RINGO_* of ops that make no sense on this ring */
	uint64_t allowed;        /* codes, a bit for each */
	uint32_t ordinary[RINGO_CODE_COUNT]; /* flags of ops that need no questions, ORDINARY */
	uint32_t min_wait_us; /* of the next turn: wait for less than asked for after this time */
	uint64_t entries;     /* io_uring_enter(2) calls */
	bool unwatched;       /* its backend cannot watch a doorbell */
	bool reports_all;     /* RINGO_SKIP_SUCCESS does not save the completion */
	struct ringo_stats stats;
};

/* loop.c: checks bounds and fills in defaults. 0 or -EINVAL. */
int options_complete(const struct ringo_options *given, struct ringo_options *complete);

/* Whether an open that failed so means that io_uring is not to be had: AUTO goes on without. */
static inline bool error_means_no_uring(int error)
{
	return error == -EPERM || error == -ENOSYS || error == -EOPNOTSUPP;
}

/* ring.c; `shared`: a batch's ring. */
int ring_open(struct ring *ring, const struct ringo_options *options, bool shared);
void ring_close(struct ring *ring);
void ring_arm_doorbell(struct ring *ring, int fd);

/* chain.c */
#define LINK_FLAGS (RINGO_LINK | RINGO_HARDLINK)
void chain_add(struct ring *ring, const struct ringo_op *op, uint64_t user_data, bool own,
	       int error);
void chain_close(struct ring *ring, bool own);
bool chain_push(struct ring *ring, struct slot *head);
bool chain_can_push(const struct ring *ring, const struct slot *head);
void chain_result(struct ring *ring, struct slot *slot, int32_t result, int32_t buffer);
void chain_member_ends(struct ring *ring, struct slot *slot);
void chain_cancel(struct ring *ring, struct slot *slot);
void chain_cancel_missed(struct ring *ring, uint32_t index);

/* cancel.c */
void slot_cancel_alone(struct ring *ring, struct slot *slot);
void slot_cancel_later(struct ring *ring, struct slot *slot);
void ring_send_cancels(struct ring *ring);
void ring_cancel(struct ring *ring, const struct ringo_op *op);
void ring_stop(struct ring *ring, enum ringo_stop how);

/* policy.c: when a loop sleeps, and for how much. */
struct policy {
	uint32_t submit_threshold;
	int64_t submit_delay_ns;
	uint32_t wait_batch; /* 0: adapts */
	int64_t wait_delay_ns;
	uint32_t batch;   /* what sleeps wait for at present, when more is due */
	uint32_t singles; /* sleeps for one in a row */
};
void policy_open(struct policy *policy, const struct ringo_options *options);
uint32_t policy_wait(const struct policy *policy, uint32_t due);
void policy_learn(struct policy *policy, uint32_t waited_for, uint32_t due, int64_t slept_ns);

/* slot.c */
struct slot *slot_take(struct ring *ring, const struct ringo_op *op, uint64_t user_data, bool own);
int slot_push(struct ring *ring, struct slot *slot);
void slot_start(struct ring *ring, struct slot *slot);
void slot_step(struct ring *ring, struct slot *slot, enum step step);
void slot_advance(struct ring *ring, struct slot *slot, int32_t result, int32_t buffer);
void slot_finish(struct ring *ring, struct slot *slot);
bool slot_succeeded(const struct slot *slot);
short hop_retry_events(const struct slot *slot);
void ring_prepare_codes(struct ring *ring);
void ring_refuse(struct ring *ring, uint64_t user_data, bool own, int error);
struct slot *ring_find(struct ring *ring, uint16_t code, uint64_t user_data);
void ring_start(struct ring *ring, const struct ringo_op *op, uint64_t user_data, bool own);
void ring_result(struct ring *ring, uint64_t user_data, int32_t result, bool more, int32_t buffer);

/* waiting.c */
void slot_make_ready(struct ring *ring, struct slot *slot);
void slot_yield(struct ring *ring, struct slot *slot);
void slot_park(struct ring *ring, struct slot *slot);
bool slot_leave_list(struct ring *ring, struct slot *slot);
void ring_push_ready(struct ring *ring);
bool ring_can_push(const struct ring *ring);
void ring_run_yielded(struct ring *ring);
bool ring_can_unpark(const struct ring *ring);
void ring_unpark(struct ring *ring);

/* By the table in slot.c; FREE, READY and KERNEL are reached from every state. */
static inline void slot_set_state(struct slot *slot, enum slot_state to)
{
	assert(to != SLOT_PARKED || slot->state <= SLOT_KERNEL);
	assert(to != SLOT_YIELDED || slot->state <= SLOT_KERNEL || slot->state == SLOT_YIELDED);
	assert(to != SLOT_CHAINED || slot->state == SLOT_FREE);
	slot->state = (uint8_t)to;
}

static inline uint32_t slot_index(const struct slot *slot)
{
	return (uint32_t)slot->token;
}

/* Hops that end by themselves may never outnumber the completion queue; those that wait for
 * others are not held back, for they could wait for what is held back. */
static inline bool hop_is_bounded(const struct slot *slot)
{
#define OPCODE(name) (UINT64_C(1) << KERNEL_##name)
	static const uint64_t always =
		OPCODE(NOP) | OPCODE(FSYNC) | OPCODE(STATX) | OPCODE(CLOSE) | OPCODE(FALLOCATE) |
		OPCODE(FADVISE) | OPCODE(FTRUNCATE) | OPCODE(SOCKET) | OPCODE(BIND) |
		OPCODE(LISTEN) | OPCODE(POLL_REMOVE) | OPCODE(LINK_TIMEOUT) | OPCODE(FILES_UPDATE) |
		OPCODE(FIXED_FD_INSTALL) | OPCODE(MSG_RING);
	static const uint64_t at_an_offset = OPCODE(READ) | OPCODE(READV) | OPCODE(READ_FIXED) |
					     OPCODE(READV_FIXED) | OPCODE(WRITE) | OPCODE(WRITEV) |
					     OPCODE(WRITE_FIXED) | OPCODE(WRITEV_FIXED);
#undef OPCODE
	uint64_t bounded = slot->hop.off == UINT64_MAX ? always : always | at_an_offset;

	return bounded >> slot->hop.opcode & 1 && !slot->polling;
}

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void count_up(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

static inline void histogram_add(struct ringo_histogram *histogram, uint64_t value)
{
	unsigned int bits = value == 0 ? 0 : 64 - (unsigned int)__builtin_clzll(value);

	count_up(&histogram->sum, value);
	count_up(&histogram->buckets[bits < RINGO_BUCKETS ? bits : RINGO_BUCKETS - 1], 1);
}

/* Leaves a completion for the next delivery. */
static inline void ring_emit(struct ring *ring, uint64_t user_data, int64_t result, uint32_t flags,
			     int32_t extra)
{
	struct ringo_completion *completion = &ring->completions[ring->completion_count++];

	assert(ring->completion_count <= ring->completion_capacity);
	completion->user_data = user_data;
	completion->result = result;
	completion->flags = flags;
	completion->extra = extra;
}

static inline bool ring_supports(const struct ring *ring, uint8_t opcode)
{
	return ring->supported >> opcode & 1;
}

/* ops.c */
extern const struct op_row op_rows[RINGO_CODE_COUNT];

static inline enum step step_done(struct slot *slot, int64_t result)
{
	slot->result = result;
	return STEP_DONE;
}

/* Ends a transfer: bytes moved win over the error that stopped it, which goes to `extra`. */
enum step step_done_after(struct slot *slot, int32_t error);

/* Fills the hop of a read or write of the rest of the op's data into or from `base`. */
void hop_transfer(struct slot *slot, uint8_t opcode, int32_t fd, uint64_t base, int64_t offset);

/* plain.c */
int32_t plain_nop_now(const struct hop *hop);
int32_t plain_shutdown_now(const struct hop *hop);
int32_t plain_socket_now(const struct hop *hop);
int32_t plain_bind_now(const struct hop *hop);
int32_t plain_listen_now(const struct hop *hop);
int32_t plain_pipe_now(const struct hop *hop);
int32_t plain_poll_try(const struct hop *hop);
int32_t plain_accept_try(const struct hop *hop);
int32_t plain_connect_try(const struct hop *hop);
int32_t plain_recv_try(const struct hop *hop);
int32_t plain_recvmsg_try(const struct hop *hop);
int32_t plain_recvmsg_into(const struct hop *hop, void *buffer, uint32_t size);
int32_t plain_send_try(const struct hop *hop);
int32_t plain_sendmsg_try(const struct hop *hop);
int32_t plain_transfer_try(const struct hop *hop);
int32_t plain_transfer(const struct hop *hop);
int32_t plain_openat2(const struct hop *hop);
int32_t plain_splice(const struct hop *hop);
int32_t plain_fsync(const struct hop *hop);
int32_t plain_statx(const struct hop *hop);
int32_t plain_close(const struct hop *hop);
int32_t plain_renameat(const struct hop *hop);
int32_t plain_unlinkat(const struct hop *hop);
int32_t plain_fallocate(const struct hop *hop);
int32_t plain_fadvise(const struct hop *hop);
int32_t plain_ftruncate(const struct hop *hop);
bool plain_is_stream(const struct hop *hop);
bool plain_has(uint8_t opcode);
bool plain_open_waits(const struct hop *hop, int32_t result);

/* buffers.c */
int buffers_open(struct ring *ring, const struct ringo_options *options);
void buffers_close(struct ring *ring);
int buffers_add(struct ring *ring, const struct ringo_buffer_group *group);
void buffers_lend(struct ring *ring, uint16_t group, uint32_t id);
int buffers_return(struct ring *ring, uint64_t group, uint32_t id);
void *memory_map(size_t size);
void memory_unmap(void *memory, size_t size);

/* readfile.c, writefile.c, sendfile.c */
enum step readfile_start(struct ring *ring, struct slot *slot);
enum step readfile_advance(struct ring *, struct slot *, int32_t result, bool more, int32_t buffer);
enum step writefile_start(struct ring *ring, struct slot *slot);
enum step writefile_advance(struct ring *, struct slot *, int32_t result, bool more,
			    int32_t buffer);
enum step sendfile_start(struct ring *ring, struct slot *slot);
enum step sendfile_advance(struct ring *, struct slot *, int32_t result, bool more, int32_t buffer);
void transfers_close(struct ring *ring);

/* mailbox.c */
struct mailbox;
int mailbox_open(struct mailbox **mailbox, uint32_t depth);
void mailbox_close(struct mailbox *mailbox);
int mailbox_post(struct mailbox *mailbox, const struct ringo_op *ops, uint32_t count, bool flush);
void mailbox_enter(struct mailbox *mailbox);
void mailbox_ring(struct mailbox *mailbox);
bool mailbox_take_flush(struct mailbox *mailbox);
bool mailbox_take(struct mailbox *mailbox, struct ringo_op *op);
uint32_t mailbox_pending(const struct mailbox *mailbox);
void mailbox_ended(struct mailbox *mailbox, uint32_t count);
bool mailbox_seal(struct mailbox *mailbox);
int mailbox_doorbell(const struct mailbox *mailbox);
uint64_t mailbox_doorbells(const struct mailbox *mailbox);

/* How a loop tells posters that it is about to sleep. */
enum mailbox_sleep {
	MAILBOX_AWAKE,
	MAILBOX_ASLEEP,  /* any post must wake it */
	MAILBOX_HOLDING, /* only a flush or the submit threshold must: a timeout will */
};
bool mailbox_sleep(struct mailbox *mailbox, enum mailbox_sleep how, uint32_t threshold);
void mailbox_awake(struct mailbox *mailbox);

#pragma GCC visibility pop

#endif
