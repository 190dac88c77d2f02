package ringo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A reader is one of the ways to read a file; all give the same.
type reader struct {
	name string
	read func(ctx context.Context, e *Engine, name string) ([]byte, error)
}

var readers = []reader{
	{"ReadFile", func(ctx context.Context, e *Engine, name string) ([]byte, error) {
		return e.ReadFile(ctx, name)
	}},
	{"ReadFileFunc", func(_ context.Context, e *Engine, name string) (data []byte, err error) {
		done := make(chan struct{})
		posted := e.ReadFileFunc(name, func(d []byte, e error) {
			data, err = d, e
			close(done)
		})
		if posted != nil {
			return nil, posted
		}
		<-done
		return data, err
	}},
	{"ReadFiles", func(ctx context.Context, e *Engine, name string) (data []byte, err error) {
		for file, e := range e.ReadFiles(ctx, []string{name}) {
			data, err = file.Data, e
		}
		return data, err
	}},
}

// eachReader runs test for each of the ways, on an engine of its own.
func eachReader(t *testing.T, test func(t *testing.T, e *Engine, r reader), options ...Option) {
	for _, r := range readers {
		t.Run(r.name, func(t *testing.T) { test(t, open(t, options...), r) })
	}
}

// randomBytes are the same in each run.
func randomBytes(n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

func writeTemp(t testing.TB, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func mkfifo(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestReadFileSizes goes around the sizes where something changes: the chunk that the core reads
// into, pages, the hops of a large file.
func TestReadFileSizes(t *testing.T) {
	sizes := []int{0, 1, 4095, 4096, 4097, dataSize - 1, dataSize, dataSize + 1, 2*dataSize - 1,
		2 * dataSize, 2*dataSize + 1, 1 << 16, 1<<20 + 3, hopMax - 1, hopMax, hopMax + 1, 100 << 20}
	all := randomBytes(sizes[len(sizes)-1])
	dir := t.TempDir()
	for _, size := range sizes {
		if err := os.WriteFile(fmt.Sprint(dir, "/", size), all[:size], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	eachReader(t, func(t *testing.T, e *Engine, r reader) {
		for _, size := range sizes {
			got, err := r.read(t.Context(), e, fmt.Sprint(dir, "/", size))
			if err != nil || got == nil || !bytes.Equal(got, all[:size]) {
				t.Errorf("%d bytes: got %d, err %v, nil %v", size, len(got), err, got == nil)
			}
		}
	})
}

// TestReadFileOwnsItsData: two reads share no memory with each other or with the engine.
func TestReadFileOwnsItsData(t *testing.T) {
	name := writeTemp(t, []byte("original"))
	eachReader(t, func(t *testing.T, e *Engine, r reader) {
		first, err := r.read(t.Context(), e, name)
		if err != nil {
			t.Fatal(err)
		}
		copy(first, "OVERWRIT")
		second, err := r.read(t.Context(), e, name)
		if err != nil || string(second) != "original" || string(first) != "OVERWRIT" {
			t.Errorf("first %q, second %q, err %v", first, second, err)
		}
	})
}

// TestReadFileProc reads files whose size is 0 and which come in pieces.
func TestReadFileProc(t *testing.T) {
	eachReader(t, func(t *testing.T, e *Engine, r reader) {
		for _, name := range []string{"/proc/self/status", "/proc/cpuinfo", "/proc/self/maps",
			"/proc/kallsyms", "/sys/kernel/mm/transparent_hugepage/enabled"} {
			want, err := os.ReadFile(name)
			if err != nil {
				continue
			}
			got, err := r.read(t.Context(), e, name)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			// Values change from one read to the next; how the file begins does not.
			if w, g := firstWord(want), firstWord(got); w != g || (len(want) > 0 && got[len(got)-1] != '\n') {
				t.Errorf("%s: got %d bytes beginning with %q, want %d and %q", name, len(got), g, len(want), w)
			}
			if len(got) < len(want)*9/10 {
				t.Errorf("%s: got %d bytes of %d", name, len(got), len(want))
			}
		}
	})
}

func firstWord(b []byte) string {
	word, _, _ := bytes.Cut(b, []byte{'\n'})
	if fields := strings.Fields(string(word)); len(fields) > 0 {
		return fields[0]
	}
	return ""
}

// TestReadFileFIFO reads a stream that comes in small pieces, and one larger than a chunk.
func TestReadFileFIFO(t *testing.T) {
	eachReader(t, func(t *testing.T, e *Engine, r reader) {
		for _, size := range []int{0, 10, dataSize, dataSize + 1, 300 << 10} {
			name, want := mkfifo(t), randomBytes(size)
			go func() {
				w, err := os.OpenFile(name, os.O_WRONLY, 0)
				if err != nil {
					t.Error(err)
					return
				}
				defer w.Close()
				for rest := want; len(rest) > 0; {
					n := min(len(rest), 5000)
					w.Write(rest[:n])
					rest = rest[n:]
				}
			}()
			within(t, "reading a FIFO", func() {
				got, err := r.read(t.Context(), e, name)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes: got %d, err %v", size, len(got), err)
				}
			})
		}
	})
}

// TestReadFileErrors: each error is an *fs.PathError with the same errno as package os gives.
func TestReadFileErrors(t *testing.T) {
	dir := t.TempDir()
	file := writeTemp(t, []byte("x"))
	if err := os.Symlink("loop", dir+"/loop"); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		want error
	}{
		{dir + "/missing", fs.ErrNotExist},
		{"", syscall.ENOENT},
		{dir, syscall.EISDIR},
		{file + "/below", syscall.ENOTDIR},
		{dir + "/loop", syscall.ELOOP},
		{dir + "/" + strings.Repeat("n", 256), syscall.ENAMETOOLONG},
		{strings.Repeat("/n", pathSize/2), syscall.ENAMETOOLONG},
		{strings.Repeat("/", pathSize-2), syscall.EISDIR},
		{file + "\x00", syscall.EINVAL},
		{"\x00", syscall.EINVAL},
	}
	eachReader(t, func(t *testing.T, e *Engine, r reader) {
		for _, c := range cases {
			data, err := r.read(t.Context(), e, c.name)
			_, want := os.ReadFile(c.name)
			var pathErr, wantPathErr *fs.PathError
			if !errors.Is(err, c.want) || !errors.As(err, &pathErr) || pathErr.Path != c.name || data != nil {
				t.Errorf("%.40q: got %v, want %v", c.name, err, c.want)
				continue
			}
			if errors.As(want, &wantPathErr) && wantPathErr.Err != pathErr.Err {
				t.Errorf("%.40q: got %v, os says %v", c.name, pathErr.Err, wantPathErr.Err)
			}
		}
	})
}

func TestReadFilePermission(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("SKIPPED: root reads everything")
	}
	name := writeTemp(t, nil)
	if err := os.Chmod(name, 0); err != nil {
		t.Fatal(err)
	}
	eachReader(t, func(t *testing.T, e *Engine, r reader) {
		if _, err := r.read(t.Context(), e, name); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("got %v", err)
		}
	})
}

// TestReadFileTree compares with package os every regular file below /usr/include.
func TestReadFileTree(t *testing.T) {
	names := regularFiles(t, "/usr/include")
	eachReader(t, func(t *testing.T, e *Engine, r reader) {
		next := make(chan string)
		var readers sync.WaitGroup
		for range 8 {
			readers.Add(1)
			go func() {
				defer readers.Done()
				for name := range next {
					want, wantErr := os.ReadFile(name)
					got, err := r.read(t.Context(), e, name)
					if err != nil || wantErr != nil || !bytes.Equal(got, want) {
						t.Errorf("%s: got %d bytes, %v; want %d, %v", name, len(got), err, len(want), wantErr)
					}
				}
			}()
		}
		for i := 0; i < len(names); i += 4 {
			next <- names[i]
		}
		close(next)
		readers.Wait()
	})
}

// regularFiles lists the files below dir, which must have some for a test to mean anything.
func regularFiles(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			names = append(names, name)
		}
		return err
	})
	if err != nil || len(names) < 100 {
		t.Skipf("SKIPPED: %s has %d files: %v", dir, len(names), err)
	}
	return names
}

