//go:build linux && cgo

// Package csrc is the door between Go and the C core of ringo: the only place that imports "C".
// It carries no policy and is not covered by compatibility; programs import
// github.com/ringo-io/ringo/go/ringo instead.
//
// The contract is ringo.h: its thread rule, ownership table and error rule hold here unchanged.
// Addresses in an Op are integers: whoever posts one keeps the memory alive and in place until
// the op's final completion.
package csrc

/*
#cgo CFLAGS: -std=gnu11 -O2 -D_GNU_SOURCE
#cgo !ringo_threads LDFLAGS: -luring
#cgo noescape ringo_post
#cgo nocallback ringo_post
#cgo noescape ringo_batch_run
#cgo nocallback ringo_batch_run
#cgo noescape ringo_batch_step
#cgo nocallback ringo_batch_step
#cgo noescape ringo_batch_entries
#cgo nocallback ringo_batch_entries
#cgo noescape ringo_loop_stats
#cgo nocallback ringo_loop_stats
#cgo noescape ringo_wake
#cgo nocallback ringo_wake
#include "ringo.h"

extern uint32_t ringoDeliver(uintptr_t context, struct ringo_completion *completions,
			     uint32_t count, struct ringo_op *ops, uint32_t room);
*/
import "C"

import (
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// The Go structs have the layout of their C counterparts; an array of negative length would not
// compile.
const (
	_ = uint(C.sizeof_struct_ringo_op - unsafe.Sizeof(Op{}))
	_ = uint(unsafe.Sizeof(Op{}) - C.sizeof_struct_ringo_op)
	_ = uint(C.sizeof_struct_ringo_completion - unsafe.Sizeof(Completion{}))
	_ = uint(unsafe.Sizeof(Completion{}) - C.sizeof_struct_ringo_completion)
	_ = uint(C.sizeof_struct_ringo_options - unsafe.Sizeof(Options{}))
	_ = uint(unsafe.Sizeof(Options{}) - C.sizeof_struct_ringo_options)
	_ = uint(C.sizeof_struct_ringo_stats - unsafe.Sizeof(Stats{}))
	_ = uint(unsafe.Sizeof(Stats{}) - C.sizeof_struct_ringo_stats)
	_ = uint(C.sizeof_struct_ringo_in_flight - unsafe.Sizeof(InFlight{}))
	_ = uint(unsafe.Sizeof(InFlight{}) - C.sizeof_struct_ringo_in_flight)
)

// errnoOf gives nil for 0 and a [syscall.Errno] for -errno.
func errnoOf(ret C.int) error {
	if ret >= 0 {
		return nil
	}
	return syscall.Errno(-ret)
}

// A Deliverer takes the completions of one turn on the loop's goroutine. It may write new ops to
// outbox, whose last SlotlessRoom places are for as many of Cancel and ReturnBuffer wherever they
// stand; it returns how many it wrote, and whether it wants to be called again after the next turn
// even if nothing completes. Neither slice may be kept.
type Deliverer interface {
	Deliver(completions []Completion, outbox []Op) (written int, again bool)
}

// A Loop is struct ringo_loop. OpenLoop, Run and Close are for one goroutine locked to its thread;
// the other methods are safe for concurrent use between OpenLoop and Close.
type Loop struct {
	c         *C.struct_ringo_loop
	deliverer Deliverer
}

// running finds a loop by the context that C hands back: integers cross, not pointers. The slice
// is replaced, never changed.
var (
	running   atomic.Pointer[[]*Loop]
	runningMu sync.Mutex
)

func addRunning(l *Loop) C.uintptr_t {
	runningMu.Lock()
	defer runningMu.Unlock()
	var loops []*Loop
	if old := running.Load(); old != nil {
		loops = append(loops, *old...)
	}
	for i := range loops {
		if loops[i] == nil {
			loops[i] = l
			running.Store(&loops)
			return C.uintptr_t(i)
		}
	}
	loops = append(loops, l)
	running.Store(&loops)
	return C.uintptr_t(len(loops) - 1)
}

func removeRunning(context C.uintptr_t) {
	runningMu.Lock()
	defer runningMu.Unlock()
	loops := append([]*Loop(nil), *running.Load()...)
	loops[context] = nil
	running.Store(&loops)
}

//export ringoDeliver
func ringoDeliver(context C.uintptr_t, completions *C.struct_ringo_completion, count C.uint32_t,
	ops *C.struct_ringo_op, room C.uint32_t) C.uint32_t {
	l := (*running.Load())[context]
	written, again := l.deliverer.Deliver(
		unsafe.Slice((*Completion)(unsafe.Pointer(completions)), count),
		unsafe.Slice((*Op)(unsafe.Pointer(ops)), room+C.RINGO_SLOTLESS_ROOM))
	if again {
		return C.uint32_t(written) | C.RINGO_DELIVER_AGAIN
	}
	return C.uint32_t(written)
}

// OpenLoop is ringo_loop_open.
func OpenLoop(options *Options) (*Loop, error) {
	l := new(Loop)
	ret := C.ringo_loop_open((*C.struct_ringo_options)(unsafe.Pointer(options)), &l.c)
	return l, errnoOf(ret)
}

// Run is ringo_loop_run.
func (l *Loop) Run(d Deliverer) error {
	l.deliverer = d
	context := addRunning(l)
	defer removeRunning(context)
	return errnoOf(C.ringo_loop_run(l.c, C.ringo_deliver(unsafe.Pointer(C.ringoDeliver)), context))
}

// Post is ringo_post.
func (l *Loop) Post(ops []Op, flags uint32) error {
	return errnoOf(C.ringo_post(l.c, (*C.struct_ringo_op)(unsafe.Pointer(unsafe.SliceData(ops))),
		C.uint32_t(len(ops)), C.uint32_t(flags)))
}

// Wake is ringo_wake.
func (l *Loop) Wake() { C.ringo_wake(l.c) }

// Stop is ringo_loop_stop.
func (l *Loop) Stop(how StopHow) { C.ringo_loop_stop(l.c, C.enum_ringo_stop(how)) }

// Close is ringo_loop_close.
func (l *Loop) Close() { C.ringo_loop_close(l.c) }

// Stats is ringo_loop_stats.
func (l *Loop) Stats() (s Stats) {
	C.ringo_loop_stats(l.c, (*C.struct_ringo_stats)(unsafe.Pointer(&s)))
	return s
}

// InFlight is ringo_loop_in_flight: for the loop's goroutine, in a delivery.
func (l *Loop) InFlight() []InFlight {
	list := make([]InFlight, C.ringo_loop_in_flight(l.c, nil, 0))
	C.ringo_loop_in_flight(l.c, (*C.struct_ringo_in_flight)(unsafe.Pointer(unsafe.SliceData(list))), C.uint32_t(len(list)))
	return list
}

// CodeName is ringo_code_name.
func CodeName(code Code) string { return C.GoString(C.ringo_code_name(C.uint32_t(code))) }

// Backend is ringo_loop_backend: the backend in use, and the error that auto fell back for.
func (l *Loop) Backend() (backend uint32, fallback error) {
	var why C.int
	backend = uint32(C.ringo_loop_backend(l.c, &why))
	return backend, errnoOf(why)
}

// Buffers gives the memory of the provided receive buffers, and the size of each.
func (l *Loop) Buffers() (memory []byte, size int) {
	var base *C.uchar
	var each C.uint32_t
	count := C.ringo_loop_buffers(l.c, &base, &each)
	return unsafe.Slice((*byte)(unsafe.Pointer(base)), int(count)*int(each)), int(each)
}

// A Batch is struct ringo_batch. One goroutine at a time may use it, on any thread; Cancel may be
// called by another one during Run.
type Batch struct {
	c *C.struct_ringo_batch
}

// OpenBatch is ringo_batch_open.
func OpenBatch(options *Options) (*Batch, error) {
	b := new(Batch)
	ret := C.ringo_batch_open((*C.struct_ringo_options)(unsafe.Pointer(options)), &b.c)
	return b, errnoOf(ret)
}

// Run is ringo_batch_run; completions must be as long as ops.
func (b *Batch) Run(ops []Op, cancellable bool, completions []Completion) error {
	_ = completions[:len(ops)]
	return errnoOf(C.ringo_batch_run(b.c, (*C.struct_ringo_op)(unsafe.Pointer(unsafe.SliceData(ops))),
		C.uint32_t(len(ops)), C.bool(cancellable),
		(*C.struct_ringo_completion)(unsafe.Pointer(unsafe.SliceData(completions)))))
}

// Step is ringo_batch_step; completions must have room for the batch's depth.
func (b *Batch) Step(ops []Op, wait int, timeoutNS int64, completions []Completion) (int, error) {
	ret := C.ringo_batch_step(b.c, (*C.struct_ringo_op)(unsafe.Pointer(unsafe.SliceData(ops))),
		C.uint32_t(len(ops)), C.uint32_t(wait), C.int64_t(timeoutNS),
		(*C.struct_ringo_completion)(unsafe.Pointer(unsafe.SliceData(completions))))
	return int(ret), errnoOf(ret)
}

// Entries is ringo_batch_entries.
func (b *Batch) Entries() uint64 { return uint64(C.ringo_batch_entries(b.c)) }

// Settle is ringo_batch_settle.
func (b *Batch) Settle() error { return errnoOf(C.ringo_batch_settle(b.c)) }

// Cancel is ringo_batch_cancel.
func (b *Batch) Cancel() { C.ringo_batch_cancel(b.c) }

// Close is ringo_batch_close.
func (b *Batch) Close() { C.ringo_batch_close(b.c) }

// Probe is ringo_probe.
func Probe() (Features, error) {
	var c C.struct_ringo_features
	if err := errnoOf(C.ringo_probe(&c)); err != nil {
		return Features{}, err
	}
	f := Features{
		Backend:      uint32(c.backend),
		SetupFlags:   uint32(c.setup_flags),
		RingFeatures: uint32(c.ring_features),
		Liburing:     C.GoString(&c.liburing[0]),
	}
	if c.uring_error != 0 {
		f.UringError = syscall.Errno(-c.uring_error)
	}
	for code := range CodeCount {
		f.Ops = append(f.Ops, OpSupport{
			Name:   C.GoString(C.ringo_code_name(C.uint32_t(code))),
			Kernel: C.GoString(C.ringo_code_kernel(C.uint32_t(code))),
			How:    uint8(c.supported[code]),
		})
	}
	for i := range C.uint32_t(C.RINGO_ABILITIES) {
		f.Abilities = append(f.Abilities, OpSupport{
			Name:   C.GoString(C.ringo_ability_name(i)),
			Kernel: C.GoString(C.ringo_ability_kernel(i)),
			How:    uint8(c.abilities[i]),
		})
	}
	return f, nil
}
