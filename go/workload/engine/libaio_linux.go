package engine

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Libaio is Linux's older asynchronous interface, by its system calls: io_submit(2) and io_getevents(2).
// Buffered I/O on it is not asynchronous: io_submit blocks.
type Libaio struct {
	context uintptr
	files   []int
	slots   []*IO
	control []controlBlock
	free    []int
	queued  []*controlBlock
	events  []event
	calls   uint64
	aio     Aio
}

// Aio is how a Libaio engine is used.
type Aio struct {
	UserspaceReap bool   // what has ended is taken from memory where nothing is to be waited for
	Flags         uint32 // RWF_* of reads and writes
}

// completionRing is struct aio_ring (fs/aio.c): what a context points to. The events are behind it.
type completionRing struct {
	_, entries, head, tail, magic uint32
	_                             [3]uint32
}

const completionMagic = 0xa10a10a1

// controlBlock is struct iocb of <linux/aio_abi.h> on little-endian machines.
type controlBlock struct {
	data   uint64
	_      uint32
	flags  uint32 // RWF_*
	opcode uint16
	_      int16
	fd     uint32
	buffer uint64
	length uint64
	offset int64
	_      uint64
	_      uint32
	_      uint32
}

// event is struct io_event.
type event struct {
	data    uint64
	object  uint64
	result  int64
	result2 int64
}

var aioOpcodes = [...]uint16{Read: 0, Write: 1, Fsync: 2, Fdatasync: 3}

// OpenLibaio sets up a context of the given depth.
func OpenLibaio(setup Setup, aio Aio) (Queue, error) {
	l := &Libaio{aio: aio, files: setup.Files, slots: make([]*IO, setup.Depth), control: make([]controlBlock, setup.Depth),
		queued: make([]*controlBlock, 0, setup.Depth), events: make([]event, setup.Depth)}
	_, _, errno := unix.Syscall(unix.SYS_IO_SETUP, uintptr(setup.Depth), uintptr(unsafe.Pointer(&l.context)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_setup of %d: %w (fs.aio-max-nr limits the sum of all depths)", setup.Depth, errno)
	}
	for slot := range setup.Depth {
		l.free = append(l.free, slot)
	}
	return l, nil
}

// Queue prepares an I/O.
func (l *Libaio) Queue(io *IO) {
	slot := l.free[len(l.free)-1]
	l.free = l.free[:len(l.free)-1]
	l.slots[slot] = io
	block := &l.control[slot]
	*block = controlBlock{data: uint64(slot), opcode: aioOpcodes[io.Op], fd: uint32(l.files[io.File]), offset: io.Offset}
	if io.Op <= Write {
		block.flags = l.aio.Flags
	}
	if len(io.Buffer) > 0 {
		block.buffer, block.length = uint64(uintptr(unsafe.Pointer(&io.Buffer[0]))), uint64(len(io.Buffer))
	}
	l.queued = append(l.queued, block)
}

// Submit starts what was queued. What the kernel refuses ends with its errno.
func (l *Libaio) Submit() (int, error) {
	submitted := 0
	for submitted < len(l.queued) {
		rest := l.queued[submitted:]
		l.calls++
		n, _, errno := unix.Syscall(unix.SYS_IO_SUBMIT, l.context, uintptr(len(rest)), uintptr(unsafe.Pointer(&rest[0])))
		switch errno {
		case 0:
			submitted += int(n)
		case unix.EAGAIN, unix.EINTR:
			if submitted > 0 {
				return l.keep(submitted), nil
			}
			runtime.Gosched()
		default:
			return l.keep(submitted), errno
		}
	}
	return l.keep(submitted), nil
}

func (l *Libaio) keep(submitted int) int {
	l.queued = append(l.queued[:0], l.queued[submitted:]...)
	return submitted
}

// Reap takes what has ended.
func (l *Libaio) Reap(done []*IO, low int, timeout time.Duration) (int, error) {
	var limit *unix.Timespec
	if timeout >= 0 {
		t := unix.NsecToTimespec(timeout.Nanoseconds())
		limit = &t
	}
	room := min(len(done), len(l.events))
	if l.aio.UserspaceReap && low == 0 {
		return l.finish(done, l.look(room)), nil
	}
	l.calls++
	n, _, errno := unix.Syscall6(unix.SYS_IO_GETEVENTS, l.context, uintptr(min(low, room)), uintptr(room),
		uintptr(unsafe.Pointer(&l.events[0])), uintptr(unsafe.Pointer(limit)), 0)
	if errno == unix.EINTR {
		return 0, nil
	}
	if errno != 0 {
		return 0, errno
	}
	return l.finish(done, int(n)), nil
}

// look takes at most room events without a system call.
func (l *Libaio) look(room int) (n int) {
	ring := *(**completionRing)(unsafe.Pointer(&l.context))
	if ring.magic != completionMagic {
		return 0
	}
	events := unsafe.Slice((*event)(unsafe.Add(unsafe.Pointer(ring), unsafe.Sizeof(*ring))), ring.entries)
	head := ring.head // Nobody else writes it.
	for tail := atomic.LoadUint32(&ring.tail); head != tail && n < room; n++ {
		l.events[n] = events[head]
		head = (head + 1) % ring.entries
	}
	atomic.StoreUint32(&ring.head, head)
	return n
}

// finish gives the I/Os of n events back.
func (l *Libaio) finish(done []*IO, n int) int {
	for i, e := range l.events[:n] {
		slot := int(e.data)
		done[i] = l.slots[slot]
		done[i].Result = int(e.result)
		l.slots[slot] = nil
		l.free = append(l.free, slot)
	}
	return n
}

// Calls is how many times io_submit and io_getevents were called.
func (l *Libaio) Calls() (uint64, bool) { return l.calls, true }

// Close waits for what is in flight, as io_destroy(2) does.
func (l *Libaio) Close() error {
	_, _, errno := unix.Syscall(unix.SYS_IO_DESTROY, l.context, 0, 0)
	if errno != 0 && errno != syscall.EINVAL {
		return errno
	}
	return nil
}
