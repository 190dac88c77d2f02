package ringo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// openFile opens a new file with data for reading and writing through e.
func openFile(t testing.TB, e *Engine, data []byte) *File {
	t.Helper()
	f, err := e.OpenFile(writeTemp(t, data), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func openWindow(t testing.TB, e *Engine, depth int) *Window {
	t.Helper()
	w, err := e.NewWindow(context.Background(), depth)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// pipeWithoutWriter gives a File whose read never ends, and says when to let it.
func stuckRead(t testing.TB, e *Engine) (op *Op, release func()) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	f := e.NewFile(r)
	f.ringable = true // Only a test asks a ring to read a pipe by offset.
	t.Cleanup(func() { r.Close(); w.Close() })
	return &Op{File: f, Data: make([]byte, 1)}, func() { w.Close() }
}

// TestWindowSlides keeps windows of several depths full; each op ends once, with its own data.
func TestWindowSlides(t *testing.T) {
	e := open(t, WithLoops(1))
	want := randomBytes(100_000)
	f := openFile(t, e, want)
	for _, depth := range []int{1, 2, 7, 64} {
		for _, least := range []int{0, 1, depth/2 + 1, depth} {
			w := openWindow(t, e, depth)
			within(t, fmt.Sprintf("window of %d, waiting for %d", depth, least), func() {
				slide(t, w, f, want, least)
			})
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func slide(t *testing.T, w *Window, f *File, want []byte, least int) {
	slideIn(t, w, f, want, least, make([]byte, w.Depth()*slideSize))
}

const slideSize = 100

// slideIn reads into memory.
func slideIn(t *testing.T, w *Window, f *File, want []byte, least int, memory []byte) {
	const total, size = 2000, slideSize
	var idle []*Op
	for i := range w.Depth() {
		idle = append(idle, &Op{File: f, Data: memory[i*size : (i+1)*size]})
	}
	seen := make([]bool, total)
	submitted, ended := 0, 0
	for ended < total {
		for ; submitted < total && len(idle) > 0; submitted++ {
			op := idle[len(idle)-1]
			idle = idle[:len(idle)-1]
			op.Tag, op.Offset = uint64(submitted), int64(submitted*7919%(len(want)-size))
			if err := w.Submit(op); err != nil {
				t.Fatal(err)
			}
		}
		if submitted-ended == w.Depth() && w.Submit(&Op{Kind: OpNop}) != ErrFull {
			t.Fatal("a full window took one more")
		}
		ops, err := w.Wait(least)
		if err != nil || len(ops) < min(least, submitted-ended) {
			t.Fatalf("Wait(%d) of %d: %d, %v", least, submitted-ended, len(ops), err)
		}
		for _, op := range ops {
			if seen[op.Tag] || op.N != size || op.Err != nil || !bytes.Equal(op.Data, want[op.Offset:][:size]) {
				t.Fatalf("op %d: %d, %v, seen %v", op.Tag, op.N, op.Err, seen[op.Tag])
			}
			seen[op.Tag] = true
			idle = append(idle, op)
		}
		ended += len(ops)
	}
	if ops, err := w.Wait(1); len(ops) != 0 || err != nil || w.InFlight() != 0 {
		t.Errorf("nothing is in flight: %v, %v", ops, err)
	}
}

// opCase is an op and how it ends.
type opCase struct {
	name string
	op   Op
	n    int
	err  error
}

func opCases(t *testing.T, e *Engine) []opCase {
	f := openFile(t, e, []byte("0123456789"))
	closed := openFile(t, e, []byte("x"))
	closed.Close()
	appends, err := e.OpenFile(f.Name(), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { appends.Close() })
	pipe, _, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pipe.Close() })
	buf := func(n int) []byte { return make([]byte, n) }
	return []opCase{
		{"read", Op{File: f, Data: buf(4), Offset: 3}, 4, nil},
		{"read over the end", Op{File: f, Data: buf(4), Offset: 8}, 2, io.EOF},
		{"read at the end", Op{File: f, Data: buf(4), Offset: 10}, 0, io.EOF},
		{"read nothing", Op{File: f}, 0, nil},
		{"read before the beginning", Op{File: f, Data: buf(1), Offset: -1}, 0, errNegativeOffset},
		{"read what is closed", Op{File: closed, Data: buf(1)}, 0, fs.ErrClosed},
		{"read a pipe", Op{File: e.NewFile(pipe), Data: buf(1)}, 0, syscall.ESPIPE},
		{"read no file", Op{Data: buf(1)}, 0, os.ErrInvalid},
		{"write", Op{Kind: OpWrite, File: f, Data: []byte("ab"), Offset: 0}, 2, nil},
		{"write what appends", Op{Kind: OpWrite, File: appends, Data: []byte("ab")}, 0, appends.noWriteAt},
		{"sync", Op{Kind: OpSync, File: f}, 0, nil},
		{"datasync", Op{Kind: OpDatasync, File: f}, 0, nil},
		{"sync what is closed", Op{Kind: OpSync, File: closed}, 0, fs.ErrClosed},
		{"rename what is not there", Op{Kind: OpRename, Name: "/missing/a", NewName: "/missing/b"}, 0, fs.ErrNotExist},
		{"rename a name too long", Op{Kind: OpRename, Name: string(bytes.Repeat([]byte("n"), 5000)), NewName: "b"}, 0, syscall.ENAMETOOLONG},
		{"rename to a name with a zero", Op{Kind: OpRename, Name: "a", NewName: "b\x00"}, 0, syscall.EINVAL},
		{"remove what is not there", Op{Kind: OpRemove, Name: "/missing/a"}, 0, fs.ErrNotExist},
		{"nop", Op{Kind: OpNop}, 0, nil},
		{"time enough", Op{File: f, Data: buf(4), Timeout: time.Hour}, 4, nil},
	}
}

// TestOps runs each kind of op, good and bad, alone in windows and all together in a batch.
func TestOps(t *testing.T) {
	e := open(t, WithLoops(1))
	w := openWindow(t, e, 2)
	check := func(name string, op *Op, c opCase) {
		t.Helper()
		if op.N != c.n || (c.err == nil) != (op.Err == nil) || !errors.Is(op.Err, c.err) {
			t.Errorf("%s: %d, %v; want %d, %v", name, op.N, op.Err, c.n, c.err)
		}
	}
	cases := opCases(t, e)
	for _, c := range cases {
		op := c.op
		if err := w.Submit(&op); err != nil {
			t.Fatal(err)
		}
		if ops, err := w.Wait(1); err != nil || len(ops) != 1 || ops[0] != &op {
			t.Fatalf("%s: %v, %v", c.name, ops, err)
		}
		check(c.name, &op, c)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	b, err := e.NewBatch(3)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var ops []Op
		for _, c := range cases {
			ops = append(ops, c.op)
		}
		if err := b.Run(t.Context(), ops); err != io.EOF {
			t.Errorf("the first error is that of the second op, got %v", err)
		}
		for i := range ops {
			check("in a batch: "+cases[i].name, &ops[i], cases[i])
		}
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// TestBatchLinks replaces a file durably: the data, then its durability, then the name. A link that
// breaks leaves the old file.
func TestBatchLinks(t *testing.T) {
	e := open(t, WithLoops(1))
	dir := t.TempDir()
	name, fresh := filepath.Join(dir, "name"), filepath.Join(dir, "fresh")
	for _, depth := range []int{1, 2, 3, 16} {
		b, err := e.NewBatch(depth)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := e.Create(fresh)
		if err != nil {
			t.Fatal(err)
		}
		reader, err := e.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		replace := func(to *File) []Op {
			return []Op{
				{Kind: OpWrite, File: to, Data: []byte("new"), Link: true},
				{Kind: OpDatasync, File: to, Link: true},
				{Kind: OpRename, Name: fresh, NewName: name},
				{File: reader, Data: make([]byte, 3)},
			}
		}
		ops := replace(reader) // opened for reading only
		if err := b.Run(t.Context(), ops); !errors.Is(err, syscall.EBADF) {
			t.Errorf("depth %d: %v", depth, err)
		}
		if !errors.Is(ops[1].Err, syscall.ECANCELED) || !errors.Is(ops[2].Err, syscall.ECANCELED) || ops[3].Err != nil {
			t.Errorf("depth %d: a broken chain gave %v, %v, and then %v", depth, ops[1].Err, ops[2].Err, ops[3].Err)
		}
		if data, _ := os.ReadFile(name); string(data) != "old" {
			t.Errorf("depth %d: a broken chain left %q", depth, data)
		}
		if err := b.Run(t.Context(), replace(f)); err != nil {
			t.Errorf("depth %d: %v", depth, err)
		}
		if data, _ := os.ReadFile(name); string(data) != "new" {
			t.Errorf("depth %d: the chain left %q", depth, data)
		}
		f.Close()
		reader.Close()
		b.Close()
	}
}

// TestWindowTimeouts: an op that does not end in its time is cancelled, the others are not.
func TestWindowTimeouts(t *testing.T) {
	e := open(t, WithLoops(1))
	if e.Backend() != "uring" {
		t.Skip("SKIPPED: a read that a thread is in cannot be cancelled")
	}
	w := openWindow(t, e, 4)
	defer w.Close()
	stuck, _ := stuckRead(t, e)
	stuck.Timeout = 20 * time.Millisecond
	good := &Op{File: openFile(t, e, []byte("x")), Data: make([]byte, 1), Timeout: time.Hour}
	for _, op := range []*Op{stuck, good} {
		if err := w.Submit(op); err != nil {
			t.Fatal(err)
		}
	}
	within(t, "a timeout", func() {
		for ended := 0; ended < 2; {
			ops, err := w.Wait(1)
			if err != nil {
				t.Error(err)
				return
			}
			ended += len(ops)
		}
	})
	if !errors.Is(stuck.Err, os.ErrDeadlineExceeded) || good.Err != nil || good.N != 1 {
		t.Errorf("%v; %d, %v", stuck.Err, good.N, good.Err)
	}
}

// TestWindowContext: the end of a context wakes a Wait and ends what is in flight with the cause.
func TestWindowContext(t *testing.T) {
	e := open(t, WithLoops(1))
	if e.Backend() != "uring" {
		t.Skip("SKIPPED: a read that a thread is in cannot be cancelled")
	}
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	w, err := e.NewWindow(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	stuck, _ := stuckRead(t, e)
	if err := w.Submit(stuck); err != nil {
		t.Fatal(err)
	}
	if ops, err := w.WaitFor(1, time.Millisecond); len(ops) != 0 || err != nil {
		t.Errorf("WaitFor: %v, %v", ops, err)
	}
	time.AfterFunc(5*time.Millisecond, func() { cancel(cause) })
	within(t, "a cancelled window", func() {
		if ops, err := w.Wait(1); len(ops) != 1 || err != nil || !errors.Is(stuck.Err, cause) {
			t.Errorf("%v, %v: %v", ops, err, stuck.Err)
		}
	})
	if err := w.Submit(stuck); !errors.Is(err, cause) {
		t.Errorf("Submit after the end: %v", err)
	}
}

// TestBatchContext cancels batches at random moments: every op has ended, well or with the cause,
// and the next run is not touched by a cancel that came too late.
func TestBatchContext(t *testing.T) {
	e := open(t, WithLoops(1))
	want := randomBytes(1 << 16)
	f := openFile(t, e, want)
	b, err := e.NewBatch(8)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	memory := make([]byte, len(want))
	read := func(ctx context.Context) (good, ended int) {
		ops := make([]Op, 256)
		for i := range ops {
			ops[i] = Op{File: f, Data: memory[i*256 : (i+1)*256], Offset: int64(i * 256)}
		}
		err := b.Run(ctx, ops)
		for i := range ops {
			switch {
			case ops[i].Err == nil && bytes.Equal(ops[i].Data, want[i*256:(i+1)*256]):
				good++
			case errors.Is(ops[i].Err, context.Canceled):
				ended++
			default:
				t.Fatalf("%d, %v", ops[i].N, ops[i].Err)
			}
		}
		if (err != nil) != (ended > 0) {
			t.Errorf("%d ended, %v", ended, err)
		}
		return good, ended
	}
	for i := range 200 {
		ctx, cancel := context.WithCancel(context.Background())
		timer := time.AfterFunc(time.Duration(rand.Uint32N(300))*time.Microsecond, cancel)
		if i == 0 {
			cancel()
		}
		read(ctx)
		timer.Stop()
		cancel()
		if i%10 == 0 {
			if good, _ := read(context.Background()); good != 256 {
				t.Fatalf("after a cancel only %d were read", good)
			}
		}
	}
}

// TestBatchChainEndsWithItsRun: a chain that a cancel cut short is no concern of the next run.
func TestBatchChainEndsWithItsRun(t *testing.T) {
	e := open(t, WithLoops(1))
	b, err := e.NewBatch(1)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	f := openFile(t, e, []byte("x"))
	if err := b.Run(t.Context(), []Op{{File: f, Data: make([]byte, 2), Link: true}}); err != io.EOF {
		t.Errorf("%v", err)
	}
	if err := b.Run(t.Context(), []Op{{Kind: OpNop}}); err != nil {
		t.Errorf("the next run: %v", err)
	}
}

// TestBatchMany: pooled batches by many goroutines, each with more ops than a ring takes, in
// sub-slices of one slice, while the collector runs.
func TestBatchMany(t *testing.T) {
	e := open(t, WithLoops(1))
	const parts, size = 1000, 512
	want := randomBytes(parts * size)
	in := openFile(t, e, want)
	out, err := e.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var workers sync.WaitGroup
	for range 4 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			memory := make([]byte, parts*size)
			ops := make([]Op, parts)
			for i := range ops {
				ops[i] = Op{File: in, Data: memory[i*size : (i+1)*size], Offset: int64(i * size)}
			}
			runtime.GC()
			if err := e.ReadBatch(t.Context(), ops); err != nil || !bytes.Equal(memory, want) {
				t.Errorf("ReadBatch: %v", err)
			}
			for i := range ops {
				ops[i].File = out
			}
			if err := e.WriteBatch(t.Context(), ops); err != nil {
				t.Errorf("WriteBatch: %v", err)
			}
		}()
	}
	within(t, "batches", workers.Wait)
	if got, err := os.ReadFile(out.Name()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file is not what was written: %v", err)
	}
}

// TestWindowOfClosedEngine: what an engine's end does to its windows.
func TestWindowOfClosedEngine(t *testing.T) {
	e, err := New(WithLoops(1))
	if errors.Is(err, ErrUnavailable) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	w := openWindow(t, e, 2)
	b, err := e.NewBatch(2)
	if err != nil {
		t.Fatal(err)
	}
	f := openFile(t, e, []byte("x"))
	if err := e.ReadBatch(t.Context(), []Op{{File: f, Data: make([]byte, 1)}}); err != nil {
		t.Error(err)
	}
	within(t, "Close", func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.Submit(&Op{Kind: OpNop}); err != ErrClosed {
		t.Errorf("Submit: %v", err)
	}
	ops := []Op{{Kind: OpNop}, {Kind: OpNop}}
	if err := b.Run(t.Context(), ops); !errors.Is(err, ErrClosed) || !errors.Is(ops[1].Err, ErrClosed) {
		t.Errorf("Run: %v, %v", err, ops[1].Err)
	}
	if err := e.ReadBatch(t.Context(), []Op{{File: f}}); !errors.Is(err, ErrClosed) {
		t.Errorf("ReadBatch: %v", err)
	}
	if _, err := e.NewWindow(t.Context(), 1); err != ErrClosed {
		t.Errorf("NewWindow: %v", err)
	}
	if w.Close() != nil || b.Close() != nil || w.Close() != ErrClosed {
		t.Error("windows cannot be closed after their engine")
	}
}

// TestWindowShutdown: Shutdown ends what a window has in flight, and waits for it.
func TestWindowShutdown(t *testing.T) {
	e, err := New(WithLoops(1))
	if errors.Is(err, ErrUnavailable) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	stuck, release := stuckRead(t, e)
	if e.Backend() != "uring" {
		time.AfterFunc(10*time.Millisecond, release)
	}
	ended := make(chan error)
	go func() {
		w, err := e.NewWindow(context.Background(), 2)
		if err == nil {
			err = w.Submit(stuck)
		}
		ended <- err
		if err == nil {
			_, err = w.Wait(1)
			w.Close()
		}
		ended <- err
	}()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	within(t, "Shutdown", func() {
		if err := e.Shutdown(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if stuck.Err == nil {
		t.Error("the op in flight did not end with an error")
	}
}

// TestWindowInCallback: a window would keep a loop from delivering.
func TestWindowInCallback(t *testing.T) {
	e := open(t, WithLoops(1))
	w := openWindow(t, e, 1)
	defer w.Close()
	onLoop(t, e, func() {
		if err := w.Submit(&Op{Kind: OpNop}); err != ErrWouldDeadlock {
			t.Errorf("Submit: %v", err)
		}
		if err := e.ReadBatch(context.Background(), []Op{{Kind: OpNop}}); !errors.Is(err, ErrWouldDeadlock) {
			t.Errorf("ReadBatch: %v", err)
		}
	})
}

// TestWindowDepths: depths out of range are refused.
func TestWindowDepths(t *testing.T) {
	e := open(t, WithLoops(1))
	for _, depth := range []int{-1, 0, 32769} {
		if _, err := e.NewWindow(t.Context(), depth); err == nil {
			t.Errorf("a window of %d", depth)
		}
	}
}

// TestWindowAllocatesNothing per operation, whatever it carries.
func TestWindowAllocatesNothing(t *testing.T) {
	e := open(t, WithLoops(1))
	if e.Backend() == "os" {
		t.Skip("SKIPPED: goroutines allocate")
	}
	f := openFile(t, e, randomBytes(64*512))
	w := openWindow(t, e, 64)
	defer w.Close()
	memory := make([]byte, 64*512)
	ops, pieces := make([]Op, 64), make([][]byte, 128)
	for i := range pieces {
		pieces[i] = memory[i*256:][:256]
	}
	allocated := testing.AllocsPerRun(100, func() {
		for i := range ops {
			ops[i] = Op{File: f, Data: memory[i*512 : (i+1)*512], Offset: int64(i * 512), Timeout: time.Hour}
			if i%2 == 1 {
				ops[i].Kind, ops[i].Vectors = OpReadv, pieces[2*i:][:2]
			}
			if err := w.Submit(&ops[i]); err != nil {
				t.Fatal(err)
			}
		}
		for w.InFlight() > 0 {
			if _, err := w.Wait(1); err != nil {
				t.Fatal(err)
			}
		}
	})
	if allocated > 0 {
		t.Errorf("a window's 64 operations allocate %v times", allocated)
	}
	allocated = testing.AllocsPerRun(100, func() {
		if err := e.ReadBatch(context.Background(), ops); err != nil {
			t.Fatal(err)
		}
	})
	if allocated > 1 { // The pool's.
		t.Errorf("a batch of 64 operations allocates %v times", allocated)
	}
}
