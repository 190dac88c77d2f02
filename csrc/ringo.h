/* SPDX-License-Identifier: MIT */
/*
 * ringo: asynchronous file and socket I/O over io_uring.
 *
 * This header is the whole contract of the C core. There are two ways to run ops:
 *
 *   loop   a ring owned for ever by one thread; any thread posts ops to it; completions leave
 *          once per turn through one function.
 *   batch  a ring that is driven on the caller's own thread: until a given list of ops is done, or
 *          step by step, as a sliding window.
 *
 * Thread rule
 *   ringo_loop_open, ringo_loop_run and ringo_loop_close are called by one and the same thread:
 *   the loop's. ringo_post, ringo_wake, ringo_loop_stop, ringo_loop_stats may be called by any
 *   thread between open and close. The deliver function runs on the loop's thread.
 *   A batch may be taken by any thread, one at a time, unless RINGO_SETUP_ONE_THREAD binds it to
 *   the one that opened it; ringo_batch_cancel may be called by another one while it runs. The
 *   core keeps no globals, and starts no threads but those of the backend threads, which take no
 *   signals.
 *
 * Ownership
 *   what an op names                       whose, and until when
 *   -------------------------------------  ---------------------------------------------------
 *   struct ringo_op itself                 copied by the call that takes it
 *   address, address2 (data, path, header) the core's until the op's final completion
 *   provided receive buffer                the caller's from the completion that names it until
 *                                          RINGO_RETURN_BUFFER gives it back
 *   descriptors in fd, fd2                 the caller's; they must stay open until the final
 *                                          completion
 *   a descriptor in a completion           the caller's (accept, openat2, pipe, RINGO_FILE_OPEN)
 *   completions passed to deliver          the core's; valid during the call
 *   ops array passed to deliver            the core's; the caller writes, the core reads after
 *
 *   A cancel is a request, not a release: memory is free only when the op's own final completion
 *   (one without RINGO_MORE) has come. Every op accepted ends in exactly one final completion.
 *
 * Errors
 *   Functions return >= 0 or -errno and leave no trace on failure. So do results of ops; one that
 *   moved some bytes before it failed has the bytes as its result and the errno (positive) in
 *   `extra`.
 */
#ifndef RINGO_H
#define RINGO_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RINGO_VERSION_MAJOR 0
#define RINGO_VERSION_MINOR 1

struct ringo_loop;
struct ringo_batch;

