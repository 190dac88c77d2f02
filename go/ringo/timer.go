package ringo

import (
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// A timerWheel holds the timers of a loop's connections. A timer costs two stores to move into
// the future, which is what nearly every request does: its place in the wheel stays until that
// comes up, and is then taken anew. Timers fire up to a tick late.
type timerWheel struct {
	loop  *loop
	start time.Time
	tick  uint64 // the last one run
	slots [wheelSlots]*Conn
	count int
	armed bool

	turning bool // timers are being run
}

const (
	wheelTick  = 100 * time.Millisecond
	wheelSlots = 256
)

func (w *timerWheel) init(l *loop) {
	w.loop = l
	w.start = time.Now()
}

func (w *timerWheel) now() uint64 { return uint64(time.Since(w.start) / wheelTick) }

// set makes c's timer fire in d, or never when d is 0.
func (w *timerWheel) set(c *Conn, d time.Duration) {
	if d <= 0 {
		c.deadline = 0
		return
	}
	if w.count == 0 && !w.turning {
		w.tick = w.now()
	}
	c.deadline = w.tick + uint64((d+wheelTick-1)/wheelTick) + 1
	if c.wheeled && c.place <= c.deadline {
		return
	}
	if c.wheeled {
		w.remove(c)
	}
	w.insert(c)
}

// insert puts c where its deadline, or at least the wheel's horizon, comes up.
func (w *timerWheel) insert(c *Conn) {
	c.place = min(c.deadline, w.tick+wheelSlots-1)
	slot := &w.slots[c.place%wheelSlots]
	c.wheelNext, c.wheelPrevious = *slot, nil
	if *slot != nil {
		(*slot).wheelPrevious = c
	}
	*slot = c
	c.wheeled = true
	w.count++
	w.arm()
}

func (w *timerWheel) remove(c *Conn) {
	if !c.wheeled {
		return
	}
	if c.wheelPrevious == nil {
		w.slots[c.place%wheelSlots] = c.wheelNext
	} else {
		c.wheelPrevious.wheelNext = c.wheelNext
	}
	if c.wheelNext != nil {
		c.wheelNext.wheelPrevious = c.wheelPrevious
	}
	c.wheelNext, c.wheelPrevious = nil, nil
	c.wheeled = false
	w.count--
}

// arm keeps one timeout in flight while there are timers.
func (w *timerWheel) arm() {
	if w.armed || w.count == 0 {
		return
	}
	op := csrc.Op{Code: csrc.Timeout, Argument2: uint64(wheelTick)}
	_, err := w.loop.postOwn(&op, (*wheelTurn)(w))
	w.armed = err == nil
}

// A wheelTurn is the sink of the wheel's timeout.
type wheelTurn timerWheel

func (t *wheelTurn) complete(_ *loop, c *csrc.Completion) {
	w := (*timerWheel)(t)
	w.armed = false
	if c.Result == 0 { // else the loop is stopping, and connections are told in another way
		// Now, while what the last timeout used is free for the next one.
		w.arm()
	}
	w.turning = true
	for now := w.now(); w.tick < now; {
		w.tick++
		w.run(w.tick)
	}
	w.turning = false
}

// run fires the timers of one tick, and moves those that were set anew meanwhile. What a timer
// does may remove or move any other, so the list is looked at afresh each time; it gets nothing
// new, for all within the horizon have places of their own.
func (w *timerWheel) run(tick uint64) {
	slot := &w.slots[tick%wheelSlots]
	for *slot != nil {
		c := *slot
		w.remove(c)
		switch {
		case c.deadline == 0:
		case c.deadline <= tick:
			c.deadline = 0
			c.fireTimer()
		default:
			w.insert(c)
		}
	}
}
