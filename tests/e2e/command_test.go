// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// sum runs a command and gives the checksum of what it prints.
func sum(t testing.TB, name string, arguments ...string) string {
	t.Helper()
	hash := sha256.New()
	process := exec.Command(name, arguments...)
	process.Stdout = hash
	if _, stderr, code := finish(t, process); code != 0 || stderr != "" {
		t.Fatalf("%s %.100v: exit code %d: %s", name, arguments, code, stderr)
	}
	return fmt.Sprintf("%x", hash.Sum(nil))
}

// TestCatOfEveryHeader prints many files at a time, as xargs would: the sums are of whole batches.
func TestCatOfEveryHeader(t *testing.T) {
	var names []string
	_ = filepath.WalkDir("/usr/include", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			names = append(names, name)
		}
		return nil
	})
	if len(names) == 0 {
		skip(t, "no files below /usr/include")
	}
	for batch := range slices.Chunk(names, 2000) {
		if mine, theirs := sum(t, command, append([]string{"cat"}, batch...)...), sum(t, "cat", batch...); mine != theirs {
			t.Errorf("of %d files from %s on: %s, cat gives %s", len(batch), batch[0], mine, theirs)
		}
	}
	for _, name := range names[:min(len(names), 50)] {
		if sum(t, command, "cat", name) != sum(t, "cat", name) {
			t.Errorf("%s differs", name)
		}
	}
	t.Logf("%d files", len(names))
}

func TestCatOfOddFiles(t *testing.T) {
	directory := t.TempDir()
	const size = 5<<30 + 4097
	m := makeSparse(t, directory+"/sparse", size)
	write(t, directory+"/empty", nil)
	if stdout, _, code := run(t, "cat", directory+"/empty", directory+"/empty"); code != 0 || stdout != "" {
		t.Errorf("%d: %q", code, stdout)
	}
	// What is in it differs by process; its shape does not.
	shape := func(text string) (keys []string) {
		for line := range strings.Lines(text) {
			key, _, _ := strings.Cut(line, ":")
			keys = append(keys, key)
		}
		return keys
	}
	mine, _, _ := run(t, "cat", "/proc/self/status")
	theirs, _, _ := finish(t, exec.Command("cat", "/proc/self/status"))
	if !slices.Equal(shape(mine), shape(theirs)) || !strings.HasPrefix(mine, "Name:\tringo") {
		t.Errorf("%q, cat gives %q", mine, theirs)
	}

	if sanitized() && !long {
		return
	}
	process := exec.Command(command, "cat", directory+"/sparse")
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = unix.FcntlInt(out.(*os.File).Fd(), unix.F_SETPIPE_SZ, 1<<20)
	if err := m.compare(out); err != nil {
		t.Error(err)
		_ = process.Process.Kill()
	}
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
		t.Errorf("%d bytes too many, %v", len(rest), err)
	}
	if err := process.Wait(); err != nil {
		t.Error(err)
	}
}

// TestCpAsCp compares with cp -a by what stat, du and diff see.
func TestCpAsCp(t *testing.T) {
	base := t.TempDir()
	source := base + "/source"
	for _, name := range []string{"file", "sub/deep/er/file", "odd\n\xff name", "a b;$(x)"} {
		write(t, source+"/"+name, content(name, 70_000))
	}
	write(t, source+"/empty", nil)
	write(t, source+"/holes", content("holes", 1<<20))
	symlink(t, "file", source+"/link")
	symlink(t, "/nowhere/at all", source+"/dangling")
	symlink(t, "sub", source+"/link-to-directory")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Truncate(source+"/holes", 100<<20))
	age(t, source+"/holes")
	must(os.Link(source+"/file", source+"/sub/hard"))
	must(os.Link(source+"/holes", source+"/sub/deep/hard-holes"))
	must(unix.Mkfifo(source+"/fifo", 0o640))
	must(os.Chmod(source+"/a b;$(x)", 0o4751))
	must(os.Mkdir(source+"/read-only", 0o755))
	write(t, source+"/read-only/file", []byte("in there"))
	must(os.Chmod(source+"/read-only", 0o555))
	must(os.Chmod(source+"/sub", 0o2770))
	t.Cleanup(func() {
		for _, name := range []string{"source", "mine", "theirs", "shm"} {
			_ = os.Chmod(base+"/"+name+"/read-only", 0o755)
		}
	})
	if _, stderr, code := run(t, "cp", "-r", source, base+"/mine"); code != 0 || stderr != "" {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if _, stderr, code := finish(t, exec.Command("cp", "-a", source, base+"/theirs")); code != 0 {
		t.Fatal(stderr)
	}
	look := func(directory string) string {
		list, stderr, code := finish(t, exec.Command("sh", "-c", `cd "$1" && find . ! -type d -printf '%P %y %m %u %g %s %T@ %n %l\0' -o -printf '%P %y %m %u %g %T@\0' | sort -z`, "sh", directory))
		if code != 0 {
			t.Fatal(stderr)
		}
		return list
	}
	if mine, theirs := look(base+"/mine"), look(base+"/theirs"); mine != theirs {
		t.Errorf("ringo: %q\ncp:    %q", mine, theirs)
	}
	if out, _, code := finish(t, exec.Command("diff", "-r", "--no-dereference", "-x", "fifo", base+"/theirs", base+"/mine")); code != 0 {
		t.Errorf("diff: %s", out)
	}
	used := func(directory string) string {
		out, _, _ := finish(t, exec.Command("du", "-sk", directory))
		size, _, _ := strings.Cut(out, "\t")
		return size
	}
	if mine, theirs := used(base+"/mine"), used(base+"/theirs"); mine != theirs {
		t.Errorf("%s KiB on the disk, cp makes it %s", mine, theirs)
	}
	if _, stderr, code := run(t, "cp", source+"/file", source+"/sub/hard"); code != 1 || strings.Count(stderr, "\n") != 1 {
		t.Errorf("onto itself: exit code %d: %q", code, stderr)
	}
	if _, stderr, code := run(t, "cp", source, base+"/without-r"); code != 1 || strings.Count(stderr, "\n") != 1 {
		t.Errorf("a directory without -r: exit code %d: %q", code, stderr)
	}
}