/*
 * What an op does. The columns of the table say what its fields mean; "-" fields are ignored.
 * Offsets are bytes; -1 means the descriptor's own position (pipes, sockets, O_APPEND).
 *
 *   code            fd      address   length   offset  fd2     argument    address2  argument2
 *   NOP             -       -         -        -       -       -           -         -
 *   OPENAT2         dir     path      resolve  -       -       O_* flags   -         mode
 *   READ            file    data      bytes    where   -       RWF_*       -         -
 *   WRITE           file    data      bytes    where   -       RWF_*       -         -
 *   FSYNC           file    -         -        -       -       1: data     -         -
 *   STATX           dir     path      -        -       -       AT_* flags  statx     mask
 *   CLOSE           any     -         -        -       -       -           -         -
 *   RENAMEAT        dir     path      -        -       dir     RENAME_*    new path  -
 *   UNLINKAT        dir     path      -        -       -       AT_*        -         -
 *   SPLICE          in      -         bytes    in      out     SPLICE_F_*  -         out offset
 *   PIPE            -       -         -        -       -       O_* flags   -         -
 *   POLL            any     -         -        -       -       POLL*       -         -
 *   TIMEOUT         -       -         times    -       -       -           -         nanoseconds
 *   CANCEL          any     -         -        -       -       how         -         user_data
 *   ACCEPT          socket  sockaddr  limit    -       -       SOCK_*      its size* -
 *   RECV            socket  data      bytes    -       -       MSG_*       -         group
 *   SEND            socket  data      bytes    -       -       MSG_*       -         -
 *   SENDMSG         socket  msghdr    -        -       -       MSG_*       -         -
 *   SHUTDOWN        socket  -         -        -       -       SHUT_*      -         -
 *   RETURN_BUFFER   -       -         -        -       -       buffer id   -         group
 *   READFILE        dir     path      capacity -       -       O_* flags   data      -
 *   WRITEFILE       dir     path      bytes    -       -       how         data      permissions
 *   SENDFILE        file    header    bytes    where   socket  how         -         header bytes
 *   READV           file    iovec     number   where   -       RWF_*       -         -
 *   WRITEV          file    iovec     number   where   -       RWF_*       -         -
 *   FALLOCATE       file    -         bytes    where   -       FALLOC_FL_* -         -
 *   FADVISE         file    -         bytes    where   -       POSIX_FADV_* -        -
 *   FTRUNCATE       file    -         bytes    -       -       -           -         -
 *   SOCKET          AF_*    -         protocol -       -       SOCK_*      -         -
 *   BIND            socket  sockaddr  its size -       -       -           -         -
 *   LISTEN          socket  -         -        -       -       backlog     -         -
 *   CONNECT         socket  sockaddr  its size -       -       -           -         -
 *   RECVMSG         socket  msghdr    -        -       -       MSG_*       -         group
 *   POLL_UPDATE     -       -         -        -       -       POLL*       -         user_data
 *   LINK_TIMEOUT    -       -         -        -       -       -           -         nanoseconds
 *   FILES_UPDATE    -       int32[]   number   first   -       -           -         -
 *   BUFFERS_UPDATE  -       iovec     number   first   -       -           -         -
 *   INSTALL_FD      index   -         -        -       -       O_CLOEXEC   -         -
 *   SEND_ZC         socket  data      bytes    -       -       MSG_*       -         -
 *   SENDMSG_ZC      socket  msghdr    -        -       -       MSG_*       -         -
 *   MESSAGE_RING    ring    -         result   from    to      what        -         user_data
 *
 * Results beyond the syscall's own:
 *   READ       a read at an offset goes on until `length` bytes or the end of the file; one at -1
 *              returns what the first read gave.
 *   WRITE, SEND, SENDMSG go on until all is written. SENDMSG advances msg_iov in place.
 *   PIPE       read end in the low, write end in the high 32 bits.
 *   CLOSE      is never cancelled.
 *   READV, WRITEV  as READ and WRITE; the array (at most IOV_MAX) is advanced in place.
 *   FADVISE    a length beyond 4 GiB means the rest of the file.
 *   TIMEOUT    0 when it expired. With RINGO_MULTISHOT so in each interval, `length` times or until
 *              cancelled.
 *   POLL_UPDATE  0, or -ENOENT when no POLL with this user_data is in flight; -EALREADY when it has
 *              just ended.
 *   CANCEL     how many ops were asked to end, or -ENOENT. Needs no slot, is never refused for
 *              fullness, and sees every op posted before it, whichever way that came.
 *   RECV       with RINGO_BUFFER_SELECT the data is in a provided buffer, its id in `extra`, and
 *              the completion has RINGO_BUFFER. 0 is the end of the stream.
 *   RECVMSG    with RINGO_MULTISHOT (then RINGO_BUFFER_SELECT as well) each message is in a
 *              provided buffer: a struct ringo_message, then name and control data, with as much
 *              room as msg_namelen and msg_controllen of the op's msghdr say, then the data. One
 *              without data, the end of a stream or an empty datagram, is the final completion.
 *   ACCEPT     with RINGO_MULTISHOT, -EMFILE and its like come with RINGO_MORE: accepting goes on
 *              by itself after a pause. With a limit > 0 it takes no more connections than that
 *              from the backlog; the last one is the final completion.
 *   RETURN_BUFFER has no completion at all.
 *   SEND_ZC, SENDMSG_ZC
 *              one request, which may be short, and no copy where the kernel and the device can
 *              do without: a completion with RINGO_MORE says how much went. The memory is free
 *              with the second, which has RINGO_NOTIFIED and the same result; with RINGO_COPIED
 *              the kernel has copied after all (since 6.2 it tells). The second comes when the
 *              peer has the data or the connection is gone: no cancel hastens it, and a stop
 *              waits for it. A batch reports the second alone, and so does an op that failed.
 *              Ring only.
 *   MESSAGE_RING
 *              leaves a completion with RINGO_MESSAGE at another loop, whose
 *              ringo_loop_descriptor is `fd`: user_data (below 2^63) and result are the op's
 *              argument2 and length. With RINGO_MESSAGE_FILE the file in place `offset` of this
 *              ring's table goes to place fd2 of the other one's, or with -1 to a free one: the
 *              place is the result, and the completion's. Ring only.
 *   READFILE   bytes read, file closed; when the capacity was filled the file stays open, its
 *              descriptor is in `extra` and the completion has RINGO_FILE_OPEN: there may be more.
 *   WRITEFILE  bytes written. The path must be in writable memory: while the op runs the core
 *              splits it in place, and mends it before the final completion.
 *   SENDFILE   file bytes sent (the header not counted); fewer than asked without an error in
 *              `extra` means that the file ended. The socket must be O_NONBLOCK (else -EINVAL).
 */
