package ringo

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// flow makes calls that are `inFlight` at once, and counts the ways they were told to go.
func flow(v *volume, t *traffic, p Policy, inFlight, calls int) map[way]int {
	ways := map[way]int{}
	for range inFlight - 1 {
		v.begin()
	}
	for range calls {
		ways[v.way(t, v.begin(), p)]++
		v.end()
	}
	for range inFlight - 1 {
		v.end()
	}
	return ways
}

func newVolume() *volume { return new(volumes).of(1) }

// TestPolicyBegins: where nothing is known yet the calls of a small crowd are plain, those of a large
// one a loop's.
func TestPolicyBegins(t *testing.T) {
	for _, c := range []struct {
		inFlight int
		way      way
	}{{fewCalls + 1, wayPlain}, {plainFirst, wayPlain}, {plainFirst + 1, wayLoop}, {plainCap + 1, wayLoop}} {
		v := newVolume()
		_, writes := v.trafficOf(true)
		if ways := flow(v, writes, Auto, c.inFlight, 100); ways[c.way] != 100 {
			t.Errorf("%d at once: %v", c.inFlight, ways)
		}
	}
}

// TestPolicyForced: Plain and Loop are what they say, whatever is in flight.
func TestPolicyForced(t *testing.T) {
	v := newVolume()
	for _, inFlight := range []int{1, 1000} {
		for _, direct := range []bool{false, true} {
			reads, writes := v.trafficOf(direct)
			for _, traffic := range []*traffic{reads, writes} {
				if ways := flow(v, traffic, Plain, inFlight, 100); ways[wayPlain] != 100 {
					t.Errorf("Plain: %v", ways)
				}
				if ways := flow(v, traffic, Loop, inFlight, 100); ways[wayLoop] != 100 {
					t.Errorf("Loop: %v", ways)
				}
			}
		}
	}
}

// TestPolicyFewCalls: up to four calls at once are plain, and no crowd is seen.
func TestPolicyFewCalls(t *testing.T) {
	v := newVolume()
	reads, _ := v.trafficOf(true)
	for inFlight := 1; inFlight <= fewCalls; inFlight++ {
		if ways := flow(v, reads, Auto, inFlight, 1000); ways[wayPlain] != 1000 {
			t.Errorf("%d at once: %v", inFlight, ways)
		}
	}
	if n := v.switches.Load(); n != 0 {
		t.Errorf("%d switches", n)
	}
}

// TestPolicyFlips lets the load flip between one caller and 256: each flip is one switch, made at
// once when the crowd comes, and within some hundred calls when it has gone.
func TestPolicyFlips(t *testing.T) {
	v := newVolume()
	reads, _ := v.trafficOf(true)
	v.nowait[1].Store(nowaitWorks)
	const flips = 50
	for i := range flips {
		// Later on the contest may have its own mind, for these calls take no time.
		if ways := flow(v, reads, Auto, 256, 200); i == 0 && ways[wayLoop] != 200 {
			t.Errorf("in a crowd: %v", ways)
		}
		if ways := flow(v, reads, Auto, 1, 3000); ways[wayPlain] < 2500 {
			t.Errorf("alone: %v", ways)
		}
	}
	if n := v.switches.Load(); n != 2*flips {
		t.Errorf("%d switches in %d flips", n, flips)
	}
}

// TestPolicyWavers: a load that wavers about the limit does not make the policy waver with it.
func TestPolicyWavers(t *testing.T) {
	v := newVolume()
	reads, _ := v.trafficOf(true)
	for range 1000 {
		flow(v, reads, Auto, fewCalls, 1)
		flow(v, reads, Auto, fewCalls+2, 1)
	}
	if n := v.switches.Load(); n > 1 {
		t.Errorf("%d switches", n)
	}
}

// TestPolicyDeliveries: a crowd whose calls end many at a time is still seen as large as it is.
func TestPolicyDeliveries(t *testing.T) {
	v := newVolume()
	reads, _ := v.trafficOf(true)
	const crowd = 20
	for turn := range 1000 {
		for range crowd {
			v.way(reads, v.begin(), Auto)
		}
		if turn > 0 && v.crowdSeen(1) != crowd {
			t.Fatalf("turn %d: a crowd of %d", turn, v.crowdSeen(1))
		}
		for range crowd {
			v.end()
		}
	}
}

