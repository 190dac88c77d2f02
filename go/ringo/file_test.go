package ringo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
)

// An accessor is what *os.File and *File have in common here.
type accessor interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

// A fileCase does one thing to a file; it must come out the same for both kinds.
type fileCase struct {
	name string
	flag int
	do   func(f accessor, buf []byte) (int, error)
}

const fileCaseSize = 10_000

var fileCases = []fileCase{
	{"read", os.O_RDONLY, func(f accessor, b []byte) (int, error) { return f.ReadAt(b[:100], 50) }},
	{"read all", os.O_RDONLY, func(f accessor, b []byte) (int, error) { return f.ReadAt(b[:fileCaseSize], 0) }},
	{"read past the end", os.O_RDONLY, func(f accessor, b []byte) (int, error) { return f.ReadAt(b, 0) }},
	{"read one past the end", os.O_RDONLY, func(f accessor, b []byte) (int, error) { return f.ReadAt(b[:fileCaseSize+1], 0) }},
	{"read over the end", os.O_RDONLY, func(f accessor, b []byte) (int, error) { return f.ReadAt(b[:10], fileCaseSize-3) }},
	{"read at the end", os.O_RDONLY, func(f accessor, b []byte) (int, error) { return f.ReadAt(b[:10], fileCaseSize) }},
	{"read far beyond", os.O_RDONLY, func(f accessor, b []byte) (int, error) { return f.ReadAt(b[:10], 1<<40) }},
	{"read at the last offset", os.O_RDONLY, func(f accessor, b []byte) (int, error) { return f.ReadAt(b[:10], math.MaxInt64) }},
	{"read nothing", os.O_RDONLY, func(f accessor, _ []byte) (int, error) { return f.ReadAt(nil, 5) }},
	{"read nothing at the end", os.O_RDONLY, func(f accessor, b []byte) (int, error) { return f.ReadAt(b[:0], fileCaseSize) }},
	{"read before the beginning", os.O_RDONLY, func(f accessor, b []byte) (int, error) { return f.ReadAt(b[:10], -1) }},
	{"read nothing before the beginning", os.O_RDONLY, func(f accessor, _ []byte) (int, error) { return f.ReadAt(nil, -1) }},
	{"read what is write-only", os.O_WRONLY, func(f accessor, b []byte) (int, error) { return f.ReadAt(b[:10], 0) }},
	{"write", os.O_RDWR, func(f accessor, b []byte) (int, error) { return f.WriteAt(b[:100], 50) }},
	{"write beyond the end", os.O_RDWR, func(f accessor, b []byte) (int, error) { return f.WriteAt(b[:100], 2*fileCaseSize) }},
	{"write nothing", os.O_RDWR, func(f accessor, _ []byte) (int, error) { return f.WriteAt(nil, 5) }},
	{"write before the beginning", os.O_RDWR, func(f accessor, b []byte) (int, error) { return f.WriteAt(b[:10], -1) }},
	{"write at the last offset", os.O_RDWR, func(f accessor, b []byte) (int, error) { return f.WriteAt(b[:10], math.MaxInt64) }},
	{"write what is read-only", os.O_RDONLY, func(f accessor, b []byte) (int, error) { return f.WriteAt(b[:10], 0) }},
	{"write what appends", os.O_RDWR | os.O_APPEND, func(f accessor, b []byte) (int, error) { return f.WriteAt(b[:10], 0) }},
	{"write nothing to what appends", os.O_RDWR | os.O_APPEND, func(f accessor, _ []byte) (int, error) { return f.WriteAt(nil, 0) }},
	{"write before the beginning of what appends", os.O_RDWR | os.O_APPEND, func(f accessor, b []byte) (int, error) { return f.WriteAt(b[:1], -1) }},
	{"read what appends", os.O_RDWR | os.O_APPEND, func(f accessor, b []byte) (int, error) { return f.ReadAt(b[:10], 5) }},
	{"read what is closed", os.O_RDWR, func(f accessor, b []byte) (int, error) { f.Close(); return f.ReadAt(b[:10], 0) }},
	{"write what is closed", os.O_RDWR, func(f accessor, b []byte) (int, error) { f.Close(); return f.WriteAt(b[:10], 0) }},
	{"read nothing of what is closed", os.O_RDWR, func(f accessor, _ []byte) (int, error) { f.Close(); return f.ReadAt(nil, 0) }},
}

