package ringo

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/ringo-io/ringo/csrc"
)

// atCWD is AT_FDCWD: paths are relative to the working directory.
const atCWD = -100

// ReadFile is [Engine.ReadFile] on the default engine.
func ReadFile(ctx context.Context, name string) ([]byte, error) {
	e, err := Default()
	if err != nil {
		return nil, err
	}
	return e.ReadFile(ctx, name)
}

// ReadFile reads the whole file, as os.ReadFile does. When ctx ends first it returns at once with
// the cause, though the kernel may still be reading: that goes to the engine's memory.
func (e *Engine) ReadFile(ctx context.Context, name string) ([]byte, error) {
	l, err := e.blockingLoop()
	if err != nil {
		return nil, pathError("read", name, err)
	}
	if ctx.Err() != nil {
		return nil, pathError("read", name, context.Cause(ctx))
	}
	if err := e.holds.take(); err != nil {
		return nil, pathError("read", name, err)
	}
	defer e.holds.give()
	r := e.newFileRead(name)
	r.ended = make(chan struct{})
	t, err := r.post(l.waiting(ctx))
	if err != nil {
		return nil, err
	}
	select {
	case <-r.ended:
	case <-ctx.Done():
		if r.abandoned.CompareAndSwap(false, true) {
			l.cancel(t)
			return nil, pathError("read", name, context.Cause(ctx))
		}
		<-r.ended
	}
	if r.file != nil {
		return r.readRest(ctx)
	}
	return r.data, r.err
}

// ReadFileFunc reads the whole file and calls fn on a loop's goroutine with what ReadFile would
// have returned. It never blocks; an error it returns itself means that fn will not be called.
func (e *Engine) ReadFileFunc(name string, fn func([]byte, error)) error {
	if err := e.holds.take(); err != nil {
		return pathError("read", name, err)
	}
	r := e.newFileRead(name)
	r.fn = elsewhere(e, fn)
	_, err := r.post(e.anyLoop().post)
	if err != nil {
		e.holds.give()
	}
	return err
}

// A fileRead is the sink of one ReadFile. The core reads into a chunk; what fits there, nearly
// every file, is copied to a slice of just its size. For what does not fit the core leaves the
// file open, and the rest goes straight into a slice of the size that fstat gives.
type fileRead struct {
	engine *Engine
	name   string
	chunk  *chunk
	fn     func([]byte, error) // called at the end, or
	ended  chan struct{}       // closed
	// abandoned is set by whoever comes first: a ReadFile that no longer waits, or the end.
	abandoned atomic.Bool

	data []byte
	err  error
	file *os.File // with data its beginning: there is more
}

func (e *Engine) newFileRead(name string) *fileRead {
	return &fileRead{engine: e, name: name, chunk: e.chunks.take()}
}

func (r *fileRead) post(to poster) (t ticket, err error) {
	op := csrc.Op{Code: csrc.ReadFile, FD: atCWD}
	if err = r.chunk.setPath(r.name); err == nil {
		op.Address, op.Address2 = addressOf(r.chunk.path()), addressOf(r.chunk.data())
		op.Length = dataSize
		t, err = to(&op, r)
	}
	if err != nil {
		r.engine.chunks.give(r.chunk)
	}
	return t, pathError("open", r.name, err)
}

func (r *fileRead) complete(l *loop, c *csrc.Completion) {
	r.take(c, r.chunk.data())
	r.engine.chunks.give(r.chunk)
	r.chunk = nil
	switch {
	case r.fn == nil && !r.abandoned.CompareAndSwap(false, true):
		if r.file != nil {
			r.file.Close()
		}
	case r.fn == nil:
		close(r.ended)
	case r.file == nil:
		r.call()
	default:
		go r.finish(l)
	}
}

// take copies what the core has read to chunk, and the descriptor it has left open.
func (r *fileRead) take(c *csrc.Completion, chunk []byte) {
	if c.Flags&csrc.FileOpen != 0 {
		r.file = os.NewFile(uintptr(c.Extra), r.name)
	}
	switch {
	case c.Result < 0:
		r.err = pathError("open", r.name, errorOf(c.Result))
	case c.Result > r.engine.readLimit && r.file == nil:
		r.err = pathError("read", r.name, ErrTooLarge)
	default:
		r.data = append([]byte{}, chunk[:c.Result]...)
	}
}

// call is the end of the callback form, and of its hold.
func (r *fileRead) call() {
	r.fn(r.data, r.err)
	r.engine.holds.give()
}

// finish reads a large file for the callback form, away from the loop, and comes back for the
// callback.
func (r *fileRead) finish(l *loop) {
	r.data, r.err = r.readRest(context.Background())
	if err := l.do(func(*loop) { r.call() }, true); err != nil {
		// Shutdown did not wait: nothing runs on the loop any more, and the caller is owed an answer.
		r.data, r.err = nil, pathError("read", r.name, err)
		r.call()
	}
}

// readRest reads what comes after data.
func (r *fileRead) readRest(ctx context.Context) ([]byte, error) {
	defer r.file.Close()
	rest := restReader{engine: r.engine, file: r.file, data: r.data}
	if err := rest.readAll(ctx); err != nil {
		return nil, pathError("read", r.name, cancelledError(ctx, err))
	}
	return rest.data, nil
}

// A restReader grows data to the end of a file.
type restReader struct {
	engine *Engine
	file   *os.File
	data   []byte
	seeks  bool // a regular file, read at offsets; else a stream
}

// hopMax bounds one read, so that a context that ends is heeded within it.
const hopMax = 16 << 20

func (r *restReader) readAll(ctx context.Context) error {
	if err := r.makeRoom(); err != nil {
		return err
	}
	for {
		if int64(len(r.data)) > r.engine.readLimit {
			return ErrTooLarge
		}
		if len(r.data) == cap(r.data) {
			r.data = append(r.data, 0)[:len(r.data)]
		}
		n, err := r.readOnce(ctx)
		if err != nil || n == 0 {
			return err
		}
		r.data = r.data[:len(r.data)+n]
	}
}

// makeRoom makes data as large as the file says it is, and a byte more: the read that finds the
// end needs room to find that there is no more.
func (r *restReader) makeRoom() error {
	info, err := r.file.Stat()
	if err != nil {
		return errors.Unwrap(err)
	}
	r.seeks = info.Mode().IsRegular() && info.Size() > 0
	size := info.Size()
	if size > r.engine.readLimit {
		return ErrTooLarge
	}
	if r.seeks && size >= int64(cap(r.data)) {
		grown := make([]byte, len(r.data), size+1)
		copy(grown, r.data)
		r.data = grown
	}
	return nil
}

func (r *restReader) readOnce(ctx context.Context) (int, error) {
	room := r.data[len(r.data):cap(r.data)]
	room = room[:min(len(room), hopMax)]
	op := csrc.Op{Code: csrc.Read, FD: int32(r.file.Fd()), Address: addressOf(room),
		Length: uint64(len(room)), Offset: -1}
	if r.seeks {
		op.Offset = int64(len(r.data))
	}
	c, err := r.engine.doOp(ctx, &op, room, true)
	if err != nil {
		return 0, err
	}
	if c.Extra != 0 {
		return 0, syscall.Errno(c.Extra)
	}
	return int(max(c.Result, 0)), errorOf(c.Result)
}
