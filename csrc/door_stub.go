//go:build !linux || !cgo

// Package csrc is the door to ringo's C core. This build has no cgo, or is not for Linux: the
// names are there, and opening anything says that it is not supported.
package csrc

import "syscall"

// A Deliverer takes the completions of one turn.
type Deliverer interface {
	Deliver(completions []Completion, outbox []Op) (written int, again bool)
}

// A Loop cannot be opened in this build.
type Loop struct{}

// OpenLoop fails with ENOSYS.
func OpenLoop(*Options) (*Loop, error) { return nil, syscall.ENOSYS }

// Run fails with ENOSYS.
func (*Loop) Run(Deliverer) error { return syscall.ENOSYS }

// Post fails with ENOSYS.
func (*Loop) Post([]Op, uint32) error { return syscall.ENOSYS }

// Wake does nothing.
func (*Loop) Wake() {}

// Stop does nothing.
func (*Loop) Stop(StopHow) {}

// Close does nothing.
func (*Loop) Close() {}

// Stats is all zero.
func (*Loop) Stats() Stats { return Stats{} }

// InFlight is nothing.
func (*Loop) InFlight() []InFlight { return nil }

// CodeName is empty.
func CodeName(Code) string { return "" }

// Backend is none.
func (*Loop) Backend() (backend uint32, fallback error) { return 0, syscall.ENOSYS }

// Buffers has none.
func (*Loop) Buffers() (memory []byte, size int) { return nil, 0 }

// A Batch cannot be opened in this build.
type Batch struct{}

// OpenBatch fails with ENOSYS.
func OpenBatch(*Options) (*Batch, error) { return nil, syscall.ENOSYS }

// Run fails with ENOSYS.
func (*Batch) Run([]Op, bool, []Completion) error { return syscall.ENOSYS }

// Step fails with ENOSYS.
func (*Batch) Step([]Op, int, int64, []Completion) (int, error) { return 0, syscall.ENOSYS }

// Settle fails with ENOSYS.
func (*Batch) Settle() error { return syscall.ENOSYS }

// Cancel does nothing.
func (*Batch) Cancel() {}

// Close does nothing.
func (*Batch) Close() {}

// Probe reports that there is nothing.
func Probe() (Features, error) { return Features{UringError: syscall.ENOSYS}, nil }
