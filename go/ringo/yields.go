package ringo

import "time"

// yields says when a goroutine that spends its time in C, a loop or a window, has to let the
// scheduler see it: at the end of a turn.
//
// For a loop with one processor that is always: those whom the delivery woke run before the loop goes
// back into C.
//
// Otherwise a busy one yields once in yieldAfter. A goroutine that has not been scheduled for 10 ms
// counts as one that will not yield (forcePreemptNS, runtime/proc.go): from then on the runtime's
// monitor wakes every 20 µs to take its processor away while it is in C, and sends it signals while
// it is not.
type yields struct {
	always bool
	turns  uint64
	last   time.Time
}

// The clock is looked at in one of yieldCheck turns only: one of 32 direct reads may take 0.5 ms.
const (
	yieldAfter = 5 * time.Millisecond
	yieldCheck = 4
)

func (y *yields) due() bool {
	if y.always {
		return true
	}
	y.turns++
	if y.turns%yieldCheck != 0 || time.Since(y.last) < yieldAfter {
		return false
	}
	y.last = time.Now()
	return true
}
