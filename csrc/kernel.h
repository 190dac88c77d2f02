/* SPDX-License-Identifier: MIT */
/*
 * What ringo knows of the kernel's io_uring interface by number. It is a stable ABI, so the age of
 * the installed headers does not matter; uring_abi.c asserts what its header has.
 *
 * Source: include/uapi/linux/io_uring.h of Linux 6.18. The comments name the first kernel of what
 * is newer than 6.1, the oldest that loops open on.
 */
#ifndef RINGO_KERNEL_H
#define RINGO_KERNEL_H

#include <stdint.h>

enum kernel_opcode {
	KERNEL_NOP = 0,
	KERNEL_READV = 1,
	KERNEL_WRITEV = 2,
	KERNEL_FSYNC = 3,
	KERNEL_READ_FIXED = 4,
	KERNEL_WRITE_FIXED = 5,
	KERNEL_POLL_ADD = 6,
	KERNEL_POLL_REMOVE = 7,
	KERNEL_SENDMSG = 9,
	KERNEL_RECVMSG = 10,
	KERNEL_TIMEOUT = 11,
	KERNEL_ACCEPT = 13,
	KERNEL_ASYNC_CANCEL = 14,
	KERNEL_LINK_TIMEOUT = 15,
	KERNEL_CONNECT = 16,
	KERNEL_FALLOCATE = 17,
	KERNEL_CLOSE = 19,
	KERNEL_FILES_UPDATE = 20,
	KERNEL_STATX = 21,
	KERNEL_READ = 22,
	KERNEL_WRITE = 23,
	KERNEL_FADVISE = 24,
	KERNEL_SEND = 26,
	KERNEL_RECV = 27,
	KERNEL_OPENAT2 = 28,
	KERNEL_SPLICE = 30,
	KERNEL_SHUTDOWN = 34,
	KERNEL_RENAMEAT = 35,
	KERNEL_UNLINKAT = 36,
	KERNEL_MSG_RING = 40,
	KERNEL_SOCKET = 45,
	KERNEL_SEND_ZC = 47,
	KERNEL_SENDMSG_ZC = 48,
	KERNEL_FIXED_FD_INSTALL = 54, /* 6.8 */
	KERNEL_FTRUNCATE = 55,        /* 6.9 */
	KERNEL_BIND = 56,             /* 6.11 */
	KERNEL_LISTEN = 57,           /* 6.11 */
	KERNEL_RECV_ZC = 58,          /* 6.15 */
	KERNEL_READV_FIXED = 60,      /* 6.15 */
	KERNEL_WRITEV_FIXED = 61,     /* 6.15 */
	KERNEL_PIPE = 62,             /* 6.16 */
	KERNEL_OPCODE_COUNT = 64
};

/* IOSQE_*: flags of any request. */
enum {
	KERNEL_SQE_FIXED_FILE = 1 << 0,
	KERNEL_SQE_LINK = 1 << 2,
	KERNEL_SQE_HARDLINK = 1 << 3,
	KERNEL_SQE_ASYNC = 1 << 4,
	KERNEL_SQE_BUFFER_SELECT = 1 << 5,
	KERNEL_SQE_SKIP_SUCCESS = 1 << 6,
};

/* Per-opcode meaning of `ioprio` (sockets), `len` (polls), `op_flags` (others) and results. */
enum {
	KERNEL_ACCEPT_MULTISHOT = 1 << 0,
	KERNEL_POLL_FIRST = 1 << 0, /* of sends and receives; accept has its own since 6.10 */
	KERNEL_RECV_MULTISHOT = 1 << 1,
	KERNEL_SEND_FIXED_BUFFER = 1 << 2,
	KERNEL_SEND_ZC_REPORT_USAGE = 1 << 3,
	KERNEL_POLL_MULTISHOT = 1 << 0,
	KERNEL_POLL_UPDATE_EVENTS = 1 << 1,
	KERNEL_FSYNC_DATASYNC = 1 << 0,
	KERNEL_INSTALL_NO_CLOEXEC = 1 << 0,
	KERNEL_MESSAGE_DATA = 0,
	KERNEL_MESSAGE_DESCRIPTOR = 1,
};

