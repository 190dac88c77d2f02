package ringo

import (
	"cmp"
	"net"
	"syscall"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// A Handler is told what happens to one connection, on the goroutine of the connection's loop:
// its methods must not block, and are never called at the same time for connections of one loop.
// The calls for one connection: Opened first, Closed last, in between whatever happens.
type Handler interface {
	// Opened comes once, before anything else.
	Opened(c *Conn)

	// Data brings received bytes; p is valid during the call. An empty p is the end of the
	// peer's stream: nothing more comes, but the peer may still read.
	Data(c *Conn, p []byte)

	// Sent says that the Send or Sendfile in progress has ended: n bytes, not counting a header,
	// were handed to the kernel. Another one may be started.
	Sent(c *Conn, n int64, err error)

	// FileOpened and FileStatus answer OpenFile and StatFile.
	FileOpened(c *Conn, fd int, err error)
	FileStatus(c *Conn, status FileStatus, err error)

	// Timer says that SetTimer's time is over.
	Timer(c *Conn)

	// Drain says that the server is stopping: the connection should be closed when what is in
	// progress is done.
	Drain(c *Conn)

	// Closed comes once, after everything else; c is not to be used any more.
	Closed(c *Conn, err error)
}

// A Conn is an event-driven connection. It belongs to one loop for its life; all methods are for
// that loop's goroutine, which is where its Handler runs.
type Conn struct {
	loop    *loop
	port    *port
	handler Handler
	fd      int32
	pending int // operations in flight
	closing bool
	ended   bool // the peer's stream has ended
	err     error

	receiving ticket
	held      []heldInput // received while paused
	paused    bool
	stopping  bool // receiving was asked to end, because of paused

	sending    ticket
	sendFailed error
	cut        int64  // what a send had moved that closing cut short
	chunk      *chunk // path and output memory, while in use
	lent       bool   // the chunk's output memory is the handler's
	file       ticket // of OpenFile or StatFile

	detach func(net.Conn, error) // what Detach was given
	unread *unread               // what it will hand over

	deadline, place          uint64 // in ticks of the wheel
	wheeled                  bool
	wheelNext, wheelPrevious *Conn
	next, previous           *Conn // of the port's connections
}

// The sinks of a connection's operations are the connection itself under other types.
type (
	connReceive Conn
	connSend    Conn
	connOpen    Conn
	connStatus  Conn
	connClose   Conn
)

// post posts an operation of c; failure, which only a reserve that is too small can cause, closes
// the connection.
func (c *Conn) post(op *csrc.Op, s sink) ticket {
	t, err := c.loop.postOwn(op, s)
	if err != nil {
		c.fail(err)
		return sinkless
	}
	c.pending++
	return t
}

// Work runs f on a goroutine of its own, for what may block, and then done on the loop, unless
// the connection is closed by then. A closing engine waits for f, and closes a connection that
// begins work then.
func (c *Conn) Work(f, done func()) {
	holds := &c.loop.engine.holds
	if err := holds.take(); err != nil {
		c.fail(err)
		return
	}
	c.pending++
	go func() {
		defer holds.give()
		f()
		back := func(*loop) {
			c.pending--
			if !c.closing {
				done()
			}
			c.release()
			c.settle()
		}
		// Refused only when Shutdown did not wait, and then the loop has closed the connection.
		_ = c.loop.do(back, true)
	}()
}

// Loop is the index of the connection's loop, from 0.
func (c *Conn) Loop() int { return c.loop.index }

// Now is the time of the loop's present delivery.
func (c *Conn) Now() time.Time { return c.loop.now() }

// SetTimer makes Timer come in d, up to 200 ms late, instead of when it was set before; 0 means
// never.
func (c *Conn) SetTimer(d time.Duration) {
	if !c.closing && c.detach == nil {
		c.loop.wheel.set(c, d)
	}
}

func (c *Conn) fireTimer() {
	if !c.closing {
		c.handler.Timer(c)
	}
}

// RemoteAddr asks the kernel for the peer's address; nil when it has none any more.
func (c *Conn) RemoteAddr() net.Addr {
	sa, err := syscall.Getpeername(int(c.fd))
	if err != nil {
		return nil
	}
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
	case *syscall.SockaddrInet6:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
	case *syscall.SockaddrUnix:
		return &net.UnixAddr{Name: sa.Name, Net: "unix"}
	}
	return nil
}

// CloseWrite tells the peer that nothing more comes, and goes on receiving.
func (c *Conn) CloseWrite() {
	if !c.closing {
		// Fails only when the connection is gone already, which receiving will tell.
		if _, err := c.loop.postOwn(&csrc.Op{Code: csrc.Shutdown, FD: c.fd, Argument: syscall.SHUT_WR}, ignored{}); err != nil {
			c.fail(err)
		}
	}
}

// Close cancels what is in progress and closes the connection; only Closed comes after it. What
// a completed Send handed to the kernel is still sent.
func (c *Conn) Close() { c.fail(nil) }

func (c *Conn) fail(err error) {
	if c.closing {
		return
	}
	c.closing = true
	c.err = err
	c.loop.wheel.remove(c)
	for _, t := range [...]ticket{c.receiving, c.sending, c.file} {
		if t != sinkless {
			c.loop.cancel(t)
		}
	}
	c.held = nil
	c.settle()
}

// settle ends a connection that is to be closed or detached, once no operation uses its descriptor
// any more: its number may be another's the moment after.
func (c *Conn) settle() {
	switch {
	case c.pending > 0 || c.fd < 0:
	case c.closing:
		c.finishClose()
	case c.detach != nil:
		c.finishDetach()
	}
}

func (c *Conn) finishClose() {
	fd := c.fd
	c.fd = -1
	op := csrc.Op{Code: csrc.CloseFD, FD: fd}
	if _, err := c.loop.postOwn(&op, (*connClose)(c)); err != nil {
		syscall.Close(int(fd))
		(*connClose)(c).complete(c.loop, nil)
	}
}

func (s *connClose) complete(*loop, *csrc.Completion) {
	c := (*Conn)(s)
	if c.detach != nil {
		c.detach(nil, cmp.Or(c.err, net.ErrClosed))
	}
	c.gone()
}

// gone is the last that happens to a connection.
func (c *Conn) gone() {
	c.lent = false
	c.release()
	c.handler.Closed(c, c.err)
	c.port.forget(c)
}
