// SPDX-License-Identifier: MIT

package treecopy

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// copied runs a Copier and gives what it reported.
func copied(t *testing.T, c *Copier, sources []string, destination string) (reports []string, err error) {
	t.Helper()
	c.options.Report = func(err error) { reports = append(reports, err.Error()) }
	err = c.Run(context.Background(), sources, destination)
	if (err != nil) != (len(reports) > 0) {
		t.Errorf("Run gives %v after %d reports", err, len(reports))
	}
	for _, report := range reports {
		if strings.ContainsAny(report, "\n\x1b") || !strings.Contains(report, "; ") {
			t.Errorf("a report must be one line that says what to do: %q", report)
		}
	}
	return reports, err
}

func mustCopy(t *testing.T, c *Copier, source, destination string) {
	t.Helper()
	if reports, err := copied(t, c, []string{source}, destination); err != nil {
		t.Fatalf("%v: %s", err, strings.Join(reports, "\n"))
	}
}

func recursive() *Copier { return New(Options{Recursive: true}) }

// forced copies by one way alone, and counts the bytes that it moved.
func forced(c *Copier, only way) (moved *int64) {
	moved = new(int64)
	c.ways = []way{func(t *transfer, from, to int64) (int64, error) {
		reached, err := only(t, from, to)
		*moved += reached - from
		return reached, err
	}}
	return moved
}

var ways = map[string]way{
	"as it comes": nil, "copy_file_range": (*transfer).copyInKernel, "ring": (*transfer).copyByRing,
}

func TestTreeIsWhatCpMakes(t *testing.T) {
	for name, only := range ways {
		t.Run(name, func(t *testing.T) {
			compareWithCp(t, t.TempDir(), only)
		})
	}
}

// compareWithCp makes a tree in directory, copies it and has cp copy it.
func compareWithCp(t *testing.T, directory string, only way) {
	source, theirs, ours := directory+"/source", directory+"/theirs", directory+"/ours"
	makeTree(t, source)
	c := recursive()
	moved := new(int64)
	if only != nil {
		moved = forced(c, only)
	}
	mustCopy(t, c, source, ours)
	output, err := exec.Command("cp", "-a", source, theirs).CombinedOutput()
	if err != nil {
		t.Fatalf("cp: %v: %s", err, output)
	}
	want := snapshot(t, source)
	sameTrees(t, want, snapshot(t, ours))
	sameTrees(t, snapshot(t, theirs), snapshot(t, ours))
	compareByDiff(t, source, ours)
	if only != nil && *moved < 3<<20 {
		t.Errorf("the way under test moved only %d bytes", *moved)
	}
}

func TestDoneComesToWhatMeasureSays(t *testing.T) {
	directory := t.TempDir()
	source := directory + "/source"
	makeTree(t, source)
	// ext4 gives a file with many extents one block more for their list, when it writes the file back.
	m := maker{t, source}
	for _, name := range []string{"big", "hole-start", "hole-middle", "hole-end", "hole-odd", "swiss"} {
		file, err := os.Open(m.path(name))
		m.do(err)
		m.do(file.Sync())
		m.do(file.Close())
	}
	total := Measure(context.Background(), []string{source})
	if total < 3<<20 {
		t.Fatalf("the tree has %d bytes", total)
	}
	for name, only := range ways {
		t.Run(name, func(t *testing.T) {
			c := recursive()
			if only != nil {
				forced(c, only)
			}
			mustCopy(t, c, source, directory+"/"+name)
			if c.Done() != total {
				t.Errorf("Done is %d after all of %d", c.Done(), total)
			}
		})
	}
}

// compareByDiff leaves special files to sameTrees: diff never calls two of them equal.
func compareByDiff(t *testing.T, a, b string) {
	t.Helper()
	output, err := exec.Command("diff", "-r", "--no-dereference",
		"-x", "fifo", "-x", "socket", "-x", "device", a, b).CombinedOutput()
	if err != nil {
		t.Errorf("diff -r: %v: %s", err, output)
	}
}

