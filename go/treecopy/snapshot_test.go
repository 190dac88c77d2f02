// SPDX-License-Identifier: MIT

package treecopy

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// seen is everything about an entry that a copy must keep.
type seen struct {
	mode, uid, gid uint32
	size, mtime    int64
	rdev           uint64
	link           string
	content        string
	xattrs         string
	linked         string // the first of the names that share the inode
	blocks         int64
}

// snapshot walks a tree by paths, unlike the code under test.
func snapshot(t *testing.T, root string) map[string]seen {
	t.Helper()
	entries, first := map[string]seen{}, map[uint64]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		entries[name] = look(t, path, name, first)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func look(t *testing.T, path, name string, first map[uint64]string) seen {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	s := seen{mode: st.Mode, uid: st.Uid, gid: st.Gid, mtime: st.Mtim.Nano(), rdev: st.Rdev, xattrs: attributes(path)}
	kind := st.Mode & unix.S_IFMT
	if kind != unix.S_IFDIR && st.Nlink > 1 {
		if first[st.Ino] == "" {
			first[st.Ino] = name
		}
		s.linked = first[st.Ino]
	}
	switch kind {
	case unix.S_IFLNK:
		s.link, _ = os.Readlink(path)
	case unix.S_IFREG:
		s.size, s.blocks = st.Size, st.Blocks
		s.content = contentOf(t, path)
	}
	return s
}

func contentOf(t *testing.T, path string) string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

func attributes(path string) string {
	list := make([]byte, 4096)
	n, err := unix.Llistxattr(path, list)
	if err != nil {
		return ""
	}
	var all []string
	for _, name := range strings.Split(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		value := make([]byte, 4096)
		if n, err := unix.Lgetxattr(path, name, value); err == nil {
			all = append(all, fmt.Sprintf("%s=%q", name, value[:n]))
		}
	}
	sort.Strings(all)
	return strings.Join(all, " ")
}

// sameTrees compares all but blocks exactly. Blocks may differ by what file systems keep beside the data.
func sameTrees(t *testing.T, want, got map[string]seen) {
	t.Helper()
	for name, w := range want {
		g, ok := got[name]
		if !ok {
			t.Errorf("%q is missing", name)
			continue
		}
		if difference := g.blocks - w.blocks; difference > 16 || difference < -16 {
			t.Errorf("%q has %d blocks, want %d: holes were not kept", name, g.blocks, w.blocks)
		}
		g.blocks = w.blocks
		if g != w {
			t.Errorf("%q differs:\n got %+v\nwant %+v", name, g, w)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%q should not be there", name)
		}
	}
}

// makeTree fills root with all that is hard to copy, as far as the user may make it.
func makeTree(t *testing.T, root string) {
	t.Helper()
	m := maker{t, root}
	t.Cleanup(func() { _ = exec.Command("chmod", "-R", "u+rwX", filepath.Dir(root)).Run() })
	m.mkdir("empty")
	m.mkdir("deep/er/still")
	m.write("deep/er/still/file", "at the bottom")
	m.write("plain", "contents")
	m.write("nothing", "")
	m.write("big", strings.Repeat("0123456789abcdef", 3<<20/16)+"tail")
	m.holes("hole-start", 8<<20, 6<<20, 64<<10)
	m.holes("hole-middle", 8<<20, 0, 64<<10, 5<<20, 100<<10, 8<<20-4096, 4096)
	m.holes("hole-end", 8<<20, 0, 64<<10)
	m.holes("hole-all", 8<<20)
	m.holes("hole-odd", 3<<20+123, 1<<20, 5)
	m.holes("swiss", 4<<20, 0, 4096, 16<<10, 4096, 64<<10, 4096, 1<<20, 4096, 2<<20, 8192)
	for _, name := range []string{"new\nline", "\xff\xfe invalid", "-r", " ", "it's", strings.Repeat("n", 255), "ünï", "\x1b[31m"} {
		m.write(name, name)
	}
	m.do(os.Symlink("plain", m.path("link")))
	m.do(os.Symlink("nowhere/at all", m.path("dangling")))
	m.do(os.Symlink("deep", m.path("dirlink")))
	m.do(os.Symlink(strings.Repeat("x/", 450), m.path("longlink")))
	m.do(os.Link(m.path("plain"), m.path("deep/hard1")))
	m.do(os.Link(m.path("plain"), m.path("hard2")))
	m.do(unix.Linkat(unix.AT_FDCWD, m.path("link"), unix.AT_FDCWD, m.path("hardlink-of-link"), 0))
	m.do(unix.Mkfifo(m.path("fifo"), 0o640))
	m.do(unix.Mknod(m.path("socket"), unix.S_IFSOCK|0o600, 0))
	if os.Geteuid() == 0 {
		m.do(unix.Mknod(m.path("device"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
		m.write("owned", "by somebody")
		m.do(os.Chown(m.path("owned"), 1234, 4321))
		m.do(os.Chmod(m.path("owned"), 0o4755|os.ModeSetuid|os.ModeSetgid))
		m.do(os.Lchown(m.path("dangling"), 12, 34))
		m.try(unix.Setxattr(m.path("owned"), "security.capability", []byte("\x01\x00\x00\x02\x00\x04\x00\x00"+
			"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0))
	}
	m.attributes()
	m.modes()
	m.times()
}

type maker struct {
	t    *testing.T
	root string
}

func (m maker) path(name string) string { return filepath.Join(m.root, name) }

func (m maker) do(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m maker) try(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Logf("SKIPPED a part: %v", err)
	}
}

func (m maker) mkdir(name string)       { m.do(os.MkdirAll(m.path(name), 0o755)) }
func (m maker) write(name, text string) { m.do(os.WriteFile(m.path(name), []byte(text), 0o644)) }

// holes makes a file of size with data at pairs of offset and length.
func (m maker) holes(name string, size int64, pairs ...int64) {
	file, err := os.Create(m.path(name))
	m.do(err)
	defer file.Close()
	m.do(file.Truncate(size))
	for i := 0; i < len(pairs); i += 2 {
		_, err := file.WriteAt([]byte(strings.Repeat("D", int(pairs[i+1]))), pairs[i])
		m.do(err)
	}
}

// attributes sets a user attribute and ACLs: user 0 rw, everybody else as the mode says.
func (m maker) attributes() {
	m.try(unix.Setxattr(m.path("big"), "user.colour", []byte("green\x00\n"), 0))
	m.try(unix.Setxattr(m.path("empty"), "user.colour", []byte("blue"), 0))
	acl := []byte("\x02\x00\x00\x00" + "\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x04\x00\x01\x00\x00\x00" +
		"\x04\x00\x04\x00\xff\xff\xff\xff" + "\x10\x00\x06\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff")
	m.try(unix.Setxattr(m.path("swiss"), "system.posix_acl_access", acl, 0))
	m.try(unix.Setxattr(m.path("deep/er"), "system.posix_acl_default", acl, 0))
}

func (m maker) modes() {
	m.mkdir("modes")
	for mode := uint32(0); mode <= 0o7777; mode += 0o111 {
		// Only root reads files that their owner may not read.
		if os.Geteuid() != 0 && mode&0o400 == 0 {
			continue
		}
		file, dir := fmt.Sprintf("modes/file-%04o", mode), fmt.Sprintf("modes/dir-%04o", mode)
		m.write(file, "")
		m.do(unix.Chmod(m.path(file), mode))
		if os.Geteuid() == 0 || mode&0o500 == 0o500 {
			m.mkdir(dir)
			m.write(dir+"/inside", dir)
			m.do(unix.Chmod(m.path(dir), mode))
		}
	}
	m.do(unix.Chmod(m.path("deep/er"), 0o1555))
}

// times gives each entry its own, some before 1970 and all with nanoseconds.
func (m maker) times() {
	n := int64(0)
	err := filepath.WalkDir(m.root, func(path string, _ fs.DirEntry, err error) error {
		n++
		at := []unix.Timespec{{Sec: 1_000_000_000 + n, Nsec: 987654321}, {Sec: n*10_000_000 - 5, Nsec: 123456789 + n}}
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, at, unix.AT_SYMLINK_NOFOLLOW)
	})
	m.do(err)
	// Setting an entry's times does not touch its directory's, so one pass is enough.
	var st syscall.Stat_t
	m.do(syscall.Lstat(m.path("big"), &st))
	if st.Mtim.Nsec == 0 {
		m.t.Fatal("this file system keeps no nanoseconds")
	}
}
