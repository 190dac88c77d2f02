// SPDX-License-Identifier: MIT

package treecopy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"testing"

	"github.com/ringo-io/ringo/go/ringo"
)

func openEngine(t *testing.T) *ringo.Engine {
	t.Helper()
	e, err := ringo.New(ringo.WithLoops(1))
	if errors.Is(err, ringo.ErrUnavailable) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// TestCopyFile: to a name, into a directory, and what it refuses.
func TestCopyFile(t *testing.T) {
	e, dir := openEngine(t), t.TempDir()
	src, want := filepath.Join(dir, "src"), bytes.Repeat([]byte("ringo "), 100_000)
	if err := os.WriteFile(src, want, 0o640); err != nil {
		t.Fatal(err)
	}
	into := filepath.Join(dir, "into")
	if err := os.Mkdir(into, 0o755); err != nil {
		t.Fatal(err)
	}
	for dst, name := range map[string]string{filepath.Join(dir, "dst"): filepath.Join(dir, "dst"), into: filepath.Join(into, "src")} {
		if err := CopyFile(t.Context(), e, src, dst); err != nil {
			t.Errorf("to %s: %v", dst, err)
		}
		got, err := os.ReadFile(name)
		info, _ := os.Stat(name)
		if err != nil || !bytes.Equal(got, want) || info.Mode() != 0o640 {
			t.Errorf("%s: %d bytes, %v, %v", name, len(got), info, err)
		}
	}
	var failure *Failure
	if err := CopyFile(t.Context(), e, filepath.Join(dir, "missing"), dir); !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &failure) {
		t.Errorf("a missing file: %v", err)
	}
	if err := CopyFile(t.Context(), e, into, filepath.Join(dir, "other")); err == nil {
		t.Error("CopyFile copied a directory")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := CopyFile(ctx, e, src, filepath.Join(dir, "late")); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
}

func ExampleCopyTree() {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	dir, err := os.MkdirTemp("", "ringo-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.MkdirAll(filepath.Join(dir, "from", "below"), 0o755); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "from", "below", "file"), []byte("all of it"), 0o600); err != nil {
		log.Fatal(err)
	}
	if err := CopyTree(context.Background(), e, filepath.Join(dir, "from"), filepath.Join(dir, "to")); err != nil {
		log.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "to", "below", "file"))
	fmt.Println(string(data), err)
	// Output: all of it <nil>
}
