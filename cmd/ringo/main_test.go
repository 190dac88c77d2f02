// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the command itself, so that stdout, signals and exit codes are the real ones.
func TestMain(m *testing.M) {
	if os.Getenv("RINGO_TEST_COMMAND") != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stderr))
	}
	os.Exit(m.Run())
}

func ringoCommand(args ...string) *exec.Cmd {
	self, _ := os.Executable()
	command := exec.Command(self, args...)
	// The race detector would have each of them sleep for a second when it ends.
	command.Env = append(os.Environ(), "RINGO_TEST_COMMAND=1", "GORACE=atexit_sleep_ms=20 "+os.Getenv("GORACE"))
	return command
}

// finish runs a command and gives what it printed and its exit code.
func finish(t *testing.T, command *exec.Cmd) (stdout, stderr string, code int) {
	t.Helper()
	var out, err bytes.Buffer
	if command.Stdout == nil {
		command.Stdout = &out
	}
	command.Stderr = &err
	failed := command.Run()
	var exit *exec.ExitError
	if failed != nil && !errors.As(failed, &exit) {
		t.Fatal(failed)
	}
	return out.String(), err.String(), command.ProcessState.ExitCode()
}

func TestExitCodes(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("file", []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]int{
		"version": 0, "--help": 0, "cp --help": 0, "completion bash": 0, "completion zsh": 0, "completion fish": 0,
		"completion powershell": 0, "cat file": 0, "cp file copy": 0, "--backend=uring cat file": 0,
		"cat missing": 1, "cat .": 1, "cp missing copy": 1, "cp . elsewhere": 1, "cp file file": 1,
		"bench --parse-only": 0, "bench --help": 0, "bench --version": 0, "bench --name=a --size=1m --showcmd": 0,
		"bench": 1, "bench missing.fio": 1, "bench --name=a --sice=1": 1, "bench compare file": 2, "bench compare file file": 1,
		"--backend=threads bench --parse-only": 0, "bench --backend=fast --parse-only": 1,
		"": 2, "cop file": 2, "cat": 2, "cp file": 2, "cp -x file copy": 2, "completion": 2, "completion tcsh": 2,
		"version now": 2, "--backend=fast version": 2,
	} {
		stdout, stderr, code := finish(t, ringoCommand(strings.Fields(line)...))
		if code != want {
			t.Errorf("ringo %s: exit code %d, want %d: %s", line, code, want, stderr)
		}
		if want == 0 && stderr != "" || want > 0 && (strings.Count(stderr, "\n") != 1 || stdout != "") {
			t.Errorf("ringo %s: stdout %q, stderr %q", line, stdout, stderr)
		}
	}
	command := ringoCommand("version")
	command.Env = append(command.Env, "RINGO_BACKEND=fast")
	if _, stderr, code := finish(t, command); code != 2 || !strings.Contains(stderr, "RINGO_BACKEND") {
		t.Errorf("%d: %s", code, stderr)
	}
}

