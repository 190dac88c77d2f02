package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/ringo-io/ringo/go/ringo"
)

// A Ringo engine keeps I/Os in flight by a window of a ringo engine, on the caller's thread.
type Ringo struct {
	window  *ringo.Window
	files   []*ringo.File
	ops     []ringo.Op // by slot; Tag is the slot
	slots   []*IO
	queued  int
	auto    bool
	ring    Ring
	async   int         // I/Os since the last that a worker was given
	vectors [][1][]byte // by slot
	ended   []*ringo.Op // that Submit was given, and Reap has not yet given on
	counted bool        // the window counts its system calls
	before  uint64      // system calls, before the first I/O
}

// Ring is how a Ringo engine's ring is set up, and used.
type Ring struct {
	FixedBuffers  bool   // the buffers are registered
	RegisterFiles bool   // so are the files
	SQPoll        bool   // a thread of the kernel submits
	SQPollCPU     int    // where; -1: anywhere
	IOPoll        bool   // completions are polled for
	Vectored      bool   // READV and WRITEV
	ForceAsync    int    // every so manieth I/O is a worker's from the start; 0: none
	Flags         uint32 // RWF_* of reads and writes
}

// registeredMax is how much memory a ring registers as one.
const registeredMax = 1 << 30

func (r *Ring) options(files []*ringo.File, setup *Setup) []ringo.WindowOption {
	options := []ringo.WindowOption{ringo.WindowOneThread()}
	if r.FixedBuffers {
		each := len(setup.Memory) / setup.Depth
		size := max(registeredMax/each, 1) * each
		options = append(options, ringo.WindowBuffers(slices.Collect(slices.Chunk(setup.Memory, size))...))
	}
	if r.RegisterFiles || r.SQPoll {
		options = append(options, ringo.WindowFiles(files...))
	}
	if r.SQPoll {
		options = append(options, ringo.WindowSQPoll(r.SQPollCPU))
	}
	if r.IOPoll {
		options = append(options, ringo.WindowIOPoll())
	}
	return options
}

// OpenRingo opens a window on files that stay the caller's. All calls are for the goroutine that opens it.
func OpenRingo(on *ringo.Engine, files []*os.File, setup Setup, ring Ring) (*Ringo, error) {
	r := &Ringo{auto: setup.Auto, ring: ring, ops: make([]ringo.Op, setup.Depth), slots: make([]*IO, setup.Depth),
		vectors: make([][1][]byte, setup.Depth), counted: on.Backend() == "uring"}
	for _, f := range files {
		own, err := duplicate(f)
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		r.files = append(r.files, on.NewFile(own))
	}
	window, err := on.NewWindow(context.Background(), setup.Depth, ring.options(r.files, &setup)...)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	r.window, r.before = window, window.Entries()
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
	r.adjust(op)
	r.slots[io.Slot] = io
	if err := r.window.Submit(op); err != nil {
		op.N, op.Err = 0, err
		r.ended = append(r.ended, op)
		return
	}
	r.queued++
}

// adjust does to an op what was asked for all of them.
func (r *Ringo) adjust(op *ringo.Op) {
	if r.ring.ForceAsync > 0 {
		r.async++
		if op.Async = r.async == r.ring.ForceAsync; op.Async {
			r.async = 0
		}
	}
	if op.Kind > ringo.OpWrite {
		op.Flags = 0
		return
	}
	op.Flags = r.ring.Flags
	if r.ring.Vectored {
		vector := &r.vectors[op.Tag]
		vector[0] = op.Data
		op.Vectors, op.Data = vector[:], nil
		if op.Kind == ringo.OpRead {
			op.Kind = ringo.OpReadv
		} else {
			op.Kind = ringo.OpWritev
		}
	}
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

// Calls is how often the window entered the kernel; not known where there is no ring.
func (r *Ringo) Calls() (uint64, bool) { return r.window.Entries() - r.before, r.counted }

// Close ends the window and gives the duplicates back.
func (r *Ringo) Close() error {
	var err error
	if r.window != nil {
		err = r.window.Close()
	}
	for _, f := range r.files {
		err = errors.Join(err, f.Close())
	}
	return err
}
