package ringo

import "time"

// yields says when a loop has to let the scheduler see it at the end of a delivery.
//
// With one processor that is always: those whom the delivery woke run before the loop goes back into C.
//
// Otherwise a busy loop yields once in yieldAfter. A goroutine that has not been scheduled for 10 ms
// counts as one that will not yield (forcePreemptNS, runtime/proc.go): from then on the runtime's
// monitor wakes every 20 µs to take its processor away while it is in C, and sends it signals while
// it is not.
type yields struct {
	always     bool
	deliveries uint64
	last       time.Time
}

// The clock is looked at in one of yieldCheck deliveries only.
const (
	yieldAfter = 5 * time.Millisecond
	yieldCheck = 32
)

func (y *yields) due() bool {
	if y.always {
		return true
	}
	y.deliveries++
	if y.deliveries%yieldCheck != 0 || time.Since(y.last) < yieldAfter {
		return false
	}
	y.last = time.Now()
	return true
}
