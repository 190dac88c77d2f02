package ringo

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// TestBackend: what was asked for is what runs, and nothing else in its place.
func TestBackend(t *testing.T) {
	name := writeTemp(t, []byte("x"))
	for _, c := range []struct {
		env     string
		options []Option
		want    string
	}{
		{"", []Option{WithBackend("uring")}, "uring"},
		{"", []Option{WithBackend("threads")}, "threads"},
		{"threads", nil, "threads"},
		{"threads", []Option{WithBackend("uring")}, "uring"},
		{"uring", []Option{WithBackend("threads")}, "threads"},
	} {
		t.Setenv("RINGO_BACKEND", c.env)
		e := open(t, c.options...)
		if data, err := e.ReadFile(t.Context(), name); string(data) != "x" || err != nil {
			t.Errorf("%s: %q, %v", c.want, data, err)
		}
		if e.Backend() != c.want || e.Fallback() != nil {
			t.Errorf("%+v: backend %s, fallback %v", c, e.Backend(), e.Fallback())
		}
	}
	t.Setenv("RINGO_BACKEND", "epoll")
	if _, err := New(); err == nil || !strings.Contains(err.Error(), `"epoll"`) {
		t.Errorf("RINGO_BACKEND=epoll: %v", err)
	}
}

// TestForbidden: where a seccomp filter forbids io_uring, as in containers, an engine runs on
// threads and says why; one that was told to use io_uring does not open.
func TestForbidden(t *testing.T) {
	const child = "RINGO_TEST_FORBIDDEN"
	if f, err := Probe(); err != nil || f.Backend != "uring" && os.Getenv(child) == "" {
		t.Skipf("SKIPPED: nothing to forbid: %s, %v", f.Why, err)
	}
	if os.Getenv(child) == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self, "-test.run=^TestForbidden$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1", "RINGO_BACKEND=")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v:\n%s", err, out)
		}
		if strings.Contains(string(out), "SKIP") {
			t.Skipf("SKIPPED: %s", out)
		}
		return
	}
	forbidRings(t)
	for _, options := range [][]Option{nil, {WithBackend("auto")}} {
		e := open(t, options...)
		why := e.Fallback()
		if e.Backend() != "threads" || !errors.Is(why, ErrUnavailable) || !errors.Is(why, syscall.EPERM) ||
			!strings.Contains(why.Error(), "seccomp filter") {
			t.Errorf("backend %s, fallback %v", e.Backend(), why)
		}
		if data, err := e.ReadFile(t.Context(), writeTemp(t, []byte("x"))); string(data) != "x" || err != nil {
			t.Errorf("%q, %v", data, err)
		}
		if err := firstError(e, os.DevNull); err != nil {
			t.Errorf("ReadFiles: %v", err)
		}
	}
	if _, err := New(WithBackend("uring")); !errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.EPERM) {
		t.Errorf("WithBackend(uring): %v", err)
	}
	f, err := Probe()
	if err != nil || f.Backend != "threads" || !strings.Contains(f.Why, "seccomp filter") {
		t.Errorf("Probe: %+v, %v", f, err)
	}
}

// forbidRings makes io_uring_setup fail with EPERM in this process, for good.
func forbidRings(t *testing.T) {
	t.Helper()
	numbers := map[string]uintptr{"amd64": 317, "arm64": 277}
	seccomp, ok := numbers[runtime.GOARCH]
	if !ok {
		t.Skip("SKIPPED: the number of seccomp(2) here is not known")
	}
	const (
		ioURingSetup  = 425 // everywhere
		setNoNewPrivs = 38  // PR_SET_NO_NEW_PRIVS
		setModeFilter = 1   // SECCOMP_SET_MODE_FILTER
		allThreads    = 1   // SECCOMP_FILTER_FLAG_TSYNC
		allow         = 0x7fff0000
		fail          = 0x00050000
	)
	filter := []syscall.SockFilter{
		{Code: syscall.BPF_LD | syscall.BPF_W | syscall.BPF_ABS, K: 0}, // The number of the call.
		{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, Jf: 1, K: ioURingSetup},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: fail | uint32(syscall.EPERM)},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: allow},
	}
	program := syscall.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread() // The first call is about one thread, the second about all.
	defer runtime.UnlockOSThread()
	if _, _, errno := syscall.Syscall6(syscall.SYS_PRCTL, setNoNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		t.Skipf("SKIPPED: %v", errno)
	}
	if _, _, errno := syscall.Syscall(seccomp, setModeFilter, allThreads, uintptr(unsafe.Pointer(&program))); errno != 0 {
		t.Skipf("SKIPPED: seccomp: %v", errno)
	}
}