enum ringo_code {
	RINGO_NOP,
	RINGO_OPENAT2,
	RINGO_READ,
	RINGO_WRITE,
	RINGO_FSYNC,
	RINGO_STATX,
	RINGO_CLOSE,
	RINGO_RENAMEAT,
	RINGO_UNLINKAT,
	RINGO_SPLICE,
	RINGO_PIPE,
	RINGO_POLL,
	RINGO_TIMEOUT,
	RINGO_CANCEL,
	RINGO_ACCEPT,
	RINGO_RECV,
	RINGO_SEND,
	RINGO_SENDMSG,
	RINGO_SHUTDOWN,
	RINGO_RETURN_BUFFER,
	RINGO_READFILE,
	RINGO_WRITEFILE,
	RINGO_SENDFILE,
	RINGO_READV,
	RINGO_WRITEV,
	RINGO_FALLOCATE,
	RINGO_FADVISE,
	RINGO_FTRUNCATE,
	RINGO_SOCKET,
	RINGO_BIND,
	RINGO_LISTEN,
	RINGO_CONNECT,
	RINGO_RECVMSG,
	RINGO_POLL_UPDATE,
	RINGO_LINK_TIMEOUT,
	RINGO_FILES_UPDATE,
	RINGO_BUFFERS_UPDATE,
	RINGO_INSTALL_FD,
	RINGO_SEND_ZC,
	RINGO_SENDMSG_ZC,
	RINGO_MESSAGE_RING,
	RINGO_CODE_COUNT
};

/* What a multishot RECVMSG puts before a message (as struct io_uring_recvmsg_out of the kernel). */
struct ringo_message {
	uint32_t name_length; /* of the whole, which may be more than there was room for */
	uint32_t control_length;
	uint32_t payload_length; /* of the whole; that it was cut is in `flags` */
	uint32_t flags;          /* msg_flags of recvmsg(2) */
};

/* Flags of an op. One that the op does not know is -EINVAL. */
enum {
	RINGO_MULTISHOT = 1 << 0,     /* POLL, TIMEOUT, ACCEPT, RECV, RECVMSG: many completions */
	RINGO_BUFFER_SELECT = 1 << 1, /* RECV, RECVMSG: into a provided buffer */
	RINGO_FD2_NONBLOCK = 1 << 2,  /* SENDFILE: the caller knows that fd2 is; saves asking */
	RINGO_LINK = 1 << 3,          /* the next op starts when this one has succeeded */
	RINGO_HARDLINK = 1 << 4,      /* ... when this one has ended */
	RINGO_ASYNC = 1 << 5,         /* ops of one request: a worker's job from the start */
	RINGO_SKIP_SUCCESS = 1 << 6,  /* no completion when it succeeds; in a batch, no result */
	RINGO_FIXED_FILE = 1 << 7,    /* `fd` is a place in the table of registered files */
	RINGO_FIXED_BUFFER = 1 << 8,  /* reads, writes: the data is in registered buffer `fd2` */
	RINGO_DIRECT = 1 << 9,        /* OPENAT2, SOCKET, ACCEPT, PIPE: no descriptor, a place */
	RINGO_POLL_FIRST = 1 << 10,   /* RECV, RECVMSG, SEND, SENDMSG: waits before it tries */
};

