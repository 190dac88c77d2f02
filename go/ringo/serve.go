package ringo

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// A ServeOption changes how Serve serves.
type ServeOption func(*service)

// MaxConns limits how many connections there are at a time, over all loops; the others wait in the
// listener's backlog. One option given to several Serves is one limit for all of them together. The
// default is as many as the engine's reserve allows (WithReserve).
func MaxConns(n int) ServeOption {
	limit := newConnLimit(n)
	return func(s *service) { s.limit = limit }
}

// DrainTimeout is how long connections may go on when Serve's context has ended; the default is not
// at all.
func DrainTimeout(d time.Duration) ServeOption { return func(s *service) { s.drainTimeout = d } }

// SendByRing makes connections send by operations of the ring alone, one that a plain system call would
// have done at once as well.
func SendByRing() ServeOption { return func(s *service) { s.sendByRing = true } }

// Serve accepts connections from ln on all loops; h is told what happens to them ([PerConn] gives
// each a handler of its own). It returns when ctx has ended and all connections are closed or
// detached: they get Drain first, and are closed after the drain timeout. ln is closed by Serve.
//
// ln may be any listener with a descriptor: of tcp, tcp4, tcp6 or unix, made by package net or handed
// to the program by a service manager (net.FileListener). It may be called for several listeners at
// the same time.
func (e *Engine) Serve(ctx context.Context, ln net.Listener, h Handler, options ...ServeOption) error {
	defer ln.Close()
	if e.onSomeLoop() {
		return ErrWouldDeadlock
	}
	s := &service{engine: e, handler: h, idle: make(chan struct{})}
	for _, o := range options {
		o(s)
	}
	if err := s.open(ln); err != nil {
		return err
	}
	defer syscall.Close(s.fd)
	defer s.limit.join(-len(s.ports))
	select {
	case <-ctx.Done():
	case <-e.closed:
	case <-s.idle: // accepting failed on every loop
	}
	s.onPorts((*port).drain)
	select {
	case <-s.idle:
	case <-time.After(s.drainTimeout):
		s.onPorts((*port).closeAll)
		<-s.idle
	}
	return s.err
}

// A service is one Serve: a listening socket, shared by a port on each loop.
type service struct {
	engine       *Engine
	handler      Handler
	limit        *connLimit
	drainTimeout time.Duration
	sendByRing   bool
	fd           int
	ports        []*port
	live         atomic.Int64  // ports that accept, and connections
	idle         chan struct{} // closed when live falls to 0

	mu  sync.Mutex
	err error // why accepting ended, if not because it was asked to
}

// A port is what connections come from, on one loop: a service's, or dialling. It belongs to that
// loop's goroutine.
type port struct {
	service   *service   // nil: dialling
	limit     *connLimit // the service's
	loop      *loop
	accepting ticket // of an accept, or of a poll for connections that wait
	wide      bool   // it is an accept that takes all that wait in the backlog
	narrowing bool   // and was asked to end
	aside     int    // places of the limit that are set aside for what it takes
	deaf      bool   // accepts no more, ever
	draining  bool
	count     int
	conns     *Conn // a list
}

func (s *service) open(ln net.Listener) error {
	conn, ok := ln.(syscall.Conn)
	if !ok {
		return fmt.Errorf("ringo: %T has no descriptor to accept from", ln)
	}
	fd, err := duplicate(conn)
	if err != nil {
		return err
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return errors.Join(os.NewSyscallError("setnonblock", err), syscall.Close(fd))
	}
	s.fd = fd
	inheritOptions(fd)
	for _, l := range s.engine.loops {
		s.ports = append(s.ports, &port{service: s, limit: s.limit, loop: l})
	}
	s.limit.join(len(s.ports))
	s.live.Store(int64(len(s.ports)))
	for i, p := range s.ports {
		if err := p.loop.do(func(*loop) { p.open() }, false); err != nil {
			if i == 0 { // Else the engine was closed while it served.
				s.note(err)
			}
			s.gone()
		}
	}
	return nil
}

