package ringo

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
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
// and back costs two wake-ups. From then on many share each wake-up. Where exactly depends on the
// device: measured, the two are equal at 5 to 8 calls in flight, so there each volume finds out.
const (
	fewCalls   = 4   // more calls in flight than this are a crowd
	plainFirst = 12  // crowds up to this begin with plain calls, larger ones with a loop
	period     = 64  // calls: a crowd is as large as the most calls at once in this period and the one before
	plainCap   = 128 // threads that may wait in plain calls
	loopCalls  = 128 // calls in flight that one loop takes before the next one helps
)

// How often the page cache has to answer, of 256, for a call in a crowd to be plain without asking
// it first, and for asking it first to be worth while. One call in sixteen asks anyway.
const (
	nearlyAlways = 248
	nearlyNever  = 16
)

// A volume is what was learned of one file system (st_dev): it has a life as long as the engine.
// Safe for concurrent use.
type volume struct {
	state    atomic.Uint64 // calls begun << 16 | calls in flight
	most     atomic.Int32  // calls in flight at a time, in this period
	before   atomic.Int32  // ... in the one before
	crowded  atomic.Bool   // that is a crowd
	switches atomic.Uint64 // how often it has become one, or ceased to be one

	// Of buffered calls, and of direct ones.
	nowait   [2]atomic.Int32 // whether RWF_NOWAIT works there, as far as is known
	contests [2][crowdClasses]contest

	traffic [4]traffic // buffered reads and writes, direct ones
}

// traffic is one kind of calls on a volume.
type traffic struct {
	direct bool
	write  bool

	hitShare atomic.Int32  // of 256: how often the page cache had what was asked for, lately
	hits     atomic.Uint64 // calls the page cache answered at once, in a crowd
	looped   atomic.Uint64 // calls that went by a loop
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
	wayNowait
	wayLoop
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
	for i := range fresh.contests {
		for class := range fresh.contests[i] {
			fresh.contests[i][class].restart(class <= crowdClass(plainFirst))
		}
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
func (v *volume) begin() int {
	state := v.state.Add(1<<16 | 1)
	if state>>16%period == 0 {
		v.before.Store(v.most.Swap(0))
	}
	return int(state & 0xffff)
}

func (v *volume) end() { v.state.Add(^uint64(0)) }

// way chooses how a call goes that makes it `inFlight` on the volume.
func (v *volume) way(t *traffic, inFlight int, p Policy) way {
	switch {
	case p == Plain:
		return wayPlain
	case p == Loop:
		return wayLoop
	}
	size := v.crowdSeen(inFlight)
	if size <= fewCalls {
		return wayPlain
	}
	return v.wayInCrowd(t, inFlight, size)
}

// crowdSeen is how many calls are in flight at a time, lately. It grows at once, but the first calls
// after a delivery that ended many see few, so it falls only after a whole period without so many:
// were it to waver, the calls of one crowd would go now this way, now that, which is worse than either.
func (v *volume) crowdSeen(inFlight int) int {
	now := int32(inFlight)
	for most := v.most.Load(); now > most && !v.most.CompareAndSwap(most, now); most = v.most.Load() {
	}
	size := max(now, v.most.Load(), v.before.Load())
	crowded := size > fewCalls
	if v.crowded.Load() != crowded && v.crowded.CompareAndSwap(!crowded, crowded) {
		v.switches.Add(1)
	}
	return int(size)
}

// wayInCrowd: where RWF_NOWAIT is refused the kernel has no way to begin buffered I/O without a thread
// that waits for it, so a ring would only hand it to a worker, of which there are few; and so it does
// with all buffered writes. Such calls wait on threads of their own, up to a cap. Direct ones it may
// begin all the same (overlayfs), so there plain calls have to win their contest.
func (v *volume) wayInCrowd(t *traffic, inFlight, size int) way {
	buffered, nowait := !t.direct, v.nowait[side(t.direct)].Load()
	switch {
	case buffered && (t.write || nowait == nowaitRefused):
		if inFlight > plainCap {
			return wayLoop
		}
		return wayPlain
	case !t.write && nowait == nowaitUnknown:
		return wayNowait
	case !t.write && buffered && one(16):
		return wayNowait
	case !t.write && buffered && t.hitShare.Load() >= nearlyAlways:
		return wayPlain
	case size <= plainCap && !v.contests[side(t.direct)][crowdClass(size)].loopWins(v, size):
		return wayPlain
	case !t.write && buffered && t.hitShare.Load() > nearlyNever:
		return wayNowait
	}
	return wayLoop
}

// refuseNowait notes that RWF_NOWAIT does not work: plain calls lead first, for crowds of all sizes.
func (v *volume) refuseNowait(direct bool) {
	known := &v.nowait[side(direct)]
	if known.Swap(nowaitRefused) == nowaitRefused {
		return
	}
	for class := range v.contests[side(direct)] {
		v.contests[side(direct)][class].restart(true)
	}
}

// one tells whether the caller is one of n calls, so to say.
func one(n uint32) bool { return rand.Uint32N(n) == 0 }

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