/*
 * A chain is some ops of one post, one outbox or one batch that are linked, each to the next. They
 * run one after the other. When an op of a chain fails, or is short of its `length`, those behind a
 * RINGO_LINK end with -ECANCELED; those behind a RINGO_HARDLINK run all the same. Each op has its
 * own completion, in this order. When one has a code or flags that are not known, or is cancelled,
 * all of the chain is cancelled. The kernel runs a chain by itself where it can. What an op alone
 * would do more than once, to be complete, it then does once: a transfer may be short, -EAGAIN and
 * -EINTR (as -ECANCELED) are results. CANCEL and RETURN_BUFFER take no part in chains.
 *
 * LINK_TIMEOUT bounds the op before it, which links to it: the op is cancelled when the time is
 * over. Its own result is 0 then, and -ECANCELED when the op ended in time. The chain goes on with
 * the next.
 */

/*
 * Registered files and buffers spare the kernel a search and a reference, or the pinning of pages,
 * in each op. They need a ring: -EOPNOTSUPP without one. Both are tables of a loop or a batch,
 * empty at first, with as many places as its options say; -EBADF and -EFAULT are answers for an
 * empty place.
 *
 *   FILES_UPDATE    puts descriptors into the places from `offset` on, -1 empties one, -2 leaves
 *                   it; with offset -1 into any that are free, whose numbers it writes to the
 *                   array. The result is how many it has put. The table has references of its
 *                   own: the caller may close its descriptors.
 *   BUFFERS_UPDATE  the same for memory, at once on the ring's thread: pinned, and charged to
 *                   RLIMIT_MEMLOCK, -ENOMEM. An iovec of NULL and 0 empties a place.
 *   INSTALL_FD      the result is a descriptor for a file of the table.
 *   RINGO_DIRECT    the new file goes into place `fd2` of the table, or with -1 into one that is
 *                   free, and has no descriptor; the place is the result. A multishot ACCEPT and
 *                   PIPE take -1 alone. O_CLOEXEC and SOCK_CLOEXEC mean nothing to it.
 *   CLOSE           with RINGO_FIXED_FILE empties the place.
 */

/* `argument` of MESSAGE_RING. */
enum {
	RINGO_MESSAGE_DATA = 0,
	RINGO_MESSAGE_FILE = 1,
};

/* `argument` of CANCEL. */
enum {
	RINGO_CANCEL_USER_DATA = 0, /* ops whose user_data equals argument2 */
	RINGO_CANCEL_FD = 1,        /* ops whose fd equals fd */
	RINGO_CANCEL_ALL = 2,       /* every op in flight */
};

/* `argument` of WRITEFILE. */
enum {
	RINGO_WRITE_ATOMIC = 1 << 0, /* by a temporary file and rename: the old or the new, whole */
	RINGO_WRITE_SYNC = 1 << 1,   /* fsync before the end; with ATOMIC the directory as well */
};

/* `argument` of SENDFILE: the strategy, and what follows. */
enum {
	RINGO_SENDFILE_AUTO =
		0, /* chunks that are cached by sendfile(2), those that are not by SPLICE */
	RINGO_SENDFILE_SPLICE = 1, /* file -> pipe -> socket, both hops on the ring */
	RINGO_SENDFILE_COPY = 2,   /* ring reads into a buffer, sends from it */
	RINGO_SENDFILE_SYSCALL =
		3, /* sendfile(2) whatever the page cache holds: may wait for the disk */
	RINGO_SENDFILE_ZEROCOPY =
		4, /* as COPY, but by SEND_ZC; -EOPNOTSUPP where the kernel lacks that */
	RINGO_SENDFILE_MASK = 15,
	RINGO_SENDFILE_MORE =
		1 << 4, /* more will be sent after this: do not push the last packet */
};

/* One request. Pointer-free: addresses are uintptr_t widened to 64 bits. */
struct ringo_op {
	uint64_t user_data; /* the caller's name for it, handed back with each completion */
	uint16_t code;      /* enum ringo_code */
	uint16_t flags;
	int32_t fd;
	uint64_t address;
	uint64_t length;
	int64_t offset;
	int32_t fd2;
	uint32_t argument;
	uint64_t address2;
	uint64_t argument2;
};

