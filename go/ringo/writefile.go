package ringo

import (
	"context"
	"io/fs"
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
// once WriteFile has returned.
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
		Argument2: uint64(syscallMode(perm))}
	for _, o := range options {
		op.Argument |= uint32(o)
	}
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
