package ringo

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestUnavailable: the error has its cause, for programs, and in its text a cure, for people.
func TestUnavailable(t *testing.T) {
	forbidder := "seccomp"
	if setting, _ := os.ReadFile("/proc/sys/kernel/io_uring_disabled"); len(setting) > 0 && setting[0] != '0' {
		forbidder = "kernel.io_uring_disabled"
	}
	for _, c := range []struct {
		cause error
		words []string
	}{
		{syscall.EPERM, []string{"operation not permitted", forbidder}},
		{syscall.EACCES, []string{"permission denied", forbidder}},
		{syscall.ENOSYS, []string{"function not implemented", "6.1", "use a newer kernel"}},
		{syscall.ENOMEM, []string{"cannot allocate memory", "RLIMIT_MEMLOCK", "ulimit -l"}},
		{syscall.EMFILE, []string{"too many open files", "RLIMIT_NOFILE", "ulimit -n"}},
		{syscall.ENFILE, []string{"too many open files in system", "descriptors"}},
		{syscall.EOPNOTSUPP, []string{"operation not supported", "ringo_threads", "without that tag"}},
		{syscall.EIO, []string{"input/output error"}},
	} {
		err := fmt.Errorf("wrapped: %w", unavailable(c.cause))
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, c.cause) {
			t.Errorf("%v: matches neither or one of ErrUnavailable and its cause", err)
		}
		for _, word := range append(c.words, "ringo: io_uring is not available: ") {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%v: does not mention %q", err, word)
			}
		}
	}
	err := unavailable(syscall.EINVAL)
	if errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.EINVAL) || strings.Contains(err.Error(), "available") {
		t.Errorf("a mistake in options: %v", err)
	}
}

// TestErrorsAreDifferent: nobody can mistake one for another.
func TestErrorsAreDifferent(t *testing.T) {
	all := []error{ErrClosed, ErrFull, ErrWouldDeadlock, ErrTooLarge, ErrUnavailable}
	for i, a := range all {
		for j, b := range all {
			if errors.Is(a, b) != (i == j) {
				t.Errorf("%v and %v", a, b)
			}
		}
	}
}