func TestReflink(t *testing.T) {
	directory := reflinkDirectory(t)
	compareWithCp(t, directory, (*transfer).clone)
	used := func() uint64 {
		var st unix.Statfs_t
		if err := unix.Statfs(directory, &st); err != nil {
			t.Fatal(err)
		}
		return st.Bfree * uint64(st.Bsize)
	}
	maker{t, directory}.write("shared", strings.Repeat("s", 16<<20))
	unix.Sync()
	before := used()
	mustCopy(t, recursive(), directory+"/shared", directory+"/shares")
	unix.Sync()
	if took := int64(before - used()); took > 1<<20 {
		t.Errorf("a reflink of 16 MiB took %d bytes", took)
	}
}

// reflinkDirectory is on a file system that has reflinks: RINGO_TEST_REFLINK, or an XFS image mounted for the test.
func reflinkDirectory(t *testing.T) string {
	t.Helper()
	if given := os.Getenv("RINGO_TEST_REFLINK"); given != "" {
		directory, err := os.MkdirTemp(given, "ringo")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = exec.Command("rm", "-rf", directory).Run() })
		return directory
	}
	image, directory := t.TempDir()+"/image", t.TempDir()
	maker{t, filepath.Dir(image)}.holes("image", 400<<20)
	for _, command := range [][]string{{"mkfs.xfs", "-q", image}, {"mount", "-o", "loop", image, directory}} {
		if output, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("SKIPPED: reflinks need mkfs.xfs and root, or RINGO_TEST_REFLINK=DIR: %v %s", err, output)
		}
	}
	t.Cleanup(func() { _ = exec.Command("umount", directory).Run() })
	return directory
}

// TestOperands lets cp and the copier do the same in two equal directories, which must be equal afterwards.
func TestOperands(t *testing.T) {
	for _, operands := range []string{
		"file new", "file other", "file dir", "file dir/", "file dir/new", "file new/", "file/ new", "file missing/new",
		"missing new", "file dir other", "file dir new", "file other dir",
		"dir new", "dir new/", "dir full", "dir/ full", "dir/. full", "dir/. new", "dir/.. full", "full/sub/.. new",
		"dir file", "file full/dir", "dir full/file",
		"link new", "link other", "link dir", "dirlink new", "dirlink/ new", "dangling new", "dangling other",
		"file dirlink", "file dangling", "file other-link", "dir dirlink",
		"file file", "file hard", "file link", "link file", "link link", "link link2", "file ./file", "file dir/../file", "file .",
		"dir dir", "dir dir/new", "dir dir/sub", "dir/. dir", "dir .", "dir dirlink/new", "dir/. dir/sub", ". dir",
		"readonly other", "file full/readonly", "file hard2", "fifo new", "fifo other", "fifo dir",
		"a/1 b/1 dir", "b/1 a/1 dir", "a b dir", "hard file dir", "file hard full", "dir dir2 full",
	} {
		t.Run(operands, func(t *testing.T) { compareOperands(t, strings.Fields(operands)) })
	}
}

func compareOperands(t *testing.T, operands []string) {
	var trees [2]map[string]seen
	var worked [2]bool
	for i := range trees {
		t.Chdir(t.TempDir())
		makeOperands(t)
		if i == 0 {
			worked[i] = exec.Command("cp", append([]string{"-a", "--"}, operands...)...).Run() == nil
		} else {
			last := len(operands) - 1
			_, err := copied(t, recursive(), operands[:last], operands[last])
			worked[i] = err == nil
		}
		trees[i] = snapshot(t, ".")
	}
	if worked[0] != worked[1] {
		t.Errorf("cp worked: %v, ringo worked: %v", worked[0], worked[1])
	}
	if !worked[0] {
		return // What a refused command leaves behind differs: ringo refuses before it begins.
	}
	for _, tree := range trees {
		for name, s := range tree {
			s.mtime, s.blocks = 0, 0 // The two were made at different times.
			tree[name] = s
		}
	}
	sameTrees(t, trees[0], trees[1])
}

