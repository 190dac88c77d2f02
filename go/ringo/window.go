package ringo

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// A Window keeps operations in flight on a ring of its own, driven by the goroutine that uses it:
// one crossing into C starts what was submitted and brings what has ended. It is the cheapest way
// for one goroutine to keep a device busy: the speed is that of a C program.
//
//	for {
//		for w.InFlight() < 32 && more() {
//			w.Submit(next())
//		}
//		ended, err := w.Wait(1)
//		if err != nil || len(ended) == 0 {
//			break
//		}
//	}
//
// From its first Submit on, a Window keeps its goroutine on one thread, until a Wait has nothing
// left to wait for, or Close. So a Window is for one goroutine; only Engine.Shutdown and the end of
// its context reach it from elsewhere.
type Window struct {
	engine *Engine
	ring   *csrc.Batch
	depth  int

	flights   []flight // by user_data
	free      int32    // the first flight that is idle, or -1
	queue     []csrc.Op
	results   []csrc.Completion
	ended     []*Op // to be returned by Wait
	former    []*Op // returned by the last one
	pins      pins
	fixed     registration
	registers bool // its ring was opened with a table for buffers

	places     map[*File]int32 // in the table of registered files
	registered runtime.Pinner  // memory of WindowBuffers
	oneThread  bool            // locked to its thread until Close

	inFlight int   // submitted and not yet in ended
	started  int   // of those, what the ring has
	chain    int32 // the flight that the next Submit is linked to, or one of the two below
	timed    int   // flights with a deadline
	locked   bool  // to the thread; then the engine has a hold as well
	yields   yields

	ctx       context.Context
	stop      func() bool   // of the watch on ctx
	stopped   chan struct{} // closed when ctx has ended and the watch is over
	cancelled atomic.Bool   // by ctx or Shutdown
	broken    error         // the ring failed, and the kernel may still be using memory
	closed    bool
	entries   uint64 // once closed, when there is no ring to ask
}

// tagCancel marks the completions of cancels, which are nobody's.
const tagCancel = 1 << 63

// NewWindow opens a window of at most depth (1 to 32768) operations in flight. When ctx ends, what
// is in flight is cancelled and ends with the cause; later operations are refused with it. Close
// it. Safe for concurrent use.
func (e *Engine) NewWindow(ctx context.Context, depth int, options ...WindowOption) (*Window, error) {
	var setup windowSetup
	for _, o := range options {
		o(&setup)
	}
	if setup.oneThread {
		runtime.LockOSThread()
	}
	w, err := e.windows.open(e, depth, &setup)
	if err != nil {
		if setup.oneThread {
			runtime.UnlockOSThread()
		}
		return nil, err
	}
	w.oneThread = setup.oneThread
	if err := setup.register(w); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	w.watch(ctx)
	return w, nil
}

func newWindow(e *Engine, ring *csrc.Batch, depth int) *Window {
	w := &Window{engine: e, ring: ring, depth: depth, chain: chainNone,
		flights: make([]flight, depth),
		queue:   make([]csrc.Op, 0, 2*depth),
		results: make([]csrc.Completion, 2*depth),
		ended:   make([]*Op, 0, depth),
		former:  make([]*Op, 0, depth),
	}
	for i := range w.flights {
		w.flights[i].next = int32(i) + 1
	}
	w.flights[depth-1].next = -1
	return w
}

// watch cancels what is in flight when ctx ends.
func (w *Window) watch(ctx context.Context) {
	w.ctx = ctx
	if ctx.Done() == nil {
		return
	}
	stopped := make(chan struct{})
	w.stopped = stopped
	w.stop = context.AfterFunc(ctx, func() {
		defer close(stopped)
		w.engine.windows.cancelOne(w)
	})
}

// unwatch ends watch. A cancel that is on its way has come when it returns.
func (w *Window) unwatch() {
	if w.stop != nil && !w.stop() {
		<-w.stopped
	}
	w.stop, w.ctx = nil, nil
}

// why is the reason for a cancel.
func (w *Window) why() error {
	if w.ctx != nil && w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	return ErrClosed
}

// Depth is the most that can be in flight.
func (w *Window) Depth() int { return w.depth }

// Entries is how often the window has entered the kernel, by io_uring_enter(2), to start operations
// and to wait for them; 0 where there is no ring. After Close it stays what it was.
func (w *Window) Entries() uint64 {
	if w.closed {
		return w.entries
	}
	return w.ring.Entries()
}

// InFlight is how many operations were submitted and not yet returned by Wait.
func (w *Window) InFlight() int { return w.inFlight }

