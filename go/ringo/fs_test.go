package ringo

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"testing/fstest"
	"testing/iotest"
)

// makeTree makes a tree of files beside one that must not be reached.
func makeTree(t *testing.T) (dir string, contents map[string][]byte) {
	t.Helper()
	top := t.TempDir()
	dir = filepath.Join(top, "tree")
	contents = map[string][]byte{"a": []byte("alpha"), "empty": {}, "sub/b": randomBytes(dataSize + 5000), "sub/deep/c": randomBytes(3)}
	for name, data := range contents {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(top, "secret"), []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, contents
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// TestFS: testing/fstest finds nothing wrong, here and below.
func TestFS(t *testing.T) {
	e := open(t, WithLoops(1))
	dir, _ := makeTree(t)
	link(t, "a", filepath.Join(dir, "link"))
	tree := e.FS(dir)
	if err := fstest.TestFS(tree, "a", "empty", "link", "sub/b", "sub/deep/c"); err != nil {
		t.Error(err)
	}
	below, err := fs.Sub(tree, "sub")
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(below, "b", "deep/c"); err != nil {
		t.Error(err)
	}
}

// TestFSReaders: testing/iotest finds nothing wrong with what is opened.
func TestFSReaders(t *testing.T) {
	for _, policy := range []Policy{Auto, Loop} {
		e := open(t, WithLoops(1), WithPolicy(policy))
		dir, contents := makeTree(t)
		tree := e.FS(dir)
		for name, want := range contents {
			f, err := tree.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := iotest.TestReader(f, want); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			f.Close()
			if got, err := tree.ReadFile(name); err != nil || !bytes.Equal(got, want) {
				t.Errorf("ReadFile(%s): %d bytes, %v", name, len(got), err)
			}
		}
	}
}

// TestFSContains: no name and no link leads out.
func TestFSContains(t *testing.T) {
	e := open(t, WithLoops(1))
	dir, _ := makeTree(t)
	link(t, "../secret", filepath.Join(dir, "out"))
	link(t, filepath.Join(dir, "a"), filepath.Join(dir, "absolute"))
	link(t, "..", filepath.Join(dir, "up"))
	link(t, "sub/../a", filepath.Join(dir, "roundabout"))
	tree := e.FS(dir)
	for _, name := range []string{"out", "absolute", "up/secret", "up", "up/tree/a"} {
		if data, err := tree.ReadFile(name); err == nil {
			t.Errorf("ReadFile(%s) gave %q", name, data)
		}
		if _, err := tree.Stat(name); !errors.Is(err, syscall.EXDEV) {
			t.Errorf("Stat(%s): %v", name, err)
		}
		if _, err := tree.Sub(name); err == nil {
			t.Errorf("Sub(%s)", name)
		}
	}
	for _, name := range []string{"../secret", "/etc/passwd", "", "a/", "./a", "sub//b"} {
		if _, err := tree.Open(name); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Open(%q): %v", name, err)
		}
	}
	if data, err := tree.ReadFile("roundabout"); string(data) != "alpha" || err != nil {
		t.Errorf("a link that stays inside: %q, %v", data, err)
	}
	if target, err := tree.ReadLink("out"); target != "../secret" || err != nil {
		t.Errorf("ReadLink: %q, %v", target, err)
	}
	if info, err := tree.Lstat("out"); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("Lstat: %v, %v", info, err)
	}
	if _, err := tree.ReadLink("a"); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("ReadLink of a file: %v", err)
	}
}

// TestFSOddities: what is missing, what is no directory, FIFOs, and limits.
func TestFSOddities(t *testing.T) {
	e := open(t, WithLoops(1), WithReadLimit(1000))
	dir, _ := makeTree(t)
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	tree := e.FS(dir)
	within(t, "a FIFO without a writer", func() {
		if data, err := tree.ReadFile("fifo"); len(data) != 0 || err != nil {
			t.Errorf("a FIFO: %q, %v", data, err)
		}
	})
	if _, err := tree.ReadFile("sub/b"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("beyond the limit: %v", err)
	}
	if _, err := tree.Open("missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := tree.ReadDir("a"); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("ReadDir of a file: %v", err)
	}
	if _, err := tree.ReadFile("sub"); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("ReadFile of a directory: %v", err)
	}
	none := e.FS(filepath.Join(dir, "missing"))
	if _, err := none.Open("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no root: %v", err)
	}
	if _, err := none.Sub("."); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no root: %v", err)
	}
	if names, err := tree.Glob("s*/d*/*"); err != nil || !slices.Equal(names, []string{"sub/deep/c"}) {
		t.Errorf("Glob: %v, %v", names, err)
	}
}

// TestFSInHTTP: net/http serves ranges of it.
func TestFSInHTTP(t *testing.T) {
	e := open(t, WithLoops(1))
	dir, contents := makeTree(t)
	server := httptest.NewServer(http.FileServer(http.FS(e.FS(dir))))
	defer server.Close()
	request, _ := http.NewRequest("GET", server.URL+"/sub/b", nil)
	request.Header.Set("Range", "bytes=1000-1999")
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusPartialContent || err != nil || !bytes.Equal(body, contents["sub/b"][1000:2000]) {
		t.Errorf("%s, %d bytes, %v", response.Status, len(body), err)
	}
	server.Client().CloseIdleConnections()
}