func makeOperands(t *testing.T) {
	m := maker{t, "."}
	m.write("file", "the file")
	m.write("other", "another file")
	m.do(os.Link("file", "hard"))
	m.write("two", "two")
	m.do(os.Link("two", "hard2"))
	m.mkdir("dir/sub")
	m.write("dir/inside", "inside")
	m.mkdir("dir2/sub")
	m.write("dir2/inside", "inside 2")
	m.mkdir("full/sub")
	m.mkdir("full/dir")
	m.write("full/file", "in the way")
	m.write("full/hard", "in the way too")
	m.write("full/dir/inside", "old inside")
	for link, to := range map[string]string{"link": "file", "link2": "other", "other-link": "other", "dirlink": "dir",
		"dangling": "nowhere"} {
		m.do(os.Symlink(to, link))
	}
	m.write("full/readonly", "was read-only")
	m.write("readonly", "is read-only")
	m.do(os.Chmod("readonly", 0o444))
	m.do(unix.Mkfifo("fifo", 0o600))
	m.mkdir("a")
	m.mkdir("b")
	m.do(os.Symlink("t", "a/1"))
	m.write("b/1", "payload")
}

// TestReadOnlyDestinationIsReplaced is where the copier does as cp -af, for cp -a would fail for all but root.
func TestReadOnlyDestinationIsReplaced(t *testing.T) {
	t.Chdir(t.TempDir())
	makeOperands(t)
	mustCopy(t, recursive(), "file", "readonly")
	if text, _ := os.ReadFile("readonly"); string(text) != "the file" {
		t.Errorf("it holds %q", text)
	}
}

func TestDestinationLinksBelowDSTAreReplaced(t *testing.T) {
	t.Chdir(t.TempDir())
	m := maker{t, "."}
	m.mkdir("src")
	m.write("src/file", "new")
	m.mkdir("dst/src")
	m.write("precious", "precious")
	m.do(os.Symlink("../../precious", "dst/src/file"))
	mustCopy(t, recursive(), "src", "dst")
	if text, _ := os.ReadFile("precious"); string(text) != "precious" {
		t.Errorf("written through a link below DST: %q", text)
	}
	if text, _ := os.ReadFile("dst/src/file"); string(text) != "new" {
		t.Errorf("the copy holds %q", text)
	}
}

func TestSwappedSourceIsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	m := maker{t, "."}
	m.write("secret", "secret")
	m.write("file", "file")
	var st unix.Stat_t
	m.do(unix.Lstat("file", &st))
	m.do(os.Remove("file"))
	m.do(os.Symlink("secret", "file"))
	c := recursive()
	c.ctx = context.Background()
	err := c.copyFile(place{unix.AT_FDCWD, "file", "file"}, place{unix.AT_FDCWD, "copy", "copy"}, &st)
	if _, missing := os.Lstat("copy"); err == nil || !errors.Is(missing, os.ErrNotExist) {
		t.Errorf("err %v, the copy: %v", err, missing)
	}
}

func TestUnreadableSource(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("SKIPPED: root reads everything; run the tests as nobody too")
	}
	t.Chdir(t.TempDir())
	m := maker{t, "."}
	m.mkdir("src/closed")
	m.write("src/a", "a")
	m.write("src/secret", "secret")
	m.write("src/z", "z")
	m.do(os.Chmod("src/secret", 0o000))
	m.do(os.Chmod("src/closed", 0o000))
	t.Cleanup(func() { _ = os.Chmod("src/closed", 0o700) })
	reports, err := copied(t, recursive(), []string{"src"}, "dst")
	if !errors.Is(err, ErrIncomplete) || len(reports) != 2 {
		t.Errorf("%v: %q", err, reports)
	}
	for _, name := range []string{"dst/a", "dst/z"} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat("dst/secret"); err == nil {
		t.Error("an unreadable file left something behind")
	}
}

