// Package engine does I/O in the ways that a job can ask for. An engine is driven by one goroutine, which
// keeps its thread; it says nothing about what is done, when, or how it is measured.
package engine

import (
	"syscall"
	"time"
)

// An Op is what an I/O does.
type Op uint8

// The ops.
const (
	Read Op = iota
	Write
	Fsync
	Fdatasync
)

// An IO is one request. The engine's from Queue until Reap gives it back; then Result is set. The other
// fields are the caller's.
type IO struct {
	Op     Op
	File   int // index into the files given to Open
	Slot   int // index into the buffers given to Open; Buffer lies in that one
	Buffer []byte
	Offset int64
	Result int // bytes, or a negative errno

	// Of the caller, in ns of its clock: when it was to start, when it was made, when it was submitted.
	Intended, Made, Submitted int64
	Direction                 int8
	Number                    uint64
	Whole                     []byte // the whole request's; Buffer is what is left of it after a short transfer
}

// Done sets the result of a system call.
func (io *IO) done(n int, err error) {
	io.Result = n
	if err != nil {
		io.Result = -int(errnoOf(err))
	}
}

func errnoOf(err error) syscall.Errno {
	if errno, ok := err.(syscall.Errno); ok && errno != 0 {
		return errno
	}
	return syscall.EIO
}

// A Synchronous engine does an I/O on the calling thread.
type Synchronous interface {
	Do(io *IO)
	// Calls is how many system calls were made for I/O so far.
	Calls() uint64
	Close() error
}

// A Queue has I/Os in flight. Queue never blocks; at most as many I/Os as the depth it was opened with may
// be queued and in flight.
type Queue interface {
	Queue(io *IO)
	// Submit starts what was queued, and says how many I/Os that were.
	Submit() (int, error)
	// Reap waits until low I/Os have ended, or the time is up, and moves at most len(done) of those that
	// have to done. A timeout below 0 is none.
	Reap(done []*IO, low int, timeout time.Duration) (int, error)
	// Calls is how many system calls were made so far; false where that cannot be known.
	Calls() (uint64, bool)
	Close() error
}

// Setup is what engines are opened with.
type Setup struct {
	Files   []int // descriptors, open until Close
	Depth   int
	Buffers [][]byte // one per slot; outside the Go heap, in place until Close
	Memory  []byte   // where all of them are
	Auto    bool     // batch as the engine does best: Submit may be put off until Reap
}
