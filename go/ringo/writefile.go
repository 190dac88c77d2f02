package ringo

import (
	"context"
	"io"
	"io/fs"
	"os"
	"runtime"
	"syscall"

	"github.com/ringo-io/ringo/csrc"
)

// A WriteOption changes how WriteFile writes.
type WriteOption uint32

const (
	// Atomic writes to a temporary file in the same directory and renames it over name: readers
	// and crashes see the old file or the new one, whole, and after an error the old one is
	// untouched. A symbolic link at name is replaced, not followed.
	Atomic WriteOption = csrc.WriteAtomic

	// Sync makes the data durable before WriteFile returns, and with Atomic the name as well.
	Sync WriteOption = csrc.WriteSync
)

// WriteFile is [Engine.WriteFile] on the default engine.
func WriteFile(ctx context.Context, name string, data []byte, perm fs.FileMode, options ...WriteOption) error {
	e, err := Default()
	if err != nil {
		return err
	}
	return e.WriteFile(ctx, name, data, perm, options...)
}

// WriteFile writes data to name, creating it with perm (before umask) or truncating it, as
// os.WriteFile does. When ctx ends first, the write is cancelled; data is not touched any more
// once WriteFile has returned. Safe for concurrent use.
//
// Unless it is to be [Atomic], a regular file is written by plain system calls, which end with their
// context only between two megabytes, and not while they wait for the device ([Sync]): a ring hands
// each file it creates, and each fsync, to a worker thread.
func (e *Engine) WriteFile(ctx context.Context, name string, data []byte, perm fs.FileMode, options ...WriteOption) error {
	l, err := e.blockingLoop()
	if err != nil {
		return pathError("write", name, err)
	}
	if ctx.Err() != nil {
		return pathError("write", name, context.Cause(ctx))
	}
	if err := e.holds.take(); err != nil {
		return pathError("write", name, err)
	}
	defer e.holds.give()
	if all := joined(options); all&Atomic == 0 {
		if done, err := e.writePlain(ctx, name, data, perm, all&Sync != 0); done {
			return err
		}
	}
	return e.writeByLoop(ctx, l, name, data, perm, options)
}

func joined(options []WriteOption) (all WriteOption) {
	for _, o := range options {
		all |= o
	}
	return all
}

// writePlain writes a regular file on the caller's thread. It leaves to the loop (done is false)
// what may wait for others without end, and what would be too many waiting threads.
func (e *Engine) writePlain(ctx context.Context, name string, data []byte, perm fs.FileMode, durable bool) (done bool, err error) {
	defer e.plainWrites.Add(-1)
	if e.plainWrites.Add(1) > plainCap {
		return false, nil
	}
	// Most often the file is new, and this tells it without another call.
	fd, err := openPlain(name, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL, perm)
	if err == syscall.EEXIST {
		if info, statErr := os.Stat(name); statErr == nil && !info.Mode().IsRegular() {
			return false, nil
		}
		fd, err = openPlain(name, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_TRUNC, perm)
	}
	if err != nil {
		return true, pathError("open", name, err)
	}
	err = writeParts(ctx, fd, data)
	if err == nil && durable {
		err = fsync(fd)
	}
	if closeErr := syscall.Close(fd); err == nil {
		err = closeErr
	}
	return true, pathError("write", name, err)
}

func openPlain(name string, flag int, perm fs.FileMode) (fd int, err error) {
	for {
		if fd, err = syscall.Open(name, flag|syscall.O_CLOEXEC, syscallMode(perm)); err != syscall.EINTR {
			return fd, err
		}
	}
}

func fsync(fd int) (err error) {
	for err = syscall.Fsync(fd); err == syscall.EINTR; err = syscall.Fsync(fd) {
	}
	return err
}

