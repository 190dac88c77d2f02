// SPDX-License-Identifier: MIT

package accesslog

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Open opens a log's file to append to; "-" is stdout. A FIFO that nobody reads is refused, not waited for.
func Open(name string) (*os.File, error) {
	if name == "-" {
		// Not os.Stdout itself: a Go program dies of a write to descriptor 1 that nobody reads.
		fd, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: "stdout", Err: err}
		}
		return os.NewFile(uintptr(fd), "stdout"), nil
	}
	fd, err := unix.Open(name, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0o640)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}
