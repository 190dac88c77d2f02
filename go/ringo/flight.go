package ringo

// A window's operation from Submit until Wait returns it.

import (
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/ringo-io/ringo/csrc"
)

// A flight is one operation under way.
type flight struct {
	op       *Op
	pin      *pin
	pins     []*pin // of OpReadv and OpWritev
	chunk    *chunk // holds names, or where the pieces of memory are
	deadline time.Time
	follower int32 // the flight linked to this one, or -1
	next     int32 // on the free list
	expired  bool
}

// What chain is when the next Submit is linked to nothing, or to what has failed already.
const (
	chainNone   = -1
	chainBroken = -2
)

// take gives op a flight, and queues it unless it is linked to another.
func (w *Window) take(op *Op) {
	index := w.free
	f := &w.flights[index]
	w.free = f.next
	f.op, f.follower = op, -1
	w.inFlight++
	leader := w.chain
	w.chain = chainNone
	if op.Link {
		w.chain = index
	}
	switch {
	case leader >= 0:
		w.flights[leader].follower = index
	case leader == chainBroken:
		op.failAs(syscall.ECANCELED)
		w.end(index)
	default:
		w.start(index)
	}
}

// start queues a flight for the ring, or ends it at once if it is wrong.
func (w *Window) start(index int32) {
	f := &w.flights[index]
	op := f.op
	if err := op.refusal(); err != nil {
		op.N, op.Err = 0, err
		w.end(index)
		return
	}
	if op.usesFile() && !op.File.users.take() {
		op.File.end()
		op.failAs(os.ErrClosed)
		w.end(index)
		return
	}
	w.queue = append(w.queue, csrc.Op{})
	request := &w.queue[len(w.queue)-1]
	op.request(request)
	request.UserData = uint64(index)
	switch op.Kind {
	case OpRead, OpWrite:
		f.pin = w.pins.hold(op.Data)
		w.fixed.use(request)
	case OpReadv, OpWritev:
		w.putVectors(f, request)
	case OpRename, OpRemove:
		if err := w.putNames(f, request); err != nil {
			w.queue = w.queue[:len(w.queue)-1]
			op.failAs(err)
			w.end(index)
			return
		}
	}
	if place, registered := w.places[op.File]; registered && op.usesFile() {
		request.FD, request.Flags = place, request.Flags|csrc.FixedFile
	}
	if op.Timeout > 0 {
		f.deadline = time.Now().Add(op.Timeout)
		w.timed++
	}
	w.started++
}

// putVectors writes down, where the kernel may read it and the core may change it, which pieces of
// memory an op is for.
func (w *Window) putVectors(f *flight, request *csrc.Op) {
	f.chunk = w.engine.chunks.take()
	vectors := unsafe.Slice((*iovec)(unsafe.Pointer(&f.chunk.memory[0])), len(f.op.Vectors))
	for i, b := range f.op.Vectors {
		if len(b) > 0 {
			f.pins = append(f.pins, w.pins.hold(b))
		}
		vectors[i] = iovecOf(b)
	}
	request.Address, request.Length = addressOf(f.chunk.memory), uint64(len(vectors))
}

// putNames copies names to where the kernel may read them.
func (w *Window) putNames(f *flight, request *csrc.Op) error {
	f.chunk = w.engine.chunks.take()
	path := f.chunk.memory[:pathSize:pathSize]
	if _, err := putPath(path, f.op.Name); err != nil {
		w.dropChunk(f)
		return err
	}
	request.Address = addressOf(path)
	if f.op.Kind == OpRename {
		path = f.chunk.memory[pathSize:][:pathSize:pathSize]
		if _, err := putPath(path, f.op.NewName); err != nil {
			w.dropChunk(f)
			return err
		}
		request.Address2 = addressOf(path)
	}
	return nil
}

func (w *Window) dropChunk(f *flight) {
	if f.chunk != nil {
		w.engine.chunks.give(f.chunk)
		f.chunk = nil
	}
}

// end gives an op back to the caller, and goes on with what was linked to it.
func (w *Window) end(index int32) {
	f := &w.flights[index]
	op, follower := f.op, f.follower
	f.op, f.follower = nil, -1
	f.next, w.free = w.free, index
	w.ended = append(w.ended, op)
	if w.chain == index {
		w.chain = chainNone
		if op.Err != nil {
			w.chain = chainBroken
		}
	}
	switch {
	case follower < 0:
	case op.Err == nil:
		w.start(follower)
	default:
		w.flights[follower].op.failAs(syscall.ECANCELED)
		w.end(follower)
	}
}

// complete ends the flight of a completion.
func (w *Window) complete(c *csrc.Completion) {
	if c.UserData&tagCancel != 0 {
		return
	}
	index := int32(c.UserData)
	f := &w.flights[index]
	op := f.op
	w.started--
	op.conclude(c)
	if op.Err != nil && errors.Is(op.Err, syscall.ECANCELED) {
		switch {
		case f.expired:
			op.failAs(os.ErrDeadlineExceeded)
		case w.cancelled.Load():
			op.failAs(w.why())
		}
	}
	if !f.deadline.IsZero() {
		f.deadline, f.expired = time.Time{}, false
		w.timed--
	}
	w.pins.give(f.pin)
	f.pin = nil
	for _, p := range f.pins {
		w.pins.give(p)
	}
	f.pins = f.pins[:0]
	w.dropChunk(f)
	if op.usesFile() {
		op.File.end()
	}
	w.end(index)
}
