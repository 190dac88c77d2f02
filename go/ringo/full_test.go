package ringo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// An occupier keeps operations of a loop in flight: polls of a pipe that nothing is written to.
type occupier struct {
	t    testing.TB
	r, w *os.File
	n    int
	done sync.WaitGroup
}

func (o *occupier) complete(_ *loop, c *csrc.Completion) {
	if c.Result < 0 {
		o.t.Errorf("poll: %v", errorOf(c.Result))
	}
	o.done.Done()
}

// occupy posts n operations that end when release is called.
func occupy(t testing.TB, e *Engine, n int) *occupier {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	o := &occupier{t: t, r: r, w: w, n: n}
	o.done.Add(n)
	for range n {
		op := csrc.Op{Code: csrc.Poll, FD: int32(r.Fd()), Argument: pollIn}
		if _, err := e.loops[0].post(&op, o); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func (o *occupier) release() {
	o.w.Write([]byte{0})
	within(o.t, "released operations", o.done.Wait)
	o.r.Close()
	o.w.Close()
}

// waiting is how many blocking calls wait for room.
func (e *Engine) waiting() (n int) {
	for _, l := range e.loops {
		l.waiters.mu.Lock()
		n += len(l.waiters.queue)
		l.waiters.mu.Unlock()
	}
	return n
}

// TestFullCallbackForms: they are refused at once, without a callback, and keep nothing.
func TestFullCallbackForms(t *testing.T) {
	for depth := 1; depth <= 8; depth++ {
		e := open(t, WithLoops(1), WithDepth(depth))
		name := writeTemp(t, []byte("x"))
		a, _ := connect(t, "tcp")
		src := openTemp(t, []byte("x"))
		o := occupy(t, e, depth)
		called := func() { t.Error("the callback of a refused operation was called") }
		slabs := len(e.chunks.slabs)
		for range 500 {
			for form, err := range map[string]error{
				"NopFunc":       e.NopFunc(func(error) { called() }),
				"ReadFileFunc":  e.ReadFileFunc(name, func([]byte, error) { called() }),
				"WriteFileFunc": e.WriteFileFunc(name, nil, 0o600, func(error) { called() }),
				"SendfileFunc":  e.SendfileFunc(a, src, 0, 1, func(int64, error) { called() }),
			} {
				if !errors.Is(err, ErrFull) {
					t.Fatalf("depth %d: %s: %v", depth, form, err)
				}
			}
		}
		if n := len(e.chunks.slabs); n > slabs+1 {
			t.Errorf("refused operations keep memory: %d slabs", n)
		}
		o.release()
		nopWhenRoom(t, e, func(error) {})
	}
}

// TestFullBlockingCalls: they wait, heed their contexts meanwhile, and end when there is room.
func TestFullBlockingCalls(t *testing.T) {
	for depth := 1; depth <= 8; depth++ {
		e := open(t, WithLoops(1), WithDepth(depth))
		name := writeTemp(t, []byte("content"))
		o := occupy(t, e, depth)
		cause := errors.New("the cause")
		ctx, cancel := context.WithCancelCause(t.Context())
		const each = 5
		var waiters, cancelled sync.WaitGroup
		for range each {
			waiters.Add(1)
			go func() {
				defer waiters.Done()
				if data, err := e.ReadFile(t.Context(), name); string(data) != "content" || err != nil {
					t.Errorf("depth %d: %q, %v", depth, data, err)
				}
			}()
			cancelled.Add(1)
			go func() {
				defer cancelled.Done()
				var pathErr *fs.PathError
				err := e.WriteFile(ctx, name, []byte("never"), 0o600, Atomic)
				if !errors.Is(err, cause) || !errors.As(err, &pathErr) {
					t.Errorf("depth %d: %v", depth, err)
				}
			}()
		}
		eventually(t, "all wait", func() bool { return e.waiting() == 2*each })
		cancel(cause)
		within(t, "waiting calls whose context ended", cancelled.Wait)
		if n := e.waiting(); n != each {
			t.Errorf("depth %d: %d still wait", depth, n)
		}
		o.release()
		within(t, "waiting calls", waiters.Wait)
	}
}

// TestFullNothingIsLost lets far more callers than there is room for compete, with contexts that
// end while they wait; each must get its turn or its cause.
func TestFullNothingIsLost(t *testing.T) {
	for depth := 1; depth <= 8; depth++ {
		e := open(t, WithLoops(1), WithDepth(depth), WithRingSize(1, 2), WithPolicy(Loop))
		want := randomBytes(100)
		name := writeTemp(t, want)
		f, err := e.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		var callers sync.WaitGroup
		var done, ended atomic.Int64
		for i := range 40 {
			callers.Add(1)
			go func() {
				defer callers.Done()
				random := rand.New(rand.NewPCG(uint64(depth), uint64(i)))
				for range 25 {
					if random.IntN(2) == 0 {
						buf := make([]byte, 100)
						if n, err := f.ReadAt(buf, 0); n != 100 || err != nil || !bytes.Equal(buf, want) {
							t.Errorf("ReadAt: %d, %v", n, err)
						}
						done.Add(1)
						continue
					}
					ctx, cancel := context.WithCancel(t.Context())
					go cancel()
					data, err := e.ReadFile(ctx, name)
					switch {
					case errors.Is(err, context.Canceled):
						ended.Add(1)
					case err == nil && bytes.Equal(data, want):
						done.Add(1)
					default:
						t.Errorf("ReadFile: %v", err)
					}
				}
			}()
		}
		within(t, fmt.Sprint("callers at depth ", depth), callers.Wait)
		f.Close()
		if done.Load()+ended.Load() != 1000 || done.Load() < 300 {
			t.Errorf("depth %d: %d done, %d ended", depth, done.Load(), ended.Load())
		}
	}
}

// TestFullTurnIsPassedOn: who is called when its context has just ended calls the next in the queue;
// the moment is too short to be met by chance.
func TestFullTurnIsPassedOn(t *testing.T) {
	w := newWaiters(1, 1)
	held, err := w.tryTake(csrc.Nop, nil)
	if err != nil {
		t.Fatal(err)
	}
	first, second := make(chan struct{}, 1), make(chan struct{}, 1)
	w.queue = []chan struct{}{first, second}
	w.give([]int32{int32(uint32(held))})
	w.leaveQueue(first)
	if len(first) != 1 || len(second) != 1 || len(w.queue) != 0 {
		t.Errorf("called: %d and %d; %d in the queue", len(first), len(second), len(w.queue))
	}
}

// TestReserve: callbacks have as many operations as WithReserve says, whatever the depth is used
// for, and may post again as soon as one of them has ended.
func TestReserve(t *testing.T) {
	for _, reserve := range []int{1, 2, 3, 8, 100, 10_000} { // The last are more than one delivery takes.
		e := open(t, WithLoops(1), WithDepth(1), WithReserve(reserve))
		posted, refused := 0, error(nil)
		var ended atomic.Int64
		onLoop(t, e, func() {
			for refused == nil {
				if refused = e.NopFunc(func(error) { ended.Add(1) }); refused == nil {
					posted++
				}
			}
		})
		if posted != reserve || !errors.Is(refused, ErrFull) {
			t.Errorf("reserve %d: %d posted, then %v", reserve, posted, refused)
		}
		eventually(t, "reserve used ended", func() bool { return ended.Load() == int64(reserve) })
		again := make(chan error, 1)
		onLoop(t, e, func() { again <- e.NopFunc(func(error) {}) })
		if err := <-again; err != nil {
			t.Errorf("reserve %d: afterwards: %v", reserve, err)
		}
	}
}

// TestReserveKeepsOrder: a cancel stays behind its operation, though there is room in a delivery for
// neither.
func TestReserveKeepsOrder(t *testing.T) {
	const total = 10_000
	e := open(t, WithLoops(1), WithReserve(total))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	var s storm
	s.left.Add(total)
	onLoop(t, e, func() {
		l := e.loops[0]
		for range total {
			ticket, err := l.postOwn(&csrc.Op{Code: csrc.Poll, FD: int32(r.Fd()), Argument: pollIn}, &stormOp{t: t, storm: &s})
			if err != nil {
				t.Error(err)
				s.left.Done()
			}
			l.cancel(ticket)
		}
	})
	within(t, "cancelled polls", s.left.Wait)
	if n := s.cancelled.Load(); n != total {
		t.Errorf("%d of %d were cancelled", n, total)
	}
}

// TestReserveFannedOut posts trees of operations from callbacks: what is refused is known to be
// refused, and all else completes.
func TestReserveFannedOut(t *testing.T) {
	e := open(t, WithLoops(2), WithDepth(4), WithReserve(16), WithRingSize(2, 4))
	var posted, ended, refused atomic.Int64
	var grow func(left int) func(error)
	grow = func(left int) func(error) {
		return func(error) {
			ended.Add(1)
			for range min(left, 3) {
				switch err := e.NopFunc(grow(left - 1)); {
				case err == nil:
					posted.Add(1)
				case errors.Is(err, ErrFull):
					refused.Add(1)
				default:
					t.Error(err)
				}
			}
		}
	}
	for range 20 {
		posted.Add(1)
		if err := e.NopFunc(grow(6)); err != nil {
			posted.Add(-1)
		}
	}
	eventually(t, "every operation that was accepted ends", func() bool { return ended.Load() == posted.Load() })
	if posted.Load() < 100 || refused.Load() == 0 {
		t.Errorf("%d posted, %d refused: this tests nothing", posted.Load(), refused.Load())
	}
}

// TestTinyRing runs 1,000 operations at once through queues of 4 and 8.
func TestTinyRing(t *testing.T) {
	e := open(t, WithLoops(1), WithRingSize(4, 8))
	names, contents := writeMany(t, 1000)
	var callers sync.WaitGroup
	for i := range names {
		callers.Add(1)
		go func() {
			defer callers.Done()
			if data, err := e.ReadFile(t.Context(), names[i]); err != nil || !bytes.Equal(data, contents[i]) {
				t.Errorf("%d: %d bytes, %v", i, len(data), err)
			}
		}()
	}
	within(t, "1,000 reads", callers.Wait)
	var ended atomic.Int64
	for range 1000 {
		if err := e.NopFunc(func(error) { ended.Add(1) }); err != nil {
			eventually(t, "room", func() bool { return e.NopFunc(func(error) { ended.Add(1) }) == nil })
		}
	}
	eventually(t, "1,000 nops", func() bool { return ended.Load() == 1000 })
	o := occupy(t, e, 1000) // Waiting operations are not limited by the queues.
	if data, err := e.ReadFile(t.Context(), names[1]); err != nil || !bytes.Equal(data, contents[1]) {
		t.Errorf("beside 1,000 waiting ones: %v", err)
	}
	o.release()
}

// TestSubmitThreshold: posts are held back until there are enough, or Flush, or a blocking call.
// Were they to wait for the delay, a second, the rounds would take longer than patience lasts.
func TestSubmitThreshold(t *testing.T) {
	const threshold, held = 10, 3
	e := open(t, WithLoops(1), WithSubmitThreshold(threshold, time.Second))
	var posted, ended atomic.Int64
	post := func(n int) {
		for range n {
			posted.Add(1)
			if err := e.NopFunc(func(error) { ended.Add(1) }); err != nil {
				t.Error(err)
			}
		}
	}
	for name, submit := range map[string]func(){
		"Flush":           e.Flush,
		"enough posts":    func() { post(threshold - held) },
		"a blocking call": func() { _, _ = e.ReadFile(t.Context(), "/") },
	} {
		within(t, name, func() {
			for range 2 * int(patience/time.Second) {
				post(held)
				submit()
				eventually(t, name+" submits", func() bool { return ended.Load() == posted.Load() })
			}
		})
	}
	post(1) // Nothing more comes.
	eventually(t, "the delay submits", func() bool { return ended.Load() == posted.Load() })
}

// TestSubmitThresholdHolds: with a delay that does not end within the test, a few posts stay put.
func TestSubmitThresholdHolds(t *testing.T) {
	e := open(t, WithLoops(1), WithSubmitThreshold(1000, 1e9))
	before := e.Stats()
	var ended atomic.Int64
	for range 100 {
		if err := e.NopFunc(func(error) { ended.Add(1) }); err != nil {
			t.Fatal(err)
		}
	}
	e.Flush()
	eventually(t, "Flush submits", func() bool { return ended.Load() == 100 })
	if turns := e.Stats().Turns - before.Turns; turns > 50 {
		t.Errorf("100 posts took %d turns", turns)
	}
}

// TestWaitBatch: a loop that waits for several completions still delivers a single one.
func TestWaitBatch(t *testing.T) {
	e := open(t, WithLoops(1), WithWaitBatch(16, 1e6), WithPolicy(Loop))
	want := randomBytes(5000)
	f, err := e.Open(writeTemp(t, want))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, callers := range []int{1, 2, 16, 17, 100} {
		var reading sync.WaitGroup
		for range callers {
			reading.Add(1)
			go func() {
				defer reading.Done()
				for range 20 {
					buf := make([]byte, len(want))
					if n, err := f.ReadAt(buf, 0); n != len(want) || err != nil || !bytes.Equal(buf, want) {
						t.Errorf("%d, %v", n, err)
					}
				}
			}()
		}
		within(t, "reads by batches", reading.Wait)
	}
}

// TestNoDescriptorsLeft is about fullness of the process.
func TestNoDescriptorsLeft(t *testing.T) {
	e := open(t)
	name := writeTemp(t, []byte("x"))
	fill, lift := limitDescriptors(t)
	fill()
	for _, r := range readers[:2] {
		if _, err := r.read(t.Context(), e, name); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("%s: %v", r.name, err)
		}
	}
	if err := e.WriteFile(t.Context(), name, []byte("y"), 0o600, Atomic); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("WriteFile: %v", err)
	}
	if _, err := New(); !errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.EMFILE) {
		t.Errorf("New: %v", err)
	}
	lift()
	if data, err := e.ReadFile(t.Context(), name); string(data) != "x" || err != nil {
		t.Errorf("afterwards: %q, %v", data, err)
	}
}

