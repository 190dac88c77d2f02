package ringo

import (
	"sync"
	"sync/atomic"
	"time"
)

// A contest finds out whether plain calls or the loop do more per second on a volume, for crowds of
// one size. The leader takes the calls, a round of contestRound at a time; now and then the other
// has a round, and leads from then on if it was clearly the quicker. Safe for concurrent use.
type contest struct {
	calls atomic.Uint32
	plain atomic.Bool // whose round it is

	mu     sync.Mutex
	leads  bool      // plain leads, not the loop
	pause  uint32    // rounds between two of the other's
	rounds uint32    // since the other's last
	began  time.Time // of the round
	begun  uint64    // calls begun on the volume by then
	cost   [2]cost   // of the loop, of plain calls
}

const (
	contestRound = 256
	trialSoon    = 16   // rounds until the other's first one, and until the next after it has won
	trialLate    = 1024 // ... at most; with each round it loses they double
)

// crowdClasses are the classes of crowds that have contests of their own: up to 6, 8, 12, 16, 32
// calls in flight, and more.
const crowdClasses = 6

func crowdClass(size int) int {
	switch {
	case size <= 6:
		return 0
	case size <= 8:
		return 1
	case size <= 12:
		return 2
	case size <= 16:
		return 3
	case size <= 32:
		return 4
	}
	return 5
}

// loopWins says which way a call takes, and counts it.
func (c *contest) loopWins(v *volume) bool {
	if c.calls.Add(1)%contestRound == 0 {
		c.nextRound(v.state.Load()>>16, time.Now())
	}
	return !c.plain.Load()
}

// nextRound ends a round at a time when so many calls had begun on the volume.
func (c *contest) nextRound(begun uint64, now time.Time) {
	if !c.mu.TryLock() {
		return
	}
	defer c.mu.Unlock()
	plain := c.plain.Load()
	// A round that shared the volume with much else says nothing. (Reads and writes share a contest:
	// both wait for the same device.)
	if !c.began.IsZero() && begun-c.begun < 2*contestRound {
		c.cost[side(plain)].note(now.Sub(c.began))
		c.judge(plain)
	}
	c.rounds++
	trial := c.rounds > max(c.pause, trialSoon)
	if trial {
		c.rounds = 0
	}
	c.plain.Store(c.leads != trial)
	c.began, c.begun = now, begun
}

// judge lets the other lead if it had this round and was quicker by a tenth: less is noise.
func (c *contest) judge(plain bool) {
	if plain == c.leads {
		return
	}
	leader, other := &c.cost[side(c.leads)], &c.cost[side(!c.leads)]
	if leader.mean > 0 && other.last < leader.mean-leader.mean/10 {
		c.leads, c.pause = plain, trialSoon
		return
	}
	c.pause = min(2*max(c.pause, trialSoon), trialLate)
}

// side is 1 for true: for what is kept twice.
func side(second bool) int {
	if second {
		return 1
	}
	return 0
}

// A cost is how long a round takes: the last one, and a moving mean. A round that was interrupted
// by idleness counts for no more than twice the mean.
type cost struct{ last, mean time.Duration }

func (c *cost) note(d time.Duration) {
	if c.mean == 0 {
		c.mean = d
	}
	c.last = min(d, 2*c.mean)
	c.mean += (c.last - c.mean) / 4
}
