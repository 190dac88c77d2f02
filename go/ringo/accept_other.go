//go:build !linux

package ringo

import "syscall"

func acceptNow(int) (fd int, err error) { return -1, syscall.ENOTSUP }
