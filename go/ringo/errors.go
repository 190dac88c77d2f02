package ringo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

var (
	// ErrClosed is returned by calls on an engine that is closed or closing.
	ErrClosed = errors.New("ringo: engine closed")

	// ErrFull is returned by callback forms, and by calls made in a callback, when the engine has
	// as many operations in flight as it was opened for (WithDepth, WithReserve). The place of one is
	// free again when the delivery has ended in which its callback was called. Blocking calls wait
	// instead.
	ErrFull = errors.New("ringo: too many operations in flight")

	// ErrWouldDeadlock is returned by a blocking call made on a loop's own goroutine, that is in
	// a callback or a connection handler: it would wait for a completion that only this goroutine
	// can deliver. Use the callback form there.
	ErrWouldDeadlock = errors.New("ringo: blocking call in a callback would wait for itself; use the callback form")

	// ErrTooLarge is returned when a file exceeds the limit set by WithReadLimit.
	ErrTooLarge = errors.New("ringo: file exceeds the read limit")

	// ErrUnavailable is in the error of New when there is no io_uring to be had and nothing else was
	// asked for, and in what Engine.Fallback says.
	ErrUnavailable = errors.New("io_uring is not available")
)

// errorOf gives the error of a completion's result: nil, or a syscall.Errno.
func errorOf(result int64) error {
	if result >= 0 {
		return nil
	}
	return syscall.Errno(-result)
}

// pathError is what package os would return.
func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// cancelledError tells apart an operation that the context ended from one that failed by itself.
func cancelledError(ctx context.Context, err error) error {
	if errors.Is(err, syscall.ECANCELED) && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// unavailable explains why a loop could not be opened, and what to do about it.
func unavailable(err error) error {
	switch {
	case errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES):
		return &unavailableError{err, whyForbidden()}
	case errors.Is(err, syscall.ENOSYS):
		return &unavailableError{err, "the kernel has no io_uring or is older than 6.1" + seccompHint() +
			"; use a newer kernel, or a container profile that permits io_uring"}
	case errors.Is(err, syscall.EOPNOTSUPP):
		return &unavailableError{err, "this program was built without liburing (build tag ringo_threads); build it without that tag"}
	case errors.Is(err, syscall.ENOMEM):
		return &unavailableError{err, "no memory for the rings; raise RLIMIT_MEMLOCK (ulimit -l) or open fewer or smaller loops"}
	case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE):
		return &unavailableError{err, "no file descriptors left; raise RLIMIT_NOFILE (ulimit -n)"}
	case errors.Is(err, syscall.EINVAL):
		return fmt.Errorf("ringo: options do not fit together, or the kernel refuses them: %w", err)
	}
	return &unavailableError{err, "opening a ring failed"}
}

// whyForbidden finds out who forbids io_uring.
func whyForbidden() string {
	switch setting, _ := os.ReadFile("/proc/sys/kernel/io_uring_disabled"); strings.TrimSpace(string(setting)) {
	case "2":
		return "sysctl kernel.io_uring_disabled=2 forbids it to all; set it to 0"
	case "1":
		return "sysctl kernel.io_uring_disabled=1 forbids it to processes without CAP_SYS_ADMIN that are not in kernel.io_uring_group; join that group, or set it to 0"
	}
	return "it is forbidden" + seccompHint() + "; run with a seccomp profile that permits io_uring_setup, io_uring_enter and io_uring_register"
}

func seccompHint() string {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if mode, ok := strings.CutPrefix(line, "Seccomp:"); ok && strings.TrimSpace(mode) != "0" {
			return " by a seccomp filter (containers do this by default)"
		}
	}
	return ""
}

// unavailableError is ErrUnavailable with its cause and cure.
type unavailableError struct {
	err  error
	text string
}

func (e *unavailableError) Error() string {
	return "ringo: " + ErrUnavailable.Error() + ": " + e.err.Error() + ": " + e.text
}

func (e *unavailableError) Unwrap() error { return e.err }

func (e *unavailableError) Is(target error) bool { return target == ErrUnavailable }