// inheritOptions sets what accepted sockets inherit, as package net sets it on each. Elsewhere than
// for TCP there are no such options.
func inheritOptions(fd int) {
	for _, o := range [...]struct{ level, name, value int }{
		{syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1},
		{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		{syscall.IPPROTO_TCP, tcpKeepIdle, 15},
		{syscall.IPPROTO_TCP, tcpKeepInterval, 15},
		{syscall.IPPROTO_TCP, tcpKeepCount, 9},
	} {
		_ = syscall.SetsockoptInt(fd, o.level, o.name, o.value)
	}
}

// Linux's numbers (linux/tcp.h, linux/net.h, poll.h): on other systems, where no engine opens and this only has
// to build, package syscall lacks the names.
const (
	tcpKeepIdle     = 4
	tcpKeepInterval = 5
	tcpKeepCount    = 6
	pollIn          = 1
	sockNonblock    = 0o4000
	sockCloexec     = 0o2000000
)

// onPorts runs f for each port on its loop. A loop that is closing runs nothing more, but cancels
// what its ports do.
func (s *service) onPorts(f func(*port)) {
	for _, p := range s.ports {
		_ = p.loop.do(func(*loop) { f(p) }, true)
	}
}

// note keeps err, if it is one, for Serve to return.
func (s *service) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = errors.Join(s.err, err)
}

func (s *service) gone() {
	if s.live.Add(-1) == 0 {
		close(s.idle)
	}
}

// initPorts sets the loop's limits for connections. A connection needs up to four operations of the
// reserve, and the loop some for itself.
func (l *loop) initPorts(options *csrc.Options) {
	l.room = max((int(options.Reserve)-8)/4, 1)
	l.dialled = port{loop: l, deaf: true}
	l.ports[&l.dialled] = struct{}{}
	// Between the delivery in which an accept is told to end and its end it can fill the completion
	// queue, which has a power of two of places, twice, for the cancel may have to wait for the
	// next turn; on the threads backend as many deliveries.
	turn := 1 << bits.Len32(options.CQEntries-1)
	if backend, _ := l.c.Backend(); backend == csrc.BackendThreads {
		turn = reapLimit
	}
	l.acceptAhead = 2 * turn
}

// reapLimit is REAP_LIMIT of csrc/internal.h.
const reapLimit = 1024

// open begins to serve.
func (p *port) open() {
	p.loop.ports[p] = struct{}{}
	if p.room() > 0 {
		p.listen()
	}
}

// tell runs f for the port on its loop, from any loop.
func (p *port) tell(f func(*port)) {
	if p.loop.onLoop() {
		f(p)
		return
	}
	p.loop.ask(func() { f(p) }) // A loop that has ended needs to be told nothing.
}

// abandon ends the port when the loop has ended, and its connections that are left. They were paused
// or at work, so they had nothing in flight that could have told them; nor has a port without a place.
func (p *port) abandon() {
	p.each(func(c *Conn) {
		c.pending = 0
		c.fail(ErrClosed)
		c.settle()
	})
	if !p.deaf {
		p.ended(nil)
	}
}

// room is how many more connections the loop may have.
func (p *port) room() int { return p.loop.room - p.loop.conns }

// listen accepts connections as long as there is room; others wait in the backlog, where any loop
// may take them. The kernel's multishot takes all that wait, whatever the room, so it is used only
// while there is more room than it can fill before it is told to stop; then they are taken one by one,
// when some wait.
func (p *port) listen() {
	if p.wide = p.room() > p.loop.acceptAhead && p.limit.setAside(p); p.wide {
		p.post(&csrc.Op{Code: csrc.Accept, Flags: csrc.Multishot, Argument: acceptFlags}, p)
		return
	}
	p.post(&csrc.Op{Code: csrc.Poll, Argument: pollIn}, (*backlog)(p))
}

const acceptFlags = sockNonblock | sockCloexec

// post has the listening socket looked at.
func (p *port) post(op *csrc.Op, s sink) {
	op.FD = int32(p.service.fd)
	t, err := p.loop.postOwn(op, s)
	if err != nil {
		p.ended(err)
		return
	}
	p.accepting = t
}

// narrow ends an accept that takes many, or has places set aside.
func (p *port) narrow() {
	if (p.wide || p.aside > 0) && p.accepting != sinkless && !p.narrowing {
		p.narrowing = true
		p.loop.cancel(p.accepting)
	}
}

