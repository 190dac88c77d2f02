//go:build amd64 || arm64

package ringo

// caller identifies the calling goroutine for as long as it lives, by the address of its
// descriptor. Go offers no cheaper way to ask "is this the loop's own goroutine?", which every
// post must; the thread id would do, since a loop's goroutine is locked to its thread, but costs
// a system call.
func caller() uintptr
