package ringo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/ringo-io/ringo/csrc"
)

// TestWindowSetups: a window that is set up in another way does the same.
func TestWindowSetups(t *testing.T) {
	e := open(t, WithLoops(1))
	want := randomBytes(100_000)
	f, other := openFile(t, e, want), openFile(t, e, want[:10])
	memory := make([]byte, 64*100)
	leased, err := e.Buffers().Get(1)
	if err != nil {
		t.Fatal(err)
	}
	defer leased.Release()
	for _, c := range []struct {
		name    string
		options []WindowOption
	}{
		{"one thread", []WindowOption{WindowOneThread()}},
		{"SQPOLL", []WindowOption{WindowSQPoll(-1)}},
		{"SQPOLL on a processor", []WindowOption{WindowSQPoll(0)}},
		{"SQPOLL, one thread", []WindowOption{WindowSQPoll(-1), WindowOneThread()}},
		{"files", []WindowOption{WindowFiles(other, f)}},
		{"memory", []WindowOption{WindowBuffers(memory[:100], memory[100:])}},
		{"all", []WindowOption{WindowOneThread(), WindowSQPoll(-1), WindowFiles(f), WindowBuffers(memory)}},
	} {
		within(t, c.name, func() {
			for _, depth := range []int{1, 7, 64} {
				w, err := e.NewWindow(context.Background(), depth, c.options...)
				if err != nil {
					t.Errorf("%s: %v", c.name, err)
					return
				}
				slideIn(t, w, f, want, 1, memory)
				if entered := w.Entries() > 0; entered != (e.Backend() == "uring") {
					t.Errorf("%s: backend %s entered the kernel %d times", c.name, e.Backend(), w.Entries())
				}
				entered := w.Entries()
				if err := w.Close(); err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
				if w.Entries() < entered {
					t.Errorf("%s: %d entries, and %d after Close", c.name, entered, w.Entries())
				}
			}
		})
	}
}