// TestPolicyPageCache: in a crowd, buffered reads ask the page cache first as long as it answers
// often; when it always does they are plain, when it hardly does they go to the loop. It is asked
// now and then in any case, so that a change is seen.
func TestPolicyPageCache(t *testing.T) {
	v := newVolume()
	reads, _ := v.trafficOf(false)
	if ways := flow(v, reads, Auto, 50, 100); ways[wayNowait] != 100 {
		t.Errorf("not known yet: %v", ways)
	}
	v.nowait[0].Store(nowaitWorks)
	for _, c := range []struct {
		share  int32
		mostly way
	}{{256, wayPlain}, {128, wayNowait}, {0, wayLoop}} {
		reads.hitShare.Store(c.share)
		ways := flow(v, reads, Auto, 50, 1000)
		if ways[c.mostly] < 700 || ways[wayNowait] == 0 {
			t.Errorf("hits %d of 256: %v", c.share, ways)
		}
	}
	for range 200 {
		reads.noteHit(true)
	}
	if share := reads.hitShare.Load(); share != 256 {
		t.Errorf("after many hits: %d", share)
	}
	for range 200 {
		reads.noteHit(false)
	}
	if share := reads.hitShare.Load(); share != 0 {
		t.Errorf("after many misses: %d", share)
	}
}

// TestPolicyWithoutNowait: where a ring could only use a worker, calls are plain up to a cap.
func TestPolicyWithoutNowait(t *testing.T) {
	v := newVolume()
	reads, writes := v.trafficOf(false)
	v.nowait[0].Store(nowaitRefused)
	for _, traffic := range []*traffic{reads, writes} {
		if ways := flow(v, traffic, Auto, plainCap, 1000); ways[wayPlain] != 1000 {
			t.Errorf("below the cap: %v", ways)
		}
		if ways := flow(v, traffic, Auto, plainCap+1, 1000); ways[wayLoop] != 1000 {
			t.Errorf("above the cap: %v", ways)
		}
	}
}

// TestPolicyDirectWithoutNowait: a ring may begin direct calls all the same, so plain ones only lead first.
func TestPolicyDirectWithoutNowait(t *testing.T) {
	const crowd = 64
	v := newVolume()
	reads, writes := v.trafficOf(true)
	if ways := flow(v, writes, Auto, crowd, 1); ways[wayLoop] != 1 {
		t.Errorf("before: %v", ways)
	}
	for range 2 {
		v.refuseNowait(true)
	}
	for _, traffic := range []*traffic{reads, writes} {
		if ways := flow(v, traffic, Auto, crowd, 1); ways[wayPlain] != 1 {
			t.Errorf("at first: %v", ways)
		}
	}
	rounds(&v.contests[1][crowdClass(crowd)], 100, 20*time.Millisecond, 10*time.Millisecond, 0)
	v.refuseNowait(true)
	for _, traffic := range []*traffic{reads, writes} {
		if ways := flow(v, traffic, Auto, crowd, 1); ways[wayLoop] != 1 {
			t.Errorf("when the loop has won: %v", ways)
		}
	}
}

// rounds runs rounds of a contest in which a plain one and one of the loop cost so much each, give or
// take noise: 0.5 is anything from two thirds to one and a half times as much.
func rounds(c *contest, n int, plain, loop time.Duration, noise float64) (ofPlain int) {
	random := rand.New(rand.NewPCG(1, 2))
	for range n {
		cost := float64(loop)
		if c.plain.Load() {
			ofPlain++
			cost = float64(plain)
		}
		if factor := 1 + noise*random.Float64(); random.IntN(2) == 0 {
			cost *= factor
		} else {
			cost /= factor
		}
		c.nextRound(time.Duration(cost))
	}
	return ofPlain
}

// TestContest: the quicker leads before long and the other is tried less and less, also where
// rounds of the same kind differ much; of equals the loop leads; a change is seen.
func TestContest(t *testing.T) {
	const ms = time.Millisecond
	for _, noise := range []float64{0, 0.5} {
		var c contest
		c.restart(true)
		if n := rounds(&c, 1000, 20*ms, 10*ms, noise); n > 100 {
			t.Errorf("noise %v: the loop is the quicker: %d of 1000 rounds were plain", noise, n)
		}
		if n := rounds(&c, 5000, 10*ms, 20*ms, noise); n < 3500 {
			t.Errorf("noise %v: then plain was: %d of 5000 rounds were plain", noise, n)
		}
		if n := rounds(&c, 10000, 10*ms, 12*ms, noise); n < 8500 {
			t.Errorf("noise %v: a difference of a fifth: %d of 10000 rounds were plain", noise, n)
		}
		if n := rounds(&c, 20000, 10*ms, 8*ms, noise); n > 6000 {
			t.Errorf("noise %v: a difference the other way: %d of 20000 rounds were plain", noise, n)
		}
	}
	var equal contest
	equal.restart(true)
	if n := rounds(&equal, 5000, 10*ms, 10*ms, 0); n > 1000 {
		t.Errorf("equals: %d of 5000 rounds were plain", n)
	}
}

