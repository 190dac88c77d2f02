package ringo

import (
	"fmt"
	"math/bits"
	"sync"
	"syscall"
	"unsafe"

	"github.com/ringo-io/ringo/csrc"
)

// Buffers is an engine's pool of I/O memory, outside the Go heap and aligned for O_DIRECT. Windows
// and batches register it with their rings: the kernel then need not pin and look up the pages of
// each operation whose Data lies in it. What cannot be registered (RLIMIT_MEMLOCK, the threads
// backend) is ordinary memory that works as well. Safe for concurrent use.
type Buffers struct {
	mu     sync.Mutex
	memory []byte // mapped when first used, charged as it is touched
	slabs  int    // cut off from it so far
	idle   [bufferClasses][]*Buffer
}

// A Buffer is leased from [Buffers] until its Release. It may be used by one goroutine at a time,
// and by the operations it is given to.
type Buffer struct {
	pool  *Buffers
	class int
	room  []byte
	data  []byte
}

const (
	bufferMin     = 4096
	bufferClasses = 11 // powers of two from bufferMin to slabBytes
	slabBytes     = bufferMin << (bufferClasses - 1)
	slabsMax      = 256
)

// Buffers gives the engine's pool. Lease from it before opening the windows and batches that are to
// have it registered.
func (e *Engine) Buffers() *Buffers { return &e.buffers }

// Get leases a buffer of size bytes (1 to 4 MiB) at an address that is a multiple of 4096. Its
// contents are whatever was there. ErrFull: 1 GiB is leased.
func (b *Buffers) Get(size int) (*Buffer, error) {
	if size < 1 || size > slabBytes {
		return nil, fmt.Errorf("ringo: a buffer of %d bytes: must be from 1 to %d", size, slabBytes)
	}
	class := bits.Len(uint((size - 1) / bufferMin))
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.idle[class]) == 0 {
		if b.slabs == slabsMax {
			return nil, ErrFull
		}
		b.cut(class)
	}
	last := len(b.idle[class]) - 1
	lease := b.idle[class][last]
	b.idle[class] = b.idle[class][:last]
	lease.data = lease.room[:size]
	return lease, nil
}

// cut divides another slab into buffers of one class.
func (b *Buffers) cut(class int) {
	if b.memory == nil {
		b.memory = mapMemory(slabsMax * slabBytes)
	}
	slab := b.memory[b.slabs*slabBytes:][:slabBytes]
	b.slabs++
	for size := bufferMin << class; len(slab) > 0; slab = slab[size:] {
		b.idle[class] = append(b.idle[class], &Buffer{pool: b, class: class, room: slab[:size:size]})
	}
}

// Bytes is the memory. It must not be used after Release.
func (l *Buffer) Bytes() []byte { return l.data }

// Release gives the buffer back; no operation may be using it. Releasing twice does nothing.
func (l *Buffer) Release() {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	if l.data != nil {
		l.data = nil
		l.pool.idle[l.class] = append(l.pool.idle[l.class], l)
	}
}

// leases says whether anybody ever leased a buffer.
func (e *Engine) leases() bool {
	_, slabs := e.buffers.inUse()
	return slabs > 0
}

func (b *Buffers) inUse() (memory []byte, slabs int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.memory, b.slabs
}

func (b *Buffers) free() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.memory != nil {
		unmapMemory(b.memory)
		b.memory, b.slabs, b.idle = nil, slabsMax, [bufferClasses][]*Buffer{}
	}
}

// A registration is what of the pool one ring knows.
type registration struct {
	places int      // of the ring's table for the pool's slabs, 0 for none
	base   uintptr  // of the pool's memory
	slabs  int      // those below are registered
	given  [][]byte // memory of WindowBuffers
	first  int      // its first place, behind those for slabs
}

// register makes the ring know the slabs that came since; nothing may be in flight on it.
func (r *registration) register(e *Engine, ring *csrc.Batch) {
	memory, slabs := e.buffers.inUse()
	slabs = min(slabs, r.places)
	if r.slabs >= slabs || memory == nil {
		return
	}
	vectors := make([]syscall.Iovec, slabs-r.slabs)
	for i := range vectors {
		slab := memory[(r.slabs+i)*slabBytes:][:slabBytes]
		vectors[i] = syscall.Iovec{Base: &slab[0], Len: uint64(len(slab))}
	}
	if updateTable(ring, csrc.BuffersUpdate, r.slabs, vectors) != nil {
		r.places = r.slabs // no more of them
		return
	}
	r.base, r.slabs = uintptr(unsafe.Pointer(&memory[0])), slabs
}

// use makes a read or write a fixed one if its memory is registered.
func (r *registration) use(request *csrc.Op) {
	if place := (uintptr(request.Address) - r.base) / slabBytes; r.slabs > 0 && place < uintptr(r.slabs) {
		request.Flags |= csrc.FixedBuffer
		request.FD2 = int32(place)
		return
	}
	for i, memory := range r.given {
		if at := request.Address - addressOf(memory); at < uint64(len(memory)) && request.Length <= uint64(len(memory))-at {
			request.Flags |= csrc.FixedBuffer
			request.FD2 = int32(r.first + i)
			return
		}
	}
}