// TestWindowFiles: the kernel uses the file that was registered, whatever its descriptor means by now.
func TestWindowFiles(t *testing.T) {
	e := open(t, WithLoops(1))
	if e.Backend() != "uring" {
		t.Skip("SKIPPED: only a ring has registered files")
	}
	f, other := openFile(t, e, []byte("registered")), openFile(t, e, []byte("unexpected"))
	w, err := e.NewWindow(t.Context(), 2, WindowFiles(f))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := syscall.Dup3(int(other.fd), int(f.fd), syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	ops := []Op{{File: f, Data: make([]byte, 10)}, {File: other, Data: make([]byte, 10)}}
	for i := range ops {
		if err := w.Submit(&ops[i]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Wait(2); err != nil || string(ops[0].Data) != "registered" || string(ops[1].Data) != "unexpected" {
		t.Errorf("%q, %q, %v", ops[0].Data, ops[1].Data, err)
	}
}

// TestWindowBuffers: what lies in registered memory as a whole is a fixed transfer, and nothing else.
func TestWindowBuffers(t *testing.T) {
	e := open(t, WithLoops(1))
	if e.Backend() != "uring" {
		t.Skip("SKIPPED: only a ring has registered memory")
	}
	memory := make([]byte, 30_000)
	first, second := memory[:10_000], memory[20_000:]
	w, err := e.NewWindow(t.Context(), 2, WindowBuffers(first, second))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, c := range []struct {
		data  []byte
		place int32 // -1: none
	}{
		{memory[:1], 0}, {memory[:10_000], 0}, {memory[9_999:10_000], 0}, {memory[9_999:10_001], -1}, {memory[10_000:10_001], -1},
		{memory[19_999:20_001], -1}, {memory[20_000:30_000], 1}, {make([]byte, 1), -1},
	} {
		request := csrc.Op{Address: addressOf(c.data), Length: uint64(len(c.data))}
		w.fixed.use(&request)
		if fixed := request.Flags == csrc.FixedBuffer; fixed != (c.place >= 0) || fixed && request.FD2 != c.place {
			t.Errorf("%d bytes at %d: flags %#x, place %d; want place %d", len(c.data), addressOf(c.data)-addressOf(memory),
				request.Flags, request.FD2, c.place)
		}
	}
}

// TestWindowSetupErrors: what cannot be set up is refused, and leaves nothing behind.
func TestWindowSetupErrors(t *testing.T) {
	e := open(t, WithLoops(1))
	closed := openFile(t, e, []byte("x"))
	closed.Close()
	for _, c := range []struct {
		name   string
		option WindowOption
		want   error
	}{
		{"a closed file", WindowFiles(closed), os.ErrClosed},
		{"no file", WindowFiles(nil), os.ErrInvalid},
		{"no memory", WindowBuffers(nil), os.ErrInvalid},
		{"a processor that is not there", WindowSQPoll(1000), syscall.EINVAL},
	} {
		w, err := e.NewWindow(t.Context(), 1, c.option, WindowOneThread())
		if e.Backend() != "uring" { // Nothing to set up.
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			} else if err := w.Close(); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestWindowIOPoll: O_DIRECT reads are polled for, or refused where the device cannot; NOPs end.
func TestWindowIOPoll(t *testing.T) {
	e := open(t, WithLoops(1))
	want := randomBytes(16 * 4096)
	f, err := e.OpenFile(writeTemp(t, want), os.O_RDONLY|syscall.O_DIRECT, 0)
	if err != nil {
		t.Skipf("SKIPPED: no O_DIRECT here: %v", err)
	}
	defer f.Close()
	w, err := e.NewWindow(t.Context(), 17, WindowIOPoll(), WindowFiles(f))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	memory := AlignedBuffer(len(want), 4096)
	ops := []Op{{Kind: OpNop}}
	for i := range 16 {
		ops = append(ops, Op{File: f, Data: memory[i*4096:][:4096], Offset: int64(i * 4096)})
	}
	within(t, "polling", func() {
		if err := w.run(ops); err != nil {
			t.Error(err)
		}
	})
	if ops[0].Err != nil {
		t.Errorf("a NOP: %v", ops[0].Err)
	}
	for i, op := range ops[1:] {
		switch {
		case errors.Is(op.Err, syscall.EOPNOTSUPP):
			t.Log("nothing is polled for here")
			return
		case op.Err != nil, !bytes.Equal(op.Data, want[i*4096:][:4096]):
			t.Errorf("read %d: %d, %v", i, op.N, op.Err)
		}
	}
}

// TestVectors: reads and writes of several pieces of memory.
func TestVectors(t *testing.T) {
	e := open(t, WithLoops(1))
	want := randomBytes(10_000)
	f := openFile(t, e, nil)
	pieces := func(data []byte, sizes ...int) (vectors [][]byte) {
		for _, n := range sizes {
			vectors = append(vectors, data[:n:n])
			data = data[n:]
		}
		return vectors
	}
	data := slices.Clone(want)
	back := make([]byte, 10_000)
	many := make([]int, 1000)
	for i := range many {
		many[i] = 10
	}
	for _, c := range []struct {
		name   string
		op     Op
		n      int
		err    error
		opened []byte // what back begins with then
	}{
		{"a write", Op{Kind: OpWritev, Vectors: pieces(data, 1, 0, 4999, 5000)}, 10_000, nil, nil},
		{"a read", Op{Kind: OpReadv, Vectors: pieces(back, many...)}, 10_000, nil, want},
		{"behind an offset", Op{Kind: OpReadv, Offset: 100, Vectors: pieces(back, 7, 93)}, 100, nil, want[100:200]},
		{"past the end", Op{Kind: OpReadv, Offset: 9_990, Vectors: pieces(back, 5, 6)}, 10, io.EOF, want[9_990:]},
		{"nothing", Op{Kind: OpReadv}, 0, nil, nil},
		{"by a worker", Op{Kind: OpReadv, Async: true, Vectors: pieces(back, 10, 10)}, 20, nil, want[:20]},
		{"too many", Op{Kind: OpReadv, Vectors: make([][]byte, 1025)}, 0, syscall.EINVAL, nil},
	} {
		op := c.op
		op.File = f
		b, err := e.NewBatch(4)
		if err != nil {
			t.Fatal(err)
		}
		err = b.Run(t.Context(), []Op{op})
		if err != nil && !errors.Is(err, c.err) || err == nil && c.err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
		if !bytes.HasPrefix(back, c.opened) {
			t.Errorf("%s: wrong bytes", c.name)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestVectorsBesideTheCollector: what a former batch wrote down of its memory may lead nowhere by now, and
// the garbage collector must not take it for pointers.
func TestVectorsBesideTheCollector(t *testing.T) {
	e := open(t, WithLoops(1))
	f := openFile(t, e, make([]byte, 64<<10))
	read := func(vectors ...[]byte) {
		b, err := e.NewBatch(1)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if err := b.Run(t.Context(), []Op{{Kind: OpReadv, File: f, Vectors: vectors}}); err != nil {
			t.Fatal(err)
		}
	}
	over := make(chan struct{})
	var collector sync.WaitGroup
	collector.Add(1)
	go func() {
		defer collector.Done()
		for !isClosed(over) {
			runtime.GC()
		}
	}()
	defer collector.Wait()
	defer close(over)
	lasting := make([]byte, 200)
	for range 100 {
		read(make([]byte, 40<<10), make([]byte, 24<<10))
		runtime.GC() // Gives their pages back.
		read(lasting[:100], lasting[100:])
	}
}

// TestAsync: workers of the kernel do the same.
func TestAsync(t *testing.T) {
	e := open(t, WithLoops(1))
	want := randomBytes(64 * 100)
	f := openFile(t, e, want)
	ops := make([]Op, 64)
	memory := make([]byte, len(want))
	for i := range ops {
		ops[i] = Op{File: f, Async: true, Data: memory[i*100:][:100], Offset: int64(i * 100)}
	}
	if err := e.ReadBatch(t.Context(), ops); err != nil || !bytes.Equal(memory, want) {
		t.Errorf("%v, equal bytes: %v", err, bytes.Equal(memory, want))
	}
}
