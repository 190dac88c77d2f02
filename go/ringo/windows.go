package ringo

import (
	"fmt"
	"sync"

	"github.com/ringo-io/ringo/csrc"
)

// A windowPool opens windows, keeps those that ReadBatch and WriteBatch use, and reaches all that
// are lent when Shutdown waits no longer. Safe for concurrent use.
type windowPool struct {
	mu        sync.Mutex
	options   csrc.Options
	idle      []*Window
	lent      map[*Window]struct{}
	cancelled bool
}

// pooledDepth is how many operations of a ReadBatch or WriteBatch are in flight at once.
const pooledDepth = 128

func (p *windowPool) init(c *config) {
	p.lent = map[*Window]struct{}{}
	p.options = csrc.Options{Backend: c.ring.Backend,
		BoundedWorkers: c.ring.BoundedWorkers, UnboundedWorkers: c.ring.UnboundedWorkers}
}

// open lends a new window, whose tables are yet to be filled.
func (p *windowPool) open(e *Engine, depth int, setup *windowSetup) (*Window, error) {
	if depth < 1 || depth > 32768 {
		return nil, fmt.Errorf("ringo: a window of depth %d: must be from 1 to 32768", depth)
	}
	if e.refusing.Load() {
		return nil, ErrClosed
	}
	options := p.options
	options.Depth = uint32(depth)
	if e.leases() {
		options.Buffers = slabsMax
	}
	places := int(options.Buffers)
	setup.apply(&options)
	ring, err := openBatch(&options)
	if err != nil {
		return nil, unavailable(err)
	}
	w := newWindow(e, ring, depth)
	w.fixed.places, w.registers = places, places > 0
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent[w] = struct{}{}
	return w, nil
}

// take lends a window of pooledDepth.
func (p *windowPool) take(e *Engine) (*Window, error) {
	if w := p.takeIdle(e.leases()); w != nil {
		return w, nil
	}
	return p.open(e, pooledDepth, &windowSetup{})
}

// takeIdle takes the last window that was given back. One from before the first lease of a buffer
// can register none, and is closed.
func (p *windowPool) takeIdle(leases bool) *Window {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.idle); n > 0; n = len(p.idle) {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		if leases && !w.registers {
			w.ring.Close()
			continue
		}
		p.lent[w] = struct{}{}
		return w
	}
	return nil
}

// give takes a window back that is to be used again, unless it was cancelled or is broken.
func (p *windowPool) give(w *Window) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.lent, w)
	switch {
	case w.broken != nil:
	case w.cancelled.Load() || p.cancelled:
		w.ring.Close()
	default:
		p.idle = append(p.idle, w)
	}
}

// discard closes the ring of a window.
func (p *windowPool) discard(w *Window) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.lent, w)
	if w.broken == nil {
		w.ring.Close()
	}
}

// cancelOne ends what a window has in flight, if it is still lent.
func (p *windowPool) cancelOne(w *Window) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.lent[w]; ok {
		w.cancelled.Store(true)
		w.ring.Cancel()
	}
}

// renew makes a window that its context had cancelled ready for the next, unless it was Shutdown.
func (p *windowPool) renew(w *Window) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.cancelled.Store(p.cancelled)
}

// cancel ends what all windows have in flight.
func (p *windowPool) cancel() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancelled = true
	for w := range p.lent {
		w.cancelled.Store(true)
		w.ring.Cancel()
	}
}

// close closes the idle windows; those that are lent are closed by who has them.
func (p *windowPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancelled = true
	for _, w := range p.idle {
		w.ring.Close()
	}
	p.idle = nil
}

// lost has the windows whose ring failed: the kernel may still be using the memory of what they had
// in flight, so it stays pinned.
var (
	lostMu sync.Mutex
	lost   []*Window
)

func keepForEver(w *Window) {
	lostMu.Lock()
	defer lostMu.Unlock()
	lost = append(lost, w)
}
