package ringo

import (
	"runtime"
	"unsafe"
)

// A pin keeps one piece of memory in place for as many operations as lie in it.
type pin struct {
	pinner     runtime.Pinner
	begin, end uintptr
	users      int
	next       *pin
}

// pins pins the memory of operations in flight. Many that lie in one large slice, as those of a
// window usually do, need one pin: the last one is kept for the next. One goroutine at a time.
type pins struct {
	last *pin
	idle *pin
}

// hold keeps b in place until give; nil for no memory.
func (p *pins) hold(b []byte) *pin {
	if cap(b) == 0 {
		return nil
	}
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	if l := p.last; l != nil && begin >= l.begin && begin < l.end {
		l.users++
		return l
	}
	held := p.idle
	if held == nil {
		held = new(pin)
	} else {
		p.idle = held.next
	}
	held.pinner.Pin(unsafe.SliceData(b))
	// All of b's capacity lies in one object, so the rest of it is held as well.
	held.begin, held.end, held.users = begin, begin+uintptr(cap(b)), 1
	former := p.last
	p.last = held
	p.drop(former)
	return held
}

func (p *pins) give(held *pin) {
	if held != nil {
		held.users--
		p.drop(held)
	}
}

// drop unpins what nobody uses and nobody is expected to.
func (p *pins) drop(held *pin) {
	if held == nil || held.users > 0 || held == p.last {
		return
	}
	held.pinner.Unpin()
	held.next, p.idle = p.idle, held
}

// free unpins the last one.
func (p *pins) free() {
	last := p.last
	p.last = nil
	p.drop(last)
}
