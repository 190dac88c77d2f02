package ringo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// everyCall makes each call that needs an engine, and gives its error; callbacks must not run.
func everyCall(t *testing.T, e *Engine) map[string]func() error {
	t.Helper()
	name := writeTemp(t, []byte("x"))
	src := openTemp(t, []byte("x"))
	f := e.NewFile(src)
	a, _ := connect(t, "tcp")
	ctx := t.Context()
	called := func() { t.Error("a callback was called") }
	return map[string]func() error{
		"ReadFile":      func() error { _, err := e.ReadFile(ctx, name); return err },
		"WriteFile":     func() error { return e.WriteFile(ctx, name+"2", nil, 0o600) },
		"Atomic":        func() error { return e.WriteFile(ctx, name+"2", []byte("x"), 0o600, Atomic, Sync) },
		"Sendfile":      func() error { _, err := e.Sendfile(ctx, a, src, 0, 1); return err },
		"File.ReadAt":   func() error { _, err := f.ReadAt(make([]byte, 1), 0); return err },
		"File.WriteAt":  func() error { _, err := f.WriteAt(make([]byte, 1), 0); return err },
		"ReadFiles":     func() error { return firstError(e, name) },
		"Serve":         func() error { return serveOnce(t, e) },
		"ReadFileFunc":  func() error { return e.ReadFileFunc(name, func([]byte, error) { called() }) },
		"WriteFileFunc": func() error { return e.WriteFileFunc(name, nil, 0o600, func(error) { called() }) },
		"SendfileFunc":  func() error { return e.SendfileFunc(a, src, 0, 1, func(int64, error) { called() }) },
		"NopFunc":       func() error { return e.NopFunc(func(error) { called() }) },
	}
}

// neverBlocks are those of everyCall that may be made in a callback.
var neverBlocks = map[string]bool{"ReadFileFunc": true, "WriteFileFunc": true, "SendfileFunc": true, "NopFunc": true}

func firstError(e *Engine, name string) (err error) {
	for _, err = range e.ReadFiles(context.Background(), []string{name, name}) {
		break
	}
	return err
}

func serveOnce(t *testing.T, e *Engine) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	return e.Serve(t.Context(), ln, PerConn(func(*Conn) Handler {
		t.Error("a connection was accepted")
		return nil
	}))
}

