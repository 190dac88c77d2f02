package ringo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"
)

// A writer is one of the ways to write a file; all do the same.
type writer struct {
	name    string
	blocks  bool
	options []WriteOption
}

var writers = []writer{
	{"plain", true, nil},
	{"Sync", true, []WriteOption{Sync}},
	{"Atomic", true, []WriteOption{Atomic}},
	{"Atomic,Sync", true, []WriteOption{Atomic, Sync}},
	{"Func", false, nil},
	{"Func,Atomic", false, []WriteOption{Atomic}},
}

func (w writer) atomic() bool {
	for _, o := range w.options {
		if o == Atomic {
			return true
		}
	}
	return false
}

func (w writer) write(t *testing.T, e *Engine, name string, data []byte, perm fs.FileMode) error {
	if w.blocks {
		return e.WriteFile(t.Context(), name, data, perm, w.options...)
	}
	done := make(chan error, 1)
	if err := e.WriteFileFunc(name, data, perm, func(err error) { done <- err }, w.options...); err != nil {
		return err
	}
	return <-done
}

func eachWriter(t *testing.T, test func(t *testing.T, e *Engine, w writer)) {
	for _, w := range writers {
		t.Run(w.name, func(t *testing.T) { test(t, open(t), w) })
	}
}

func TestWriteFileSizes(t *testing.T) {
	all := randomBytes(5 << 20)
	eachWriter(t, func(t *testing.T, e *Engine, w writer) {
		name := filepath.Join(t.TempDir(), "file")
		// Downwards too: an old, longer file must not show.
		for _, size := range []int{10, 0, 4096, dataSize + 1, len(all), 1, 0} {
			if err := w.write(t, e, name, all[:size], 0o640); err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, all[:size]) {
				t.Errorf("%d bytes: found %d, %v", size, len(got), err)
			}
		}
		if err := w.write(t, e, name, nil, 0o600); err != nil {
			t.Error(err)
		}
		expectNames(t, filepath.Dir(name), "file")
	})
}

// expectNames checks that a directory holds these and nothing else, no temporary file above all.
func expectNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	var names []string
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if err != nil || fmt.Sprint(names) != fmt.Sprint(want) {
		t.Errorf("%s holds %q, want %q; %v", dir, names, want, err)
	}
}

// TestWriteFilePermissions: new files get perm less the umask, as from package os; old ones keep
// theirs, but for Atomic, whose file is a new one.
func TestWriteFilePermissions(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	eachWriter(t, func(t *testing.T, e *Engine, w writer) {
		for _, perm := range []fs.FileMode{0, 0o400, 0o600, 0o666, 0o777, 0o644 | fs.ModeSticky, 0o755 | fs.ModeSetuid} {
			name := filepath.Join(t.TempDir(), "file")
			if err := w.write(t, e, name, []byte("x"), perm); err != nil {
				t.Fatal(err)
			}
			reference := name + ".os"
			if err := os.WriteFile(reference, []byte("x"), perm); err != nil {
				t.Fatal(err)
			}
			if got, want := modeOf(t, name), modeOf(t, reference); got != want {
				t.Errorf("%v: got %v, os makes %v", perm, got, want)
			}
		}
		name := writeTemp(t, nil) // 0600
		if err := w.write(t, e, name, []byte("x"), 0o640); err != nil {
			t.Fatal(err)
		}
		want := fs.FileMode(0o600)
		if w.atomic() {
			want = 0o640
		}
		if got := modeOf(t, name); got != want {
			t.Errorf("an existing file has %v now, want %v", got, want)
		}
	})
}

