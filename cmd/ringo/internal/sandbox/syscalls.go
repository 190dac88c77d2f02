// SPDX-License-Identifier: MIT

//go:build linux

package sandbox

import (
	"slices"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// needed are the system calls of a worker that has its rings and serves, by who makes them. Names that a processor's kernel does not have are
// left out there.
var needed = [][]string{
	{ // The loops, on rings and without them. No other ring can be made: it would not be restricted as theirs are.
		"io_uring_enter", "io_uring_register", "accept4", "recvfrom", "recvmsg", "sendto", "sendmsg",
		"shutdown", "getpeername", "getsockname", "getsockopt", "setsockopt", "epoll_create1", "epoll_ctl", "epoll_wait",
		"epoll_pwait", "epoll_pwait2", "eventfd2", "poll", "ppoll", "pipe2", "splice", "sendfile", "inotify_init1",
		"inotify_add_watch", "inotify_rm_watch",
	},
	{ // Files, which landlock keeps to reading below the root
		"open", "openat", "openat2", "close", "read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64",
		"stat", "fstat", "newfstatat", "fstatat64", "statx", "statfs", "fstatfs", "lseek", "getdents64", "readlinkat", "faccessat",
		"faccessat2", "fadvise64", "readahead", "cachestat", "fcntl", "dup", "dup3",
	},
	{ // The runtimes of Go and C
		"brk", "mmap", "munmap", "mprotect", "mremap", "madvise", "mincore", "futex", "nanosleep", "clock_nanosleep",
		"clock_gettime", "clock_getres", "gettimeofday", "time", "restart_syscall", "sched_yield", "sched_getaffinity",
		"sched_setaffinity", "getcpu", "clone", "set_robust_list", "rseq", "arch_prctl", "gettid", "getpid", "getppid",
		"getuid", "geteuid", "getgid", "getegid", "tgkill", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
		"getrandom", "getrusage", "getrlimit", "prlimit64", "uname", "sysinfo", "membarrier", "exit", "exit_group",
	},
}

// absent is what C libraries try first and do without where the kernel is too old to have it. What clone3 would do is
// in memory, where a filter cannot look.
var absent = []string{"clone3"}

// allowList: an errno that is not given is EPERM.
func allowList() seccomp.Policy {
	return seccomp.Policy{
		DefaultAction: seccomp.ActionErrno,
		Syscalls: []seccomp.SyscallGroup{
			{Action: seccomp.ActionAllow, Names: known(slices.Concat(needed...))},
			{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: known(absent)},
		},
	}
}

// conditions forbid some of what allowList allows: processes (but not threads), memory that can be executed, and the
// limits of other processes. They are a filter of their own: the strictest of all filters holds, and the module's code
// for a condition that is not met forgets which system call it looks at, which can forbid too much but, where nothing is
// allowed, never too little.
func conditions() seccomp.Policy {
	executable := seccomp.ArgumentConditions{{Argument: 2, Operation: seccomp.BitsSet, Value: unix.PROT_EXEC}}
	return seccomp.Policy{
		DefaultAction: seccomp.ActionAllow,
		Syscalls: []seccomp.SyscallGroup{{
			Action: seccomp.ActionErrno,
			NamesWithCondtions: []seccomp.NameWithConditions{
				{Name: "clone", Conditions: seccomp.ArgumentConditions{
					{Argument: 0, Operation: seccomp.BitsNotSet, Value: unix.CLONE_THREAD}}},
				{Name: "mmap", Conditions: executable},
				{Name: "mprotect", Conditions: executable},
				{Name: "prlimit64", Conditions: seccomp.ArgumentConditions{
					{Argument: 0, Operation: seccomp.NotEqual, Value: 0}}},
			},
		}},
	}
}

// known leaves out what this processor's kernel has no number for.
func known(names []string) []string {
	processor, err := arch.GetInfo("")
	if err != nil {
		return names // Loading the filter says what is wrong.
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, has := processor.SyscallNames[name]
		return !has
	})
}
