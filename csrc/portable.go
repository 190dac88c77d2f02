//go:build !linux || !cgo

package csrc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"
)

// portableNames are the operations that need neither a ring nor Linux.
var portableNames = [CodeCount]string{Nop: "nop", Read: "read", Write: "write", Readv: "readv", Writev: "writev", Fsync: "fsync", CloseFD: "close",
	Renameat: "renameat", Unlinkat: "unlinkat", Timeout: "timeout", Cancel: "cancel", ReadFile: "readfile",
	WriteFile: "writefile"}

// memory is what an operation names: outside the Go heap, or pinned.
func memory(address, length uint64) []byte {
	if length == 0 {
		return nil
	}
	place := uintptr(address)
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&place)), length)
}

// text is the C string at an address.
func text(address uint64) string {
	for n := uint64(1); ; n++ {
		if b := memory(address, n); b[n-1] == 0 {
			return string(b[:n-1])
		}
	}
}

// execute does an operation on the calling goroutine.
func execute(op *Op) Completion {
	switch op.Code {
	case Read:
		return transfer(op, syscall.Pread, syscall.Read)
	case Write:
		return transfer(op, syscall.Pwrite, syscall.Write)
	case Readv, Writev:
		return transferVectors(op)
	case Fsync:
		return ended(0, retried(func() error { return syscall.Fsync(int(op.FD)) }))
	case CloseFD:
		return ended(0, syscall.Close(int(op.FD)))
	case Renameat:
		return ended(0, os.Rename(text(op.Address), text(op.Address2)))
	case Unlinkat:
		return ended(0, syscall.Unlink(text(op.Address)))
	case ReadFile:
		return readFile(op)
	case WriteFile:
		data := memory(op.Address2, op.Length)
		return ended(int64(len(data)), writeFile(text(op.Address), data, op))
	}
	return ended(0, syscall.EOPNOTSUPP)
}

// ended is a completion with a result, or with the errno in err.
func ended(result int64, err error) Completion {
	if err == nil {
		return Completion{Result: result}
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		errno = syscall.EIO
	}
	return Completion{Result: -int64(errno)}
}

func retried(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}

const transferMax = 1 << 30

// transfer reads or writes until all is done or the file ends; without an offset, a read takes what
// comes first.
func transfer(op *Op, at func(int, []byte, int64) (int, error), next func(int, []byte) (int, error)) Completion {
	p := memory(op.Address, op.Length)
	done := 0
	for done < len(p) {
		part := p[done:min(len(p), done+transferMax)]
		var n int
		err := retried(func() (err error) {
			if op.Offset < 0 {
				n, err = next(int(op.FD), part)
			} else {
				n, err = at(int(op.FD), part, op.Offset+int64(done))
			}
			return err
		})
		if err != nil && done > 0 {
			c := ended(0, err)
			return Completion{Result: int64(done), Extra: int32(-c.Result)}
		}
		if err != nil {
			return ended(0, err)
		}
		done += n
		if n == 0 || (op.Code == Read && op.Offset < 0) {
			break
		}
	}
	return Completion{Result: int64(done)}
}

// transferVectors reads or writes one piece of memory after the other.
func transferVectors(op *Op) Completion {
	one := *op
	one.Code = Read
	if op.Code == Writev {
		one.Code = Write
	}
	done := int64(0)
	for i := range op.Length {
		var v syscall.Iovec
		size := uint64(unsafe.Sizeof(v))
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&v)), size), memory(op.Address+i*size, size))
		one.Address, one.Length = uint64(uintptr(unsafe.Pointer(v.Base))), uint64(v.Len)
		c := execute(&one)
		switch {
		case c.Result < 0 && done > 0:
			return Completion{Result: done, Extra: int32(-c.Result)}
		case c.Result < 0:
			return c
		}
		done += c.Result
		one.Offset += c.Result
		if c.Extra != 0 || uint64(c.Result) < one.Length {
			return Completion{Result: done, Extra: c.Extra}
		}
	}
	return Completion{Result: done}
}

// readFile reads a file until its end or until the memory is full; then the file stays open.
func readFile(op *Op) Completion {
	var fd int
	err := retried(func() (err error) {
		fd, err = syscall.Open(text(op.Address), syscall.O_RDONLY|syscall.O_CLOEXEC|int(op.Argument), 0)
		return err
	})
	if err != nil {
		return ended(0, err)
	}
	c := Completion{}
	for uint64(c.Result) < op.Length {
		part := Op{Code: Read, FD: int32(fd), Address: op.Address2 + uint64(c.Result), Length: op.Length - uint64(c.Result), Offset: -1}
		got := transfer(&part, syscall.Pread, syscall.Read)
		if got.Result <= 0 {
			syscall.Close(fd)
			if got.Result < 0 {
				return got
			}
			return c
		}
		c.Result += got.Result
	}
	c.Flags, c.Extra = FileOpen, int32(fd)
	return c
}

func writeFile(name string, data []byte, op *Op) error {
	sync, mode := op.Argument&WriteSync != 0, os.FileMode(op.Argument2&0o777)
	if op.Argument&WriteAtomic == 0 {
		return writeNew(name, os.O_TRUNC, data, mode, sync)
	}
	for range 100 {
		temporary := fmt.Sprintf("%s.%x.tmp", name, rand.Uint64())
		err := writeNew(temporary, os.O_EXCL, data, mode, sync)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err == nil {
			err = os.Rename(temporary, name)
		}
		if err != nil {
			os.Remove(temporary)
			return err
		}
		if sync {
			return syncDirectory(filepath.Dir(name))
		}
		return nil
	}
	return syscall.EEXIST
}

func writeNew(name string, flag int, data []byte, mode os.FileMode, sync bool) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|flag, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && sync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDirectory(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
