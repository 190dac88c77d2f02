package ringo

import "time"

// yields says when a goroutine that spends its time in C, a loop or a window, has to let the
// scheduler see it: at the end of a turn.
//
// For a loop with one processor that is always: those whom the delivery woke run before the loop goes
// back into C. With more of them others take those who were woken from the loop's processor: to give it
// up costs more, a quarter of the CPU time of a call, for a loop is locked to its thread.
//
// Otherwise a busy one yields once in yieldAfter. A goroutine that has not been scheduled for 10 ms
// counts as one that will not yield (forcePreemptNS, runtime/proc.go): from then on the runtime's
// monitor wakes every 20 µs to take its processor away while it is in C, and sends it signals while
// it is not.
type yields struct {
	always bool
	work   int // since the clock was looked at
	last   time.Time
}

// The clock is looked at after yieldCheck of work: in one of four turns, and in each that brings many
// completions, for such a one may have waited for long.
const (
	yieldAfter = 5 * time.Millisecond
	yieldCheck = 32
	yieldTurn  = yieldCheck / 4
)

// due is asked at the end of a turn that brought so many completions.
func (y *yields) due(completions int) bool {
	if y.always {
		return true
	}
	if y.work += yieldTurn + completions; y.work < yieldCheck {
		return false
	}
	y.work = 0
	if time.Since(y.last) < yieldAfter {
		return false
	}
	y.last = time.Now()
	return true
}