/* `file_index` that asks for any free place of the table of registered files. */
#define KERNEL_FILE_INDEX_ALLOCATE UINT32_MAX

/* IORING_SETUP_* */
enum {
	KERNEL_SETUP_IOPOLL = 1 << 0,
	KERNEL_SETUP_SQPOLL = 1 << 1,
	KERNEL_SETUP_SQ_AFFINITY = 1 << 2,
	KERNEL_SETUP_CQSIZE = 1 << 3,
	KERNEL_SETUP_CLAMP = 1 << 4,
	KERNEL_SETUP_DISABLED = 1 << 6,
	KERNEL_SETUP_SUBMIT_ALL = 1 << 7,
	KERNEL_SETUP_COOP_TASKRUN = 1 << 8,
	KERNEL_SETUP_SINGLE_ISSUER = 1 << 12,
	KERNEL_SETUP_DEFER_TASKRUN = 1 << 13,
	KERNEL_SETUP_NO_SQARRAY = 1 << 16,    /* 6.6 */
	KERNEL_SETUP_HYBRID_IOPOLL = 1 << 17, /* 6.13 */
};

/* IORING_FEAT_* */
enum {
	KERNEL_FEATURE_NODROP = 1 << 1,
	KERNEL_FEATURE_EXT_ARG = 1 << 8,
	KERNEL_FEATURE_CQE_SKIP = 1 << 11,
	KERNEL_FEATURE_MIN_TIMEOUT = 1 << 15, /* 6.12 */
	KERNEL_FEATURE_NO_IOWAIT = 1 << 17,   /* 6.15 */
};

/* IORING_ENTER_* */
enum {
	KERNEL_ENTER_GETEVENTS = 1 << 0,
	KERNEL_ENTER_SQ_WAKEUP = 1 << 1,
	KERNEL_ENTER_SQ_WAIT = 1 << 2,
	KERNEL_ENTER_EXT_ARG = 1 << 3,
	KERNEL_ENTER_REGISTERED_RING = 1 << 4,
	KERNEL_ENTER_NO_IOWAIT = 1 << 7, /* 6.15 */
};

/* IORING_REGISTER_* and IORING_UNREGISTER_*: to restrict a ring, and what it may call then. */
enum {
	KERNEL_REGISTER_RESTRICTIONS = 11,
	KERNEL_REGISTER_ENABLE_RINGS = 12,
	KERNEL_REGISTER_BUFFERS_UPDATE = 16,
	KERNEL_UNREGISTER_RING_FDS = 21,
	KERNEL_REGISTER_PBUF_RING = 22,
	KERNEL_UNREGISTER_PBUF_RING = 23,
};

/* IORING_CQE_F_BUF_MORE: the kernel goes on to fill the buffer. IOU_PBUF_RING_INC: so it does. */
enum {
	KERNEL_CQE_BUFFER_MORE = 1 << 4,     /* 6.12 */
	KERNEL_BUFFERS_INCREMENTAL = 1 << 1, /* 6.12 */
};

/* struct io_uring_buf_reg */
struct kernel_buffer_group {
	uint64_t address;
	uint32_t entries;
	uint16_t group;
	uint16_t flags;
	uint64_t reserved[3];
};

/* struct io_uring_getevents_arg */
struct kernel_enter_arg {
	uint64_t signal_mask;
	uint32_t signal_mask_size;
	uint32_t min_wait_us; /* 6.12; before, 0 */
	uint64_t timespec;
};

struct kernel_timespec {
	int64_t seconds;
	int64_t nanoseconds;
};

struct kernel_open_how {
	uint64_t flags;
	uint64_t mode;
	uint64_t resolve;
};

#endif
