//go:build !amd64 && !arm64

package ringo

import "syscall"

// caller identifies the calling goroutine well enough: a loop's goroutine is locked to its
// thread, so no other goroutine ever has its thread id.
func caller() uintptr { return uintptr(syscall.Gettid()) }