func modeOf(t *testing.T, name string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

func TestWriteFileErrors(t *testing.T) {
	dir := t.TempDir()
	file := writeTemp(t, []byte("x"))
	cases := []struct {
		name string
		want error
	}{
		{dir + "/missing/file", fs.ErrNotExist},
		{"", syscall.ENOENT},
		{dir, syscall.EISDIR},
		{dir + "/", syscall.EISDIR},
		{"/", syscall.EISDIR},
		{file + "/below", syscall.ENOTDIR},
		{dir + "/" + strings.Repeat("n", 256), syscall.ENAMETOOLONG},
		{strings.Repeat("/n", pathSize/2), syscall.ENAMETOOLONG},
		{file + "\x00", syscall.EINVAL},
	}
	eachWriter(t, func(t *testing.T, e *Engine, w writer) {
		for _, c := range cases {
			err := w.write(t, e, c.name, []byte("new"), 0o600)
			var pathErr *fs.PathError
			if !errors.Is(err, c.want) || !errors.As(err, &pathErr) || pathErr.Path != c.name {
				t.Errorf("%.60q: got %v, want %v", c.name, err, c.want)
			}
		}
		expectNames(t, dir)
		expectNames(t, filepath.Dir(dir), filepath.Base(dir), filepath.Base(filepath.Dir(file)))
		if got, err := os.ReadFile(file); string(got) != "x" || err != nil {
			t.Errorf("the old file holds %q, %v", got, err)
		}
	})
}

// TestWriteFileLinks: the plain way follows a symbolic link, Atomic replaces it.
func TestWriteFileLinks(t *testing.T) {
	eachWriter(t, func(t *testing.T, e *Engine, w writer) {
		dir := t.TempDir()
		target, link := dir+"/target", dir+"/link"
		if err := os.Symlink("target", link); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := w.write(t, e, link, []byte("new"), 0o600); err != nil {
			t.Fatal(err)
		}
		isLink := modeOf(t, link)&fs.ModeSymlink != 0
		got, err := os.ReadFile(target)
		want := map[bool]string{true: "old", false: "new"}[w.atomic()]
		if isLink == w.atomic() || string(got) != want || err != nil {
			t.Errorf("link %v, target %q, %v", isLink, got, err)
		}
	})
}

// TestWriteFileRelative: names without a slash, in the root directory's own way, and with "..".
func TestWriteFileRelative(t *testing.T) {
	eachWriter(t, func(t *testing.T, e *Engine, w writer) {
		t.Chdir(t.TempDir())
		for _, name := range []string{"file", "./file", "../" + filepath.Base(mustGetwd(t)) + "/file", ".//file"} {
			if err := w.write(t, e, name, []byte(name), 0o600); err != nil {
				t.Error(err)
			}
			if got, err := os.ReadFile("file"); string(got) != name || err != nil {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		expectNames(t, ".", "file")
	})
}

func mustGetwd(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWriteFilePermissionDenied(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("SKIPPED: root writes everywhere")
	}
	eachWriter(t, func(t *testing.T, e *Engine, w writer) {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		if err := w.write(t, e, dir+"/file", []byte("x"), 0o600); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("got %v", err)
		}
	})
}

// TestWriteFileAtomicReaders: a reader sees the old file or the new one, whole, at any moment.
func TestWriteFileAtomicReaders(t *testing.T) {
	e := open(t)
	name := filepath.Join(t.TempDir(), "file")
	contents := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 10_000+i*1000) }
	if err := os.WriteFile(name, contents(0), 0o600); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var reading sync.WaitGroup
	reading.Add(1)
	go func() {
		defer reading.Done()
		for {
			got, err := os.ReadFile(name)
			if err != nil || !bytes.Equal(got, contents(int(got[0]))) {
				t.Errorf("saw %d bytes, %v", len(got), err)
				return
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	var writing sync.WaitGroup
	for i := range 100 {
		writing.Add(1)
		go func() {
			defer writing.Done()
			if err := e.WriteFile(t.Context(), name, contents(i), 0o600, Atomic); err != nil {
				t.Error(err)
			}
		}()
	}
	writing.Wait()
	close(stop)
	reading.Wait()
	expectNames(t, filepath.Dir(name), "file")
}

// TestWriteFileFullDisk: the error is ENOSPC, Atomic keeps the old file and leaves no other.
func TestWriteFileFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("ringo", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("SKIPPED: needs a mount: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	eachWriter(t, func(t *testing.T, e *Engine, w writer) {
		name := dir + "/file"
		if err := os.WriteFile(name, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := w.write(t, e, name, make([]byte, 2<<20), 0o600)
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("got %v", err)
		}
		expectNames(t, dir, "file")
		if got, err := os.ReadFile(name); w.atomic() && (string(got) != "old" || err != nil) {
			t.Errorf("the old file holds %d bytes, %v", len(got), err)
		}
	})
}

func TestWriteFileContextEnded(t *testing.T) {
	e := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	for _, w := range writers {
		if err := e.WriteFile(ctx, dir+"/file", []byte("x"), 0o600, w.options...); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", w.name, err)
		}
	}
	expectNames(t, dir)
}

// TestWriteFileCancelled ends contexts at all moments of a write, and changes the data as soon as
// the call has returned: what a file then holds, and the race detector, tell whether somebody
// still used it. Atomic must leave the old file or the new one, and nothing else.
func TestWriteFileCancelled(t *testing.T) {
	e := open(t)
	for _, options := range [][]WriteOption{{}, {Sync}, {Atomic}, {Atomic, Sync}} {
		dir := t.TempDir()
		name := dir + "/file"
		if err := os.WriteFile(name, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		data := make([]byte, 1<<19)
		for i := range 200 {
			ctx, cancel := context.WithCancel(t.Context())
			spin := make(chan struct{})
			go func() {
				defer close(spin)
				for range i * 100 {
					_ = e.lent()
				}
				cancel()
			}()
			fill(data, 'a')
			err := e.WriteFile(ctx, name, data, 0o600, options...)
			fill(data, 'b')
			<-spin
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			got, readErr := os.ReadFile(name)
			if readErr != nil || bytes.IndexByte(got, 'b') >= 0 {
				t.Fatalf("%v: found data of after the call: %v", options, readErr)
			}
			if joined(options)&Atomic != 0 && len(got) != len(data) && string(got) != "old" {
				t.Fatalf("%v: found %d bytes", options, len(got))
			}
		}
		expectNames(t, dir, "file")
	}
}

func fill(b []byte, with byte) {
	b[0] = with
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n]) // Much quicker than byte by byte under the race detector.
	}
}

