package ringo

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// A cancelled operation of the storm, and what became of it.
type stormOp struct {
	t     *testing.T
	storm *storm
	ends  bool         // by itself, if it is not cancelled
	times atomic.Int32 // final completions
}

// A storm counts how the operations of one engine ended.
type storm struct {
	done, cancelled atomic.Int64
	left            sync.WaitGroup
}

func (o *stormOp) complete(_ *loop, c *csrc.Completion) {
	if o.times.Add(1) > 1 {
		o.t.Error("an operation completed twice")
		return
	}
	switch {
	case c.Result == -int64(syscall.ECANCELED):
		o.storm.cancelled.Add(1)
	case c.Result >= 0 && o.ends:
		o.storm.done.Add(1)
	default:
		o.t.Errorf("an operation that ends by itself (%v) gave %d", o.ends, c.Result)
	}
	o.storm.left.Done()
}

// TestCancelStorm posts 10,000 operations of several kinds and cancels most of them at random
// moments: just posted, in flight, ended long ago. Each must complete once. Two of eight kinds
// never end by themselves, and three are not cancelled, so neither share is left to chance.
func TestCancelStorm(t *testing.T) {
	const total, posters = 10_000, 4
	e := open(t, WithDepth(256), WithRingSize(32, 64))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	direct := openDirect(t)
	memory, err := syscall.Mmap(-1, 0, posters*4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(memory)
	var s storm
	s.left.Add(total)
	var posting sync.WaitGroup
	for poster := range posters {
		posting.Add(1)
		go func() {
			defer posting.Done()
			random := rand.New(rand.NewPCG(42, uint64(poster)))
			buffer := addressOf(memory[poster*4096:])
			for i := range total / posters {
				postOne(t, e, &s, random, i%8, int32(r.Fd()), int32(direct.Fd()), buffer)
			}
		}()
	}
	within(t, "posting", posting.Wait)
	within(t, "operations cancelled or not", s.left.Wait)
	done, cancelled := s.done.Load(), s.cancelled.Load()
	if done+cancelled != total || done < total/5 || cancelled < total/5 {
		t.Errorf("%d done, %d cancelled of %d", done, cancelled, total)
	}
	t.Logf("%d done, %d cancelled", done, cancelled)
}

// openDirect opens a file of a page past the page cache, if its file system can.
func openDirect(t *testing.T) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "direct")
	if err := os.WriteFile(name, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_DIRECT, 0)
	if err != nil {
		f, err = os.Open(name)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// postOne posts an operation of one of eight kinds, and cancels it at a random moment.
func postOne(t *testing.T, e *Engine, s *storm, random *rand.Rand, kind int, pipe, direct int32, buffer uint64) {
	o := &stormOp{t: t, storm: s, ends: true}
	var op csrc.Op
	cancel := true
	switch kind {
	case 0, 1:
		op, o.ends = csrc.Op{Code: csrc.Poll, FD: pipe, Argument: pollIn}, false
	case 2:
		op = csrc.Op{Code: csrc.Nop}
	case 3, 4:
		op = csrc.Op{Code: csrc.Read, FD: direct, Address: buffer, Length: 4096}
		cancel = kind == 3
	case 5, 6:
		op = csrc.Op{Code: csrc.Timeout, Argument2: random.Uint64N(2e6)}
		cancel = kind == 5
	case 7:
		op, cancel = csrc.Op{Code: csrc.Nop}, false
	}
	l := e.anyLoop()
	ticket, err := l.postBlocking(t.Context(), &op, o, false)
	if err != nil {
		t.Error(err)
		s.left.Done()
		return
	}
	if !cancel {
		return
	}
	switch random.IntN(4) {
	case 0:
		l.cancel(ticket)
	case 1:
		runtime.Gosched()
		l.cancel(ticket)
	case 2: // From the loop itself.
		if err := l.do(func(l *loop) { l.cancel(ticket) }, false); err != nil {
			t.Error(err)
		}
	case 3:
		delay := time.Duration(random.Uint64N(1e6))
		time.AfterFunc(delay, func() { l.cancel(ticket) })
	}
}

// TestCancelLate: a cancel of something that has ended reaches nobody else, though its place in
// the table is in use again.
func TestCancelLate(t *testing.T) {
	e := open(t, WithLoops(1), WithDepth(1))
	l := e.loops[0]
	for range 200 {
		ended := make(chan struct{}, 1)
		first, err := l.postBlocking(t.Context(), &csrc.Op{Code: csrc.Nop}, loopFunc(func(*loop) { ended <- struct{}{} }), false)
		if err != nil {
			t.Fatal(err)
		}
		<-ended
		var s storm
		s.left.Add(1)
		o := &stormOp{t: t, storm: &s, ends: true}
		second, err := l.postBlocking(t.Context(), &csrc.Op{Code: csrc.Timeout, Argument2: 1e5}, o, false)
		if err != nil {
			t.Fatal(err)
		}
		if uint32(first) != uint32(second) || first == second {
			t.Fatalf("tickets %x and %x: this tests nothing", first, second)
		}
		l.cancel(first)
		within(t, "timeout", s.left.Wait)
		if s.cancelled.Load() != 0 {
			t.Fatal("a late cancel hit another operation")
		}
	}
}
