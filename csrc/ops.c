//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * The table of ops. The functions it names stand in ops_files.c, ops_sockets.c, ops_waits.c and
 * plain.c; those of the composite ops in readfile.c, writefile.c and sendfile.c. CANCEL and
 * RETURN_BUFFER need no slot, so no functions.
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

const struct op_row op_rows[RINGO_CODE_COUNT] = {
	[RINGO_NOP] = {"nop", "5.1", KERNEL_NOP, false, nop_start, once_advance,
		       .plain_now = plain_nop_now},
	[RINGO_OPENAT2] = {"openat2", "5.6", KERNEL_OPENAT2, false, openat2_start, openat2_advance,
			   .plain_wait = plain_openat2},
	[RINGO_READ] = {"read", "5.6", KERNEL_READ, false, transfer_start, transfer_advance,
			.plain_try = plain_transfer_try, .plain_wait = plain_transfer},
	[RINGO_WRITE] = {"write", "5.6", KERNEL_WRITE, false, transfer_start, transfer_advance,
			 .plain_try = plain_transfer_try, .plain_wait = plain_transfer},
	[RINGO_FSYNC] = {"fsync", "5.1", KERNEL_FSYNC, false, fsync_start, once_advance,
			 .plain_wait = plain_fsync},
	[RINGO_STATX] = {"statx", "5.6", KERNEL_STATX, false, statx_start, once_advance,
			 .plain_wait = plain_statx},
	[RINGO_CLOSE] = {"close", "5.6", KERNEL_CLOSE, false, close_start, once_advance,
			 .plain_wait = plain_close},
	[RINGO_RENAMEAT] = {"renameat", "5.11", KERNEL_RENAMEAT, false, renameat_start,
			    once_advance, .plain_wait = plain_renameat},
	[RINGO_UNLINKAT] = {"unlinkat", "5.11", KERNEL_UNLINKAT, false, unlinkat_start,
			    once_advance, .plain_wait = plain_unlinkat},
	[RINGO_SPLICE] = {"splice", "5.7", KERNEL_SPLICE, false, splice_start, once_advance,
			  .plain_wait = plain_splice},
	[RINGO_PIPE] = {"pipe", "6.16", KERNEL_PIPE, false, pipe_start, pipe_advance,
			.plain_now = plain_pipe_now},
	[RINGO_POLL] = {"poll", "5.1", KERNEL_POLL_ADD, true, poll_start, poll_advance,
			.plain_try = plain_poll_try, .flags = RINGO_MULTISHOT},
	[RINGO_TIMEOUT] = {"timeout", "5.4", KERNEL_TIMEOUT, true, timeout_start, timeout_advance,
			   .flags = RINGO_MULTISHOT},
	[RINGO_CANCEL] = {"cancel", "5.5", KERNEL_ASYNC_CANCEL, false, NULL, NULL},
	[RINGO_ACCEPT] = {"accept", "5.19", KERNEL_ACCEPT, true, accept_start, accept_advance,
			  .plain_try = plain_accept_try, .flags = RINGO_MULTISHOT},
	[RINGO_RECV] = {"recv", "6.0", KERNEL_RECV, true, recv_start, recv_advance,
			.plain_try = plain_recv_try,
			.flags = RINGO_MULTISHOT | RINGO_BUFFER_SELECT},
	[RINGO_SEND] = {"send", "5.6", KERNEL_SEND, false, transfer_start, transfer_advance,
			.plain_try = plain_send_try},
	[RINGO_SENDMSG] = {"sendmsg", "5.3", KERNEL_SENDMSG, false, sendmsg_start, sendmsg_advance,
			   .plain_try = plain_sendmsg_try},
	[RINGO_SHUTDOWN] = {"shutdown", "5.11", KERNEL_SHUTDOWN, false, shutdown_start,
			    once_advance, .plain_now = plain_shutdown_now},
	[RINGO_RETURN_BUFFER] = {"return_buffer", "5.19", KERNEL_RECV, false, NULL, NULL},
	[RINGO_READFILE] = {"readfile", "5.6", KERNEL_OPENAT2, false, readfile_start,
			    readfile_advance},
	[RINGO_WRITEFILE] = {"writefile", "5.11", KERNEL_RENAMEAT, false, writefile_start,
			     writefile_advance},
	[RINGO_SENDFILE] = {"sendfile", "5.7", KERNEL_SPLICE, false, sendfile_start,
			    sendfile_advance, .flags = RINGO_FD2_NONBLOCK},
	[RINGO_READV] = {"readv", "5.1", KERNEL_READV, false, vector_start, vector_advance,
			 .plain_try = plain_transfer_try, .plain_wait = plain_transfer},
	[RINGO_WRITEV] = {"writev", "5.1", KERNEL_WRITEV, false, vector_start, vector_advance,
			  .plain_try = plain_transfer_try, .plain_wait = plain_transfer},
	[RINGO_FALLOCATE] = {"fallocate", "5.6", KERNEL_FALLOCATE, false, fallocate_start,
			     once_advance, .plain_wait = plain_fallocate},
	[RINGO_FADVISE] = {"fadvise", "5.6", KERNEL_FADVISE, false, fadvise_start, once_advance,
			   .plain_wait = plain_fadvise},
	[RINGO_FTRUNCATE] = {"ftruncate", "6.9", KERNEL_FTRUNCATE, false, ftruncate_start,
			     once_advance, .plain_wait = plain_ftruncate},
	[RINGO_SOCKET] = {"socket", "5.19", KERNEL_SOCKET, false, socket_start, once_advance,
			  .plain_now = plain_socket_now},
	[RINGO_BIND] = {"bind", "6.11", KERNEL_BIND, false, bind_start, once_advance,
			.plain_now = plain_bind_now},
	[RINGO_LISTEN] = {"listen", "6.11", KERNEL_LISTEN, false, listen_start, once_advance,
			  .plain_now = plain_listen_now},
	[RINGO_CONNECT] = {"connect", "5.5", KERNEL_CONNECT, true, connect_start, once_advance,
			   .plain_try = plain_connect_try},
	[RINGO_RECVMSG] = {"recvmsg", "6.0", KERNEL_RECVMSG, true, recvmsg_start, recvmsg_advance,
			   .plain_try = plain_recvmsg_try,
			   .flags = RINGO_MULTISHOT | RINGO_BUFFER_SELECT},
	[RINGO_POLL_UPDATE] = {"poll_update", "5.13", KERNEL_POLL_REMOVE, false, poll_update_start,
			       poll_update_advance},
};

const char *ringo_code_name(uint32_t code)
{
	return code < RINGO_CODE_COUNT ? op_rows[code].name : NULL;
}

const char *ringo_code_kernel(uint32_t code)
{
	return code < RINGO_CODE_COUNT ? op_rows[code].kernel : NULL;
}
