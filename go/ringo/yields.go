package ringo

import "time"

// yields says when a goroutine that spends its time in C, a loop or a window, has to let the
// scheduler see it: at the end of a turn.
//
// For a loop with one processor that is always: those whom the delivery woke run before the loop goes
// back into C. With more of them others could take those who were woken from the loop's processor, one
// by one; when they are many it is quicker to give it up, and have them all back in the next turn.
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
	yieldWoken = 8
)

// due is asked at the end of a turn that brought so many completions, and woke so many callers.
func (y *yields) due(completions, woken int) bool {
	if y.always || woken >= yieldWoken {
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
