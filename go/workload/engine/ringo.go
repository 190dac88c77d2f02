package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/ringo-io/ringo/go/ringo"
)

// A Ringo engine keeps I/Os in flight by a window of a ringo engine, on the caller's thread.
type Ringo struct {
	window *ringo.Window
	files  []*ringo.File
	ops    []ringo.Op // by slot; Tag is the slot
	slots  []*IO
	queued int
	auto   bool
	ended  []*ringo.Op // that Submit was given, and Reap has not yet given on
}

// OpenRingo opens a window on files that stay the caller's.
func OpenRingo(on *ringo.Engine, files []*os.File, setup Setup) (*Ringo, error) {
	window, err := on.NewWindow(context.Background(), setup.Depth)
	if err != nil {
		return nil, err
	}
	r := &Ringo{window: window, auto: setup.Auto, ops: make([]ringo.Op, setup.Depth), slots: make([]*IO, setup.Depth)}
	for _, f := range files {
		own, err := duplicate(f)
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		r.files = append(r.files, on.NewFile(own))
	}
	return r, nil
}

// duplicate makes a file that ringo may own.
func duplicate(f *os.File) (*os.File, error) {
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return nil, fmt.Errorf("dup of %s: %w", f.Name(), err)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), f.Name()), nil
}

var ringoOps = [...]ringo.OpKind{Read: ringo.OpRead, Write: ringo.OpWrite, Fsync: ringo.OpSync, Fdatasync: ringo.OpDatasync}

// Queue hands an I/O to the window, which starts it when told to.
func (r *Ringo) Queue(io *IO) {
	op := &r.ops[io.Slot]
	op.Kind, op.File, op.Data, op.Offset, op.Tag = ringoOps[io.Op], r.files[io.File], io.Buffer, io.Offset, uint64(io.Slot)
	r.slots[io.Slot] = io
	if err := r.window.Submit(op); err != nil {
		op.N, op.Err = 0, err
		r.ended = append(r.ended, op)
		return
	}
	r.queued++
}

// Submit starts what was queued, by one system call; or, in automatic batching, leaves that to Reap, where it
// costs none of its own.
func (r *Ringo) Submit() (int, error) {
	submitted := r.queued
	r.queued = 0
	if r.auto || submitted == 0 {
		return max(submitted, len(r.ended)), nil
	}
	ended, err := r.window.Wait(0)
	r.ended = append(r.ended, ended...)
	return submitted, err
}

// Reap gives on what has ended.
func (r *Ringo) Reap(done []*IO, low int, timeout time.Duration) (int, error) {
	low = min(low, len(done))
	if missing := low - len(r.ended); missing > 0 || len(r.ended) == 0 || r.auto {
		var ended []*ringo.Op
		var err error
		if timeout < 0 {
			ended, err = r.window.Wait(max(missing, 0))
		} else {
			ended, err = r.window.WaitFor(max(missing, 0), timeout)
		}
		if err != nil {
			return 0, err
		}
		r.ended = append(r.ended, ended...)
	}
	count := min(len(done), len(r.ended))
	for i, op := range r.ended[:count] {
		done[i] = r.slots[op.Tag]
		done[i].Result = resultOf(op)
	}
	r.ended = append(r.ended[:0], r.ended[count:]...)
	return count, nil
}

func resultOf(op *ringo.Op) int {
	if op.Err == nil || op.N > 0 || errors.Is(op.Err, io.EOF) {
		return op.N
	}
	var errno syscall.Errno
	if errors.As(op.Err, &errno) {
		return -int(errno)
	}
	return -int(syscall.EIO)
}

// Calls is not known: the window does not count how often it enters the kernel.
func (r *Ringo) Calls() (uint64, bool) { return 0, false }

// Close ends the window and gives the duplicates back.
func (r *Ringo) Close() error {
	err := r.window.Close()
	for _, f := range r.files {
		err = errors.Join(err, f.Close())
	}
	return err
}
