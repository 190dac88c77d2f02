package ringo

import (
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// A timerWheel holds the timers of a loop's connections. A timer costs two stores to move into
// the future, which is what nearly every request does: its place in the wheel stays until that
// comes up, and is then taken anew. Timers fire up to a tick late, or as many turns as it takes to
// fire those before them: a crowd may have been silent since one moment.
type timerWheel struct {
	loop  *loop
	start time.Time
	tick  uint64 // the last one whose place came up
	slots [wheelSlots]*Conn
	due   *Conn // those to fire
	dues  int   // how many
	count int
	armed bool
}

const (
	wheelTick  = 100 * time.Millisecond
	wheelSlots = 256
	// placeDue is the place of those to fire. It is no tick, for a deadline is never the first one.
	placeDue = 0
	// timersPerTurn is how many fire in one turn of the loop. To close a connection takes 10 µs.
	timersPerTurn = 64
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
	if w.count == 0 {
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
	w.put(c, min(c.deadline, w.tick+wheelSlots-1))
	w.arm()
}

// put puts c at the head of the list of a place.
func (w *timerWheel) put(c *Conn, place uint64) {
	c.place = place
	head := w.listOf(c)
	c.wheelNext, c.wheelPrevious = *head, nil
	if *head != nil {
		(*head).wheelPrevious = c
	}
	*head = c
	c.wheeled = true
	w.count++
	if place == placeDue {
		w.dues++
	}
}

func (w *timerWheel) listOf(c *Conn) **Conn {
	if c.place == placeDue {
		return &w.due
	}
	return &w.slots[c.place%wheelSlots]
}

func (w *timerWheel) remove(c *Conn) {
	if !c.wheeled {
		return
	}
	if c.wheelPrevious == nil {
		*w.listOf(c) = c.wheelNext
	} else {
		c.wheelPrevious.wheelNext = c.wheelNext
	}
	if c.wheelNext != nil {
		c.wheelNext.wheelPrevious = c.wheelPrevious
	}
	c.wheelNext, c.wheelPrevious = nil, nil
	c.wheeled = false
	w.count--
	if c.place == placeDue {
		w.dues--
	}
}

// arm keeps one timeout in flight while there are timers: till the next tick, or the next turn.
func (w *timerWheel) arm() {
	if w.armed || w.count == 0 {
		return
	}
	wait := wheelTick
	if w.dues > timersPerTurn {
		wait = time.Nanosecond
	}
	op := csrc.Op{Code: csrc.Timeout, Argument2: uint64(wait)}
	_, err := w.loop.postOwn(&op, (*wheelTurn)(w))
	w.armed = err == nil
}

// A wheelTurn is the sink of the wheel's timeout.
type wheelTurn timerWheel

func (t *wheelTurn) complete(_ *loop, c *csrc.Completion) {
	w := (*timerWheel)(t)
	w.turnTo(w.now()) // Before it is armed: when again depends on how many are due.
	w.armed = false
	if c.Result == 0 { // else the loop is stopping, and connections are told in another way
		// Now, while what the last timeout used is free for the next one.
		w.arm()
	}
	w.fire()
}

// turnTo makes due what is due until a tick.
func (w *timerWheel) turnTo(now uint64) {
	for w.tick < now {
		w.tick++
		// The list gets nothing new, for all within the horizon have places of their own.
		for slot := &w.slots[w.tick%wheelSlots]; *slot != nil; {
			if c := *slot; w.take(c) {
				w.put(c, placeDue)
			}
		}
	}
}

// fire fires what is due, as much as a turn may. What a timer does may remove or move any other, so
// the list is looked at afresh each time.
func (w *timerWheel) fire() {
	for range timersPerTurn {
		c := w.due
		if c == nil {
			return
		}
		if w.take(c) {
			c.deadline = 0
			c.fireTimer()
		}
	}
}

// take takes c from its place and reports whether it is due. If it was set anew meanwhile it gets a
// new place.
func (w *timerWheel) take(c *Conn) (due bool) {
	w.remove(c)
	if c.deadline > w.tick {
		w.insert(c)
		return false
	}
	return c.deadline != 0
}
