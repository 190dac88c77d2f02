package ringo

import (
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// Stats are counters of an engine since it was opened, summed over its loops.
type Stats struct {
	// How operations went: by loops, by name as in Features; and of File.ReadAt and WriteAt those
	// that were plain system calls, those that the page cache answered at once to a plain call
	// made first, those that went by a loop; and those that batch rings ran (ReadFiles, Window,
	// ReadBatch and their like).
	Ops     map[string]uint64
	Plain   uint64
	Cached  uint64
	Looped  uint64
	Batched uint64

	Switches uint64 // how often ReadAt and WriteAt took a file system for crowded, or no longer

	Turns       uint64 // kernel entries of the loops
	Deliveries  uint64 // turns that had something to deliver
	Completions uint64 // completions delivered
	Submitted   uint64 // kernel requests
	Doorbells   uint64 // times a post had to wake a sleeping loop
	InFlight    uint64 // operations in flight now

	Overflows      uint64 // times a completion queue was found overflowed
	Starved        uint64 // times a receive found no buffer
	Backoffs       uint64 // times accepting paused for want of descriptors or memory
	SendfileCalls  uint64 // chunks sent by sendfile(2)
	SendfileMisses uint64 // bodies handed to splices because they were not cached
	Slow           uint64 // deliveries whose callbacks took longer than WithSlowCallback

	Latency     Histogram     // ns from taken in by a loop to ended; not of what waits for others
	TurnTime    Histogram     // ns that loops stayed out of the kernel
	Delivered   Histogram     // completions of a delivery
	LongestTurn time.Duration // the largest of TurnTime

	// LongestTurnCPU is the most CPU time that a loop used while it stayed out of the kernel once, or up to 0.5 ms
	// more. LongestTurn holds the time in which the loop's thread waited for its core as well.
	LongestTurnCPU time.Duration
}

// Stats reads the counters; they belong to slightly different moments. It may be called at any time,
// by any goroutine, and costs a few microseconds; what it counts costs the operations next to
// nothing.
func (e *Engine) Stats() Stats {
	s := Stats{Ops: map[string]uint64{}, Batched: e.batched.Load()}
	for _, l := range e.loops {
		s.addLoop(l)
	}
	e.volumes.byDevice.Range(func(_, v any) bool {
		s.addVolume(v.(*volume))
		return true
	})
	return s
}

func (s *Stats) addLoop(l *loop) {
	c := l.stats()
	for code, n := range c.Ops {
		if n > 0 {
			s.Ops[codeName(csrc.Code(code))] += n
		}
	}
	s.Turns += c.Turns
	s.Deliveries += c.Deliveries
	s.Completions += c.Completions
	s.Submitted += c.Submitted
	s.Doorbells += c.Doorbells
	s.InFlight += c.InFlight
	s.Overflows += c.Overflows
	s.Starved += c.Starved
	s.Backoffs += c.Backoffs
	s.SendfileCalls += c.SendfileCalls
	s.SendfileMisses += c.SendfileMisses
	s.Slow += l.slow.Load()
	s.Latency.add(&c.LatencyNS)
	s.TurnTime.add(&c.TurnNS)
	s.Delivered.add(&c.Delivered)
	s.LongestTurn = max(s.LongestTurn, time.Duration(c.LongestTurnNS))
	s.LongestTurnCPU = max(s.LongestTurnCPU, time.Duration(c.LongestTurnCPUNS))
}

// addVolume: a call is plain unless it was counted as something else.
func (s *Stats) addVolume(v *volume) {
	calls := v.state.Load() >> 16
	var cached, looped uint64
	for i := range v.traffic {
		cached += v.traffic[i].hits.Load()
		looped += v.traffic[i].looped.Load()
	}
	s.Cached += cached
	s.Looped += looped
	s.Plain += calls - min(calls, cached+looped)
	s.Switches += v.switches.Load()
}

// Features is what kernel and build offer.
type Features struct {
	Backend      string      // what an engine would use
	Why          string      // if not "uring": why, and what to do
	Liburing     string      // version built against
	SetupFlags   uint32      // IORING_SETUP_* of loops
	RingFeatures uint32      // IORING_FEAT_* of the kernel
	Ops          []OpFeature // in the order of ringo.h
	Abilities    []OpFeature // what there is beside ops: how rings are set up, registered files, chains
}

// OpFeature says how one operation runs here, or whether one ability is there.
type OpFeature struct {
	Name      string
	Kernel    string // first version that has it
	Supported bool
	Emulated  bool // supported, but without the ring
}

// Probe finds out what an engine opened now could use. Safe for concurrent use.
func Probe() (Features, error) {
	c, err := csrc.Probe()
	if err != nil {
		return Features{}, err
	}
	f := Features{Backend: "uring", Liburing: c.Liburing, SetupFlags: c.SetupFlags, RingFeatures: c.RingFeatures}
	if c.UringError != nil {
		f.Backend, f.Why = backendNames[c.Backend], unavailable(c.UringError).Error()
	}
	for _, op := range c.Ops {
		f.Ops = append(f.Ops, OpFeature{op.Name, op.Kernel, op.How != 0, op.How == 2})
	}
	for _, a := range c.Abilities {
		f.Abilities = append(f.Abilities, OpFeature{a.Name, a.Kernel, a.How != 0, a.How == 2})
	}
	return f, nil
}

// Features is Probe for an engine that is open.
func (e *Engine) Features() (Features, error) { return Probe() }
