// SPDX-License-Identifier: MIT

//go:build linux

// Package sandbox takes rights from threads and processes for good: files by landlock, system calls by seccomp,
// privileges by capabilities and no_new_privs. Nothing here can be undone.
package sandbox

import (
	"errors"
	"fmt"
	"os"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// Files are what a restricted thread, and the programs it starts, may still open by name.
type Files struct {
	Read    []string // files, or directories with all below them
	Execute []string // files that may be executed or mapped as code, and read
}

// RestrictThread confines the calling thread and all processes it starts from now on: by landlock to files, and to no
// new privileges. The goroutine must be locked to the thread and never unlock it, for the thread is of no use to others.
//
// abi is the version of landlock in force, 0 where the kernel has none; then the other restrictions are in force alone.
func RestrictThread(files Files) (abi int, err error) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, os.NewSyscallError("prctl", err)
	}
	if abi = landlockABI(); abi == 0 {
		return 0, nil
	}
	if err := landlockThread(abi, files); err != nil {
		return 0, fmt.Errorf("landlock: %w", err)
	}
	return abi, nil
}

// keptCapability lets a worker that runs as root read what root can read. Of the rest it needs nothing: its sockets and
// logs are open, and it is in no need of any other privilege.
const keptCapability = unix.CAP_DAC_READ_SEARCH

// LimitPrivileges takes from the programs that the calling thread starts from now on whatever root has beyond other
// users, but reading files of others. The thread itself keeps what it has. As another user than root it does nothing.
func LimitPrivileges() error {
	if os.Geteuid() != 0 {
		return nil
	}
	for capability := 0; ; capability++ {
		if capability == keptCapability {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(capability), 0, 0, 0)
		switch {
		case errors.Is(err, unix.EINVAL): // The kernel knows no more of them.
			return nil
		case errors.Is(err, unix.EPERM): // Root of a container that lacks CAP_SETPCAP has lost most of them.
			return nil
		case err != nil:
			return os.NewSyscallError("prctl", err)
		}
	}
}

// ErrUnsupported is the error where the kernel lacks what is asked for.
var ErrUnsupported = errors.New("not in this kernel")

// FilterSystemCalls lets all threads of the process make only the system calls that a serving worker needs. Others fail
// with EPERM.
func FilterSystemCalls() error {
	if !seccomp.Supported() {
		return fmt.Errorf("seccomp: %w", ErrUnsupported)
	}
	// In this order, for the list leaves out what loads filters.
	for _, policy := range []seccomp.Policy{conditions(), allowList()} {
		filter := seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: policy}
		if err := seccomp.LoadFilter(filter); err != nil {
			return fmt.Errorf("seccomp: %w", err)
		}
	}
	return nil
}

// Abilities are what this kernel has for a sandbox.
type Abilities struct {
	Landlock int // its version, 0 for none
	Seccomp  bool
}

// Probe finds out what this kernel has.
func Probe() Abilities { return Abilities{Landlock: landlockABI(), Seccomp: seccomp.Supported()} }