func TestFullDestination(t *testing.T) {
	directory := t.TempDir()
	if err := unix.Mount("none", directory, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("SKIPPED: a full file system needs a mount: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(directory, unix.MNT_DETACH) })
	source := t.TempDir()
	m := maker{t, source}
	m.write("a", "small")
	m.write("big", strings.Repeat("b", 4<<20))
	m.write("z", "small too")
	for name, only := range map[string]way{"copy_file_range": nil, "ring": (*transfer).copyByRing} {
		m.do(os.MkdirAll(directory+"/"+name, 0o755))
		maker{t, directory}.write(name+"/big", "the earlier one")
		c := recursive()
		if only != nil {
			forced(c, only)
		}
		reports, _ := copied(t, c, []string{source + "/."}, directory+"/"+name)
		if len(reports) != 1 || !strings.Contains(reports[0], "no space left") ||
			!strings.Contains(reports[0], "had been overwritten and is gone") {
			t.Errorf("%s: %q", name, reports)
		}
		if _, err := os.Lstat(directory + "/" + name + "/big"); err == nil {
			t.Errorf("%s: a half-written file was left", name)
		}
		if _, err := os.Lstat(directory + "/" + name + "/z"); err != nil {
			t.Errorf("%s: the copy did not go on: %v", name, err)
		}
	}
}

func TestInterruptionLeavesNothingHalfWritten(t *testing.T) {
	for name, only := range map[string]way{"copy_file_range": (*transfer).copyInKernel, "ring": (*transfer).copyByRing} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			m := maker{t, "."}
			m.mkdir("src")
			m.write("src/big", strings.Repeat("b", 3*kernelStep))
			stop := errors.New("stop")
			ctx, cancel := context.WithCancelCause(context.Background())
			c := recursive()
			c.ways = []way{func(t *transfer, from, to int64) (int64, error) {
				if reached, err := only(t, from, to/2); err != nil || reached < to/2 {
					return reached, err
				}
				cancel(stop)
				return only(t, to/2, to)
			}}
			c.options.Report = func(err error) { t.Errorf("an interruption is nobody's failure: %v", err) }
			if err := c.Run(ctx, []string{"src"}, "dst"); !errors.Is(err, stop) {
				t.Errorf("Run gives %v", err)
			}
			if left, _ := filepath.Glob("dst/*"); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestInterruptedWaitForFIFO(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := unix.Mkfifo("fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	for name, writer := range map[string]bool{"no writer": false, "idle writer": true} {
		if writer {
			file, err := os.OpenFile("fifo", os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
		}
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		if err := New(Options{}).Run(ctx, []string{"fifo"}, "copy"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat("copy"); err == nil {
			t.Errorf("%s: a half-written file was left", name)
		}
	}
}

// whileCopied runs change after half of the file is there.
func whileCopied(c *Copier, only way, change func(pass int)) {
	pass := 0
	c.ways = []way{func(t *transfer, from, to int64) (int64, error) {
		middle := from + (to-from)/2
		if reached, err := only(t, from, middle); err != nil || reached < middle {
			return reached, err
		}
		change(pass)
		pass++
		return only(t, middle, to)
	}, (*transfer).copyByRing}
}

func TestFileThatGrows(t *testing.T) {
	for name, only := range map[string]way{"copy_file_range": (*transfer).copyInKernel, "ring": (*transfer).copyByRing} {
		for _, growths := range []int{1, 3, 1000} {
			t.Chdir(t.TempDir())
			maker{t, "."}.write("log", strings.Repeat("l", 1<<20))
			c := recursive()
			whileCopied(c, only, func(pass int) {
				if pass < growths {
					file, _ := os.OpenFile("log", os.O_APPEND|os.O_WRONLY, 0)
					_, _ = file.WriteString(strings.Repeat("m", 70_001))
					file.Close()
				}
			})
			reports, _ := copied(t, c, []string{"log"}, "copy")
			source, _ := os.ReadFile("log")
			result, _ := os.ReadFile("copy")
			if !bytes.HasPrefix(source, result) || growths < maxPasses && len(source) != len(result) {
				t.Errorf("%s: %d bytes copied of %d", name, len(result), len(source))
			}
			if (len(reports) > 0) != (growths >= maxPasses) {
				t.Errorf("%s, %d growths: %q", name, growths, reports)
			}
		}
	}
}

func TestFileThatShrinks(t *testing.T) {
	for name, only := range map[string]way{"copy_file_range": (*transfer).copyInKernel, "ring": (*transfer).copyByRing} {
		t.Chdir(t.TempDir())
		maker{t, "."}.write("log", strings.Repeat("l", 5<<20))
		c := recursive()
		whileCopied(c, only, func(int) { _ = os.Truncate("log", 3<<20) })
		reports, _ := copied(t, c, []string{"log"}, "copy")
		if len(reports) != 1 || !strings.Contains(reports[0], "shrank") {
			t.Errorf("%s: %q", name, reports)
		}
		if _, err := os.Lstat("copy"); err == nil {
			t.Errorf("%s: a file that holds nobody knows what was left", name)
		}
	}
}

func TestFilesWithoutSize(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, source := range []string{"/proc/self/mountinfo", "/proc/cpuinfo", "/sys/kernel/mm/transparent_hugepage/enabled"} {
		want, err := os.ReadFile(source)
		if err != nil {
			t.Logf("SKIPPED %s: %v", source, err)
			continue
		}
		mustCopy(t, recursive(), source, "copy")
		if got, _ := os.ReadFile("copy"); len(got) != len(want) || len(got) == 0 {
			t.Errorf("%s: %d bytes, want %d", source, len(got), len(want))
		}
		_ = os.Remove("copy")
	}
}

func TestFIFOsAndDevicesAsContents(t *testing.T) {
	t.Chdir(t.TempDir())
	m := maker{t, "."}
	m.do(unix.Mkfifo("in", 0o600))
	m.do(unix.Mkfifo("out", 0o600))
	text := strings.Repeat("through a pipe ", 100_000)
	go func() { _ = os.WriteFile("in", []byte(text), 0) }()
	mustCopy(t, New(Options{}), "in", "copy")
	got := make(chan string)
	go func() {
		read, _ := os.ReadFile("out")
		got <- string(read)
	}()
	mustCopy(t, New(Options{}), "copy", "out")
	if read := <-got; read != text {
		t.Errorf("%d of %d bytes came through", len(read), len(text))
	}
	mustCopy(t, New(Options{}), "copy", "/dev/null")
	if info, err := os.Stat("/dev/null"); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("/dev/null is %v, %v", info, err)
	}
}

func TestDirectoryNeedsRecursive(t *testing.T) {
	t.Chdir(t.TempDir())
	maker{t, "."}.mkdir("dir")
	reports, _ := copied(t, New(Options{}), []string{"dir"}, "new")
	if len(reports) != 1 || !strings.Contains(reports[0], "-r") {
		t.Errorf("%q", reports)
	}
}

func TestCapabilityOfOverwrittenFileIsNotKept(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: capabilities need root")
	}
	t.Chdir(t.TempDir())
	m := maker{t, "."}
	m.write("plain", "plain")
	m.write("capable", "capable")
	m.try(unix.Setxattr("capable", "security.capability", []byte("\x01\x00\x00\x02\x00\x04\x00\x00"+
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0))
	mustCopy(t, recursive(), "plain", "capable")
	if left := attributes("capable"); left != "" {
		t.Errorf("still has %s", left)
	}
}

func TestDeepTree(t *testing.T) {
	t.Chdir(t.TempDir())
	deep := "src" + strings.Repeat("/d", 1500)
	maker{t, "."}.mkdir(deep)
	maker{t, "."}.write(deep+"/file", "deep")
	mustCopy(t, recursive(), "src", "dst")
	compareByDiff(t, "src", "dst")
}
