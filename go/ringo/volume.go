package ringo

import (
	"sync"
	"sync/atomic"
	"time"
)

// A Policy says which way ReadAt and WriteAt go; see [WithPolicy].
type Policy int32

const (
	// Auto chooses by how many calls are in flight on the file system, by what the page cache
	// holds, and by what was learned of the file system.
	Auto Policy = iota

	// Plain always makes the system call on the caller's own thread, as package os does.
	Plain

	// Loop always hands over to one of the engine's loops.
	Loop
)

// What the policy goes by. While few calls are in flight a plain one is the better: a hand-over
// and back costs two wake-ups. From then on many share each wake-up. Measured: the two are equal at
// 5 to 6 calls in flight.
const (
	fewCalls  = 4   // more calls in flight than this are a crowd
	calmAfter = 16  // calls in a row that saw none, before the crowd counts as gone
	plainCap  = 128 // threads that may wait in plain calls where the loop cannot help
	lookEvery = 64  // one of so many calls in a crowd is timed, or tries what was given up
)

// A volume is what was learned of one file system (st_dev): it has a life as long as the engine.
// Safe for concurrent use.
type volume struct {
	state    atomic.Uint64 // calls begun << 16 | calls in flight
	crowded  atomic.Bool
	calm     atomic.Int32  // calls in a row that saw no crowd
	switches atomic.Uint64 // how often crowded has changed

	traffic [4]traffic // buffered reads and writes, direct ones
}

// traffic is one kind of calls on a volume.
type traffic struct {
	direct bool
	write  bool

	nowait   atomic.Int32  // whether RWF_NOWAIT works there, as far as is known
	hitShare atomic.Int32  // of 256: how often the page cache had what was asked for, lately
	hits     atomic.Uint64 // calls the page cache answered at once, in a crowd
	looped   atomic.Uint64 // calls that went by a loop

	plainCost cost
	loopCost  cost
	worse     atomic.Bool // the loop costs far more than plain calls do
}

const (
	nowaitUnknown = iota
	nowaitWorks
	nowaitRefused
)

// A way is how one call goes.
type way int

const (
	wayPlain way = iota
	wayPlainTimed
	wayNowait
	wayLoop
	wayLoopTimed
)

// volumes finds the volume of a device. Safe for concurrent use.
type volumes struct{ byDevice sync.Map }

func (v *volumes) of(device uint64) *volume {
	if known, ok := v.byDevice.Load(device); ok {
		return known.(*volume)
	}
	fresh := new(volume)
	for i := range fresh.traffic {
		fresh.traffic[i].write, fresh.traffic[i].direct = i&1 != 0, i&2 != 0
		fresh.traffic[i].hitShare.Store(256)
	}
	known, _ := v.byDevice.LoadOrStore(device, fresh)
	return known.(*volume)
}

func (v *volume) trafficOf(direct bool) (reads, writes *traffic) {
	if direct {
		return &v.traffic[2], &v.traffic[3]
	}
	return &v.traffic[0], &v.traffic[1]
}

// begin counts a call in, and says how many are in flight with it.
func (v *volume) begin() int { return int(v.state.Add(1<<16|1) & 0xffff) }

func (v *volume) end() { v.state.Add(^uint64(0)) }

// way chooses how a call goes that makes it `inFlight` on the volume.
func (v *volume) way(t *traffic, inFlight int, p Policy) way {
	switch {
	case p == Plain:
		return wayPlain
	case p == Loop:
		return wayLoop
	case !v.isCrowded(inFlight):
		return wayPlain
	}
	return t.wayInCrowd(inFlight)
}

// isCrowded turns true at once, and false when a while has seen no crowd: the first calls after a
// delivery that ended all at once see none.
func (v *volume) isCrowded(inFlight int) bool {
	if inFlight > fewCalls {
		if !v.crowded.Load() && v.crowded.CompareAndSwap(false, true) {
			v.switches.Add(1)
		}
		if v.calm.Load() != 0 {
			v.calm.Store(0)
		}
		return true
	}
	if !v.crowded.Load() {
		return false
	}
	if v.calm.Add(1) < calmAfter {
		return true
	}
	v.calm.Store(0)
	if v.crowded.CompareAndSwap(true, false) {
		v.switches.Add(1)
	}
	return false
}

// wayInCrowd: where RWF_NOWAIT is refused the kernel has no way to begin I/O without a thread that
// waits for it, so a ring would only hand it to a worker, of which there are few; and so it does
// with all buffered writes. Such calls wait on threads of their own, up to a cap.
func (t *traffic) wayInCrowd(inFlight int) way {
	look := one(lookEvery)
	switch {
	case (t.write && !t.direct) || t.nowait.Load() == nowaitRefused:
		if inFlight > plainCap {
			return wayLoop
		}
		return wayPlain
	case !t.write && t.nowait.Load() == nowaitUnknown:
		return wayNowait
	case t.worse.Load():
		if look {
			return wayLoopTimed
		}
		return wayPlain
	case look && one(2):
		return wayPlainTimed
	case look:
		return wayLoopTimed
	case !t.write && !t.direct && (t.hitShare.Load() > 16 || one(16)):
		return wayNowait
	}
	return wayLoop
}

// noteHit remembers whether the page cache had the data. Calls race here; what is lost is a little
// of a mean.
func (t *traffic) noteHit(hit bool) {
	share := t.hitShare.Load()
	if hit {
		t.hitShare.Store(share + (256-share+15)/16)
	} else {
		t.hitShare.Store(share - (share+15)/16)
	}
}

// compare gives the loop up where it costs far more than a plain call in the same crowd, and takes
// it back when it no longer does. Both wait for the same device, so that the difference is the
// way's own; far more, since in a crowd of plain calls each would wait longer.
func (t *traffic) compare() {
	plain, loop := t.plainCost.mean.Load(), t.loopCost.mean.Load()
	switch {
	case plain == 0 || loop == 0:
	case loop > 4*plain:
		t.worse.Store(true)
	case loop < 2*plain:
		t.worse.Store(false)
	}
}

// A cost is a moving mean of durations, in nanoseconds; 0 is unknown.
type cost struct{ mean atomic.Int64 }

func (c *cost) note(d time.Duration) {
	mean := c.mean.Load()
	if mean == 0 {
		mean = int64(d)
	}
	c.mean.Store(max(1, mean+(int64(d)-mean)/8))
}
