package ringo

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// An openBeneath opens a name below a directory, and only below it.
type openBeneath func(root *os.File, name string) (*os.File, error)

// Flags and numbers that package syscall lacks: openat2(2), whose number is the same everywhere.
const (
	sysOpenat2         = 437
	oPath              = 0x200000
	resolveNoMagic     = 0x02
	resolveBeneath     = 0x08
	beneathAttemptsMax = 128
)

// O_NONBLOCK, so that a FIFO in the tree keeps nobody waiting in open(2).
func openToRead(root *os.File, name string) (*os.File, error) {
	return openat2(root, name, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC)
}

func openToStat(root *os.File, name string) (*os.File, error) {
	return openat2(root, name, oPath|syscall.O_CLOEXEC)
}

func openToLstat(root *os.File, name string) (*os.File, error) {
	return openat2(root, name, oPath|syscall.O_NOFOLLOW|syscall.O_CLOEXEC)
}

func openToEnter(root *os.File, name string) (*os.File, error) {
	return openat2(root, name, oPath|syscall.O_DIRECTORY|syscall.O_CLOEXEC)
}

func openRoot(dir string) (*os.File, error) {
	fd, err := syscall.Open(dir, oPath|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, pathError("open", dir, err)
	}
	return os.NewFile(uintptr(fd), dir), nil
}

// openat2 opens name with RESOLVE_BENEATH. A rename or mount that raced the lookup is EAGAIN: the
// kernel could not tell whether the name leads out.
func openat2(root *os.File, name string, flags uint64) (*os.File, error) {
	path, err := syscall.BytePtrFromString(name)
	if err != nil {
		return nil, err
	}
	how := struct{ flags, mode, resolve uint64 }{flags, 0, resolveBeneath | resolveNoMagic}
	for attempt := 0; ; attempt++ {
		fd, _, errno := syscall.Syscall6(sysOpenat2, root.Fd(), uintptr(unsafe.Pointer(path)),
			uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
		runtime.KeepAlive(root)
		switch {
		case errno == 0:
			return os.NewFile(fd, name), nil
		case errno == syscall.EINTR || errno == syscall.EAGAIN && attempt < beneathAttemptsMax:
		case errno == syscall.EXDEV:
			return nil, fmt.Errorf("leads out of the tree: %w", errno)
		case errno == syscall.ENOSYS:
			return nil, fmt.Errorf("this kernel has no openat2 (Linux 5.6): %w", errno)
		default:
			return nil, errno
		}
	}
}

// linkTarget reads the symbolic link that file is (readlinkat(2) with an empty path).
func linkTarget(file *os.File) (string, error) {
	var empty byte
	for size := 256; ; size *= 2 {
		target := make([]byte, size)
		n, _, errno := syscall.Syscall6(syscall.SYS_READLINKAT, file.Fd(), uintptr(unsafe.Pointer(&empty)),
			uintptr(unsafe.Pointer(&target[0])), uintptr(size), 0, 0)
		runtime.KeepAlive(file)
		switch {
		case errno == syscall.ENOENT: // not a link: so says the kernel of an empty path
			return "", syscall.EINVAL
		case errno != 0:
			return "", errno
		case int(n) < size:
			return string(target[:n]), nil
		}
	}
}
