package ringo

import "syscall"

// acceptNow accepts a connection that waits; EAGAIN says that none does.
func acceptNow(listener int) (fd int, err error) {
	number, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(listener), 0, 0, acceptFlags, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(number), nil
}
