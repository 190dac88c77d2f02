// SPDX-License-Identifier: MIT

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ofTheRuntime are the calls that Go's runtime makes for itself on any thread.
var ofTheRuntime = []string{"futex", "epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "nanosleep", "clock_nanosleep",
	"sched_yield", "sched_getaffinity", "tgkill", "getpid", "gettid", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
	"restart_syscall", "madvise", "mmap", "munmap", "mprotect", "clone", "clone3", "set_robust_list", "rseq", "exit", "prctl",
	"clock_gettime", "timer_create", "timer_settime", "timer_delete"}

// TestEverythingGoesByTheRing looks at all the loop's thread calls while thousands of requests, each on
// a connection of its own, are served: io_uring_enter, and what the runtime does for itself.
func TestEverythingGoesByTheRing(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		skip(t, "no strace")
	}
	directory := site(t)
	files := map[string][]byte{}
	for _, size := range []int{1, 1024, 16384, 65537, 300_000} {
		name := fmt.Sprint("/", size)
		files[name] = content(name, size)
		write(t, directory+name, files[name])
	}
	requests := 2000
	if long {
		requests = 10_000
	}
	s := serve(t, directory, "--loops=1", "--cache=off", "--sendfile=splice")
	// Pipes are made now and kept, as they are later.
	mustServe(t, s.addresses[0], "/1024", files["/1024"])

	log := filepath.Join(t.TempDir(), "strace")
	tracer := exec.Command(strace, "-f", "-q", "-o", log, "-p", fmt.Sprint(s.pid()))
	var complaints bytes.Buffer
	tracer.Stderr = &complaints
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = tracer.Wait()
		close(ended)
	}()
	for traced := false; !traced; time.Sleep(10 * time.Millisecond) {
		select {
		case <-ended:
			skip(t, "strace cannot trace here: %s", &complaints)
		default:
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid()))
		if err != nil {
			t.Fatal(err)
		}
		traced = !bytes.Contains(status, []byte("TracerPid:\t0\n"))
	}
	time.Sleep(200 * time.Millisecond) // until all threads are attached to

	names := slices.Sorted(maps.Keys(files))
	const workers = 8
	errs := make(chan error)
	for w := range workers {
		go func() {
			for i := range requests / workers {
				name := names[(w+i)%len(names)]
				if a, err := fetch(s.addresses[0], name); err != nil || !bytes.Equal(a.body, files[name]) {
					errs <- fmt.Errorf("%s: %v, %v", name, a, err)
					return
				}
			}
			errs <- nil
		}()
	}
	for range workers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	_ = tracer.Process.Signal(syscall.SIGINT)
	<-ended

	calls := readCalls(t, log)
	loop := ""
	for thread, counts := range calls {
		if loop == "" || counts["io_uring_enter"] > calls[loop]["io_uring_enter"] {
			loop = thread
		}
	}
	entries := calls[loop]["io_uring_enter"]
	t.Logf("%d requests, system calls of the loop's thread:", requests)
	for _, name := range slices.Sorted(maps.Keys(calls[loop])) {
		t.Logf("%8d %s", calls[loop][name], name)
		if name != "io_uring_enter" && !slices.Contains(ofTheRuntime, name) {
			t.Errorf("%d calls of %s on the loop's thread", calls[loop][name], name)
		}
	}
	if entries < requests/100 {
		t.Errorf("%d calls of io_uring_enter for %d requests: that is not the loop", entries, requests)
	}
	// Nor may any other thread of ours do the work: those the kernel makes for io-wq call nothing.
	for thread, counts := range calls {
		for name, n := range counts {
			if thread != loop && n > requests/10 && !slices.Contains(ofTheRuntime, name) && name != "read" && name != "write" {
				t.Errorf("%d calls of %s on another thread", n, name)
			}
		}
	}
}

var systemCall = regexp.MustCompile(`^(\d+) +(?:<\.\.\. )?(\w+)( resumed>|\()`)

// readCalls counts the calls by thread and name. One that another interrupts in the log is there twice.
func readCalls(t *testing.T, log string) map[string]map[string]int {
	t.Helper()
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	calls := map[string]map[string]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		match := systemCall.FindStringSubmatch(lines.Text())
		if match == nil || strings.Contains(match[3], "resumed") {
			continue
		}
		if calls[match[1]] == nil {
			calls[match[1]] = map[string]int{}
		}
		calls[match[1]][match[2]]++
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return calls
}
