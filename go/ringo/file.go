package ringo

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"syscall"

	"github.com/ringo-io/ringo/csrc"
)

// A File is an open file whose ReadAt and WriteAt go through the engine's loops; everything else
// is [os.File]'s own. It is safe for concurrent use; Close waits for no one, and what is in flight
// then still ends on the same file.
type File struct {
	*os.File
	engine *Engine

	noOffsets error // why ReadAt and WriteAt cannot work at all: a pipe, a socket, a terminal
	noWriteAt error // why WriteAt cannot: O_APPEND
}

// Open opens a file for reading.
func (e *Engine) Open(name string) (*File, error) { return e.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile opens a file as os.OpenFile does.
func (e *Engine) OpenFile(name string, flag int, perm fs.FileMode) (*File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return e.NewFile(f), nil
}

// NewFile gives f the engine's ReadAt and WriteAt; f is used by both from then on.
func (e *Engine) NewFile(f *os.File) *File {
	file := &File{File: f, engine: e}
	// Of a stream the ring reads whatever comes next, offset or not, where pread(2) refuses.
	if _, err := f.Seek(0, io.SeekCurrent); errors.Is(err, syscall.ESPIPE) {
		file.noOffsets = syscall.ESPIPE
	}
	// f alone knows whether it was opened with O_APPEND; asked to write nothing, it says so.
	_, file.noWriteAt = f.WriteAt(nil, 0)
	return file
}

// ReadAt implements [io.ReaderAt] as os.File does.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, pathError("readat", f.Name(), errors.New("negative offset"))
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.transfer(csrc.Read, p, off)
	if err != nil {
		return n, pathError("read", f.Name(), err)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements [io.WriterAt] as os.File does. On a file opened with O_APPEND the kernel
// appends whatever the offset, so it is refused, as os.File does.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	if f.noWriteAt != nil {
		return 0, f.noWriteAt
	}
	if off < 0 {
		return 0, pathError("writeat", f.Name(), errors.New("negative offset"))
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.transfer(csrc.Write, p, off)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, pathError("write", f.Name(), err)
}

// transfer runs a read or write on the descriptor, which stays open until it has ended.
func (f *File) transfer(code csrc.Code, p []byte, off int64) (n int, err error) {
	if f.noOffsets != nil {
		return 0, f.noOffsets
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		op := csrc.Op{Code: code, FD: int32(fd), Address: addressOf(p), Length: uint64(len(p)), Offset: off}
		var c csrc.Completion
		c, err = f.engine.doOp(context.Background(), &op, p, false)
		if err != nil {
			return
		}
		n = int(max(c.Result, 0))
		err = errorOf(c.Result)
		if c.Extra != 0 {
			err = syscall.Errno(c.Extra)
		}
	})
	runtime.KeepAlive(f)
	if controlErr != nil {
		// Its only reason, under a name that package os keeps to itself.
		return 0, os.ErrClosed
	}
	return n, err
}