// writeParts looks after ctx from part to part.
func writeParts(ctx context.Context, fd int, data []byte) error {
	const part = 1 << 20
	for n := 0; n < len(data); n += part {
		if n > 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p := data[n:min(n+part, len(data))]
		m, err := plain(csrc.Write, int32(fd), p, int64(n))
		if err == nil && m < len(p) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) writeByLoop(ctx context.Context, l *loop, name string, data []byte, perm fs.FileMode, options []WriteOption) error {
	w := e.newFileWrite(name, data)
	ended := make(chan error, 1)
	w.fn = func(err error) { ended <- err }
	t, err := w.post(l.waiting(ctx), perm, options)
	if err != nil {
		return err
	}
	select {
	case err = <-ended:
	case <-ctx.Done():
		l.cancel(t)
		err = <-ended
	}
	if w.result == -int64(syscall.ECANCELED) && ctx.Err() != nil {
		return pathError("write", name, context.Cause(ctx))
	}
	return err
}

// WriteFileAtomic is [Engine.WriteFileAtomic] on the default engine.
func WriteFileAtomic(ctx context.Context, name string, data []byte, perm fs.FileMode) error {
	return WriteFile(ctx, name, data, perm, Atomic, Sync)
}

// WriteFileAtomic replaces name by a file with data, durably: WriteFile with [Atomic] and [Sync]. Readers, and
// whoever comes after a crash, find the old file or the new one, whole. Safe for concurrent use.
func (e *Engine) WriteFileAtomic(ctx context.Context, name string, data []byte, perm fs.FileMode) error {
	return e.WriteFile(ctx, name, data, perm, Atomic, Sync)
}

// WriteFileFunc writes data to name and calls fn on a loop's goroutine with what WriteFile would
// have returned; until then data must not be changed. It never blocks; an error it returns itself
// means that fn will not be called.
func (e *Engine) WriteFileFunc(name string, data []byte, perm fs.FileMode, fn func(error), options ...WriteOption) error {
	if err := e.holds.take(); err != nil {
		return pathError("write", name, err)
	}
	defer e.holds.give() // Once it is posted, the loop waits for it.
	w := e.newFileWrite(name, data)
	w.fn = errElsewhere(e, fn)
	_, err := w.post(e.anyLoop().post, perm, options)
	return err
}

// A fileWrite is the sink of one WriteFile.
type fileWrite struct {
	engine *Engine
	name   string
	data   []byte
	chunk  *chunk
	pinner runtime.Pinner
	fn     func(error)
	result int64
}

func (e *Engine) newFileWrite(name string, data []byte) *fileWrite {
	return &fileWrite{engine: e, name: name, data: data, chunk: e.chunks.take()}
}

func (w *fileWrite) post(to poster, perm fs.FileMode, options []WriteOption) (t ticket, err error) {
	op := csrc.Op{Code: csrc.WriteFile, FD: atCWD, Length: uint64(len(w.data)),
		Argument: uint32(joined(options)), Argument2: uint64(syscallMode(perm))}
	if err = w.chunk.setPath(w.name); err == nil {
		op.Address = addressOf(w.chunk.path())
		if len(w.data) > 0 {
			w.pinner.Pin(&w.data[0])
			op.Address2 = addressOf(w.data)
		}
		t, err = to(&op, w)
	}
	if err != nil {
		w.release()
	}
	return t, pathError("open", w.name, err)
}

func (w *fileWrite) release() {
	w.pinner.Unpin()
	w.engine.chunks.give(w.chunk)
}

func (w *fileWrite) complete(_ *loop, c *csrc.Completion) {
	w.release()
	w.result = c.Result
	w.fn(pathError("write", w.name, errorOf(c.Result)))
}

// syscallMode gives the kernel's mode bits for perm, as package os does.
func syscallMode(perm fs.FileMode) (mode uint32) {
	mode = uint32(perm.Perm())
	if perm&fs.ModeSetuid != 0 {
		mode |= syscall.S_ISUID
	}
	if perm&fs.ModeSetgid != 0 {
		mode |= syscall.S_ISGID
	}
	if perm&fs.ModeSticky != 0 {
		mode |= syscall.S_ISVTX
	}
	return mode
}
