package ringo

import "sync"

// A connLimit is how many connections some Serves have together, over all loops; nil is no limit. A place
// is taken for each connection before it is accepted, so there are never more than that.
//
// The kernel's multishot takes many that wait before it can be told to stop, so whoever uses it has places
// set aside for as many. Nobody else gets these while there are others; then they are asked for.
type connLimit struct {
	max int

	mu      sync.Mutex
	free    int
	ports   int                // of all the Serves
	holders map[*port]struct{} // have places set aside, and were not asked for them
	waiting map[*port]struct{} // found no place, and are told when there is one
}

func newConnLimit(max int) *connLimit {
	if max <= 0 {
		return nil
	}
	return &connLimit{max: max, free: max, holders: map[*port]struct{}{}, waiting: map[*port]struct{}{}}
}

// join says that there are n ports more, or fewer.
func (l *connLimit) join(n int) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ports += n
}

// setAside sets places aside for what p accepts before it can be told to stop. All ports can have that or
// none, or the one that has it would take nearly all connections; and some places are left, so that nobody
// has to ask for these soon.
func (l *connLimit) setAside(p *port) bool {
	if l == nil {
		return true
	}
	n := p.loop.acceptAhead
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.free < (l.ports-len(l.holders))*n+l.max/8 {
		return false
	}
	l.free -= n
	p.aside = n
	l.holders[p] = struct{}{}
	return true
}

// keep sets the place that p has just taken aside for it.
func (l *connLimit) keep(p *port) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p.aside = 1
	l.holders[p] = struct{}{}
}

// take takes a place for a connection. Without one p is told later, and those are asked who have some set
// aside.
func (l *connLimit) take(p *port) bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	if l.free > 0 {
		l.free--
		l.mu.Unlock()
		return true
	}
	l.waiting[p] = struct{}{}
	asked := l.holders
	l.holders = map[*port]struct{}{}
	l.mu.Unlock()
	for holder := range asked {
		holder.tell((*port).narrow)
	}
	return false
}

// give gives places back.
func (l *connLimit) give(n int) {
	if l == nil || n == 0 {
		return
	}
	l.mu.Lock()
	l.free += n
	var told map[*port]struct{}
	if len(l.waiting) > 0 {
		told, l.waiting = l.waiting, map[*port]struct{}{}
	}
	l.mu.Unlock()
	for p := range told {
		p.tell((*port).resume)
	}
}

// giveAside gives back what p has not used of the places set aside for it.
func (l *connLimit) giveAside(p *port) {
	if l == nil {
		return
	}
	l.mu.Lock()
	delete(l.holders, p)
	l.mu.Unlock()
	n := p.aside
	p.aside = 0
	l.give(n)
}
