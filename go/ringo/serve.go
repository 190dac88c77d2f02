package ringo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// ServeOptions are the limits of Serve.
type ServeOptions struct {
	MaxConns     int           // over all loops; 0 is as many as the engine's reserve allows
	DrainTimeout time.Duration // how long connections may go on once ctx has ended
}

// Serve accepts connections from ln on all loops, and asks accept for the handler of each. It
// returns when ctx has ended and all connections are closed: they get Drain first, and are closed
// after the drain timeout. ln is closed by Serve.
//
// The engine needs receive buffers (WithReceiveBuffers).
func (e *Engine) Serve(ctx context.Context, ln net.Listener, options ServeOptions, accept func(*Conn) Handler) error {
	defer ln.Close()
	if e.onSomeLoop() {
		return ErrWouldDeadlock
	}
	if e.loops[0].bufSize == 0 {
		return errors.New("ringo: Serve needs an engine opened WithReceiveBuffers")
	}
	s := &service{engine: e, accept: accept, idle: make(chan struct{})}
	if err := s.open(ln, options.MaxConns); err != nil {
		return err
	}
	defer syscall.Close(s.fd)
	select {
	case <-ctx.Done():
	case <-e.closed:
	case <-s.idle: // accepting failed on every loop
	}
	s.onPorts((*port).drain)
	select {
	case <-s.idle:
	case <-time.After(options.DrainTimeout):
		s.onPorts((*port).closeAll)
		<-s.idle
	}
	return s.err
}

// A service is one Serve: a listening socket, shared by a port on each loop.
type service struct {
	engine *Engine
	accept func(*Conn) Handler
	fd     int
	ports  []*port
	live   atomic.Int64  // ports that accept, and connections
	idle   chan struct{} // closed when live falls to 0

	mu  sync.Mutex
	err error // why accepting ended, if not because it was asked to
}

// A port is a service on one loop, and belongs to that loop's goroutine.
type port struct {
	service   *service
	loop      *loop
	accepting ticket
	deaf      bool // accepts no more, ever
	draining  bool
	max       int
	count     int
	conns     *Conn // a list
}

func (s *service) open(ln net.Listener, maxConns int) error {
	conn, ok := ln.(syscall.Conn)
	if !ok {
		return fmt.Errorf("ringo: %T has no descriptor to accept from", ln)
	}
	fd, err := duplicate(conn)
	if err != nil {
		return err
	}
	s.fd = fd
	// Accepted sockets inherit it. Elsewhere than TCP there is no such option, and no delay.
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	for i, l := range s.engine.loops {
		s.ports = append(s.ports, &port{service: s, loop: l, max: s.share(i, maxConns)})
	}
	s.live.Store(int64(len(s.ports)))
	for _, p := range s.ports {
		if err := p.loop.do(func(*loop) { p.open() }, false); err != nil {
			s.note(err)
			s.gone()
		}
	}
	return nil
}

// share is how many connections loop i may have: a connection needs up to four operations of the
// reserve, and the loop some for itself.
func (s *service) share(i, maxConns int) int {
	loops := len(s.engine.loops)
	room := max((len(s.engine.loops[0].waiters.table)-s.engine.depth-8)/4, 1)
	if maxConns <= 0 {
		return room
	}
	share := maxConns / loops
	if i < maxConns%loops {
		share++
	}
	return min(share, room)
}

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

// open begins to serve.
func (p *port) open() {
	p.loop.ports[p] = struct{}{}
	if p.max == 0 { // Fewer connections than loops.
		p.ended(nil)
		return
	}
	p.listen()
}

// abandon ends the connections that are left when the loop has ended. They were paused or at
// work, so they had nothing in flight that could have told them.
func (p *port) abandon() {
	p.each(func(c *Conn) {
		c.pending = 0
		c.fail(ErrClosed)
		c.settle()
	})
}

// listen accepts as many connections as there is room for; others wait in the backlog, where any
// loop may take them.
func (p *port) listen() {
	op := csrc.Op{Code: csrc.Accept, FD: int32(p.service.fd), Flags: csrc.Multishot, Length: uint64(p.max - p.count),
		Argument: syscall.SOCK_NONBLOCK | syscall.SOCK_CLOEXEC}
	t, err := p.loop.postOwn(&op, p)
	if err != nil {
		p.ended(err)
		return
	}
	p.accepting = t
}

// complete takes what accept brings: descriptors, or word that accepting pauses for want of them.
func (p *port) complete(_ *loop, c *csrc.Completion) {
	if c.Result >= 0 {
		p.accepted(int32(c.Result))
	}
	if c.Flags&csrc.More != 0 {
		return
	}
	p.accepting = sinkless
	switch {
	case p.draining || isClosed(p.service.engine.closed):
		p.ended(nil)
	case c.Result < 0:
		p.ended(os.NewSyscallError("accept", errorOf(c.Result)))
	case p.count < p.max:
		p.listen()
	}
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
	p.deaf = true
	p.leave()
	p.service.gone()
}

func (p *port) accepted(fd int32) {
	c := &Conn{loop: p.loop, port: p, fd: fd}
	p.service.live.Add(1)
	p.count++
	c.next = p.conns
	if c.next != nil {
		c.next.previous = c
	}
	p.conns = c
	c.handler = p.service.accept(c)
	c.handler.Opened(c)
	c.receive()
	if p.draining && !c.closing && c.detach == nil {
		c.handler.Drain(c)
	}
}

// leave ends the port when it has nothing more to do.
func (p *port) leave() {
	if p.deaf && p.count == 0 {
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
	if p.accepting == sinkless && !p.draining && !p.deaf && p.count < p.max {
		p.listen()
	}
	p.leave()
	p.service.gone()
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
