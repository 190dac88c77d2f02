// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func timeLimit() time.Time { return time.Now().Add(2 * patience) }

// content makes bytes that tell one file, and one place in it, from another.
func content(name string, size int) []byte {
	h := fnv.New64a()
	fmt.Fprint(h, name)
	var seed [32]byte
	for i := range 4 {
		h.Write([]byte{byte(i)})
		copy(seed[8*i:], h.Sum(nil))
	}
	data := make([]byte, size)
	_, _ = rand.NewChaCha8(seed).Read(data)
	return data
}

// write makes a file, and the directories above it, old enough for strong validators.
func write(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	age(t, name)
}

// age sets a file's time back to a second that is over.
func age(t testing.TB, name string) {
	t.Helper()
	then := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(name, then, then); err != nil {
		t.Fatal(err)
	}
}

func symlink(t testing.TB, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// site is a directory that the user nobody may read, as TempDir's may not be.
func site(t testing.TB) string {
	t.Helper()
	directory, err := os.MkdirTemp("", "ringo-site")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	if err := os.Chmod(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	return directory
}

// fileSystems are places on file systems that differ in what reads they take.
func fileSystems(t *testing.T, test func(t *testing.T, directory string)) {
	t.Run("disk", func(t *testing.T) { test(t, site(t)) })
	t.Run("tmpfs", func(t *testing.T) {
		directory, err := os.MkdirTemp("/dev/shm", "ringo-site")
		if err != nil {
			skip(t, "no tmpfs: %v", err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(directory) })
		test(t, directory)
	})
	t.Run("overlay", func(t *testing.T) { test(t, overlay(t)) })
}

// overlay mounts an overlay file system.
func overlay(t *testing.T) string {
	if !asRoot() {
		skip(t, "an overlay needs root")
	}
	base := site(t)
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(base+"/"+name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", base)
	if err := unix.Mount("overlay", base+"/merged", "overlay", 0, options); err != nil {
		skip(t, "no overlay file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(base+"/merged", unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return base + "/merged"
}

// modes are all the ways for files to go to the socket.
var modes = [][]string{
	{"--sendfile=auto"}, {"--sendfile=sendfile"}, {"--sendfile=splice"}, {"--sendfile=read"},
	{"--cache=off", "--sendfile=splice"},
}

func inModes(t *testing.T, test func(t *testing.T, flags []string)) {
	for _, flags := range modes {
		t.Run(fmt.Sprint(flags), func(t *testing.T) { test(t, flags) })
	}
}
