package workload

import (
	"github.com/ringo-io/ringo/go/workload/engine"
)

// A stepLane does one I/O after the other by a synchronous engine.
type stepLane struct {
	clone  *clone
	engine engine.Synchronous
	slot   int
	buffer []byte
	record *recorder
	depth  int // of all the lanes of the clone
}

func (l *stepLane) recorded() *recorder { return l.record }

func (l *stepLane) run() {
	c := l.clone
	io := &engine.IO{Slot: l.slot}
	for !c.stopping.Load() {
		switch c.source.next(io, l.buffer) {
		case over:
			return
		case drain:
			c.rest(c.source)
			continue
		}
		if io.Intended > 0 && !c.sleepUntil(io.Intended) {
			return
		}
		l.do(io)
		c.source.ended(io)
	}
}

func (l *stepLane) do(io *engine.IO) {
	c, r := l.clone, l.record
	clocked := r.clocked() || io.Op >= engine.Fsync
	if clocked {
		io.Made = c.now()
		io.Submitted = io.Made
	}
	for again := true; again; {
		l.engine.Do(io)
		r.stats.Submits.AddBatch(1)
		r.stats.Reaps.AddBatch(1)
		r.stats.Depths.AddDepth(max(l.depth, 1), 1)
		now := io.Made
		if clocked {
			now = c.now()
		}
		again = r.ended(io, now)
	}
}