// TestWriteFileBlockedOnFIFO: a write that waits for a reader ends with its context, and data is
// ours again.
func TestWriteFileBlockedOnFIFO(t *testing.T) {
	e := open(t)
	name := mkfifo(t)
	ctx, cancel := context.WithCancel(t.Context())
	data := []byte("data")
	result := make(chan error, 1)
	go func() {
		err := e.WriteFile(ctx, name, data, 0o600)
		data[0] = 'D'
		result <- err
	}()
	eventually(t, "write posted", func() bool { return e.lent() > 0 })
	cancel()
	within(t, "WriteFile whose context ended", func() {
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// TestWriteFileSpecial: what is not a regular file is written as os.WriteFile does it, links and large
// files too.
func TestWriteFileSpecial(t *testing.T) {
	e := open(t)
	dir := t.TempDir()
	if err := os.Symlink("target", dir+"/dangling"); err != nil {
		t.Fatal(err)
	}
	large := randomBytes(3<<20 + 1)
	if err := e.WriteFile(t.Context(), dir+"/dangling", large, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(dir + "/target"); !bytes.Equal(got, large) || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := e.WriteFile(t.Context(), "/dev/null", large, 0o600); err != nil {
		t.Error(err)
	}
	name := mkfifo(t)
	read := make(chan []byte, 1)
	go func() {
		got, _ := os.ReadFile(name)
		read <- got
	}()
	if err := e.WriteFile(t.Context(), name, large, 0o600); err != nil {
		t.Error(err)
	}
	if got := <-read; !bytes.Equal(got, large) {
		t.Errorf("the FIFO carried %d bytes", len(got))
	}
}

// TestWriteFileWays: plain files are not handed to a loop, as long as not too many threads wait.
func TestWriteFileWays(t *testing.T) {
	e := open(t)
	name := t.TempDir() + "/file"
	written := func() uint64 { return e.Stats().Ops["writefile"] }
	for _, old := range []string{"new", "old"} {
		if err := e.WriteFile(t.Context(), name, []byte("x"), 0o600); err != nil || written() != 0 {
			t.Errorf("%s: %v, %d by a loop", old, err, written())
		}
	}
	e.plainWrites.Add(plainCap)
	if err := e.WriteFile(t.Context(), name, []byte("y"), 0o600); err != nil || written() != 1 {
		t.Errorf("too many: %v, %d by a loop", err, written())
	}
	e.plainWrites.Add(-plainCap)
	if err := e.WriteFile(t.Context(), name, []byte("z"), 0o600, Sync); err != nil || written() != 1 {
		t.Errorf("Sync: %v, %d by a loop", err, written())
	}
	if got, err := os.ReadFile(name); string(got) != "z" || err != nil || e.plainWrites.Load() != 0 {
		t.Errorf("%q, %v, %d under way", got, err, e.plainWrites.Load())
	}
}

// TestWriteFileSyncs: with Sync nothing is left for the kernel to write when WriteFile returns.
func TestWriteFileSyncs(t *testing.T) {
	e := open(t)
	dir := t.TempDir()
	for i, options := range [][]WriteOption{nil, {Sync}, {Atomic, Sync}} {
		name := fmt.Sprint(dir, "/", i)
		if err := e.WriteFile(t.Context(), name, make([]byte, 1<<20), 0o600, options...); err != nil {
			t.Fatal(err)
		}
		unwritten, err := dirtyPages(name)
		switch {
		case i == 0 && (err != nil || unwritten == 0):
			t.Skipf("SKIPPED: the kernel does not tell here what is still to be written: %v", err)
		case i > 0 && (err != nil || unwritten > 0):
			t.Errorf("%v: %d pages are still to be written, %v", options, unwritten, err)
		}
	}
}

// dirtyPages is what cachestat(2) says of the file.
func dirtyPages(name string) (uint64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	const sysCachestat = 451
	var all [2]uint64
	var pages struct{ cached, dirty, writeback, evicted, recentlyEvicted uint64 }
	_, _, errno := syscall.Syscall6(sysCachestat, f.Fd(), uintptr(unsafe.Pointer(&all)), uintptr(unsafe.Pointer(&pages)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return pages.dirty + pages.writeback, nil
}

// TestWriteFileInsideOneSlice pins many parts of one allocation at once, some of it with Go
// pointers beside them, which cgo would refuse to pass.
func TestWriteFileInsideOneSlice(t *testing.T) {
	e := open(t)
	type record struct {
		pointer *int
		data    [512]byte
	}
	records := make([]record, 200)
	dir := t.TempDir()
	var writing sync.WaitGroup
	for i := range records {
		records[i].pointer = new(int)
		fill(records[i].data[:], byte(i))
		writing.Add(1)
		go func() {
			defer writing.Done()
			if err := e.WriteFile(t.Context(), fmt.Sprint(dir, "/", i), records[i].data[:], 0o600, Atomic); err != nil {
				t.Error(err)
			}
		}()
	}
	writing.Wait()
	for i := range records {
		got, err := os.ReadFile(fmt.Sprint(dir, "/", i))
		if err != nil || !bytes.Equal(got, records[i].data[:]) {
			t.Errorf("%d: %d bytes, %v", i, len(got), err)
		}
	}
}
