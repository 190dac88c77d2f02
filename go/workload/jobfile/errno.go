// SPDX-License-Identifier: MIT

package jobfile

import (
	"fmt"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// lastErrno is the largest number that errors have on Linux (EHWPOISON).
const lastErrno = 133

// parseErrno reads an error by its name or number. A minus before a number is ignored.
func parseErrno(text string) (syscall.Errno, error) {
	if n, err := strconv.Atoi(text); err == nil && n != 0 && max(n, -n) <= lastErrno {
		return syscall.Errno(max(n, -n)), nil
	}
	for errno := syscall.Errno(1); errno <= lastErrno; errno++ {
		if unix.ErrnoName(errno) == text {
			return errno, nil
		}
	}
	return 0, fmt.Errorf("there is no error %q", text)
}
