package ringo

import (
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// Stats are counters of an engine since it was opened, summed over its loops.
type Stats struct {
	Turns          uint64        // kernel entries of the loops
	Deliveries     uint64        // turns that had something to deliver
	Completions    uint64        // completions delivered
	Submitted      uint64        // kernel requests
	Doorbells      uint64        // times a post had to wake a sleeping loop
	Overflows      uint64        // times a completion queue was found overflowed
	Starved        uint64        // times a receive found no buffer
	Backoffs       uint64        // times accepting paused for want of descriptors or memory
	SendfileCalls  uint64        // chunks sent by sendfile(2)
	SendfileMisses uint64        // bodies handed to splices because they were not cached
	LongestTurn    time.Duration // the longest a loop stayed out of the kernel
	InFlight       uint64        // operations in flight now
}

// Stats reads the counters; they belong to slightly different moments.
func (e *Engine) Stats() Stats {
	var s Stats
	for _, l := range e.loops {
		c := l.stats()
		s.Turns += c.Turns
		s.Deliveries += c.Deliveries
		s.Completions += c.Completions
		s.Submitted += c.Submitted
		s.Doorbells += c.Doorbells
		s.Overflows += c.Overflows
		s.Starved += c.Starved
		s.Backoffs += c.Backoffs
		s.SendfileCalls += c.SendfileCalls
		s.SendfileMisses += c.SendfileMisses
		s.LongestTurn = max(s.LongestTurn, time.Duration(c.LongestTurnNS))
		s.InFlight += c.InFlight
	}
	return s
}

// Features is what kernel and build offer.
type Features struct {
	Backend      string      // what an engine would use
	Why          string      // if not "uring": why, and what to do
	Liburing     string      // version built against
	SetupFlags   uint32      // IORING_SETUP_* of loops
	RingFeatures uint32      // IORING_FEAT_* of the kernel
	Ops          []OpFeature // in the order of ringo.h
}

// OpFeature says how one operation runs here.
type OpFeature struct {
	Name      string
	Kernel    string // first version that has it
	Supported bool
	Emulated  bool // supported, but without the ring
}

// Probe finds out what an engine opened now could use.
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
	return f, nil
}

// Features is Probe for an engine that is open.
func (e *Engine) Features() (Features, error) { return Probe() }