// limitDescriptors lowers the limit to some more than are open now. Then fill uses up what is
// left, and lift undoes both.
func limitDescriptors(t *testing.T) (fill, lift func()) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = uint64(len(descriptors())) + 50
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	var fillers []int
	fill = func() {
		for {
			fd, err := syscall.Open("/", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
			if err != nil {
				return
			}
			fillers = append(fillers, fd)
		}
	}
	var once sync.Once
	lift = func() {
		once.Do(func() {
			for _, fd := range fillers {
				syscall.Close(fd)
			}
			if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(lift)
	return fill, lift
}

// TestNopAllocatesNothing: the way through mailbox, ring and delivery makes no garbage.
func TestNopAllocatesNothing(t *testing.T) {
	const rounds = 20_000
	e := open(t, WithLoops(1))
	left := rounds
	done := make(chan struct{})
	var again func(error)
	again = func(error) {
		if left--; left == 0 {
			close(done)
		} else if err := e.NopFunc(again); err != nil {
			t.Error(err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := e.NopFunc(again); err != nil {
		t.Fatal(err)
	}
	within(t, "chain", func() { <-done })
	runtime.ReadMemStats(&after)
	if n := after.Mallocs - before.Mallocs; n > rounds/10 { // The runtime has its own.
		t.Errorf("%d allocations in %d operations", n, rounds)
	}
}
