package ringo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
)

// writeMany makes n files of different sizes, a few of them large, and gives their names.
func writeMany(t testing.TB, n int) (names []string, contents [][]byte) {
	t.Helper()
	dir, all := t.TempDir(), randomBytes(dataSize+n+1)
	for i := range n {
		data := all[i : i+i%600]
		if i%100 == 99 {
			data = all[i : dataSize+i+i/100%2]
		}
		name := fmt.Sprint(dir, "/", i)
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		names, contents = append(names, name), append(contents, data)
	}
	return names, contents
}

// TestReadFilesOrder: each name is yielded once, in order, with its own data or error.
func TestReadFilesOrder(t *testing.T) {
	e := open(t)
	for _, n := range []int{0, 1, batchDepth, batchNames - 1, batchNames, batchNames + 1, 3000} {
		names, contents := writeMany(t, n)
		for i := 7; i < n; i += 50 {
			names[i] += "-missing"
		}
		i := 0
		for file, err := range e.ReadFiles(t.Context(), names) {
			if file.Name != names[i] {
				t.Fatalf("%d of %d: got %s, want %s", i, n, file.Name, names[i])
			}
			switch missing := i%50 == 7; {
			case missing && (!errors.Is(err, fs.ErrNotExist) || file.Data != nil):
				t.Errorf("%d of %d: got %d bytes, %v", i, n, len(file.Data), err)
			case !missing && (err != nil || !bytes.Equal(file.Data, contents[i])):
				t.Errorf("%d of %d: got %d bytes, want %d; %v", i, n, len(file.Data), len(contents[i]), err)
			}
			i++
		}
		if i != n {
			t.Errorf("got %d of %d", i, n)
		}
	}
}

// TestReadFilesKeptData: what was yielded stays as it was while reading goes on.
func TestReadFilesKeptData(t *testing.T) {
	e := open(t)
	names, contents := writeMany(t, 1000)
	var kept []FileData
	for file, err := range e.ReadFiles(t.Context(), names) {
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, file)
	}
	for i, file := range kept {
		if !bytes.Equal(file.Data, contents[i]) {
			t.Errorf("%d has changed", i)
		}
	}
}

// TestReadFilesBreak: reading stops, and its goroutine and ring are free for others.
func TestReadFilesBreak(t *testing.T) {
	e := open(t)
	names, _ := writeMany(t, 1000)
	for stop := range 30 {
		n := 0
		for range e.ReadFiles(t.Context(), names) {
			if n == stop*10 {
				break
			}
			n++
		}
	}
	// A FIFO nobody opens must not keep a broken-off loop waiting.
	blocked := append(append([]string{}, names[:batchNames]...), mkfifo(t))
	within(t, "breaking out", func() {
		for range e.ReadFiles(t.Context(), blocked) {
			break
		}
	})
}

// TestReadFilesPanic: a consumer that panics leaves nothing behind either.
func TestReadFilesPanic(t *testing.T) {
	e := open(t)
	names, _ := writeMany(t, 500)
	defer func() {
		if recover() != "consumer" {
			t.Error("the panic was lost")
		}
	}()
	for range e.ReadFiles(t.Context(), names) {
		panic("consumer")
	}
}

// TestReadFilesLarge reads files that are larger together than may be read ahead: those for which
// there is no room are read when their turn comes, and room comes back.
func TestReadFilesLarge(t *testing.T) {
	e := open(t)
	var names []string
	var contents [][]byte
	for i := range 3 * batchNames {
		size := 100
		if i%10 == 0 {
			size = dataSize + 1000*i
		}
		contents = append(contents, bytes.Repeat([]byte{byte(i)}, size))
		names = append(names, writeTemp(t, contents[i]))
	}
	for _, ahead := range []int64{0, 500_000, readAheadBytes} {
		i := 0
		for file, err := range e.readFiles(t.Context(), names, ahead) {
			if err != nil || file.Name != names[i] || !bytes.Equal(file.Data, contents[i]) {
				t.Fatalf("%d bytes ahead: file %d, %s: %d bytes, %v", ahead, i, file.Name, len(file.Data), err)
			}
			i++
		}
		if i != len(names) {
			t.Fatalf("%d bytes ahead: %d files of %d", ahead, i, len(names))
		}
	}
}

// TestReadFilesRoom looks at what was read ahead when the consumer is at the first file.
func TestReadFilesRoom(t *testing.T) {
	e := open(t)
	const size = dataSize + 1
	name := writeTemp(t, make([]byte, size))
	r := &filesReader{engine: e}
	r.room.Store(2*size + 1)
	fifo, written := mkfifo(t), make(chan error)
	go func() { written <- os.WriteFile(fifo, make([]byte, size), 0) }()
	part := r.readPart(t.Context(), []string{name, name, name, fifo})
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	for i, want := range []fileResult{{room: size}, {room: size}, {later: true}, {}} {
		if part[i].room != want.room || part[i].later != want.later || part[i].err != nil {
			t.Errorf("file %d: room %d, later %v, error %v", i, part[i].room, part[i].later, part[i].err)
		}
	}
	if n := len(part[3].data); n != size {
		t.Errorf("of a FIFO were read %d bytes, want %d", n, size)
	}
	for i := range part {
		if !r.yield(t.Context(), &part[i], func(f FileData, err error) bool { return len(f.Data) == size && err == nil }) {
			t.Errorf("%s: wrong data", part[i].name)
		}
	}
	if room := r.room.Load(); room != 2*size+1 {
		t.Errorf("%d bytes of room came back, want %d", room, 2*size+1)
	}
}