// TestContestFarBehind: a leader that is far behind does not lead long.
func TestContestFarBehind(t *testing.T) {
	for _, plainLeads := range []bool{false, true} {
		var c contest
		c.restart(plainLeads)
		costs := [2]time.Duration{1e6, 1e6}
		costs[side(plainLeads)] = 5e6
		rounds(&c, trialSoon+2, costs[1], costs[0], 0)
		if c.leads == plainLeads {
			t.Errorf("plain still leads: %v", c.leads)
		}
	}
}

// TestContestSettles: a round settles when the way has changed, or when the round before it says nothing.
func TestContestSettles(t *testing.T) {
	const loop, plain = 0, 1
	var c contest
	c.restart(true)
	for i, step := range []struct {
		cost   time.Duration // of the round that ends
		trying bool          // what begins is a trial
		settle time.Duration
	}{
		{1e6, true, settleTimes[loop]},
		{9e6, false, settleTimes[plain]},
		{1e6, false, 0},
		{0, false, settleTimes[plain]},
		{1e6, false, 0},
	} {
		if i == 0 && c.round.settle != settleTimes[plain] {
			t.Errorf("at first: %v", c.round.settle)
		}
		c.nextRound(step.cost)
		if c.trying.Load() != step.trying || c.round.settle != step.settle {
			t.Errorf("step %d: trying %v, settles for %v", i, c.trying.Load(), c.round.settle)
		}
	}
}

// TestContestJudges: how much a trial counts depends on how far the two are apart.
func TestContestJudges(t *testing.T) {
	for _, row := range []struct {
		trial, leader time.Duration
		trials        int // until the other leads
		pause         uint32
	}{
		{90, 100, takeover, trialNext},
		{75, 100, 2, trialNext},
		{20, 100, 1, trialNext},
		{110, 100, 0, 4},
		{500, 100, 0, trialLate},
	} {
		var c contest
		c.restart(false)
		for range max(row.trials-1, 0) {
			c.judge(row.trial, row.leader)
		}
		if c.leads {
			t.Errorf("%d to %d: too soon", row.trial, row.leader)
		}
		c.judge(row.trial, row.leader)
		if c.leads != (row.trials > 0) || c.pause != row.pause {
			t.Errorf("%d to %d: plain leads %v, the next trial in %d rounds", row.trial, row.leader, c.leads, c.pause)
		}
	}
}

// TestContestRounds: a round is measured when it has settled, and says nothing if it was interrupted by
// idleness or shared the volume with others.
func TestContestRounds(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		what       string
		gap        time.Duration // between ticks
		idle       time.Duration // once, in the middle
		begun      uint64        // calls on the volume from tick to tick
		cost       time.Duration
		ticks, max int // the round is to have
	}{
		{"quick", ms / 10, 0, contestTick, ms / 10 / contestTick, 301, 303},
		{"slow", 100 * ms, 0, contestTick, 100 * ms / contestTick, 9, 9},
		{"idle", ms, 500 * ms, contestTick, 0, 18, 18},
		{"shared", ms, 0, 2 * contestTick, 0, 31, 32},
	} {
		r := round{settle: 10 * ms}
		now := time.Unix(1, 0)
		for n := 1; ; n++ {
			now = now.Add(c.gap)
			if n == 18 {
				now = now.Add(c.idle)
			}
			cost, over := r.tick(uint32(n*contestTick), 4*contestTick, uint64(n)*c.begun, now)
			if !over && n <= c.max {
				continue
			}
			if n < c.ticks || n > c.max || cost != c.cost {
				t.Errorf("%s: over after %d ticks, cost %v", c.what, n, cost)
			}
			break
		}
	}
}

// TestContestHopeless: a trial that is far behind ends early, and is lost.
func TestContestHopeless(t *testing.T) {
	const ms = time.Millisecond
	var c contest
	c.restart(true)
	now, calls, tried, trials := time.Unix(1, 0), uint32(0), 0, 0
	for range 100_000 {
		trying := c.trying.Load()
		if calls++; trying {
			tried++
			now = now.Add(10 * ms)
		} else {
			now = now.Add(ms / 10)
		}
		if trying || calls%contestTick == 0 {
			c.tick(calls, 4, uint64(calls), now)
		}
		if trying && !c.trying.Load() {
			trials++
		}
	}
	if !c.leads || trials == 0 || tried != 4*trials {
		t.Errorf("plain leads: %v; %d trials took %d calls", c.leads, trials, tried)
	}
}

// TestContestUnknown: rounds that say nothing decide nothing.
func TestContestUnknown(t *testing.T) {
	var c contest
	c.restart(false)
	rounds(&c, 1000, 0, 1e6, 0)
	rounds(&c, 1000, 1e6, 0, 0)
	if c.leads || c.won != 0 {
		t.Errorf("plain leads: %v, won %d", c.leads, c.won)
	}
}