// Submit takes op in; it is started by the next Wait. It belongs to the window until Wait returns
// it. ErrFull: as many as the depth are in flight; the window's other errors are of the context, or
// ErrClosed. An op that is wrong in itself is taken, and ends with its error.
func (w *Window) Submit(op *Op) error {
	switch {
	case w.inFlight == w.depth:
		return ErrFull
	case w.broken != nil:
		return w.broken
	case w.closed:
		return ErrClosed
	case w.cancelled.Load():
		return w.why()
	}
	if !w.locked {
		if err := w.lock(); err != nil {
			return err
		}
	}
	w.take(op)
	return nil
}

// lock begins the use of the thread.
func (w *Window) lock() error {
	if w.engine.onSomeLoop() {
		return ErrWouldDeadlock
	}
	if err := w.engine.holds.take(); err != nil {
		return err
	}
	runtime.LockOSThread()
	w.locked = true
	w.fixed.register(w.engine, w.ring)
	return nil
}

// settle ends it; nothing is in flight.
func (w *Window) settle() error {
	if !w.locked && !w.cancelled.Load() {
		return nil
	}
	w.pins.free()
	err := w.ring.Settle()
	w.leave(err)
	return err
}

// leave gives the thread back, also from a broken ring.
func (w *Window) leave(broken error) {
	if w.locked {
		w.locked = false
		runtime.UnlockOSThread()
		w.engine.holds.give()
	}
	if broken != nil {
		w.broken = broken
		keepForEver(w)
	}
}

// Wait starts what was submitted, waits until at least n operations have ended, or all if fewer are
// in flight, and returns all that have: none when nothing is in flight. With n = 0 it does not wait.
// The slice is good until the next Wait; the operations are the caller's again. An error means that
// the ring is broken, and that operations may never end.
func (w *Window) Wait(n int) ([]*Op, error) { return w.wait(n, -1) }

// WaitFor is Wait for no longer than d.
func (w *Window) WaitFor(n int, d time.Duration) ([]*Op, error) { return w.wait(n, max(d, 0)) }

func (w *Window) wait(n int, d time.Duration) ([]*Op, error) {
	if w.broken != nil {
		return nil, w.broken
	}
	var giveUp time.Time
	if d > 0 {
		giveUp = time.Now().Add(d)
	}
	for once := true; once || (len(w.ended) < min(n, w.inFlight) && d != 0); once = false {
		if w.started == 0 {
			break
		}
		if err := w.step(n, w.sleep(d)); err != nil {
			w.leave(err)
			return nil, err
		}
		if d > 0 {
			d = max(0, time.Until(giveUp))
		}
	}
	if w.locked && w.yields.due(len(w.ended)) {
		runtime.Gosched()
	}
	w.inFlight -= len(w.ended)
	ended := w.ended
	w.ended, w.former = w.former[:0], ended
	if len(ended) == 0 && w.inFlight == 0 {
		return nil, w.settle()
	}
	return ended, nil
}

// sleep is how long a step may wait: until d is over or the next operation's time.
func (w *Window) sleep(d time.Duration) time.Duration {
	if w.timed == 0 {
		return d
	}
	now := time.Now()
	for i := range w.flights {
		f := &w.flights[i]
		if f.deadline.IsZero() || f.expired {
			continue
		}
		left := f.deadline.Sub(now)
		if left <= 0 {
			f.expired = true
			w.queue = append(w.queue, csrc.Op{Code: csrc.Cancel, UserData: tagCancel,
				Argument: csrc.CancelUserData, Argument2: uint64(i)})
		} else if d < 0 || left < d {
			d = left
		}
	}
	return d
}

// step is one crossing into C.
func (w *Window) step(n int, d time.Duration) error {
	missing := max(0, n-len(w.ended))
	got, err := w.ring.Step(w.queue, missing, int64(d), w.results)
	w.engine.batched.Add(uint64(max(got, 0)))
	if err != nil {
		return err
	}
	w.queue = w.queue[:0]
	for i := range w.results[:got] {
		w.complete(&w.results[i])
	}
	return nil
}

// Close cancels what is in flight, waits for its end and gives the ring back. What had not been
// returned by Wait is not returned any more. Only the window's goroutine may call it.
func (w *Window) Close() error {
	if w.closed {
		return ErrClosed
	}
	w.closed = true
	err := w.drain()
	w.entries = w.ring.Entries()
	w.unwatch()
	w.engine.windows.discard(w)
	if w.broken == nil {
		w.registered.Unpin()
	}
	if w.oneThread {
		runtime.UnlockOSThread()
	}
	return err
}

// drain cancels and waits.
func (w *Window) drain() error {
	if w.broken != nil {
		return w.broken
	}
	for w.inFlight > 0 {
		w.engine.windows.cancelOne(w)
		if _, err := w.Wait(w.inFlight); err != nil {
			return err
		}
	}
	return w.settle()
}
