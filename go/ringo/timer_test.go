package ringo

import (
	"fmt"
	"testing"
	"time"
)

// TestTimer: it fires once, not early, again when set again, and not when it is taken back.
func TestTimer(t *testing.T) {
	e := open(t, WithLoops(1), WithReceiveBuffers(4, 1024))
	const d = 150 * time.Millisecond
	var begin time.Time
	fired := make(chan time.Duration, 100)
	conns := make(chan *Conn, 1)
	times := 0
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{
			drain:  closeOnDrain,
			opened: func(c *Conn) { begin = time.Now(); c.SetTimer(d); conns <- c },
			timer: func(c *Conn) {
				fired <- time.Since(begin)
				if times++; times < 3 {
					begin = time.Now()
					c.SetTimer(d)
				}
			},
		}
	})
	s.dial()
	c := <-conns
	for range 3 {
		within(t, "the timer", func() {
			if after := <-fired; after < d {
				t.Errorf("fired after %v", after)
			}
		})
	}
	onItsLoop(t, c, func() { c.SetTimer(d); c.SetTimer(0) })
	onItsLoop(t, c, func() { c.SetTimer(time.Hour); c.SetTimer(d); c.SetTimer(time.Hour) })
	time.Sleep(4 * d)
	if len(fired) != 0 {
		t.Error("fired though it was taken back")
	}
	onItsLoop(t, c, func() { begin = time.Now(); c.SetTimer(d / 3) }) // Sooner than before.
	within(t, "the timer that was brought forward", func() { <-fired })
}

// TestTimersOfMany: timers of one moment all fire, though each touches others: closes them, moves
// them into the future or takes them back.
func TestTimersOfMany(t *testing.T) {
	e := open(t, WithLoops(1), WithReceiveBuffers(16, 1024))
	const total = 60
	var conns []*Conn // of the loop
	fired := map[*Conn]int{}
	var n crowd
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{
			drain:  closeOnDrain,
			opened: func(c *Conn) { conns = append(conns, c); n.in() },
			timer: func(c *Conn) {
				fired[c]++
				for i, other := range conns {
					if other != c || fired[c] > 1 {
						continue
					}
					switch i % 4 { // Its neighbours in the list of the moment, on both sides.
					case 1:
						conns[i-1].Close()
						conns[i+1].SetTimer(300 * time.Millisecond)
					case 3:
						conns[i-1].SetTimer(0)
						conns[i-1].SetTimer(time.Millisecond)
						c.SetTimer(time.Millisecond)
					}
				}
			},
			closed: func(*Conn, error) { n.closed.Add(1) },
		}
	})
	for range total {
		s.dial()
	}
	eventually(t, "all opened", func() bool { return n.opened.Load() == total })
	onItsLoop(t, conns[0], func() {
		for _, c := range conns {
			c.SetTimer(100 * time.Millisecond)
		}
	})
	missing := 0
	eventually(t, "every timer has fired", func() bool {
		onItsLoop(t, conns[0], func() {
			missing = 0
			for i, c := range conns {
				if want := map[int]int{1: 1, 2: 1, 3: 2}[i%4]; !c.closing && fired[c] < want {
					missing++
				}
			}
		})
		return missing == 0
	})
}

// TestTimersOfACrowd: those of one moment fire in many turns, so that none is long, but one turn after the other.
func TestTimersOfACrowd(t *testing.T) {
	e := open(t, WithLoops(1))
	l := e.loops[0]
	const total = 10 * timersPerTurn
	fired, turns, ticks := 0, map[uint64]int{}, map[uint64]bool{}
	onLoop(t, e, func() {
		for range total {
			c := &Conn{loop: l, handler: &script{timer: func(c *Conn) {
				fired++
				turns[c.Turn()]++
				ticks[l.wheel.now()] = true
			}}}
			c.SetTimer(wheelTick)
		}
	})
	eventually(t, "all have fired", func() (all bool) {
		onLoop(t, e, func() { all = fired == total })
		return all
	})
	for turn, n := range turns {
		if n > timersPerTurn {
			t.Errorf("%d in turn %d", n, turn)
		}
	}
	if len(ticks) == len(turns) {
		t.Errorf("%d turns, each with a tick of its own", len(turns))
	}
}

// TestTimerBeyondTheWheel: times longer than the wheel goes around once work as well. The wheel is
// turned by hand.
func TestTimerBeyondTheWheel(t *testing.T) {
	e := open(t, WithLoops(1))
	onLoop(t, e, func() {
		var w timerWheel
		w.init(e.loops[0])
		w.armed = true // By this test.
		var fired []string
		conn := func(name string, times ...time.Duration) {
			c := &Conn{handler: &script{timer: func(*Conn) { fired = append(fired, fmt.Sprint(name, " at ", w.tick)) }}}
			for _, d := range times {
				w.set(c, d)
			}
		}
		conn("short", wheelTick)
		conn("around", wheelSlots*wheelTick)
		conn("twice around", 2*wheelSlots*wheelTick)
		conn("sooner", time.Hour, 2*wheelTick)
		conn("later", wheelTick, 3*wheelTick)
		conn("never", wheelTick, 0)
		start := w.tick
		for tick := start; tick < start+3*wheelSlots; {
			tick++
			w.turnTo(tick)
			w.fire()
		}
		want := fmt.Sprintf("[short at %d sooner at %d later at %d around at %d twice around at %d]", start+2, start+3, start+4, start+wheelSlots+1, start+2*wheelSlots+1)
		if got := fmt.Sprint(fired); got != want || w.count != 0 {
			t.Errorf("fired %v, want %v; %d are left", got, want, w.count)
		}
	})
}
