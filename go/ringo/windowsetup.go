package ringo

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/ringo-io/ringo/csrc"
)

// A WindowOption changes how NewWindow sets up the window's ring. Where there is no ring (backend
// threads) none has any effect.
type WindowOption func(*windowSetup)

type windowSetup struct {
	ring      uint32 // csrc.Setup*
	sqCPU     uint32 // plus 1
	oneThread bool
	files     []*File
	memory    [][]byte
}

// WindowOneThread keeps the goroutine that opens the window on its thread from NewWindow to Close,
// instead of only while something is in flight; no other goroutine may use the window. Its ring then
// belongs to that thread (SINGLE_ISSUER, DEFER_TASKRUN): the kernel looks after completions only when
// the window enters it.
func WindowOneThread() WindowOption {
	return func(s *windowSetup) { s.oneThread = true }
}

// WindowSQPoll lets a thread of the kernel submit (SQPOLL), on processor cpu, or on any if that is
// negative: starting operations then needs no system call. The thread is busy as long as there is
// work, and a second beyond.
func WindowSQPoll(cpu int) WindowOption {
	return func(s *windowSetup) {
		s.ring |= csrc.SetupSQPoll
		s.sqCPU = uint32(max(cpu, -1) + 1)
	}
}

// WindowIOPoll looks for completions instead of waiting for interrupts (IOPOLL). It is for O_DIRECT
// reads and writes on file systems and devices that can; everything else ends with EOPNOTSUPP or
// EINVAL. Timeouts and cancels are heeded only when an operation ends.
func WindowIOPoll() WindowOption {
	return func(s *windowSetup) { s.ring |= csrc.SetupIOPoll }
}

// WindowFiles registers files with the ring, so that the kernel need not look their descriptors up
// for each operation. The kernel keeps a file open until the window is closed, even if the File is
// closed before.
func WindowFiles(files ...*File) WindowOption {
	return func(s *windowSetup) { s.files = append(s.files, files...) }
}

// WindowBuffers registers memory with the ring, so that the kernel need not pin the pages of each
// operation whose Data lies in one of the slices; [Engine.Buffers] registers its own memory by
// itself. Each slice may have at most 1 GiB; all that is registered counts against RLIMIT_MEMLOCK.
// It is kept in place until the window is closed.
func WindowBuffers(memory ...[]byte) WindowOption {
	return func(s *windowSetup) { s.memory = append(s.memory, memory...) }
}

// apply adds what was asked for to the options of a ring.
func (s *windowSetup) apply(options *csrc.Options) {
	options.Setup, options.SQCPU = s.ring, s.sqCPU
	if s.oneThread {
		options.Setup |= csrc.SetupOneThread
	}
	options.Files = uint32(len(s.files))
	options.Buffers += uint32(len(s.memory))
}

// register fills the tables of a new window's ring.
func (s *windowSetup) register(w *Window) error {
	if w.engine.Backend() != "uring" || len(s.files)+len(s.memory) == 0 {
		return nil
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := s.registerFiles(w); err != nil {
		return err
	}
	if err := s.registerMemory(w); err != nil {
		return err
	}
	return w.ring.Settle()
}

func (s *windowSetup) registerFiles(w *Window) error {
	places := make(map[*File]int32, len(s.files))
	descriptors := make([]int32, len(s.files))
	for i, f := range s.files {
		if f == nil {
			return pathError("register", "", os.ErrInvalid)
		}
		defer f.end()
		if !f.users.take() {
			return pathError("register", f.Name(), os.ErrClosed)
		}
		descriptors[i], places[f] = f.fd, int32(i)
	}
	if err := updateTable(w.ring, csrc.FilesUpdate, 0, descriptors); err != nil {
		return fmt.Errorf("ringo: registering %d files: %w", len(descriptors), err)
	}
	w.places = places
	return nil
}

func (s *windowSetup) registerMemory(w *Window) error {
	vectors := make([]syscall.Iovec, 0, len(s.memory))
	bytes := 0
	for _, b := range s.memory {
		if len(b) == 0 {
			return fmt.Errorf("ringo: registering memory: %w", os.ErrInvalid)
		}
		w.registered.Pin(&b[0])
		vectors = append(vectors, syscall.Iovec{Base: &b[0], Len: uint64(len(b))})
		bytes += len(b)
	}
	first := w.fixed.places
	if err := updateTable(w.ring, csrc.BuffersUpdate, first, vectors); err != nil {
		return fmt.Errorf("ringo: registering %d bytes of memory: %w", bytes, err)
	}
	w.fixed.given, w.fixed.first = s.memory, first
	return nil
}

// updateTable puts entries into a table of a ring that has nothing in flight, from a place on.
func updateTable[T int32 | syscall.Iovec](ring *csrc.Batch, code csrc.Code, first int, entries []T) error {
	if len(entries) == 0 {
		return nil
	}
	var pinner runtime.Pinner
	pinner.Pin(&entries[0])
	defer pinner.Unpin()
	ops := [1]csrc.Op{{Code: code, Address: uint64(uintptr(unsafe.Pointer(&entries[0]))), Length: uint64(len(entries)), Offset: int64(first)}}
	var results [2]csrc.Completion
	n, err := ring.Step(ops[:], 1, -1, results[:])
	switch {
	case err != nil:
		return err
	case n != 1:
		return syscall.EIO
	case results[0].Result < 0:
		return syscall.Errno(-results[0].Result)
	case results[0].Result != int64(len(entries)):
		return syscall.ENOMEM
	}
	return nil
}
