package ringo

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// DumpInFlight writes what is in flight on each loop to w, oldest first, for a report about a
// program that hangs: the operation, its descriptor, its age, where it waits and who waits for it. Of
// a loop that does not answer within a second, because a callback does not return, it writes that
// goroutine's stack. It may be called at any time, by any goroutine.
func (e *Engine) DumpInFlight(w io.Writer) error {
	for _, l := range e.loops {
		if _, err := io.WriteString(w, l.report()); err != nil {
			return err
		}
	}
	return nil
}

// answerWithin is how long a loop may take to say what it has in flight.
const answerWithin = time.Second

func (l *loop) report() string {
	if l.onLoop() {
		return l.describe()
	}
	answer := make(chan string, 1)
	if !l.ask(func() { answer <- l.describe() }) {
		return fmt.Sprintf("loop %d: closed\n", l.index)
	}
	select {
	case text := <-answer:
		return text
	case <-l.done:
		return fmt.Sprintf("loop %d: closed\n", l.index)
	case <-time.After(answerWithin):
		return fmt.Sprintf("loop %d: does not answer\n%s\n", l.index, l.stack())
	}
}

// ask runs f on the loop, in its next delivery, whether or not the engine is full; false when the
// loop has ended.
func (l *loop) ask(f func()) bool {
	l.asked.mu.Lock()
	l.asked.list = append(l.asked.list, f)
	l.asked.mu.Unlock()
	return l.postSlotless(&csrc.Op{UserData: askTicket, Code: csrc.Cancel, Argument: csrc.CancelUserData, Argument2: askTicket})
}

// askTicket is the user_data of the cancel that brings a loop to look at what it was asked; no
// operation has it, for generations begin at 1.
const askTicket = 1

func (l *loop) answer() {
	l.asked.mu.Lock()
	list := l.asked.list
	l.asked.list = nil
	l.asked.mu.Unlock()
	for _, f := range list {
		f()
	}
}

// describe is for the loop's own goroutine.
func (l *loop) describe() string {
	list := l.c.InFlight()
	slices.SortFunc(list, func(a, b csrc.InFlight) int { return cmp.Compare(b.AgeNS, a.AgeNS) })
	var b strings.Builder
	fmt.Fprintf(&b, "loop %d: %d in flight, %d connections\n", l.index, len(list), l.conns)
	for _, op := range list {
		fmt.Fprintf(&b, "  %-12s", codeName(op.Code))
		if op.FD >= 0 {
			fmt.Fprintf(&b, " fd %d", op.FD)
		}
		fmt.Fprintf(&b, "  %v  %s", time.Duration(op.AgeNS).Round(time.Microsecond), places[op.Place])
		if op.Cancelled != 0 {
			b.WriteString(", cancelled")
		}
		fmt.Fprintf(&b, "  for %s\n", whose(l.waiters.sinkOf(op.UserData)))
	}
	return b.String()
}

var places = [...]string{
	csrc.PlaceKernel:   "with the kernel",
	csrc.PlaceQueue:    "waiting for room in the queue",
	csrc.PlaceBuffers:  "waiting for a receive buffer",
	csrc.PlaceNextTurn: "going on in the next turn",
	csrc.PlaceChain:    "waiting for the one before it",
}

// whose names who waits for an operation.
func whose(s sink) string {
	switch s := s.(type) {
	case *call:
		return "a blocking call"
	case *port:
		return "Serve"
	case *wheelTurn:
		return "timers"
	case *connReceive:
		return fmt.Sprintf("%T", s.handler)
	case *connSend:
		return fmt.Sprintf("%T", s.handler)
	case nil:
		return "nobody"
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", s), "*ringo.")
}

// stack is that of the loop's goroutine.
func (l *loop) stack() string {
	all := make([]byte, 1<<20)
	for {
		n := runtime.Stack(all, true)
		if n < len(all) {
			all = all[:n]
			break
		}
		all = make([]byte, 2*len(all))
	}
	mark := fmt.Sprintf("(*loop).run(%p", l)
	for _, stack := range strings.Split(string(all), "\n\n") {
		if strings.Contains(stack, mark) {
			return stack
		}
	}
	return "its goroutine has ended"
}