// TestPolicyOnFiles flips real load between one caller and 256, and between cached and cold data:
// every byte is right, the ways add up, and each way is used where it can be.
func TestPolicyOnFiles(t *testing.T) {
	e := open(t, WithLoops(2))
	const size = 1 << 20
	want := randomBytes(size)
	f := openFile(t, e, want)
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	var calls atomic.Uint64
	read := func(callers, each int) {
		var readers sync.WaitGroup
		for i := range callers {
			readers.Add(1)
			go func() {
				defer readers.Done()
				buf := make([]byte, 4096)
				for j := range each {
					off := (i*7919 + j*104729) % (size - len(buf))
					if n, err := f.ReadAt(buf, int64(off)); n != len(buf) || err != nil || !bytes.Equal(buf, want[off:off+n]) {
						t.Errorf("%d, %v", n, err)
						return
					}
					calls.Add(1)
				}
			}()
		}
		within(t, "readers", readers.Wait)
	}
	for range 3 {
		for _, callers := range []int{1, 256} {
			dropCache(t, f)
			read(callers, 2000/callers)
			read(callers, 2000/callers)
		}
	}
	if s := e.Stats(); s.Plain+s.Cached+s.Looped != calls.Load() || s.Plain == 0 {
		t.Errorf("%+v of %d calls", s, calls.Load())
	}
}

// TestFilesSpread: calls on files are kept together on one loop until it has as many as it takes, then
// the next loop helps.
func TestFilesSpread(t *testing.T) {
	e := open(t, WithLoops(2), WithPolicy(Loop))
	if e.Backend() == "os" {
		t.Skip("SKIPPED: there are no loops")
	}
	f := openFile(t, e, randomBytes(4096))
	buf := make([]byte, 4096)
	for busy, want := range [][2]uint64{{1, 0}, {1, 1}, {2, 1}} {
		for range busy * loopCalls {
			f.volume.begin()
		}
		if n, err := f.ReadAt(buf, 0); n != len(buf) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		for range busy * loopCalls {
			f.volume.end()
		}
		for i, l := range e.loops {
			if n := l.stats().Ops[csrc.Read]; n != want[i] {
				t.Errorf("with %d calls under way: loop %d has had %d, not %d", busy*loopCalls, i, n, want[i])
			}
		}
	}
}

// dropCache asks the kernel to forget the file's pages.
func dropCache(t *testing.T, f *File) {
	const dontNeed = 4
	if _, _, errno := syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0, dontNeed, 0, 0); errno != 0 {
		t.Fatal(errno)
	}
}

// TestDirectIO: aligned transfers work, others say what was wrong with them.
func TestDirectIO(t *testing.T) {
	e := open(t, WithLoops(1))
	name := writeTemp(t, randomBytes(1<<16))
	f, err := e.OpenFile(name, os.O_RDWR|syscall.O_DIRECT, 0)
	if err != nil {
		t.Skipf("SKIPPED: no O_DIRECT here: %v", err)
	}
	defer f.Close()
	memory, offset, err := f.Alignment()
	if err != nil || memory <= 0 || offset <= 0 {
		t.Skipf("SKIPPED: no O_DIRECT here: %d, %d, %v", memory, offset, err)
	}
	block := max(memory, offset)
	buf := AlignedBuffer(block, block)
	if n, err := f.ReadAt(buf, int64(block)); n != block || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if n, err := f.WriteAt(buf, 0); n != block || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	for _, c := range []struct {
		what string
		p    []byte
		off  int64
	}{{"offsets", buf, 1}, {"lengths", buf[:block-1], 0}, {"buffer aligned", AlignedBuffer(block+1, block)[1:], 0}} {
		_, err := f.ReadAt(c.p, c.off)
		if err == nil {
			continue // this file system takes it
		}
		if !bytes.Contains([]byte(err.Error()), []byte(c.what)) || !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// TestAlignedBuffer: addresses and sizes are as asked for.
func TestAlignedBuffer(t *testing.T) {
	for _, alignment := range []int{1, 2, 512, 4096, 1 << 20} {
		for _, size := range []int{0, 1, 4095, 4096} {
			b := AlignedBuffer(size, alignment)
			if len(b) != size || cap(b) != size || (size > 0 && addressOf(b)%uint64(alignment) != 0) {
				t.Errorf("AlignedBuffer(%d, %d): %d of %d bytes at %#x", size, alignment, len(b), cap(b), addressOf(b))
			}
		}
	}
	for _, c := range [][2]int{{1, 0}, {1, 3}, {-1, 1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("AlignedBuffer(%d, %d) did not panic", c[0], c[1])
				}
			}()
			AlignedBuffer(c[0], c[1])
		}()
	}
}
