package fileserver

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls in this file do not block: they are made on a loop's thread without telling Go's
// scheduler, which a plain system call does at a third of the cost of these.

// openat2 opens the file name, which must have room for a NUL behind it.
func openat2(dir int, name []byte, flags uint32, resolve uint64) (int, error) {
	path := append(name, 0)
	how := unix.OpenHow{Flags: uint64(flags), Resolve: resolve}
	fd, _, errno := syscall.RawSyscall6(unix.SYS_OPENAT2, uintptr(dir), uintptr(unsafe.Pointer(&path[0])),
		uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// fstat asks for what the kernel knows of an open file.
func fstat(fd int, st *syscall.Stat_t) error {
	_, _, errno := syscall.RawSyscall(syscall.SYS_FSTAT, uintptr(fd), uintptr(unsafe.Pointer(st)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// readCached reads what is in the page cache; fewer bytes than asked for, or an error, mean that
// not all is.
func readCached(fd int, p []byte, off int64) (int, error) {
	iov := syscall.Iovec{Base: unsafe.SliceData(p), Len: uint64(len(p))}
	n, _, errno := syscall.RawSyscall6(unix.SYS_PREADV2, uintptr(fd), uintptr(unsafe.Pointer(&iov)), 1,
		uintptr(off), 0, unix.RWF_NOWAIT)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// closeFile closes a file that was only read: what close(2) says about it is of no use.
func closeFile(fd int) { syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0) }