// complete takes what accept brings: descriptors, or word that accepting pauses for want of them.
func (p *port) complete(_ *loop, c *csrc.Completion) {
	if c.Result >= 0 {
		if !p.limit.take(p) {
			p.aside--
			p.narrow()
		}
		p.accepted(int32(c.Result))
	}
	if c.Flags&csrc.More != 0 {
		if p.wide && p.room() <= p.loop.acceptAhead {
			p.narrow()
		}
		return
	}
	if p.narrowing && c.Result == -int64(syscall.ECANCELED) {
		c.Result = 0
	}
	p.narrowing, p.wide = false, false
	p.limit.giveAside(p)
	p.goOn(c.Result)
}

// goOn is what comes when an accept or a poll has ended, by itself or with an error.
func (p *port) goOn(result int64) {
	p.accepting = sinkless
	switch {
	case p.draining || isClosed(p.service.engine.closed):
		p.ended(nil)
	case result < 0:
		p.ended(os.NewSyscallError("accept", errorOf(result)))
	case p.room() > 0:
		p.listen()
	}
}

// A backlog is a port that is told when connections wait.
type backlog port

func (b *backlog) complete(_ *loop, c *csrc.Completion) {
	p := (*port)(b)
	if c.Result < 0 {
		p.goOn(c.Result)
		return
	}
	// No more than that before the loop looks at its other connections.
	for range 64 {
		if p.draining || p.room() <= 0 {
			break
		}
		if !p.limit.take(p) {
			p.accepting = sinkless // until there is a place
			return
		}
		fd, err := acceptNow(p.service.fd)
		if err == nil {
			p.accepted(int32(fd))
			continue
		}
		if err != syscall.EAGAIN { // The core knows which errors pass, and waits for descriptors.
			p.limit.keep(p)
			p.post(&csrc.Op{Code: csrc.Accept, Flags: csrc.Multishot, Length: 1, Argument: acceptFlags}, p)
			return
		}
		p.limit.give(1)
		break
	}
	p.goOn(0)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// ended says that this port accepts no more, ever.
func (p *port) ended(err error) {
	p.service.note(err)
	p.accepting, p.deaf = sinkless, true
	p.limit.giveAside(p)
	p.leave()
	p.service.gone()
}

func (p *port) accepted(fd int32) {
	p.service.live.Add(1)
	p.adopt(fd, p.service.handler)
}

// adopt begins the life of a connection.
func (p *port) adopt(fd int32, h Handler) *Conn {
	c := &Conn{loop: p.loop, port: p, fd: fd, handler: h}
	p.loop.conns++
	p.count++
	c.next = p.conns
	if c.next != nil {
		c.next.previous = c
	}
	p.conns = c
	h.Opened(c)
	c.receive()
	if p.draining && !c.closing && c.detach == nil {
		c.handler.Drain(c)
	}
	return c
}

// leave ends the port when it has nothing more to do.
func (p *port) leave() {
	if p.deaf && p.count == 0 && p.service != nil {
		delete(p.loop.ports, p)
	}
}

// forget is the end of a connection.
func (p *port) forget(c *Conn) {
	if c.previous == nil {
		p.conns = c.next
	} else {
		c.previous.next = c.next
	}
	if c.next != nil {
		c.next.previous = c.previous
	}
	p.count--
	p.loop.conns--
	p.limit.give(1)
	for other := range p.loop.ports {
		other.resume()
	}
	p.leave()
	if p.service != nil {
		p.service.gone()
	}
}

// resume accepts again if there was no room, and is some now.
func (p *port) resume() {
	switch {
	case p.accepting != sinkless || p.draining || p.deaf || p.room() <= 0:
	case isClosed(p.loop.engine.closed):
		p.ended(nil)
	default:
		p.listen()
	}
}

func (p *port) drain() {
	p.draining = true
	switch {
	case p.deaf:
	case p.accepting != sinkless:
		p.loop.cancel(p.accepting)
	default:
		p.ended(nil)
	}
	p.each(func(c *Conn) {
		if !c.closing && c.detach == nil {
			c.handler.Drain(c)
		}
	})
}

func (p *port) closeAll() { p.each((*Conn).Close) }

func (p *port) each(f func(*Conn)) {
	for c := p.conns; c != nil; {
		next := c.next
		f(c)
		c = next
	}
}
