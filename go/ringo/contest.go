package ringo

import (
	"sync"
	"sync/atomic"
	"time"
)

// A contest finds out whether plain calls or the loop do more per second on a volume, for crowds of
// one size. The leader takes the calls, a round of them at a time; now and then the other has a
// round, a trial, and wins it if that was quicker than the rounds before and after. Devices
// and schedulers waver, so one trial says little: who has won several more than it has lost leads
// from then on. Safe for concurrent use.
type contest struct {
	calls atomic.Uint32
	plain atomic.Bool // whose round it is

	mu     sync.Mutex
	leads  bool          // plain leads, not the loop
	won    int           // trials that the other has won more than lost
	pause  uint32        // rounds of the leader from one trial to the next
	rounds uint32        // of the leader, since the last trial
	before time.Duration // how long the leader's last round took, 0 if that is not known
	trial  time.Duration // the same of the trial that waits for its judgement
	began  time.Time     // of what is measured of the round
	begun  uint64        // calls begun on the volume by then
}

const (
	// Of the calls of a round the first ones are not measured: some that are in flight still go the
	// other way, and plain calls are slow until the runtime's monitor, which may sleep for 10 ms, looks
	// after the threads that wait in them.
	contestRound  = 1024
	contestWarmup = 256

	trialAgain = 2   // rounds until the next trial, after one that was won
	trialSoon  = 4   // ... when somebody new leads
	trialLate  = 256 // ... at most: with each one that is lost they double
	takeover   = 4   // trials to be won
)

func (c *contest) init(plainLeads bool) {
	c.pause = trialSoon
	c.leads = plainLeads
	c.plain.Store(plainLeads)
}

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
	switch c.calls.Add(1) % contestRound {
	case contestWarmup:
		c.measure(v.state.Load()>>16, time.Now())
	case 0:
		c.nextRound(v.state.Load()>>16, time.Now())
	}
	return !c.plain.Load()
}

// measure begins what is measured of a round, at a time when so many calls had begun on the volume.
func (c *contest) measure(begun uint64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.began, c.begun = now, begun
}

// nextRound ends a round.
func (c *contest) nextRound(begun uint64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	took := now.Sub(c.began)
	// A round that shared the volume with much else says nothing. (Reads and writes share a contest:
	// both wait for the same device.)
	if c.began.IsZero() || begun-c.begun >= 2*(contestRound-contestWarmup) {
		took = 0
	}
	if c.plain.Load() != c.leads {
		c.trial = took
		c.rounds = 0
		c.plain.Store(c.leads)
		return
	}
	if c.trial > 0 && c.before > 0 && took > 0 {
		c.judge(c.trial, (c.before+took)/2)
	}
	c.trial, c.before = 0, took
	c.rounds++
	c.plain.Store(c.leads != (c.rounds >= c.pause && took > 0))
}

// judge settles a trial. Plain calls have to be quicker by 3 %: they cost more CPU time.
func (c *contest) judge(trial, leader time.Duration) {
	won := 100*trial <= 103*leader
	if !c.leads {
		won = 103*trial < 100*leader
	}
	switch {
	case !won:
		c.won = max(c.won-1, 0)
		c.pause = min(2*c.pause, trialLate)
	case c.won+1 == takeover:
		c.leads, c.won, c.pause = !c.leads, 0, trialSoon
	default:
		c.won++
		c.pause = trialAgain
	}
}

// side is 1 for true: for what is kept twice.
func side(second bool) int {
	if second {
		return 1
	}
	return 0
}