/* Flags of a completion. */
enum {
	RINGO_MORE = 1 << 0,      /* not the last one of this op */
	RINGO_BUFFER = 1 << 1,    /* `extra` is the id of a provided buffer, now the caller's */
	RINGO_FILE_OPEN = 1 << 2, /* READFILE: `extra` is the open file, now the caller's */
	RINGO_SKIPPED = 1 << 3,   /* SKIP_SUCCESS of a batch: it succeeded, `result` says nothing */
	RINGO_NOTIFIED = 1 << 4,  /* SEND_ZC: the memory is the caller's again */
	RINGO_COPIED = 1 << 5,    /* ... for the kernel has copied the data */
	RINGO_MESSAGE = 1 << 6,   /* of no op of this loop: what another one sent */
	RINGO_BUFFER_MORE = 1 << 7, /* with RINGO_BUFFER: an incremental one, of which the next
				     * completion that names it shows what follows; it is the
				     * caller's with the first completion without this */
};

struct ringo_completion {
	uint64_t user_data;
	int64_t result; /* >= 0, or -errno */
	uint32_t flags;
	int32_t extra; /* buffer id, descriptor, or the errno that cut a transfer short; else 0 */
};

/*
 * AUTO is URING, or THREADS where io_uring is forbidden (-EPERM), not there or older than Linux 6.1
 * (-ENOSYS), or left out of this build (-EOPNOTSUPP); it never falls back for want of memory or
 * descriptors. THREADS does the same ops by epoll and a pool of bounded_workers +
 * unbounded_workers threads; a system call that a thread is in cannot be cancelled.
 */
enum ringo_backend {
	RINGO_BACKEND_AUTO = 0,
	RINGO_BACKEND_URING = 1,
	RINGO_BACKEND_THREADS = 2,
};

/* Zero means the default everywhere, so a zeroed struct is a good start. */
struct ringo_options {
	uint32_t backend;          /* enum ringo_backend */
	uint32_t depth;            /* posted ops not yet ended, at most (1..32768); default 1024 */
	uint32_t reserve;          /* ops given by deliver not yet ended, at most (..262144);
				    * default = depth */
	uint32_t sq_entries;       /* submission queue (1..32768); default depth, at most 256 */
	uint32_t cq_entries;       /* completion queue (..65536); default 4 * sq_entries */
	uint32_t submit_threshold; /* posts held back until so many wait; default 1: none is */
	uint32_t submit_delay_us;  /* ... but no longer than this; default 100 */
	uint32_t wait_batch; /* completions to wait for while more than that are due; default 0: as
			      * many as the load suggests, 1 when fewer than 8 are due */
	uint32_t wait_delay_us;   /* ... but no longer than this; default 50 */
	uint32_t bounded_workers; /* io-wq workers for files (..1024); default 4 */
	uint32_t
		unbounded_workers; /* io-wq workers for splices and odd files (..1024); default 4 */
	uint32_t receive_buffers;  /* provided buffers (0 or a power of two to 32768); default 0 */
	uint32_t receive_buffer_size; /* bytes of each (64..1 MiB); default 4096 */
	uint32_t turn_budget;         /* bytes one SENDFILE may send in one turn by sendfile(2), and
				       * all of them together 16 times as many, or what takes 1 ms;
				       * default 256 KiB */
	uint32_t setup;               /* RINGO_SETUP_*; default 0 */
	uint32_t sq_idle_ms; /* SQPOLL: how long the kernel's thread looks for work (..60000);
			      * default 1000 */
	uint32_t sq_cpu;     /* SQPOLL: the CPU of that thread, plus 1; default any */
	uint32_t files;      /* places for registered files (..32768); default 0 */
	uint32_t buffers;    /* places for registered buffers (..16384); default 0 */
	uint64_t allowed;    /* RINGO_ALLOW() of ops; default all */
};

/* How a ring is set up; without a ring nothing of it matters. -EINVAL: the kernel does not know it,
 * as well. */
