package ringo

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"unsafe"
)

// A chunk is memory outside the Go heap: the kernel may keep using it after a call has returned,
// and it need not be pinned. The first pathSize bytes are for a path, the rest for data.
const (
	pathSize  = 4096 // PATH_MAX, the ending NUL included
	dataSize  = 28 << 10
	chunkSize = pathSize + dataSize
	slabSize  = 64 // chunks mapped at once
)

type chunk struct {
	memory []byte
	next   *chunk
	shares int // of a loop's arena
}

func (c *chunk) path() []byte { return c.memory[:pathSize:pathSize] }
func (c *chunk) data() []byte { return c.memory[pathSize:] }

// A chunkPool lends chunks, the last one returned first, for it is in the CPU's cache. It grows
// to the most that were ever lent at once. Safe for concurrent use.
type chunkPool struct {
	mu    sync.Mutex
	idle  *chunk
	slabs [][]byte
}

func (p *chunkPool) take() *chunk {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle == nil {
		p.grow()
	}
	c := p.idle
	p.idle = c.next
	return c
}

func (p *chunkPool) give(c *chunk) {
	p.mu.Lock()
	c.next = p.idle
	p.idle = c
	p.mu.Unlock()
}

func (p *chunkPool) grow() {
	slab := mapMemory(slabSize * chunkSize)
	p.slabs = append(p.slabs, slab)
	for i := range slabSize {
		p.idle = &chunk{memory: slab[i*chunkSize : (i+1)*chunkSize : (i+1)*chunkSize], next: p.idle}
	}
}

// free unmaps everything; no chunk may be lent.
func (p *chunkPool) free() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, slab := range p.slabs {
		unmapMemory(slab)
	}
	p.slabs, p.idle = nil, nil
}

// mapMemory gives zeroed memory outside the Go heap, charged as it is touched.
func mapMemory(size int) []byte {
	memory, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		// As when the Go heap cannot grow: there is no caller who could do better.
		panic(fmt.Sprintf("ringo: no memory for I/O buffers: %v", err))
	}
	return memory
}

// unmapMemory gives back what mapMemory gave, which cannot fail.
func unmapMemory(memory []byte) { _ = syscall.Munmap(memory) }

func (c *chunk) setPath(name string) error {
	_, err := putPath(c.path(), name)
	return err
}

// putPath copies name as a C string to path, which has room for the longest; it says how many bytes
// that took, and fails as the kernel would.
func putPath(path []byte, name string) (int, error) {
	if len(name) >= pathSize {
		return 0, syscall.ENAMETOOLONG
	}
	if strings.IndexByte(name, 0) >= 0 {
		return 0, syscall.EINVAL
	}
	copy(path, name)
	path[len(name)] = 0
	return len(name) + 1, nil
}

// addressOf is the address of b's first byte, for memory that is pinned or outside the heap.
func addressOf(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

// iovec is struct iovec of readv(2), without a pointer: where one is stored in a chunk, the garbage
// collector would take what was there before for one as well, and what that led to may be gone.
type iovec struct{ base, length uintptr }

// iovecOf is for memory that is pinned or outside the heap.
func iovecOf(b []byte) iovec { return iovec{uintptr(addressOf(b)), uintptr(len(b))} }
