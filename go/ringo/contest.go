package ringo

import (
	"sync"
	"sync/atomic"
	"time"
)

// A contest finds out whether plain calls or the loop do more per second on a volume, for crowds of
// one size. The leader takes the calls, a round of them at a time; now and then the other has a
// round, a trial, and wins it if that was quicker than the rounds before and after. Devices and
// schedulers waver, so one trial says little: who has won several more than it has lost leads from
// then on. Safe for concurrent use.
type contest struct {
	calls  atomic.Uint32
	plain  atomic.Bool // whose round it is
	trying atomic.Bool // it is a trial

	mu     sync.Mutex
	round  round
	leads  bool          // plain leads, not the loop
	won    int           // trials that the other has won more than lost
	pause  uint32        // rounds of the leader from one trial to the next
	rounds uint32        // of the leader, since the last trial
	before time.Duration // what the leader's last round cost, 0 if that is not known
	trial  time.Duration // the same of the trial that waits for its judgement
}

const (
	trialSoon = 1   // rounds until the next trial, at first: with each one that is lost they become four times as many
	trialLate = 256 // ... at most
	trialNext = 4   // ... when somebody new leads
	takeover  = 3   // trials to be won; one that is won by a fifth counts twice
)

// restart forgets what was learned; plainLeads says who leads first.
func (c *contest) restart(plainLeads bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leads = plainLeads
	c.won, c.pause, c.rounds = 0, trialSoon, 0
	c.before, c.trial = 0, 0
	c.begin(false, 0)
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

// loopWins says which way a call takes of a crowd of that size, and counts it.
func (c *contest) loopWins(v *volume, size int) bool {
	if calls := c.calls.Add(1); calls%contestTick == 0 || c.trying.Load() {
		c.tick(calls, size, v.state.Load()>>16, time.Now())
	}
	return !c.plain.Load()
}

// tick is told at times how many calls there were, how many there are at once, and how many had begun
// on the volume.
func (c *contest) tick(calls uint32, size int, begun uint64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cost, over := c.round.tick(calls, uint32(size), begun, now)
	if c.trying.Load() && !over {
		cost, over = c.round.hopeless(c.before)
	}
	if over {
		c.nextRound(cost)
	}
}

// nextRound ends a round, which cost so much or, if that is 0, says nothing.
func (c *contest) nextRound(cost time.Duration) {
	if c.trying.Load() {
		c.trial = cost
		c.rounds = 0
		c.begin(false, cost)
		return
	}
	if c.trial > 0 && c.before > 0 && cost > 0 {
		c.judge(c.trial, (c.before+cost)/2)
	}
	c.trial, c.before = 0, cost
	c.rounds++
	c.begin(c.rounds >= c.pause && cost > 0, cost)
}

// begin begins a round of the leader, or a trial of the other. It has settled if the round before, which
// cost so much, was of the same one.
func (c *contest) begin(trial bool, before time.Duration) {
	plain := c.leads != trial
	c.round = round{}
	if plain != c.plain.Load() || before == 0 {
		c.round.settle = settleTimes[side(plain)]
	}
	c.trying.Store(trial)
	c.plain.Store(plain)
}

// judge settles a trial. Equals are judged for the loop, and plain calls have to be quicker by 3 %:
// they cost more CPU time. Who is four times as quick leads at once, for a leader that is so far behind
// makes learning slow as well, and who is four times as slow has no next trial soon, for the same reason.
func (c *contest) judge(trial, leader time.Duration) {
	won := trial <= leader
	if !c.leads {
		won = 103*trial < 100*leader
	}
	switch {
	case 4*leader < trial:
		c.won, c.pause = 0, trialLate
	case !won:
		c.won = max(c.won-1, 0)
		c.pause = min(4*c.pause, trialLate)
	case 4*trial < leader:
		c.won = takeover
	case 5*trial < 4*leader:
		c.won += 2
		c.pause = max(c.pause/4, trialSoon)
	default:
		c.won++
		c.pause = max(c.pause/4, trialSoon)
	}
	if c.won >= takeover {
		c.leads, c.won, c.pause = !c.leads, 0, trialNext
	}
}

// A round is a time during which one of the two takes the calls. Its first part is not measured, for the
// calls that are in flight may still go the other way.
type round struct {
	settle  time.Duration // how long that part is at least, or 0
	began   time.Time
	first   uint32        // call
	settled time.Time     // when measuring began
	from    uint32        // ... at this call
	begun   uint64        // calls begun on the volume by then
	last    time.Time     // tick
	calls   uint32        // since the first one
	longest time.Duration // between two ticks, of what is measured
}

const (
	contestTick   = 32 // calls from one look at the clock to the next; in a trial each looks
	measureTime   = 20 * time.Millisecond
	hopelessAfter = 20 * time.Millisecond
)

// settleTimes of a loop, and of plain calls: these gain on it for 40 ms (measured, at 16 and 32 calls of
// 4 KiB and 16 KiB at once: half of their rate at first, then 0.75, 0.88 and 0.95 of it), while the
// runtime's monitor learns to look after threads that wait, and the kernel where to place them.
var settleTimes = [2]time.Duration{10 * time.Millisecond, 40 * time.Millisecond}

// tick tells whether the round is over, and what the time of a call was, or 0 if it says nothing. Both
// parts of it last until as many calls have begun as there are at once.
func (r *round) tick(calls, size uint32, begun uint64, now time.Time) (cost time.Duration, over bool) {
	if r.began.IsZero() {
		r.began, r.first = now, calls
	}
	r.calls = calls - r.first
	before := r.last
	r.last = now
	if r.settled.IsZero() {
		if r.settle == 0 || r.calls >= size && now.Sub(r.began) >= r.settle {
			r.settled, r.from, r.begun = now, calls, begun
		}
		return 0, false
	}
	r.longest = max(r.longest, now.Sub(before))
	measured, took := calls-r.from, now.Sub(r.settled)
	if measured < max(size, contestTick) || took < measureTime {
		return 0, false
	}
	// A round that was interrupted by idleness, or shared the volume with much else, says nothing.
	// (Reads and writes share a contest: both wait for the same device.)
	if 3*r.longest > 2*took || begun-r.begun >= 2*uint64(measured) {
		return 0, true
	}
	return took / time.Duration(measured), true
}

// hopeless tells whether a trial need not go on, for it costs four times as much as the leader did.
func (r *round) hopeless(leader time.Duration) (cost time.Duration, over bool) {
	if took := r.last.Sub(r.began); r.calls > 0 && took > hopelessAfter {
		cost = took / time.Duration(r.calls)
	}
	return cost, leader > 0 && cost > 4*leader
}

// side is 1 for true: for what is kept twice.
func side(second bool) int {
	if second {
		return 1
	}
	return 0
}