enum {
	RINGO_SETUP_SQPOLL =
		1 << 0, /* a thread of the kernel submits; it costs a CPU while it looks */
	RINGO_SETUP_IOPOLL = 1 << 1, /* batches only: completions are looked for, not waited for;
				      * O_DIRECT reads and writes and NOPs only, and a cancel is
				      * heeded only between turns */
	RINGO_SETUP_HYBRID_IOPOLL = 1 << 2, /* ... after a sleep of about half the time (6.13) */
	RINGO_SETUP_COOP_TASKRUN = 1 << 3,  /* a loop's ring is as a batch's: no DEFER_TASKRUN */
	RINGO_SETUP_NO_SQARRAY = 1 << 4,    /* submission without the array of indices (6.6) */
	RINGO_SETUP_NO_IOWAIT = 1 << 5,     /* sleeping does not count as waiting for I/O (6.15) */
	RINGO_SETUP_ONE_THREAD = 1 << 6,    /* the thread that opens a batch makes all calls but
					     * ringo_batch_cancel: its ring is as a loop's */
};

/* Restricts a ring for good: other ops are -EACCES, and the kernel refuses their requests whoever
 * makes them. For the kernel to be told so the ring is created disabled, then enabled. */
#define RINGO_ALLOW(code) (UINT64_C(1) << (code))

/* The first bucket counts zeros, bucket i values from 2^(i-1) to 2^i - 1, the last one all that are
 * larger. */
#define RINGO_BUCKETS 40
struct ringo_histogram {
	uint64_t sum; /* of the values */
	uint64_t buckets[RINGO_BUCKETS];
};

/* Counters since open; each only grows, and is read without a lock. */
struct ringo_stats {
	uint64_t turns;               /* kernel entries by the loop */
	uint64_t deliveries;          /* calls of deliver */
	uint64_t completions;         /* completions delivered */
	uint64_t submitted;           /* kernel requests submitted */
	uint64_t doorbells;           /* times a post had to wake the loop */
	uint64_t overflows;           /* times the completion queue was found overflowed */
	uint64_t starved;             /* times a receive found no provided buffer */
	uint64_t backoffs;            /* times accepting paused for want of descriptors or memory */
	uint64_t sendfile_calls;      /* SENDFILE chunks that went by sendfile(2) */
	uint64_t sendfile_misses;     /* SENDFILE chunks spliced because they were not cached */
	uint64_t longest_turn_ns;     /* the longest time between two kernel entries */
	uint64_t longest_turn_cpu_ns; /* the most CPU time between two; up to 0.5 ms too much */
	uint64_t in_flight;           /* ops not yet ended: goes up and down */
	uint64_t ops[RINGO_CODE_COUNT]; /* ops ended, by code */
	struct ringo_histogram
		latency_ns;               /* from taken in to ended, as the turns see it; not of ops
					   * that wait for others (accept, recv, poll, timeout) */
	struct ringo_histogram turn_ns;   /* time between two kernel entries */
	struct ringo_histogram delivered; /* completions in a call of deliver */
};

/* What ringo can use beside its ops, in the order of ringo_ability_name. */
#define RINGO_ABILITIES 34

/* What the kernel and the build offer; see ringo_probe. */
struct ringo_features {
	uint32_t backend;                    /* enum ringo_backend that AUTO gives */
	int32_t uring_error;                 /* 0, or the -errno that opening a ring gave */
	uint32_t setup_flags;                /* IORING_SETUP_* in use by loops */
	uint32_t ring_features;              /* IORING_FEAT_* of the kernel */
	uint8_t supported[RINGO_CODE_COUNT]; /* 1: on the ring; 2: without it; 0: not at all */
	uint8_t abilities[RINGO_ABILITIES];  /* likewise */
	char liburing[16];                   /* version built against, "<2.4", or "none" */
};

/*
 * Called on the loop's thread with the completions of one turn (0..count). It may write new ops to
 * `ops`, which start in the next turn: up to `room` that need a slot, and beside those up to
 * RINGO_SLOTLESS_ROOM of CANCEL and RETURN_BUFFER, so that a full loop can still be relieved; an op
 * beyond the reserve ends with -EAGAIN. Returns how many it wrote; or that number with
 * RINGO_DELIVER_AGAIN set, to be called again after the next turn even if nothing completes. It
 * must not block, and must return.
 */