// TestFileLikeOS compares with *os.File: counts, data read, errors and what the file holds after.
func TestFileLikeOS(t *testing.T) {
	for _, policy := range []Policy{Auto, Loop} {
		e := open(t, WithLoops(1), WithPolicy(policy))
		for _, c := range fileCases {
			t.Run(fmt.Sprint(c.name, " policy=", policy), func(t *testing.T) { compareFileCase(t, e, c) })
		}
	}
}

func compareFileCase(t *testing.T, e *Engine, c fileCase) {
	want, wantBuf, wantFile, wantErr := runFileCase(t, c, func(f *os.File) accessor { return f })
	got, gotBuf, gotFile, gotErr := runFileCase(t, c, func(f *os.File) accessor { return e.NewFile(f) })
	if got != want || !bytes.Equal(gotBuf, wantBuf) || !bytes.Equal(gotFile, wantFile) {
		t.Errorf("got %d, os.File %d; same buffer %v, same file %v", got, want,
			bytes.Equal(gotBuf, wantBuf), bytes.Equal(gotFile, wantFile))
	}
	if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) || (wantErr == io.EOF) != (gotErr == io.EOF) {
		t.Errorf("got %v, os.File says %v", gotErr, wantErr)
	}
	for _, kind := range []error{fs.ErrClosed, syscall.EBADF, syscall.EINVAL} {
		if errors.Is(gotErr, kind) != errors.Is(wantErr, kind) {
			t.Errorf("got %#v, os.File says %#v", gotErr, wantErr)
		}
	}
}

