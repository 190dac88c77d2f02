//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * The table of ops. The functions it names stand in ops_files.c, ops_sockets.c, ops_waits.c,
 * ops_registered.c and plain.c; those of the composite ops in readfile.c, writefile.c and
 * sendfile.c. CANCEL and RETURN_BUFFER need no slot, so no functions.
 */
#include "ops.h"

enum step step_done_after(struct slot *slot, int32_t error)
{
	if (slot->done == 0 && error != 0)
		return step_done(slot, error);
	slot->extra = -error;
	return step_done(slot, slot->done);
}

enum step once_advance(struct ring *ring, struct slot *slot, int32_t result, bool more,
		       int32_t buffer)
{
	(void)ring, (void)more, (void)buffer;
	return step_done(slot, result);
}

/* What most ops may be asked for. */
#define CHAIN (RINGO_LINK | RINGO_HARDLINK | RINGO_SKIP_SUCCESS)
#define ORDER (CHAIN | RINGO_ASYNC)
#define MANY (RINGO_MULTISHOT | RINGO_BUFFER_SELECT)
#define FILE_ORDER (ORDER | RINGO_FIXED_FILE)
#define BIT(opcode) (UINT64_C(1) << (opcode))

/* clang-format off */
const struct op_row op_rows[RINGO_CODE_COUNT] = {
	[RINGO_NOP] = {"nop", "5.1", KERNEL_NOP, .flags = ORDER,
		.start = nop_start, .advance = once_advance, .plain_now = plain_nop_now},
	[RINGO_OPENAT2] = {"openat2", "5.6", KERNEL_OPENAT2, .flags = ORDER | RINGO_DIRECT,
		.start = openat2_start, .advance = openat2_advance, .plain_wait = plain_openat2},
	[RINGO_READ] = {"read", "5.6", KERNEL_READ, .flags = FILE_ORDER | RINGO_FIXED_BUFFER, .also = BIT(KERNEL_READ_FIXED),
		.start = transfer_start, .advance = transfer_advance, .plain_try = plain_transfer_try, .plain_wait = plain_transfer},
	[RINGO_WRITE] = {"write", "5.6", KERNEL_WRITE, .flags = FILE_ORDER | RINGO_FIXED_BUFFER, .also = BIT(KERNEL_WRITE_FIXED),
		.start = transfer_start, .advance = transfer_advance, .plain_try = plain_transfer_try, .plain_wait = plain_transfer},
	[RINGO_FSYNC] = {"fsync", "5.1", KERNEL_FSYNC, .flags = FILE_ORDER,
		.start = fsync_start, .advance = once_advance, .plain_wait = plain_fsync},
	[RINGO_STATX] = {"statx", "5.6", KERNEL_STATX, .flags = ORDER,
		.start = statx_start, .advance = once_advance, .plain_wait = plain_statx},
	[RINGO_CLOSE] = {"close", "5.6", KERNEL_CLOSE, .flags = FILE_ORDER,
		.start = close_start, .advance = once_advance, .plain_wait = plain_close},
	[RINGO_RENAMEAT] = {"renameat", "5.11", KERNEL_RENAMEAT, .flags = ORDER,
		.start = renameat_start, .advance = once_advance, .plain_wait = plain_renameat},
	[RINGO_UNLINKAT] = {"unlinkat", "5.11", KERNEL_UNLINKAT, .flags = ORDER,
		.start = unlinkat_start, .advance = once_advance, .plain_wait = plain_unlinkat},
	[RINGO_SPLICE] = {"splice", "5.7", KERNEL_SPLICE, .flags = ORDER,
		.start = splice_start, .advance = once_advance, .plain_wait = plain_splice},
	[RINGO_PIPE] = {"pipe", "6.16", KERNEL_PIPE, .flags = ORDER | RINGO_DIRECT,
		.start = pipe_start, .advance = pipe_advance, .plain_now = plain_pipe_now},
	[RINGO_POLL] = {"poll", "5.1", KERNEL_POLL_ADD, .waits = true, .flags = FILE_ORDER | RINGO_MULTISHOT,
		.start = poll_start, .advance = poll_advance, .plain_try = plain_poll_try},
	[RINGO_TIMEOUT] = {"timeout", "5.4", KERNEL_TIMEOUT, .waits = true, .flags = CHAIN | RINGO_MULTISHOT,
		.start = timeout_start, .advance = timeout_advance},
	[RINGO_CANCEL] = {"cancel", "5.5", KERNEL_ASYNC_CANCEL, .waits = false},
	[RINGO_ACCEPT] = {"accept", "5.19", KERNEL_ACCEPT, .waits = true, .flags = FILE_ORDER | RINGO_MULTISHOT | RINGO_DIRECT,
		.start = accept_start, .advance = accept_advance, .plain_try = plain_accept_try},
	[RINGO_RECV] = {"recv", "6.0", KERNEL_RECV, .waits = true, .flags = FILE_ORDER | MANY | RINGO_POLL_FIRST,
		.start = recv_start, .advance = recv_advance, .plain_try = plain_recv_try},
	[RINGO_SEND] = {"send", "5.6", KERNEL_SEND, .flags = FILE_ORDER | RINGO_POLL_FIRST,
		.start = transfer_start, .advance = transfer_advance, .plain_try = plain_send_try},
	[RINGO_SENDMSG] = {"sendmsg", "5.3", KERNEL_SENDMSG, .flags = FILE_ORDER | RINGO_POLL_FIRST,
		.start = sendmsg_start, .advance = sendmsg_advance, .plain_try = plain_sendmsg_try},
	[RINGO_SHUTDOWN] = {"shutdown", "5.11", KERNEL_SHUTDOWN, .flags = FILE_ORDER,
		.start = shutdown_start, .advance = once_advance, .plain_now = plain_shutdown_now},
	[RINGO_RETURN_BUFFER] = {"return_buffer", "5.19", KERNEL_RECV, .waits = false},
	[RINGO_READFILE] = {"readfile", "5.6", KERNEL_OPENAT2, .unlinkable = true, .flags = CHAIN,
		.also = BIT(KERNEL_READ) | BIT(KERNEL_CLOSE),
		.start = readfile_start, .advance = readfile_advance},
	[RINGO_WRITEFILE] = {"writefile", "5.11", KERNEL_RENAMEAT, .unlinkable = true, .flags = CHAIN,
		.also = BIT(KERNEL_OPENAT2) | BIT(KERNEL_WRITE) | BIT(KERNEL_FSYNC) | BIT(KERNEL_CLOSE) | BIT(KERNEL_UNLINKAT),
		.start = writefile_start, .advance = writefile_advance},
	[RINGO_SENDFILE] = {"sendfile", "5.7", KERNEL_SPLICE, .unlinkable = true, .flags = CHAIN | RINGO_FD2_NONBLOCK,
		.also = BIT(KERNEL_PIPE) | BIT(KERNEL_READ) | BIT(KERNEL_SEND) | BIT(KERNEL_SEND_ZC),
		.start = sendfile_start, .advance = sendfile_advance},
	[RINGO_READV] = {"readv", "5.1", KERNEL_READV, .flags = FILE_ORDER | RINGO_FIXED_BUFFER, .also = BIT(KERNEL_READV_FIXED),
		.start = vector_start, .advance = vector_advance, .plain_try = plain_transfer_try, .plain_wait = plain_transfer},
	[RINGO_WRITEV] = {"writev", "5.1", KERNEL_WRITEV, .flags = FILE_ORDER | RINGO_FIXED_BUFFER, .also = BIT(KERNEL_WRITEV_FIXED),
		.start = vector_start, .advance = vector_advance, .plain_try = plain_transfer_try, .plain_wait = plain_transfer},
	[RINGO_FALLOCATE] = {"fallocate", "5.6", KERNEL_FALLOCATE, .flags = FILE_ORDER,
		.start = fallocate_start, .advance = once_advance, .plain_wait = plain_fallocate},
	[RINGO_FADVISE] = {"fadvise", "5.6", KERNEL_FADVISE, .flags = FILE_ORDER,
		.start = fadvise_start, .advance = once_advance, .plain_wait = plain_fadvise},
	[RINGO_FTRUNCATE] = {"ftruncate", "6.9", KERNEL_FTRUNCATE, .flags = FILE_ORDER,
		.start = ftruncate_start, .advance = once_advance, .plain_wait = plain_ftruncate},
	[RINGO_SOCKET] = {"socket", "5.19", KERNEL_SOCKET, .flags = ORDER | RINGO_DIRECT,
		.start = socket_start, .advance = direct_advance, .plain_now = plain_socket_now},
	[RINGO_BIND] = {"bind", "6.11", KERNEL_BIND, .flags = FILE_ORDER,
		.start = bind_start, .advance = once_advance, .plain_now = plain_bind_now},
	[RINGO_LISTEN] = {"listen", "6.11", KERNEL_LISTEN, .flags = FILE_ORDER,
		.start = listen_start, .advance = once_advance, .plain_now = plain_listen_now},
	[RINGO_CONNECT] = {"connect", "5.5", KERNEL_CONNECT, .waits = true, .flags = FILE_ORDER,
		.start = connect_start, .advance = once_advance, .plain_try = plain_connect_try},
	[RINGO_RECVMSG] = {"recvmsg", "6.0", KERNEL_RECVMSG, .waits = true, .flags = FILE_ORDER | MANY | RINGO_POLL_FIRST,
		.start = recvmsg_start, .advance = recvmsg_advance, .plain_try = plain_recvmsg_try},
	[RINGO_POLL_UPDATE] = {"poll_update", "5.13", KERNEL_POLL_REMOVE, .unlinkable = true, .flags = CHAIN,
		.start = poll_update_start, .advance = poll_update_advance},
	[RINGO_LINK_TIMEOUT] = {"link_timeout", "5.5", KERNEL_LINK_TIMEOUT, .flags = CHAIN,
		.start = link_timeout_start, .advance = link_timeout_advance},
	[RINGO_FILES_UPDATE] = {"files_update", "5.6", KERNEL_FILES_UPDATE, .flags = ORDER,
		.start = files_update_start, .advance = once_advance},
	[RINGO_BUFFERS_UPDATE] = {"buffers_update", "5.13", KERNEL_READ_FIXED, .unlinkable = true, .flags = CHAIN,
		.start = buffers_update_start, .advance = once_advance},
	[RINGO_INSTALL_FD] = {"install_fd", "6.8", KERNEL_FIXED_FD_INSTALL, .flags = ORDER,
		.start = install_fd_start, .advance = once_advance},
	[RINGO_SEND_ZC] = {"send_zc", "6.0", KERNEL_SEND_ZC, .unlinkable = true,
		.flags = LINK_FLAGS | RINGO_ASYNC | RINGO_FIXED_FILE | RINGO_FIXED_BUFFER | RINGO_POLL_FIRST,
		.start = sendzc_start, .advance = sendzc_advance},
	[RINGO_SENDMSG_ZC] = {"sendmsg_zc", "6.1", KERNEL_SENDMSG_ZC, .unlinkable = true,
		.flags = LINK_FLAGS | RINGO_ASYNC | RINGO_FIXED_FILE | RINGO_POLL_FIRST,
		.start = sendzc_start, .advance = sendzc_advance},
	[RINGO_MESSAGE_RING] = {"message_ring", "5.18", KERNEL_MSG_RING, .flags = ORDER,
		.start = message_start, .advance = once_advance},
};
/* clang-format on */

const char *ringo_code_name(uint32_t code)
{
	return code < RINGO_CODE_COUNT ? op_rows[code].name : NULL;
}

const char *ringo_code_kernel(uint32_t code)
{
	return code < RINGO_CODE_COUNT ? op_rows[code].kernel : NULL;
}
