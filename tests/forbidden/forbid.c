/* SPDX-License-Identifier: MIT */
/* forbid ERRNO COMMAND...: runs a command to which io_uring_setup(2) answers ERRNO, as in a
 * container. Everything that the command starts is under the same filter. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int number_of(const char *name)
{
	return strcmp(name, "EPERM") == 0 ? EPERM : strcmp(name, "ENOSYS") == 0 ? ENOSYS : 0;
}

int main(int argc, char **argv)
{
	int error = argc > 2 ? number_of(argv[1]) : 0;
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {.len = sizeof(program) / sizeof(program[0]),
					  .filter = program};

	if (error == 0) {
		fprintf(stderr, "usage: forbid EPERM|ENOSYS COMMAND...\n");
		return 2;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
		perror("forbid: seccomp");
		return 77;
	}
	execvp(argv[2], &argv[2]);
	perror(argv[2]);
	return 127;
}