func TestCatPrintsAsCat(t *testing.T) {
	t.Chdir(t.TempDir())
	files := map[string][]byte{"empty": nil, "small": []byte("small\n"),
		"large": bytes.Repeat([]byte("0123456789abcde\n"), 400_001), "chunk": make([]byte, catChunk),
		"chunks": bytes.Repeat([]byte("c"), 3*catChunk), "\n\xff": []byte("odd")}
	for name, content := range files {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, names := range [][]string{{"small", "large", "empty", "chunk", "chunks", "\n\xff"}, {"/proc/version", "large"},
		{"large", "-", "small"}, {"-", "-"}, {"small", "missing", ".", "large"}} {
		for _, stdin := range []string{"large", "chunk", ""} {
			mine, theirs := ringoCommand(append([]string{"cat"}, names...)...), exec.Command("cat", names...)
			for _, command := range []*exec.Cmd{mine, theirs} {
				if stdin == "" {
					command.Stdin = strings.NewReader("from a pipe")
				} else {
					command.Stdin, _ = os.Open(stdin)
				}
			}
			want, _, code := finish(t, theirs)
			got, stderr, myCode := finish(t, mine)
			if got != want || code != myCode {
				t.Errorf("cat %q: %d bytes and %d, want %d and %d: %s", names, len(got), myCode, len(want), code, stderr)
			}
		}
	}
}

func TestCatRefusesItsOwnOutput(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("file", []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile("file", os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	command := ringoCommand("cat", "file")
	command.Stdout = out
	if _, stderr, code := finish(t, command); code != 1 || !strings.Contains(stderr, "input file is output file") {
		t.Errorf("%d: %s", code, stderr)
	}
}

// TestCatOfLargeSparseFileInLittleMemory: the part that is printed crosses 4 GiB. tests/e2e prints such a file whole.
func TestCatOfLargeSparseFileInLittleMemory(t *testing.T) {
	const from, size = 15 << 28, 9 << 29
	// On tmpfs a hole that is read stays one; elsewhere it would become as many pages of the page cache.
	file, err := os.CreateTemp("/dev/shm", "ringo-")
	if err != nil {
		file, err = os.CreateTemp(t.TempDir(), "")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	defer os.Remove(file.Name())
	if err := file.Truncate(size); err != nil {
		t.Skipf("SKIPPED: no sparse files here: %v", err)
	}
	if _, err := file.Seek(from, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	command := ringoCommand("cat", "-")
	command.Stdin = file
	pipe, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	first, _ := io.CopyN(io.Discard, pipe, (size-from)*9/10)
	used := peakMemory(t, command.Process.Pid)
	rest, _ := io.Copy(io.Discard, pipe)
	if err := command.Wait(); err != nil || first+rest != size-from {
		t.Errorf("%d bytes, %v", first+rest, err)
	}
	if used > 200<<10 {
		t.Errorf("took %d KiB of memory", used)
	}
}

// peakMemory is in KiB. It is not ru_maxrss, which a child takes over from the parent that forked it.
func peakMemory(t *testing.T, pid int) (peak int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(after, &peak); err != nil {
		t.Fatal(err)
	}
	return peak
}

func TestClosedOutputEndsQuietly(t *testing.T) {
	for _, line := range []string{"cat /dev/zero", "completion bash", "version"} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		read.Close()
		command := ringoCommand(strings.Fields(line)...)
		command.Stdout = write
		if _, stderr, _ := finish(t, command); stderr != "" {
			t.Errorf("%s: %q", line, stderr)
		}
		write.Close()
	}
}

func TestFullOutputIsAnError(t *testing.T) {
	for _, line := range []string{"cat /proc/cpuinfo", "version"} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skipf("SKIPPED: %v", err)
		}
		command := ringoCommand(strings.Fields(line)...)
		command.Stdout = full
		if _, stderr, code := finish(t, command); code != 1 || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: %d, %q", line, code, stderr)
		}
		full.Close()
	}
}

// TestSignalLeavesNothingHalfWritten interrupts a copy from a FIFO, which is half written for as long as it takes.
func TestSignalLeavesNothingHalfWritten(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Chdir(t.TempDir())
		if err := syscall.Mkfifo("fifo", 0o600); err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		command := ringoCommand("cp", "fifo", "copy")
		command.Stderr = &stderr
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		fifo, err := os.OpenFile("fifo", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fifo.WriteString("half"); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if info, err := os.Stat("copy"); err == nil && info.Size() > 0 {
				break
			}
		}
		for range 2 { // As timeout(1) does.
			if err := command.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		_ = command.Wait()
		if code := command.ProcessState.ExitCode(); code != 1 || !strings.Contains(stderr.String(), "interrupted") {
			t.Errorf("%v: exit code %d: %s", signal, code, &stderr)
		}
		if _, err := os.Lstat("copy"); err == nil {
			t.Errorf("%v: the half-written copy is still there", signal)
		}
		fifo.Close()
	}
}

func TestBarText(t *testing.T) {
	for _, row := range []struct {
		done, total int64
		width       int
		want        string
	}{
		{512, 0, 79, "512 B  256 B/s"},
		{1 << 30, 4 << 30, 60, "[==          ]  25%  1.0 GiB / 4.0 GiB  512.0 MiB/s  eta 0:06"},
		{5 << 30, 4 << 30, 20, "100%  4.0 GiB / 4.0 "},
		{0, 4 << 30, 30, "  0%  0 B / 4.0 GiB  0 B/s"},
	} {
		got := barText(row.done, row.total, 2*time.Second, row.width)
		if len(got) > row.width || !strings.HasPrefix(strings.TrimLeft(got, "[= ]"), strings.TrimLeft(row.want, "[= ]")[:8]) {
			t.Errorf("%+v: %q", row, got)
		}
	}
	if got := fmt.Sprint(timeText(3725*time.Second), " ", bytesText(1023), " ", bytesText(1<<20-1)); got != "1:02:05 1023 B 1.0 MiB" {
		t.Error(got)
	}
}

// TestCpByTheEngine copies between two file systems, where neither reflink nor copy_file_range is possible.
func TestCpByTheEngine(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	content := bytes.Repeat([]byte("0123456789abcde\n"), 1_000_001)
	if err := os.WriteFile(source, content, 0o640); err != nil {
		t.Fatal(err)
	}
	elsewhere, err := os.MkdirTemp("/dev/shm", "ringo")
	if err != nil {
		t.Skipf("SKIPPED: no second file system: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(elsewhere) })
	for _, backend := range []string{"auto", "uring", "threads"} {
		_, stderr, code := finish(t, ringoCommand("--backend", backend, "cp", source, elsewhere))
		if strings.Contains(stderr, "io_uring is not available") {
			t.Logf("SKIPPED: --backend=%s: %s", backend, stderr)
			continue
		}
		got, _ := os.ReadFile(elsewhere + "/source")
		if code != 0 || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes of %d, exit code %d: %s", backend, len(got), len(content), code, stderr)
		}
	}
}
