package ringo

import (
	"context"
	"errors"
	"runtime"
	"runtime/trace"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// A loop is the Go side of one C loop: the goroutine that is locked to its thread and stays in C
// for its life, and the table of who waits for what.
//
// Fields below "own" belong to that goroutine, which runs Go code only inside Deliver.
type loop struct {
	engine  *Engine
	opened  time.Time
	index   int   // in engine.loops
	posted  int32 // waiters below this index are for posts from anywhere
	c       *csrc.Loop
	waiters *waiters
	self    atomic.Uintptr // what caller() gives on the loop's goroutine; 0 when it has ended
	done    chan struct{}
	runErr  error // set before done is closed

	// gate keeps c open for those who hold no waiter that would.
	gate sync.RWMutex
	gone bool
	last csrc.Stats // when gone

	asked struct { // what to do in the next delivery
		mu   sync.Mutex
		list []func()
	}

	slow atomic.Uint64 // deliveries that took too long

	stopMu  sync.Mutex
	stopped csrc.StopHow // what the core was told

	// own
	delivering bool
	running    uint8 // the code of the operation whose completion is being handled

	outbox   []csrc.Op // C's memory, during a delivery
	written  int
	slotted  int       // of those written, how many need a slot
	overflow []csrc.Op // what had no room in the outbox
	freed    []int32   // posted waiters whose operation ended in this delivery
	yields   yields
	buffers  []byte
	bufSize  int
	wheel    timerWheel
	clock    time.Time // of this delivery, when somebody asked
	turn     uint64    // deliveries so far
	chunks   *chunk    // idle ones kept here, without the pool's lock
	ports    map[*port]struct{}
	dialled  port // of connections that Dial made
	conns    int  // of all ports
	room     int  // for connections
	arena    arena
	stirred  []*Conn // who may have something to send at the end of this delivery

	acceptAhead int // how many an accept without a limit can take before it is told to stop
}

// openLoop starts a loop's goroutine and waits until its ring is open.
func openLoop(e *Engine, c *config) (*loop, error) {
	l := &loop{
		engine:  e,
		opened:  time.Now(),
		index:   len(e.loops),
		posted:  int32(c.ring.Depth),
		waiters: newWaiters(int(c.ring.Depth), int(c.ring.Reserve)),
		done:    make(chan struct{}),
		ports:   map[*port]struct{}{},
		yields:  yields{always: runtime.GOMAXPROCS(0) == 1},
	}
	opened := make(chan error)
	go l.run(&c.ring, opened)
	if err := <-opened; err != nil {
		return nil, err
	}
	return l, nil
}

// run is the loop's goroutine. It never unlocks its thread, so the thread ends with it: a thread
// that was a ring's single issuer is of no use to others.
func (l *loop) run(options *csrc.Options, opened chan<- error) {
	runtime.LockOSThread()
	var err error
	l.c, err = csrc.OpenLoop(options)
	if err != nil {
		opened <- err
		return
	}
	l.self.Store(caller())
	l.buffers, l.bufSize = l.c.Buffers()
	l.wheel.init(l)
	l.initPorts(options)
	opened <- nil
	if l.runErr = l.c.Run(l); l.runErr != nil && l.engine.logger != nil {
		l.engine.logger.Error("ringo: a loop failed; what was in flight there may never end", "loop", l.index, "err", l.runErr)
	}
	for p := range l.ports {
		p.abandon()
	}
	l.self.Store(0)
	l.waiters.end() // waits for posters on their way to a refused post
	l.close()
	close(l.done)
}

// Deliver implements csrc.Deliverer.
func (l *loop) Deliver(completions []csrc.Completion, outbox []csrc.Op) (written int, again bool) {
	defer l.leave()
	l.delivering = true
	if trace.IsEnabled() {
		defer trace.StartRegion(context.Background(), "ringo: delivery").End()
	}
	begin := time.Since(l.opened)
	l.outbox, l.clock = outbox, time.Time{}
	l.turn++
	l.written, l.slotted = 0, 0
	l.putOverflow()
	if l.engine.logger == nil {
		for i := range completions {
			l.complete(&completions[i])
		}
	} else {
		for i := range completions {
			l.completeTimed(&completions[i])
		}
	}
	l.sendStirred()
	if time.Since(l.opened)-begin > l.engine.slow {
		l.slow.Add(1)
	}
	l.waiters.give(l.freed)
	l.freed = l.freed[:0]
	l.outbox = nil
	if l.yields.due(len(completions)) {
		runtime.Gosched()
	}
	l.delivering = false
	return l.written, len(l.overflow) > 0
}

// sendStirred looks at the queues that handlers have put something in. Who is told of an end here may
// stir others.
func (l *loop) sendStirred() {
	for i := 0; i < len(l.stirred); i++ {
		l.stirred[i].sendNext()
	}
	clear(l.stirred)
	l.stirred = l.stirred[:0]
}

// complete hands a completion to its sink; the waiter is free before a final one runs, so that
// the sink may post again at once.
func (l *loop) complete(c *csrc.Completion) {
	switch c.UserData {
	case uint64(sinkless): // A cancel's own.
		return
	case askTicket:
		l.answer()
		return
	}
	s := l.waiters.sinkOf(c.UserData)
	l.running = l.waiters.table[uint32(c.UserData)].code
	if c.Flags&csrc.More == 0 {
		index := int32(uint32(c.UserData))
		if index >= l.posted {
			l.waiters.giveOwn(index)
		} else {
			l.freed = append(l.freed, index)
		}
	}
	if s != nil {
		s.complete(l, c)
	}
}

// onLoop reports whether the caller is the loop's own goroutine, in a delivery.
func (l *loop) onLoop() bool { return caller() == l.self.Load() }

// put queues an op from the loop's own goroutine for the next turn.
func (l *loop) put(op *csrc.Op) {
	if len(l.overflow) > 0 || !l.fits(op) {
		l.overflow = append(l.overflow, *op)
	}
}

// putOverflow queues what did not fit before, in order: a cancel stays behind its operation.
func (l *loop) putOverflow() {
	n := 0
	for n < len(l.overflow) && l.fits(&l.overflow[n]) {
		n++
	}
	l.overflow = l.overflow[:copy(l.overflow, l.overflow[n:])]
}

// fits queues op if the outbox has room for it. The last places are for ops that need no slot, for
// they may be what a loop that is full waits for.
func (l *loop) fits(op *csrc.Op) bool {
	slotless := op.Code == csrc.Cancel || op.Code == csrc.ReturnBuffer
	if l.written == len(l.outbox) || (!slotless && l.slotted == len(l.outbox)-csrc.SlotlessRoom) {
		return false
	}
	// Field by field: a wide copy of what was written a moment ago in parts waits for all of them
	// to reach the cache, which is a tenth of a NOP.
	to := &l.outbox[l.written]
	to.UserData, to.Code, to.Flags, to.FD = op.UserData, op.Code, op.Flags, op.FD
	to.Address, to.Length, to.Offset = op.Address, op.Length, op.Offset
	to.FD2, to.Argument, to.Address2, to.Argument2 = op.FD2, op.Argument, op.Address2, op.Argument2
	l.written++
	if !slotless {
		l.slotted++
	}
	return true
}

// postOwn posts op from the loop's own goroutine.
func (l *loop) postOwn(op *csrc.Op, s sink) (ticket, error) {
	if l.outbox == nil { // Not in a delivery: the core has ended, and port.abandon is at work.
		return sinkless, ErrClosed
	}
	t, ok := l.waiters.takeOwn(op.Code, s)
	if !ok {
		return sinkless, ErrFull
	}
	op.UserData = uint64(t)
	l.put(op)
	return t, nil
}

// post posts op from any goroutine, without waiting for anything.
func (l *loop) post(op *csrc.Op, s sink) (ticket, error) {
	if l.onLoop() {
		if l.engine.refusing.Load() { // Else a chain of callbacks would keep Close from ending.
			return sinkless, ErrClosed
		}
		return l.postOwn(op, s)
	}
	t, err := l.waiters.tryTake(op.Code, s)
	if err != nil {
		return sinkless, err
	}
	return t, l.send(op, t, 0)
}

// A poster is one of the two ways to post an op: loop.post never waits, loop.waiting does.
type poster func(*csrc.Op, sink) (ticket, error)

// waiting is postBlocking as a poster.
func (l *loop) waiting(ctx context.Context) poster {
	return func(op *csrc.Op, s sink) (ticket, error) { return l.postBlocking(ctx, op, s, true) }
}

// postBlocking posts op from a goroutine that may wait, until ctx ends, for a full engine; the
// op is not held back. A caller that has one of the engine's holds may post while it closes.
func (l *loop) postBlocking(ctx context.Context, op *csrc.Op, s sink, held bool) (ticket, error) {
	t, err := l.waiters.take(ctx, op.Code, s, held)
	if err != nil {
		return sinkless, err
	}
	return t, l.send(op, t, csrc.PostFlush)
}

// send crosses into C with an op whose waiter is taken, and gives the waiter back on refusal.
func (l *loop) send(op *csrc.Op, t ticket, flags uint32) error {
	op.UserData = uint64(t)
	ops := [1]csrc.Op{*op}
	err := l.c.Post(ops[:], flags)
	if err == nil {
		return nil
	}
	// Never EAGAIN: the core counts an op as ended just before it delivers it, the table just
	// after, so a free waiter has room in the core.
	if errors.Is(err, syscall.ESHUTDOWN) {
		err = ErrClosed
	}
	l.waiters.give([]int32{int32(uint32(t))})
	return err
}

// cancel asks the operation t to end. It is never refused for fullness for long: the core takes
// as many cancels as operations.
func (l *loop) cancel(t ticket) {
	op := csrc.Op{Code: csrc.Cancel, Argument: csrc.CancelUserData, Argument2: uint64(t)}
	if l.onLoop() {
		l.put(&op)
		return
	}
	l.postSlotless(&op)
}

// postSlotless posts an op that needs no slot, from another goroutine; false when the loop has ended.
func (l *loop) postSlotless(op *csrc.Op) bool {
	l.gate.RLock()
	defer l.gate.RUnlock()
	ops := [1]csrc.Op{*op}
	err := error(syscall.EAGAIN)
	for !l.gone && errors.Is(err, syscall.EAGAIN) {
		if err = l.c.Post(ops[:], csrc.PostFlush); errors.Is(err, syscall.EAGAIN) {
			runtime.Gosched()
		}
	}
	return err == nil
}

func (l *loop) close() {
	l.gate.Lock()
	defer l.gate.Unlock()
	l.last = l.c.Stats()
	l.gone = true
	l.c.Close()
}

// stop tells the core to stop, but never to cancel less than it was told before.
func (l *loop) stop(how csrc.StopHow) {
	l.stopMu.Lock()
	defer l.stopMu.Unlock()
	l.gate.RLock()
	defer l.gate.RUnlock()
	if !l.gone && how > l.stopped {
		l.stopped = how
		l.c.Stop(how)
	}
}

// wake submits what is held back.
func (l *loop) wake() {
	l.gate.RLock()
	defer l.gate.RUnlock()
	if !l.gone {
		l.c.Wake()
	}
}

func (l *loop) stats() csrc.Stats {
	l.gate.RLock()
	defer l.gate.RUnlock()
	if l.gone {
		return l.last
	}
	return l.c.Stats()
}

// now is one time for the whole delivery.
func (l *loop) now() time.Time {
	if l.clock.IsZero() {
		l.clock = time.Now()
	}
	return l.clock
}

// takeChunk and giveChunk are the engine's pool for the loop's own goroutine.
func (l *loop) takeChunk() *chunk {
	c := l.chunks
	if c == nil {
		return l.engine.chunks.take()
	}
	l.chunks = c.next
	return c
}

func (l *loop) giveChunk(c *chunk) {
	c.next = l.chunks
	l.chunks = c
}

// A loopFunc is a sink that runs on the loop.
type loopFunc func(*loop)

func (f loopFunc) complete(l *loop, _ *csrc.Completion) { f(l) }

// do runs f on the loop's goroutine, in its next delivery.
func (l *loop) do(f func(*loop), held bool) error {
	_, err := l.postBlocking(context.Background(), &csrc.Op{Code: csrc.Nop}, loopFunc(f), held)
	return err
}
