//go:build !linux

package ringo

import "syscall"

// inspect: where there are no rings every file is package os's.
func inspect(int32) (device uint64, ringable, direct bool) { return 0, false, false }

func datasync(fd int) error { return syscall.Fsync(fd) }

func preadNowait(int32, []byte, int64) (int, error) { return 0, syscall.EOPNOTSUPP }

func directAlignment(int32) (memory, offset int, err error) { return 4096, 4096, nil }