// TestClosed: every call on a closed engine says so, again and again, and touches no memory that
// is gone.
func TestClosed(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 4096))
	calls := everyCall(t, e)
	if _, err := e.ReadFile(t.Context(), "/etc/hostname"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for name, call := range calls {
		within(t, name+" on a closed engine", func() {
			for range 100 {
				if err := call(); !errors.Is(err, ErrClosed) {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	e.Flush()
	if s := e.Stats(); s.Completions == 0 || s.InFlight != 0 {
		t.Errorf("Stats: %+v", s)
	}
}

func TestCloseTwice(t *testing.T) {
	for range 20 {
		e := open(t)
		var closers sync.WaitGroup
		for range 8 {
			closers.Add(1)
			go func() {
				defer closers.Done()
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			}()
		}
		within(t, "many Close at once", closers.Wait)
		if err := errors.Join(e.Close(), e.Shutdown(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

// TestWouldDeadlock: every call that blocks is refused in a callback, of which loop whatever.
func TestWouldDeadlock(t *testing.T) {
	e := open(t, WithLoops(2), WithReceiveBuffers(4, 4096))
	calls := everyCall(t, e)
	calls["Close"] = e.Close
	calls["Shutdown"] = func() error { return e.Shutdown(context.Background()) }
	for name, call := range calls {
		if neverBlocks[name] {
			continue
		}
		onLoop(t, e, func() {
			if err := call(); !errors.Is(err, ErrWouldDeadlock) {
				t.Errorf("%s in a callback: %v", name, err)
			}
		})
	}
	if isClosed(e.closed) {
		t.Error("Close in a callback closed the engine")
	}
	// The callback of another engine is just a goroutine.
	other := open(t)
	onLoop(t, other, func() {
		if _, err := e.ReadFile(t.Context(), os.DevNull); err != nil {
			t.Errorf("in a callback of another engine: %v", err)
		}
	})
}

// TestCloseDuringCalls closes engines under load: each call ends with what it would have anyway,
// or with ErrClosed, and nothing crashes.
func TestCloseDuringCalls(t *testing.T) {
	want := randomBytes(dataSize + 100)
	large, small := writeTemp(t, want), writeTemp(t, want[:100])
	for range 60 {
		e := open(t, WithLoops(2), WithDepth(16))
		f, err := e.Open(small)
		if err != nil {
			t.Fatal(err)
		}
		var callers sync.WaitGroup
		var done, written atomic.Int64
		call := func(f func() (bool, error)) {
			callers.Add(1)
			go func() {
				defer callers.Done()
				for {
					good, err := f()
					if errors.Is(err, ErrClosed) {
						return
					}
					if !good || err != nil {
						t.Errorf("%v, %v", good, err)
						return
					}
					done.Add(1)
				}
			}()
		}
		for i := range 4 {
			call(func() (bool, error) {
				data, err := e.ReadFile(t.Context(), small)
				return bytes.Equal(data, want[:100]), err
			})
			call(func() (bool, error) {
				data, err := e.ReadFile(t.Context(), large)
				return bytes.Equal(data, want), err
			})
			call(func() (bool, error) {
				buf := make([]byte, 100)
				n, err := f.ReadAt(buf, 0)
				return n == 100 && bytes.Equal(buf, want[:100]), err
			})
			first := sync.OnceFunc(func() { written.Add(1) })
			call(func() (bool, error) {
				err := e.WriteFile(t.Context(), fmt.Sprint(small, i), want[:100], 0o600, Atomic)
				if err == nil {
					first()
				}
				return true, err
			})
			call(func() (bool, error) {
				for file, err := range e.ReadFiles(t.Context(), []string{small, large}) {
					if err != nil {
						return false, err
					}
					_ = file
				}
				return true, nil
			})
		}
		eventually(t, "calls under way", func() bool { return done.Load() > 20 && written.Load() == 4 })
		within(t, "Close under load", func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
		within(t, "calls on a closed engine", callers.Wait)
		f.Close()
	}
	expectNames(t, filepath.Dir(small), "file", "file0", "file1", "file2", "file3")
}

// TestCloseWaitsForCallbacks: what is in flight when Close is called ends as ever, also what takes
// more than one step; when Close returns, every callback has run.
func TestCloseWaitsForCallbacks(t *testing.T) {
	want := randomBytes(5 << 20)
	name := writeTemp(t, want)
	for i := range 20 {
		e := open(t)
		var called atomic.Int64
		const reads = 3
		for range reads {
			if err := e.ReadFileFunc(name, func(data []byte, err error) {
				if err != nil || !bytes.Equal(data, want) {
					t.Errorf("%d: read %d bytes, %v", i, len(data), err)
				}
				called.Add(1)
			}); err != nil {
				t.Fatal(err)
			}
		}
		written := filepath.Join(t.TempDir(), "file")
		if err := e.WriteFileFunc(written, want, 0o600, func(err error) {
			if err != nil {
				t.Errorf("%d: write: %v", i, err)
			}
			called.Add(1)
		}, Atomic); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if called.Load() != reads+1 {
			t.Fatalf("%d: %d callbacks have run", i, called.Load())
		}
		if got, err := os.ReadFile(written); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d: wrote %d bytes, %v", i, len(got), err)
		}
	}
}

// TestCloseWaitsForPosters: a loop is there until those have left who are on their way to post.
func TestCloseWaitsForPosters(t *testing.T) {
	e := open(t, WithLoops(1))
	l := e.loops[0]
	held, err := l.waiters.tryTake(csrc.Nop, nil)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- e.Close() }()
	time.Sleep(20 * time.Millisecond)
	l.gate.RLock()
	gone := l.gone
	l.gate.RUnlock()
	if gone {
		t.Error("the loop is gone, and a post would meet freed memory")
	}
	if err := l.send(&csrc.Op{Code: csrc.Nop}, held, 0); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	within(t, "Close", func() {
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

// TestCloseEndsChains: a callback that always posts the next operation is told that the engine
// closes; else Close would wait for ever.
func TestCloseEndsChains(t *testing.T) {
	for range 20 {
		e := open(t)
		told := make(chan error, 8)
		for range cap(told) {
			var again func(error)
			again = func(error) {
				if err := e.NopFunc(again); err != nil {
					told <- err
				}
			}
			if err := e.NopFunc(again); err != nil {
				t.Fatal(err)
			}
		}
		within(t, "Close with chains", func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
		for range cap(told) {
			if err := <-told; !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
	}
}

// A stuckCall never ends by itself, and tells of its end by sending on ended.
type stuckCall struct {
	name  string
	start func(t *testing.T, ctx context.Context, e *Engine, ended chan<- error)
}

func anyError(_ any, err error) error { return err }

var stuckCalls = []stuckCall{
	{"ReadFile", func(t *testing.T, ctx context.Context, e *Engine, ended chan<- error) {
		fifo := mkfifo(t)
		go func() { ended <- anyError(e.ReadFile(ctx, fifo)) }()
	}},
	{"ReadFile of much", func(t *testing.T, ctx context.Context, e *Engine, ended chan<- error) {
		fifo := mkfifo(t)
		go func() { ended <- anyError(e.ReadFile(ctx, fifo)) }()
		w := openWriter(t, fifo)
		t.Cleanup(func() { w.Close() })
		if _, err := w.Write(make([]byte, dataSize+100)); err != nil {
			t.Fatal(err)
		}
	}},
	{"WriteFile", func(t *testing.T, ctx context.Context, e *Engine, ended chan<- error) {
		fifo := mkfifo(t)
		go func() { ended <- e.WriteFile(ctx, fifo, []byte("x"), 0o600) }()
	}},
	{"ReadFiles", func(t *testing.T, ctx context.Context, e *Engine, ended chan<- error) {
		fifo := mkfifo(t)
		go func() {
			var last error
			for _, err := range e.ReadFiles(ctx, []string{fifo}) {
				last = err
			}
			ended <- last
		}()
		eventually(t, "ReadFiles in flight", func() bool { return e.batchesLent() > 0 })
	}},
	{"Sendfile", func(t *testing.T, ctx context.Context, e *Engine, ended chan<- error) {
		a, b := connect(t, "unix")
		src := openTemp(t, nil)
		if err := src.Truncate(1 << 30); err != nil {
			t.Fatal(err)
		}
		go func() { ended <- anyError(e.Sendfile(ctx, a, src, 0, -1)) }()
		if _, err := io.ReadFull(b, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
	}},
}

// stuckCallbacks have no context, so only Shutdown can end them.
var stuckCallbacks = []stuckCall{
	{"ReadFileFunc", func(t *testing.T, _ context.Context, e *Engine, ended chan<- error) {
		if err := e.ReadFileFunc(mkfifo(t), func(_ []byte, err error) { ended <- err }); err != nil {
			t.Fatal(err)
		}
	}},
	{"WriteFileFunc", func(t *testing.T, _ context.Context, e *Engine, ended chan<- error) {
		if err := e.WriteFileFunc(mkfifo(t), []byte("x"), 0o600, func(err error) { ended <- err }); err != nil {
			t.Fatal(err)
		}
	}},
	{"ReadFileFunc of much", func(t *testing.T, _ context.Context, e *Engine, ended chan<- error) {
		fifo := mkfifo(t)
		if err := e.ReadFileFunc(fifo, func(_ []byte, err error) { ended <- err }); err != nil {
			t.Fatal(err)
		}
		w := openWriter(t, fifo)
		t.Cleanup(func() { w.Close() })
		if _, err := w.Write(make([]byte, dataSize+100)); err != nil {
			t.Fatal(err)
		}
	}},
	{"SendfileFunc", func(t *testing.T, _ context.Context, e *Engine, ended chan<- error) {
		a, b := connect(t, "unix")
		src := openTemp(t, nil)
		if err := src.Truncate(1 << 30); err != nil {
			t.Fatal(err)
		}
		if err := e.SendfileFunc(a, src, 0, -1, func(_ int64, err error) { ended <- err }); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(b, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
	}},
}

// batchesLent is how many batches are in use.
func (e *Engine) batchesLent() int {
	e.batches.mu.Lock()
	defer e.batches.mu.Unlock()
	return len(e.batches.lent)
}

// TestShutdownEndsAll: when its context ends, Shutdown cancels what waits, returns the cause, and
// has then released everything.
func TestShutdownEndsAll(t *testing.T) {
	for _, c := range append(append([]stuckCall{}, stuckCalls...), stuckCallbacks...) {
		if c.name == "Sendfile" { // Go's poller runs it: no business of the engine.
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			e := open(t)
			ended := make(chan error, 1)
			c.start(t, t.Context(), e, ended)
			eventually(t, "call in flight", func() bool { return e.lent()+e.batchesLent() > 0 })
			cause := errors.New("the cause")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Millisecond, func() { cancel(cause) })
			within(t, "Shutdown", func() {
				if err := e.Shutdown(ctx); !errors.Is(err, cause) {
					t.Errorf("Shutdown: %v", err)
				}
			})
			within(t, c.name, func() {
				if err := <-ended; err == nil {
					t.Error("the call succeeded")
				}
			})
		})
	}
}

// TestCancelWhileClosing: a context still ends its call while Close waits for that call.
func TestCancelWhileClosing(t *testing.T) {
	for _, c := range stuckCalls {
		t.Run(c.name, func(t *testing.T) {
			e := open(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			c.start(t, ctx, e, ended)
			if c.name != "Sendfile" {
				eventually(t, "call in flight", func() bool { return e.lent()+e.batchesLent() > 0 })
			}
			closed := make(chan error, 1)
			go func() { closed <- e.Close() }()
			<-e.closed
			time.Sleep(time.Millisecond) // Most often Close has told the loops by then.
			cancel()
			within(t, c.name+" whose context ended", func() {
				if err := <-ended; !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
			within(t, "Close", func() {
				if err := <-closed; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestShutdownAtOnce: a context that has ended before means: do not wait.
func TestShutdownAtOnce(t *testing.T) {
	e := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan error, 1)
	if err := e.ReadFileFunc(mkfifo(t), func(_ []byte, err error) { ended <- err }); err != nil {
		t.Fatal(err)
	}
	within(t, "Shutdown", func() {
		if err := e.Shutdown(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	if err := <-ended; err == nil {
		t.Error("read a FIFO that nobody wrote to")
	}
}

// TestManyEngines opens and closes 1,000 engines, each of which does something; descriptors,
// threads and mappings must not add up.
func TestManyEngines(t *testing.T) {
	name := writeTemp(t, []byte("x"))
	cycle := func() {
		e, err := New(WithLoops(1), WithDepth(8), WithReserve(8), WithReceiveBuffers(4, 4096))
		if errors.Is(err, ErrUnavailable) {
			t.Skipf("SKIPPED: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if data, err := e.ReadFile(t.Context(), name); string(data) != "x" || err != nil {
			t.Fatalf("%q, %v", data, err)
		}
		if err := firstError(e, name); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		cycle()
	}
	used := func() string {
		return fmt.Sprintf("%d descriptors, %d threads, %d mappings", len(descriptors()),
			countEntries("/proc/self/task"), countLines("/proc/self/maps"))
	}
	fds, threads, maps := len(descriptors()), countEntries("/proc/self/task"), countLines("/proc/self/maps")
	before := used()
	for range 990 {
		cycle()
	}
	eventually(t, "what engines used is given back; before "+before+"; after "+used(), func() bool {
		return len(descriptors()) <= fds+5 && countEntries("/proc/self/task") <= threads+20 &&
			countLines("/proc/self/maps") <= maps+200
	})
}

func countEntries(dir string) int {
	entries, _ := os.ReadDir(dir)
	return len(entries)
}

func countLines(name string) int {
	text, _ := os.ReadFile(name)
	return strings.Count(string(text), "\n")
}