var firstKernel = regexp.MustCompile(`^[4-7]\.[0-9]+$`)

func TestProbe(t *testing.T) {
	stdout, stderr, code := run(t, "probe", "--json")
	var report struct {
		Kernel, Liburing, Backend, Why string
		Setup                          []string `json:"setup_flags"`
		Ops, Abilities                 []struct {
			Name      string
			Supported *bool
			Kernel    string `json:"first_kernel"`
		}
		Limits []struct{ Name, Value string }
		Hints  []string
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	everything := append(slices.Clone(report.Ops), report.Abilities...)
	for _, name := range strings.Fields(`nop openat2 read write fsync statx close renameat unlinkat splice pipe poll
		timeout cancel accept recv send sendmsg shutdown return_buffer readfile writefile sendfile readv writev
		fallocate fadvise ftruncate socket bind listen connect recvmsg poll_update link_timeout files_update
		buffers_update install_fd send_zc sendmsg_zc message_ring
		accept_multishot recv_multishot recvmsg_multishot poll_multishot poll_first buffer_rings incremental_buffers
		io_link io_hardlink async cqe_skip_success sqpoll iopoll hybrid_iopoll coop_taskrun defer_taskrun
		single_issuer no_sqarray no_iowait registered_ring registered_files direct_descriptors registered_buffers
		registered_vectors restrictions wait_timeout min_wait rwf_nowait rwf_dsync rwf_dontcache rwf_atomic
		recv_zc_in_kernel`) {
		count := 0
		for _, row := range everything {
			if row.Name == name && row.Supported != nil && firstKernel.MatchString(row.Kernel) {
				count++
			}
		}
		if count != 1 {
			t.Errorf("%s is there %d times, or not whole: %v", name, count, everything)
		}
	}
	release, _, _ := finish(t, exec.Command("uname", "-r"))
	if report.Kernel != strings.TrimSpace(release) || report.Backend == "" || report.Liburing == "" ||
		len(report.Limits) < 5 || report.Hints == nil {
		t.Errorf("%s", stdout)
	}
	text, _, code := run(t, "probe")
	for _, op := range everything {
		if !strings.Contains(text, "\n"+op.Name+" ") {
			t.Errorf("%s is not in the text", op.Name)
		}
	}
	if code != 0 || !strings.Contains(text, report.Kernel) {
		t.Errorf("exit code %d: %s", code, text)
	}
}

func TestVersionAndCompletion(t *testing.T) {
	if stdout, stderr, code := run(t, "version"); code != 0 || stderr != "" || !strings.HasPrefix(stdout, "ringo ") ||
		strings.Count(stdout, "\n") != 1 {
		t.Errorf("%d: %q %q", code, stdout, stderr)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if stdout, stderr, code := run(t, "completion", shell); code != 0 || stderr != "" || len(stdout) < 500 {
			t.Errorf("%s: %d: %q %q", shell, code, stdout, stderr)
		}
	}
	if _, err := exec.LookPath("bash"); err == nil {
		script, _, _ := run(t, "completion", "bash")
		check := exec.Command("bash", "-n")
		check.Stdin = bytes.NewBufferString(script)
		if _, stderr, code := finish(t, check); code != 0 {
			t.Errorf("bash: %s", stderr)
		}
	}
	if stdout, _, code := run(t, "__complete", "serve", "--send"); code != 0 || !strings.Contains(stdout, "--sendfile") {
		t.Errorf("%d: %s", code, stdout)
	}
}

func TestHelp(t *testing.T) {
	for _, arguments := range [][]string{{"--help"}, {"help", "serve"}, {"serve", "--help"}, {"cat", "-h"}, {"probe", "--help"}} {
		if stdout, stderr, code := run(t, arguments...); code != 0 || stderr != "" || !strings.Contains(stdout, "Usage:") {
			t.Errorf("%v: %d: %q %q", arguments, code, stdout, stderr)
		}
	}
	for _, arguments := range [][]string{{}, {"sevre"}, {"cat"}, {"cp", "x"}, {"probe", "x"}, {"version", "--x"}, {"completion", "x"}} {
		if stdout, stderr, code := run(t, arguments...); code != 2 || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: %d: %q %q", arguments, code, stdout, stderr)
		}
	}
}
