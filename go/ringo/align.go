package ringo

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"
)

// Alignment says what a file that was opened with O_DIRECT asks for: buffers at addresses that are
// multiples of memory bytes, offsets and lengths that are multiples of offset bytes. Where the
// kernel does not say (before 6.1, or some file systems) it is 4096 for both, which satisfies all
// that is in use. Both are 0 where the file cannot be opened so at all. Safe for concurrent use.
func (f *File) Alignment() (memory, offset int, err error) {
	defer f.end()
	if err := f.beginRaw("statx"); err != nil {
		return 0, 0, err
	}
	memory, offset, err = directAlignment(f.fd)
	return memory, offset, pathError("statx", f.Name(), err)
}

// AlignedBuffer allocates size bytes at an address that is a multiple of alignment, a power of two:
// for O_DIRECT.
func AlignedBuffer(size, alignment int) []byte {
	if size < 0 || alignment <= 0 || alignment&(alignment-1) != 0 {
		panic(fmt.Sprintf("ringo: AlignedBuffer(%d, %d): alignment must be a power of two", size, alignment))
	}
	// What is on the heap does not move.
	memory := make([]byte, size+alignment-1)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(memory)))) & (alignment - 1)
	return memory[skip : skip+size : skip+size]
}

// explain is the error of a transfer that failed: where O_DIRECT asked for an alignment that the
// call does not have, it says so.
func (f *File) explain(op string, p []byte, off int64, err error) error {
	if f.direct && errors.Is(err, syscall.EINVAL) {
		if memory, offset, alignErr := directAlignment(f.fd); alignErr == nil {
			err = alignmentError(p, off, memory, offset, err)
		}
	}
	return pathError(op, f.Name(), err)
}

func alignmentError(p []byte, off int64, memory, offset int, err error) error {
	address := addressOf(p)
	switch {
	case memory == 0:
		return fmt.Errorf("%w: the file system has no direct I/O for this file; open it without O_DIRECT", err)
	case address%uint64(memory) != 0:
		return fmt.Errorf("%w: O_DIRECT needs a buffer aligned to %d bytes, this one is at %#x; use ringo.AlignedBuffer", err, memory, address)
	case off%int64(offset) != 0:
		return fmt.Errorf("%w: O_DIRECT needs offsets that are multiples of %d, not %d", err, offset, off)
	case len(p)%offset != 0:
		return fmt.Errorf("%w: O_DIRECT needs lengths that are multiples of %d, not %d", err, offset, len(p))
	}
	return err
}
