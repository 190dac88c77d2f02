package workload

import (
	"time"
)

// napLength is how long a wait lasts at most before it is seen that the clone is to end.
const napLength = 10 * time.Millisecond

// sleepUntil waits for a time of the clone's clock. It is false when the clone is to end first.
func (c *clone) sleepUntil(when int64) bool {
	for !c.stopping.Load() {
		left := time.Duration(when - c.now())
		if left <= 0 {
			return true
		}
		nap(min(left, napLength))
	}
	return false
}

// rest is the pause that the source asked for; part of it may be spent busy.
func (c *clone) rest(s *source) {
	if s.rest == 0 {
		return
	}
	pause := s.rest
	began := c.now()
	if spin := c.job.Think.Spin; spin > 0 {
		for c.now()-began < int64(spin) && !c.stopping.Load() {
		}
	}
	c.sleepUntil(began + int64(pause))
	s.pace.postpone(pause)
}