typedef uint32_t (*ringo_deliver)(uintptr_t context, const struct ringo_completion *completions,
				  uint32_t count, struct ringo_op *ops, uint32_t room);
#define RINGO_DELIVER_AGAIN (1u << 31)
#define RINGO_SLOTLESS_ROOM 1024u

/*
 * Opens a loop on the calling thread. -EINVAL an option out of range; -EPERM io_uring forbidden
 * (seccomp, kernel.io_uring_disabled); -ENOSYS not there, or Linux before 6.1; -ENOMEM (memory or
 * RLIMIT_MEMLOCK), -EMFILE, -ENFILE as they say; -EOPNOTSUPP the backend is not in this build.
 */
int ringo_loop_open(const struct ringo_options *options, struct ringo_loop **loop);

/*
 * Runs turns until ringo_loop_stop, then until the last op has ended; returns 0. -EXDEV: not the
 * loop's thread. Any other -errno: the ring is broken, and ops may never end.
 */
int ringo_loop_run(struct ringo_loop *loop, ringo_deliver deliver, uintptr_t context);

enum ringo_stop {
	RINGO_STOP_DRAIN = 1, /* cancel what waits for others (accept, recv, poll, timeout), let the
			       * rest end by itself */
	RINGO_STOP_CANCEL = 2, /* cancel everything */
};

/* Makes ringo_loop_run end; posts are refused from now on. May be called again to go from DRAIN
 * to CANCEL. Any thread. */
void ringo_loop_stop(struct ringo_loop *loop, enum ringo_stop how);

/* Frees a loop whose run has returned, or was never called. Waits for posts in progress. */
void ringo_loop_close(struct ringo_loop *loop);

enum {
	RINGO_POST_FLUSH = 1 << 0, /* do not hold these back for submit_threshold */
};

/*
 * Hands `count` ops to the loop, all or none. Any thread. 0; -EAGAIN the loop is full (depth);
 * -E2BIG count exceeds the depth; -EINVAL the last op is linked to nothing; -ESHUTDOWN the loop is
 * stopping. A bad op is not refused here: it ends with -EINVAL.
 */
int ringo_post(struct ringo_loop *loop, const struct ringo_op *ops, uint32_t count, uint32_t flags);

/* Submits at once what submit_threshold holds back, and makes a sleeping loop turn. Any thread. */
void ringo_wake(struct ringo_loop *loop);

/* Any thread. */
void ringo_loop_stats(const struct ringo_loop *loop, struct ringo_stats *stats);

/* Where an op in flight is. */
enum ringo_place {
	RINGO_PLACE_KERNEL,    /* with the kernel, or a thread of the backend */
	RINGO_PLACE_QUEUE,     /* waits for room in the submission queue */
	RINGO_PLACE_BUFFERS,   /* a receive that waits for a provided buffer */
	RINGO_PLACE_NEXT_TURN, /* used its budget of this turn */
	RINGO_PLACE_CHAIN,     /* waits for the op before it in its chain */
};

struct ringo_in_flight {
	uint64_t user_data;
	uint64_t age_ns; /* since it was taken in */
	int32_t fd;
	uint16_t code;
	uint8_t place; /* enum ringo_place */
	uint8_t cancelled;
};

/* Writes what the loop has in flight, `room` of it at most, to `list`, and returns how much there
 * is. On the loop's thread, from deliver. */
uint32_t ringo_loop_in_flight(const struct ringo_loop *loop, struct ringo_in_flight *list,
			      uint32_t room);

/* The backend in use. `why`, unless NULL, gets what AUTO fell back for, or 0. */
enum ringo_backend ringo_loop_backend(const struct ringo_loop *loop, int *why);

/* The memory of the provided buffers: id i begins at base + i * size. Returns their number. */
uint32_t ringo_loop_buffers(const struct ringo_loop *loop, unsigned char **base, uint32_t *size);