// TestReadFilesTwice: the sequence may be ranged over again.
func TestReadFilesTwice(t *testing.T) {
	e := open(t)
	names, _ := writeMany(t, 300)
	files := e.ReadFiles(t.Context(), names)
	for range 2 {
		n := 0
		for _, err := range files {
			if err == nil {
				n++
			}
		}
		if n != len(names) {
			t.Errorf("got %d", n)
		}
	}
}

func TestReadFilesContextEnded(t *testing.T) {
	e := open(t)
	names, _ := writeMany(t, 300)
	cause := errors.New("the cause")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	n := 0
	for file, err := range e.ReadFiles(ctx, names) {
		var pathErr *fs.PathError
		if !errors.Is(err, cause) || !errors.As(err, &pathErr) || pathErr.Path != names[n] || file.Name != names[n] {
			t.Fatalf("%d: %v, %v", n, file.Name, err)
		}
		n++
	}
	if n != len(names) {
		t.Errorf("got %d names", n)
	}
}

// TestReadFilesCancelled ends the context while a batch waits for a FIFO: the rest of the names
// come with the cause, what was read before with its data, and the FIFO is let go of.
func TestReadFilesCancelled(t *testing.T) {
	e := open(t)
	names, contents := writeMany(t, 3*batchNames)
	for len(names) < (4+2*runtime.GOMAXPROCS(0))*batchNames { // More than is read ahead.
		names, contents = append(names, names[0]), append(contents, contents[0])
	}
	fifo := mkfifo(t)
	const at = batchNames + 5
	names[at] = fifo
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		w := openWriter(t, fifo)
		cancel()
		expectNoReader(t, fifo, w)
		w.Close()
	}()
	n := 0
	var cancelled []int
	within(t, "ReadFiles whose context ended", func() {
		for file, err := range e.ReadFiles(ctx, names) {
			switch {
			case errors.Is(err, context.Canceled):
				cancelled = append(cancelled, n)
			case err != nil || n == at || !bytes.Equal(file.Data, contents[n]):
				t.Errorf("%d: %d bytes, %v", n, len(file.Data), err)
			}
			n++
		}
	})
	if n != len(names) || !slices.Contains(cancelled, at) || !slices.Contains(cancelled, n-1) {
		t.Errorf("got %d names of %d, %d cancelled", n, len(names), len(cancelled))
	}
	// The ring that was cancelled takes no revenge on the next call.
	for file, err := range e.ReadFiles(t.Context(), names[:at]) {
		if err != nil {
			t.Errorf("afterwards: %s: %v", file.Name, err)
		}
	}
}

// TestReadFilesCancelledAtRandom looks for a cancel that reaches a later batch, or none.
func TestReadFilesCancelledAtRandom(t *testing.T) {
	e := open(t)
	names, contents := writeMany(t, 200)
	for i := range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		spin := make(chan struct{})
		go func() {
			defer close(spin)
			for range i * 20 {
				_ = e.lent()
			}
			cancel()
		}()
		n := 0
		for file, err := range e.ReadFiles(ctx, names) {
			if err == nil && !bytes.Equal(file.Data, contents[n]) || err != nil && !errors.Is(err, context.Canceled) {
				t.Fatalf("%d: %v", n, err)
			}
			n++
		}
		<-spin
		if n != len(names) {
			t.Fatalf("got %d names", n)
		}
		for _, err := range e.ReadFiles(t.Context(), names[:3]) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestReadFilesConcurrently(t *testing.T) {
	e := open(t)
	names, contents := writeMany(t, 1000)
	var readers sync.WaitGroup
	for range 8 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			i := 0
			for file, err := range e.ReadFiles(t.Context(), names) {
				if err != nil || !bytes.Equal(file.Data, contents[i]) {
					t.Errorf("%d: %v", i, err)
				}
				i++
			}
		}()
	}
	readers.Wait()
}

// TestReadFilesTree reads all that is below /usr/include in one go.
func TestReadFilesTree(t *testing.T) {
	e := open(t)
	names := regularFiles(t, "/usr/include")
	i := 0
	for file, err := range e.ReadFiles(t.Context(), names) {
		want, wantErr := os.ReadFile(names[i])
		if err != nil || wantErr != nil || file.Name != names[i] || !bytes.Equal(file.Data, want) {
			t.Errorf("%s: got %d bytes, %v; want %d, %v", names[i], len(file.Data), err, len(want), wantErr)
		}
		i++
	}
	if i != len(names) {
		t.Errorf("got %d of %d", i, len(names))
	}
}

// TestReadFilesBadNames: a name that cannot be handed to the kernel spoils only itself.
func TestReadFilesBadNames(t *testing.T) {
	e := open(t)
	good := writeTemp(t, []byte("good"))
	names := []string{good, "\x00", good, "", good}
	want := []error{nil, syscall.EINVAL, nil, fs.ErrNotExist, nil}
	i := 0
	for file, err := range e.ReadFiles(t.Context(), names) {
		if !errors.Is(err, want[i]) || (err == nil) != (string(file.Data) == "good") {
			t.Errorf("%d: %q, %v", i, file.Data, err)
		}
		i++
	}
}
