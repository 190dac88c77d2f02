//go:build !linux

package engine

import "syscall"

func fdatasync(fd int) error { return syscall.Fsync(fd) }