/*
 * More provided buffers, in groups; those of the options are group 0. By the loop's thread, before
 * it runs the loop or in deliver. -EEXIST the group is there; -EINVAL out of range; -ENOMEM;
 * -EXDEV another thread; -EOPNOTSUPP the kernel knows no incremental ones (before 6.12, or no
 * ring).
 */
#define RINGO_BUFFER_GROUPS 16
#define RINGO_BUFFERS_INCREMENTAL 1u /* several receives fill a buffer, one after another */

struct ringo_buffer_group {
	uint32_t id;    /* below RINGO_BUFFER_GROUPS */
	uint32_t count; /* a power of two to 32768 */
	uint32_t size;  /* bytes of each, 64 to 1 MiB */
	uint32_t flags; /* RINGO_BUFFERS_* */
};

int ringo_loop_add_group(struct ringo_loop *loop, const struct ringo_buffer_group *group);

/* As ringo_loop_buffers, of any group; 0 when it is not there. */
uint32_t ringo_loop_group(const struct ringo_loop *loop, uint32_t id, unsigned char **base,
			  uint32_t *size);

/* What MESSAGE_RING of other loops sends to; -EOPNOTSUPP without a ring. Any thread. */
int ringo_loop_descriptor(const struct ringo_loop *loop);

/* Opens a batch; options as for a loop, but no provided buffers. */
int ringo_batch_open(const struct ringo_options *options, struct ringo_batch **batch);

/*
 * Runs `count` ops (any number; at most `depth` at once) on the calling thread and returns 0 when
 * all have ended; completions[i] is the final one of ops[i]. -EINVAL: the last op is linked to
 * nothing; -E2BIG: a chain is longer than the depth. Multishot ops, CANCEL and RETURN_BUFFER end
 * with -EINVAL. With `cancellable`, ringo_batch_cancel from another thread ends it early: what has
 * not ended by then ends with -ECANCELED.
 */
int ringo_batch_run(struct ringo_batch *batch, const struct ringo_op *ops, uint32_t count,
		    bool cancellable, struct ringo_completion *completions);

/*
 * The same as a sliding window: starts `count` ops, waits until `wait` ops have ended, or fewer
 * when fewer are in flight, or until `timeout_ns` is over (-1: none; 0: only looks), and writes the
 * completions of all that have ended, in the order of their ends, to `completions`, which has room
 * for `depth` and for the CANCELs among the ops. Returns their number. -EAGAIN, and nothing
 * started: more than `depth` would be in flight, CANCELs not counted; -EINVAL the last op is linked
 * to nothing. What an op names must stay as long as for a loop: to its completion, whichever step
 * brings that. From the first step to ringo_batch_settle all calls must be made by one thread, and
 * ringo_batch_run must not be; ringo_batch_cancel ends what is in flight, and what is started
 * before the window is settled.
 */
int ringo_batch_step(struct ringo_batch *batch, const struct ringo_op *ops, uint32_t count,
		     uint32_t wait, int64_t timeout_ns, struct ringo_completion *completions);

/* Ends a window, so that another thread may take the batch. -EBUSY: ops are in flight. */
int ringo_batch_settle(struct ringo_batch *batch);

/* How often it has entered the kernel with its ring; 0 without one. By the thread that uses it. */
uint64_t ringo_batch_entries(const struct ringo_batch *batch);

/* Any thread. Ends the run or window in progress, or else the next cancellable one. */
void ringo_batch_cancel(struct ringo_batch *batch);
void ringo_batch_close(struct ringo_batch *batch);

/* Fills *features by opening and closing some small rings. 0 or -errno. */
int ringo_probe(struct ringo_features *features);

/* The op's name as in `ringo probe`, e.g. "openat2"; NULL for an unknown code. */
const char *ringo_code_name(uint32_t code);

/* First kernel with what the op needs on the ring, e.g. "5.6"; NULL for an unknown code. */
const char *ringo_code_kernel(uint32_t code);

/* An ability's name, e.g. "sqpoll", and the first kernel with it; NULL from RINGO_ABILITIES on. */
const char *ringo_ability_name(uint32_t ability);
const char *ringo_ability_kernel(uint32_t ability);

#ifdef __cplusplus
}
#endif

#endif