// runFileCase does c to a file called "file" in a directory that is the working one, so that the
// texts of errors can be compared.
func runFileCase(t *testing.T, c fileCase, as func(*os.File) accessor) (n int, buf, left []byte, err error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("file", randomBytes(fileCaseSize), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile("file", c.flag, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	buf = randomBytes(2 * fileCaseSize)
	n, err = c.do(as(f), buf)
	left, readErr := os.ReadFile("file")
	if readErr != nil {
		t.Fatal(readErr)
	}
	return n, buf, left, err
}

// TestFileOddKinds: what is not a regular file fails as with *os.File.
func TestFileOddKinds(t *testing.T) {
	e := open(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for _, c := range []struct {
		name string
		file *os.File
		want error
	}{{"directory", dir, syscall.EISDIR}, {"pipe", r, syscall.ESPIPE}} {
		var n int
		var err error
		within(t, "ReadAt of a "+c.name, func() { n, err = e.NewFile(c.file).ReadAt(make([]byte, 10), 0) })
		_, wantErr := c.file.ReadAt(make([]byte, 10), 0)
		if n != 0 || !errors.Is(err, c.want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("%s: got %d, %v; os.File says %v", c.name, n, err, wantErr)
		}
	}
	within(t, "WriteAt to a pipe", func() {
		if n, err := e.NewFile(w).WriteAt([]byte("x"), 0); n != 0 || !errors.Is(err, syscall.ESPIPE) {
			t.Errorf("WriteAt to a pipe: %d, %v", n, err)
		}
	})
}

// TestFileOpen: Open and OpenFile are package os's.
func TestFileOpen(t *testing.T) {
	e := open(t)
	if _, err := e.Open(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open: %v", err)
	}
	name := filepath.Join(t.TempDir(), "file")
	f, err := e.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := f.WriteAt([]byte("abc"), 3); n != 3 || err != nil {
		t.Errorf("WriteAt: %d, %v", n, err)
	}
	if got, err := io.ReadAll(f); string(got) != "\x00\x00\x00abc" || err != nil {
		t.Errorf("Read: %q, %v: WriteAt must not move the file's own offset", got, err)
	}
	section := io.NewSectionReader(f, 2, 3)
	if got, err := io.ReadAll(section); string(got) != "\x00ab" || err != nil {
		t.Errorf("SectionReader: %q, %v", got, err)
	}
}

// TestFileInsideOneSlice: many goroutines write and read parts of one large slice at once, while
// the collector runs.
func TestFileInsideOneSlice(t *testing.T) {
	e := open(t, WithPolicy(Loop))
	f, err := e.OpenFile(filepath.Join(t.TempDir(), "file"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const parts, size = 400, 4099
	out, in := randomBytes(parts*size), make([]byte, parts*size)
	var workers sync.WaitGroup
	for i := range parts {
		workers.Add(1)
		go func() {
			defer workers.Done()
			begin, end := i*size, (i+1)*size
			if n, err := f.WriteAt(out[begin:end], int64(begin)); n != size || err != nil {
				t.Errorf("WriteAt: %d, %v", n, err)
			}
			_ = make([]byte, 1<<16) // Keeps the collector busy.
			if n, err := f.ReadAt(in[begin:end], int64(begin)); n != size || err != nil {
				t.Errorf("ReadAt: %d, %v", n, err)
			}
		}()
	}
	workers.Wait()
	if !bytes.Equal(in, out) {
		t.Error("parts were mixed up")
	}
}

// TestFileIntoStacks reads into arrays that would be on stacks, which move, if nothing told the
// compiler that the kernel has their address.
func TestFileIntoStacks(t *testing.T) {
	e := open(t, WithPolicy(Loop))
	want := randomBytes(4096)
	f, err := e.Open(writeTemp(t, want))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var readers sync.WaitGroup
	for range 50 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for range 20 {
				growStack(1000) // So that the collector shrinks it again.
				var buf [512]byte
				if n, err := f.ReadAt(buf[:], 100); n != len(buf) || err != nil || !bytes.Equal(buf[:], want[100:612]) {
					t.Errorf("%d, %v", n, err)
					return
				}
			}
		}()
	}
	done := make(chan struct{})
	go func() { readers.Wait(); close(done) }()
	for {
		select {
		case <-done:
			return
		default:
			runtime.GC()
		}
	}
}

//go:noinline
func growStack(depth int) int {
	var frame [64]int
	if depth > 0 {
		frame[depth%64] = growStack(depth - 1)
	}
	return frame[depth%64] + depth
}

// TestFileBeyond4GiB: offsets above 32 bits, in both directions.
func TestFileBeyond4GiB(t *testing.T) {
	e := open(t, WithPolicy(Loop))
	f, err := e.OpenFile(filepath.Join(t.TempDir(), "sparse"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const where = 5<<30 + 3
	if n, err := f.WriteAt([]byte("far away"), where); n != 8 || err != nil {
		t.Fatalf("WriteAt: %d, %v", n, err)
	}
	buf := make([]byte, 10)
	if n, err := f.ReadAt(buf, where-2); n != 10 || err != nil || string(buf) != "\x00\x00far away" {
		t.Errorf("ReadAt: %d, %v, %q", n, err, buf)
	}
}

// TestFileClosedDuringReads: reads in flight end on the file they began on; later ones say that
// it is closed. Nothing reads from another file that got the number.
func TestFileClosedDuringReads(t *testing.T) {
	e := open(t, WithPolicy(Loop))
	for range 20 {
		f, err := e.Open(writeTemp(t, bytes.Repeat([]byte{'a'}, 1<<16)))
		if err != nil {
			t.Fatal(err)
		}
		other := writeTemp(t, bytes.Repeat([]byte{'b'}, 1<<16))
		var reading sync.WaitGroup
		for range 8 {
			reading.Add(1)
			go func() {
				defer reading.Done()
				buf := make([]byte, 1<<16)
				for {
					_, err := f.ReadAt(buf, 0)
					if errors.Is(err, fs.ErrClosed) {
						return
					}
					if err != nil || bytes.IndexByte(buf, 'b') >= 0 {
						t.Errorf("read from another file, or %v", err)
						return
					}
				}
			}()
		}
		f.Close()
		o, err := os.Open(other)
		if err != nil {
			t.Fatal(err)
		}
		reading.Wait()
		o.Close()
	}
}
