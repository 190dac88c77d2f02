package ringo

import (
	"context"
	"sync"

	"github.com/ringo-io/ringo/csrc"
)

// A sink takes the completions of one operation, on the loop's goroutine. The last one has no
// csrc.More; the sink may be posted again from then on.
type sink interface {
	complete(l *loop, c *csrc.Completion)
}

// A ticket names an operation in flight: generation << 32 | index of its waiter. It is what the
// core knows as user_data. Zero is none.
type ticket uint64

type waiter struct {
	sink       sink
	generation uint32
	code       uint8 // of the operation
	next       int32 // on a free list; -1 ends it
}

// waiters is a loop's table of operations in flight. Those below depth are for posts from
// anywhere and are handed out under mu; the others are for what the loop's own goroutine posts,
// which needs no lock, and are a reserve no one else can use up.
type waiters struct {
	table      []waiter
	ownFree    int32 // -1: none
	ownTouched int32 // those from here on were never used

	mu     sync.Mutex
	free   int32
	lent   int
	closed bool            // lends to calls already under way only
	ended  bool            // lends to no one
	queue  []chan struct{} // blocking posts waiting for a waiter, oldest first
	idle   sync.Cond       // signalled when none is lent
}

const sinkless = ticket(0)

func newWaiters(depth, reserve int) *waiters {
	w := &waiters{table: make([]waiter, depth+reserve), free: 0, ownFree: -1, ownTouched: int32(depth)}
	w.idle.L = &w.mu
	for i := range depth {
		w.table[i].next = int32(i) + 1
	}
	w.table[depth-1].next = -1
	return w
}

func (w *waiters) arm(index int32, code csrc.Code, s sink) ticket {
	waiter := &w.table[index]
	waiter.sink, waiter.code = s, uint8(code)
	waiter.generation++
	if waiter.generation == 0 {
		waiter.generation = 1
	}
	return ticket(waiter.generation)<<32 | ticket(index)
}

// takeOwn is for the loop's goroutine; false means that the reserve is used up.
func (w *waiters) takeOwn(code csrc.Code, s sink) (ticket, bool) {
	index := w.ownFree
	switch {
	case index >= 0:
		w.ownFree = w.table[index].next
	case int(w.ownTouched) < len(w.table):
		index = w.ownTouched
		w.ownTouched++
	default:
		return sinkless, false
	}
	return w.arm(index, code, s), true
}

// tryTake is for any other goroutine.
func (w *waiters) tryTake(code csrc.Code, s sink) (ticket, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return sinkless, ErrClosed
	case w.free < 0 || len(w.queue) > 0:
		return sinkless, ErrFull
	}
	return w.takeLocked(code, s), nil
}

func (w *waiters) takeLocked(code csrc.Code, s sink) ticket {
	index := w.free
	w.free = w.table[index].next
	w.lent++
	return w.arm(index, code, s)
}

// take waits for a free waiter until ctx ends; held is for calls that began before close. Who has
// not waited yet lets those go first who have.
func (w *waiters) take(ctx context.Context, code csrc.Code, s sink, held bool) (ticket, error) {
	for patient := false; ; patient = true {
		w.mu.Lock()
		if w.ended || (w.closed && !held) {
			w.mu.Unlock()
			return sinkless, ErrClosed
		}
		if w.free >= 0 && (patient || len(w.queue) == 0) {
			t := w.takeLocked(code, s)
			w.mu.Unlock()
			return t, nil
		}
		turn := make(chan struct{}, 1)
		w.queue = append(w.queue, turn)
		w.mu.Unlock()
		select {
		case <-turn:
		case <-ctx.Done():
			w.leaveQueue(turn)
			return sinkless, context.Cause(ctx)
		}
	}
}

// leaveQueue gives up a place in the queue, or passes on the turn that came meanwhile.
func (w *waiters) leaveQueue(turn chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, c := range w.queue {
		if c == turn {
			w.queue = append(w.queue[:i], w.queue[i+1:]...)
			return
		}
	}
	w.wakeLocked(1)
}

func (w *waiters) wakeLocked(n int) {
	n = min(n, len(w.queue))
	for _, turn := range w.queue[:n] {
		turn <- struct{}{}
	}
	w.queue = w.queue[n:]
}

// giveOwn is for the loop's goroutine.
func (w *waiters) giveOwn(index int32) {
	w.table[index].sink = nil
	w.table[index].next = w.ownFree
	w.ownFree = index
}

// give returns waiters taken by take or tryTake.
func (w *waiters) give(indexes []int32) {
	if len(indexes) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, index := range indexes {
		w.table[index].sink = nil
		w.table[index].next = w.free
		w.free = index
	}
	w.lent -= len(indexes)
	w.wakeLocked(len(indexes))
	if w.lent == 0 {
		w.idle.Signal()
	}
}

// close refuses all further takes but those of calls under way.
func (w *waiters) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.wakeLocked(len(w.queue))
}

// end waits until no waiter is lent, and refuses all takes from then on.
func (w *waiters) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.lent > 0 {
		w.idle.Wait()
	}
	w.closed, w.ended = true, true
	w.wakeLocked(len(w.queue))
}

// sinkOf finds the sink of a completion.
func (w *waiters) sinkOf(userData uint64) sink {
	waiter := &w.table[uint32(userData)]
	if waiter.generation != uint32(userData>>32) {
		return nil
	}
	return waiter.sink
}
