package workload

import (
	"fmt"
	"time"

	"github.com/ringo-io/ringo/go/workload/engine"
	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// A queueLane keeps I/Os in flight by an engine with a queue. What iodepth, iodepth_low and the batch options
// mean is what they mean to fio: unless told otherwise, one submission and one completion at a time.
type queueLane struct {
	clone    *clone
	queue    engine.Queue
	record   *recorder
	buffers  [][]byte
	free     []*engine.IO
	done     []*engine.IO
	pending  []*engine.IO // queued, not yet submitted
	inFlight int          // submitted
	depth    jobfile.Depth
	broken   bool
}

func newQueueLane(c *clone, q engine.Queue, buffers [][]byte, r *recorder) *queueLane {
	d := c.job.Depth
	d.Limit = max(d.Limit, 1)
	d.Submit = min(max(d.Submit, 1), d.Limit)
	d.CompleteMax = min(max(d.CompleteMax, d.CompleteMin, 1), d.Limit)
	if d.Low <= 0 || d.Low > d.Limit {
		d.Low = d.Limit
	}
	if d.Auto {
		// All that is free is submitted in one go, and all that has ended is taken.
		d.Submit, d.CompleteMin, d.CompleteMax, d.Low = d.Limit, 1, d.Limit, d.Limit
	}
	l := &queueLane{clone: c, queue: q, record: r, buffers: buffers, depth: d, done: make([]*engine.IO, d.Limit)}
	for slot := range d.Limit {
		l.free = append(l.free, &engine.IO{Slot: slot})
	}
	return l
}

func (l *queueLane) recorded() *recorder { return l.record }

func (l *queueLane) run() {
	c := l.clone
	for !c.stopping.Load() && !l.broken {
		if len(l.free) == 0 {
			l.submit()
			l.reapDown(l.depth.Low)
			continue
		}
		io := l.free[len(l.free)-1]
		switch c.source.next(io, l.buffers[io.Slot]) {
		case over:
			l.drain()
			return
		case drain:
			l.drain()
			c.rest(c.source)
			continue
		}
		l.free = l.free[:len(l.free)-1]
		if io.Intended > 0 && !l.waitFor(io.Intended) {
			l.free = append(l.free, io)
			break
		}
		l.queueOne(io)
		if len(l.pending) >= l.depth.Submit {
			l.submit()
		}
		if l.depth.CompleteMin == 0 && len(l.free) > 0 {
			l.reap(0, 0)
		}
	}
	l.drain()
}

func (l *queueLane) queueOne(io *engine.IO) {
	if l.record.clocked() || io.Op >= engine.Fsync {
		io.Made = l.clone.now()
	}
	l.pending = append(l.pending, io)
	l.queue.Queue(io)
}

// submit hands over what is pending.
func (l *queueLane) submit() {
	for len(l.pending) > 0 && !l.broken {
		n, err := l.queue.Submit()
		if err != nil {
			l.fail("submitting", err)
			return
		}
		if n == 0 { // No room in the kernel: room comes with what ends.
			l.reap(1, -1)
			continue
		}
		now := l.pending[0].Made
		if l.record.clocked() || l.record.clone.syncs() {
			now = l.clone.now()
		}
		l.inFlight += n
		for _, io := range l.pending[:n] {
			io.Submitted = now
		}
		l.record.stats.Submits.AddBatch(n)
		l.record.stats.Depths.AddDepth(l.inFlight, n)
		l.pending = append(l.pending[:0], l.pending[n:]...)
	}
}

// reapDown takes what has ended until no more than low are in flight, and at least once.
func (l *queueLane) reapDown(low int) {
	for {
		l.reap(max(min(l.depth.CompleteMin, l.inFlight), 1), -1)
		if l.broken || l.inFlight <= low || l.depth.Low == l.depth.Limit {
			return
		}
	}
}

// reap waits for at least so many, and accounts for all that it gets.
func (l *queueLane) reap(least int, timeout time.Duration) {
	if l.inFlight == 0 {
		return
	}
	n, err := l.queue.Reap(l.done[:min(l.depth.CompleteMax, len(l.done))], min(least, l.inFlight), timeout)
	if err != nil {
		l.fail("waiting for completions", err)
		return
	}
	if n == 0 {
		return
	}
	l.record.stats.Reaps.AddBatch(n)
	l.inFlight -= n
	var now int64
	if l.record.clocked() || l.record.clone.syncs() {
		now = l.clone.now()
	}
	for _, io := range l.done[:n] {
		if l.record.ended(io, now) {
			l.pending = append(l.pending, io)
			l.queue.Queue(io)
			continue
		}
		l.clone.source.ended(io)
		l.free = append(l.free, io)
	}
}

// drain lets everything end.
func (l *queueLane) drain() {
	for (l.inFlight > 0 || len(l.pending) > 0) && !l.broken {
		l.submit()
		l.reap(1, -1)
	}
}

// waitFor lets the clock reach a time while completions are taken. It is false when the clone is to end.
func (l *queueLane) waitFor(when int64) bool {
	c := l.clone
	for {
		now := c.now()
		if now >= when || c.stopping.Load() || l.broken {
			return !c.stopping.Load() && !l.broken
		}
		l.submit()
		if l.inFlight == 0 {
			return c.sleepUntil(when)
		}
		l.reap(1, min(time.Duration(when-now), napLength))
	}
}

// fail ends the clone: the engine can no longer be trusted.
func (l *queueLane) fail(doing string, err error) {
	l.broken = true
	l.clone.failWith(fmt.Errorf("%s, %d in flight: %w", doing, l.inFlight, err))
}