func TestReadFileLimit(t *testing.T) {
	const limit = 1000
	dir := t.TempDir()
	for size, want := range map[int]error{limit: nil, limit + 1: ErrTooLarge, dataSize: ErrTooLarge,
		dataSize + 1: ErrTooLarge, 10 * dataSize: ErrTooLarge} {
		name := fmt.Sprint(dir, "/", size)
		if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		eachReader(t, func(t *testing.T, e *Engine, r reader) {
			data, err := r.read(t.Context(), e, name)
			if !errors.Is(err, want) || (err == nil) != (len(data) == size) {
				t.Errorf("%d bytes: got %d, %v", size, len(data), err)
			}
		}, WithReadLimit(limit))
	}
	// A stream says nothing about its size beforehand.
	eachReader(t, func(t *testing.T, e *Engine, r reader) {
		if _, err := r.read(t.Context(), e, "/dev/zero"); !errors.Is(err, ErrTooLarge) {
			t.Errorf("/dev/zero: got %v", err)
		}
	}, WithReadLimit(3*dataSize))
}

func TestReadFileContextEnded(t *testing.T) {
	e := open(t)
	name := writeTemp(t, []byte("x"))
	cause := errors.New("the cause")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	for range 100 { // Not now and then, but each time.
		data, err := e.ReadFile(ctx, name)
		var pathErr *fs.PathError
		if data != nil || !errors.Is(err, cause) || !errors.As(err, &pathErr) {
			t.Fatalf("got %q, %v", data, err)
		}
	}
	ended, cancelEnded := context.WithTimeout(t.Context(), 0)
	defer cancelEnded()
	if _, err := e.ReadFile(ended, name); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestReadFileCancelled ends the context of a read that waits: for somebody to open a FIFO, for
// its first bytes, for those after the first chunk. It must return, and the engine must let go of
// the FIFO: no one has it open for reading any more, which a writer sees.
func TestReadFileCancelled(t *testing.T) {
	e := open(t)
	for _, written := range []int{-1, 0, 10, dataSize, dataSize + 10} {
		t.Run(fmt.Sprint(written), func(t *testing.T) {
			name := mkfifo(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			result := make(chan error, 1)
			go func() {
				_, err := e.ReadFile(ctx, name)
				result <- err
			}()
			var w *os.File
			if written >= 0 {
				w = openWriter(t, name)
				defer w.Close()
				if _, err := w.Write(make([]byte, written)); err != nil {
					t.Fatal(err)
				}
			} else {
				eventually(t, "read posted", func() bool { return e.lent() > 0 })
			}
			cancel()
			within(t, "ReadFile whose context ended", func() {
				if err := <-result; !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			})
			expectNoReader(t, name, w)
		})
	}
}

// openWriter waits until a FIFO is open for reading.
func openWriter(t *testing.T, name string) (w *os.File) {
	t.Helper()
	eventually(t, "FIFO open for reading", func() bool {
		fd, err := syscall.Open(name, syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
		if err == nil {
			w = os.NewFile(uintptr(fd), name)
		}
		return err == nil
	})
	return w
}

// expectNoReader waits until a FIFO has no reader, through w or by opening it.
func expectNoReader(t *testing.T, name string, w *os.File) {
	t.Helper()
	eventually(t, "FIFO let go of", func() bool {
		if w != nil {
			_, err := w.Write([]byte{0})
			return errors.Is(err, syscall.EPIPE)
		}
		fd, err := syscall.Open(name, syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
		if err == nil {
			syscall.Close(fd)
		}
		return err == syscall.ENXIO
	})
}

// lent is how many operations posted from other goroutines are in flight.
func (e *Engine) lent() (n int) {
	for _, l := range e.loops {
		l.waiters.mu.Lock()
		n += l.waiters.lent
		l.waiters.mu.Unlock()
	}
	return n
}

// TestReadFileFuncChain calls back into ringo from a callback, as long chains do.
func TestReadFileFuncChain(t *testing.T) {
	e := open(t)
	want := randomBytes(dataSize + 5)
	large, small := writeTemp(t, want), writeTemp(t, []byte("small"))
	done := make(chan error, 1)
	left := 200
	var next func([]byte, error)
	next = func(data []byte, err error) {
		left--
		switch expect := map[bool][]byte{true: want, false: []byte("small")}[left%2 == 1]; {
		case err != nil || !bytes.Equal(data, expect):
			done <- fmt.Errorf("%d left: got %d bytes, %v", left, len(data), err)
		case left == 0:
			done <- nil
		default:
			name := map[bool]string{true: large, false: small}[left%2 == 0]
			if err := e.ReadFileFunc(name, next); err != nil {
				done <- err
			}
		}
	}
	if err := e.ReadFileFunc(large, next); err != nil {
		t.Fatal(err)
	}
	within(t, "chain", func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestCallbackRunsOnLoop: also for files that are finished elsewhere.
func TestCallbackRunsOnLoop(t *testing.T) {
	e := open(t)
	for _, size := range []int{0, 5, dataSize + 1, 1 << 20} {
		name := writeTemp(t, make([]byte, size))
		on := make(chan bool, 1)
		if err := e.ReadFileFunc(name, func([]byte, error) { on <- e.onSomeLoop() }); err != nil {
			t.Fatal(err)
		}
		if !<-on {
			t.Errorf("%d bytes: the callback runs elsewhere", size)
		}
	}
}

func TestPackageFunctions(t *testing.T) {
	if _, err := Default(); errors.Is(err, ErrUnavailable) {
		t.Skipf("SKIPPED: %v", err)
	}
	name := filepath.Join(t.TempDir(), "file")
	if err := WriteFile(t.Context(), name, []byte("default"), 0o600, Atomic); err != nil {
		t.Fatal(err)
	}
	if data, err := ReadFile(t.Context(), name); string(data) != "default" || err != nil {
		t.Errorf("got %q, %v", data, err)
	}
}
