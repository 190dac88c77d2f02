package ringo

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A fileStorm is goroutines that use files in every way while contexts end, timeouts expire and files
// are closed at random moments. Memory is poisoned the moment a call has given it back: what the
// kernel would still write there is seen.
type fileStorm struct {
	t      *testing.T
	engine *Engine
	dir    string
	want   []byte
	left   atomic.Int64
	done   atomic.Int64 // calls that ended well
	ended  atomic.Int64 // calls that were ended
	file   atomic.Pointer[File]
}

const (
	stormFile   = 1 << 20
	stormPoison = 0xA5
)

// TestFileStorm: no hang, no wrong byte, no write to memory that was given back, no leak (TestMain looks
// for those). RINGO_STORM_OPS makes it longer.
func TestFileStorm(t *testing.T) {
	ops := int64(4000)
	if text := os.Getenv("RINGO_STORM_OPS"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ops = n
	}
	s := &fileStorm{t: t, engine: open(t, WithLoops(2), WithDepth(32)), dir: t.TempDir(), want: randomBytes(stormFile)}
	s.left.Store(ops)
	if err := os.WriteFile(filepath.Join(s.dir, "file"), s.want, 0o600); err != nil {
		t.Fatal(err)
	}
	s.reopen()
	var workers sync.WaitGroup
	for i := range 16 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			s.work(rand.New(rand.NewPCG(uint64(i), 7)))
		}()
	}
	within(t, "the storm", workers.Wait)
	s.file.Load().Close()
	if s.done.Load() < ops/10 || s.ended.Load() == 0 {
		t.Errorf("of %d calls %d ended well, %d were ended", ops, s.done.Load(), s.ended.Load())
	}
}

// reopen closes the file under the hands of those who use it.
func (s *fileStorm) reopen() {
	f, err := s.engine.OpenFile(filepath.Join(s.dir, "file"), os.O_RDWR, 0)
	if err != nil {
		s.t.Error(err)
		return
	}
	if old := s.file.Swap(f); old != nil {
		old.Close()
	}
}

// count judges the end of a call.
func (s *fileStorm) count(err error, expected ...error) (good bool) {
	if err == nil {
		s.done.Add(1)
		return true
	}
	for _, e := range append(expected, fs.ErrClosed) {
		if errors.Is(err, e) {
			s.ended.Add(1)
			return false
		}
	}
	s.t.Errorf("%v", err)
	return false
}

func (s *fileStorm) work(random *rand.Rand) {
	batch, err := s.engine.NewBatch(8)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer batch.Close()
	poison := bytes.Repeat([]byte{stormPoison}, 1<<16)
	memory := bytes.Clone(poison)
	for s.left.Add(-1) >= 0 {
		if !bytes.Equal(memory, poison) {
			s.t.Error("memory was written after the call had ended")
			return
		}
		length := 1 + random.IntN(len(memory)/2)
		offset := random.IntN(stormFile - length)
		p := memory[random.IntN(len(memory)-length):][:length]
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(random.IntN(300))*time.Microsecond)
		s.step(ctx, random, batch, p, offset)
		cancel()
		copy(p, poison)
	}
}

// step makes one call; p is the caller's again when it returns.
func (s *fileStorm) step(ctx context.Context, random *rand.Rand, batch *Batch, p []byte, offset int) {
	f, want := s.file.Load(), s.want[offset:][:len(p)]
	right := func(data []byte) {
		if !bytes.Equal(data, want) {
			s.t.Errorf("wrong bytes at %d", offset)
		}
	}
	switch random.IntN(6) {
	case 0:
		if _, err := f.ReadAt(p, int64(offset)); s.count(err) {
			right(p)
		}
	case 1:
		copy(p, want)
		_, err := f.WriteAt(p, int64(offset)) // the same bytes
		s.count(err)
	case 2:
		half := len(p) / 2
		ops := []Op{
			{File: f, Data: p[:half], Offset: int64(offset), Link: true},
			{File: f, Data: p[half:], Offset: int64(offset + half), Timeout: time.Duration(1 + random.IntN(200_000))},
		}
		if err := batch.Run(ctx, ops); s.count(err, context.DeadlineExceeded, os.ErrDeadlineExceeded) {
			right(p)
		}
	case 3:
		data, err := s.engine.ReadFile(ctx, filepath.Join(s.dir, "file"))
		if s.count(err, context.DeadlineExceeded) && !bytes.Equal(data, s.want) {
			s.t.Error("ReadFile: wrong bytes")
		}
	case 4:
		name := filepath.Join(s.dir, strconv.Itoa(random.IntN(8)))
		copy(p, want)
		s.count(s.engine.WriteFileAtomic(ctx, name, p, 0o600), context.DeadlineExceeded)
	case 5:
		if random.IntN(4) == 0 {
			s.reopen()
		}
	}
}

// TestManyInOneSlice: a thousand operations at once in parts of one slice of 64 MiB (1 GiB with
// RINGO_STORM_OPS), by File, Batch and Window.
func TestManyInOneSlice(t *testing.T) {
	size := 64 << 20
	if os.Getenv("RINGO_STORM_OPS") != "" {
		size = 1 << 30
	}
	const parts, length = 1000, 4096
	e := open(t, WithLoops(2), WithPolicy(Loop))
	want := randomBytes(parts * length)
	f := openFile(t, e, want)
	memory := make([]byte, size)
	part := func(i int) []byte { return memory[i*(size/parts):][:length] }
	check := func(how string) {
		t.Helper()
		for i := range parts {
			if !bytes.Equal(part(i), want[i*length:][:length]) {
				t.Fatalf("%s: part %d is wrong", how, i)
			}
			clear(part(i))
		}
	}
	var readers sync.WaitGroup
	for i := range parts {
		readers.Add(1)
		go func() {
			defer readers.Done()
			if _, err := f.ReadAt(part(i), int64(i*length)); err != nil {
				t.Error(err)
			}
		}()
	}
	within(t, "File.ReadAt", readers.Wait)
	check("File.ReadAt")
	ops := make([]Op, parts)
	for i := range ops {
		ops[i] = Op{File: f, Data: part(i), Offset: int64(i * length)}
	}
	if err := e.ReadBatch(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	check("ReadBatch")
	w := openWindow(t, e, parts)
	defer w.Close()
	for i := range ops {
		if err := w.Submit(&ops[i]); err != nil {
			t.Fatal(err)
		}
	}
	if ended, err := w.Wait(parts); len(ended) != parts || err != nil {
		t.Fatalf("%d, %v", len(ended), err)
	}
	check("Window")
}
