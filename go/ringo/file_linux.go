package ringo

import (
	"syscall"
	"unsafe"
)

// inspect says on which device an open file is, whether it is of a kind that a ring serves well,
// and whether it was opened with O_DIRECT.
func inspect(fd int32) (device uint64, ringable, direct bool) {
	var status syscall.Stat_t
	if syscall.Fstat(int(fd), &status) != nil {
		return 0, false, false
	}
	kind := status.Mode & syscall.S_IFMT
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0)
	return status.Dev, kind == syscall.S_IFREG || kind == syscall.S_IFBLK,
		errno == 0 && flags&syscall.O_DIRECT != 0
}

func datasync(fd int) error {
	for {
		if err := syscall.Fdatasync(fd); err != syscall.EINTR {
			return err
		}
	}
}

// RWF_NOWAIT of preadv2(2): read what needs no waiting, else EAGAIN.
const rwfNowait = 8

// preadNowait reads what the page cache holds at off; EOPNOTSUPP where the file system cannot tell.
func preadNowait(fd int32, p []byte, off int64) (int, error) {
	vector := syscall.Iovec{Base: unsafe.SliceData(p)}
	vector.SetLen(min(len(p), hopLengthMax))
	for {
		n, _, errno := syscall.Syscall6(sysPreadv2, uintptr(fd), uintptr(unsafe.Pointer(&vector)), 1,
			uintptr(off), uintptr(off>>32), rwfNowait)
		if errno == 0 {
			return int(n), nil
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}

// directAlignment asks for what O_DIRECT needs (STATX_DIOALIGN, Linux 6.1).
func directAlignment(fd int32) (memory, offset int, err error) {
	const (
		atEmptyPath   = 0x1000
		statxDioalign = 0x2000
	)
	// struct statx of statx(2), of which only these fields matter.
	var status struct {
		mask     uint32
		_        [0x94]byte
		memAlign uint32 // stx_dio_mem_align, at 0x98
		offAlign uint32 // stx_dio_offset_align
		_        [0x60]byte
	}
	var empty byte
	_, _, errno := syscall.Syscall6(sysStatx, uintptr(fd), uintptr(unsafe.Pointer(&empty)), atEmptyPath,
		statxDioalign, uintptr(unsafe.Pointer(&status)), 0)
	switch {
	case errno == syscall.ENOSYS || errno == 0 && status.mask&statxDioalign == 0:
		return 4096, 4096, nil
	case errno != 0:
		return 0, 0, errno
	}
	return int(status.memAlign), int(status.offAlign), nil
}
