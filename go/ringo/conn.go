package ringo

import (
	"cmp"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// A Conn is an event-driven connection, of Serve or Dial. It belongs to one loop for its life; all
// methods are for that loop's goroutine, which is where its Handler runs ([Conn.Post] gets there).
type Conn struct {
	// Value is the handler's own, for what belongs to the connection.
	Value any

	loop    *loop
	port    *port
	handler Handler
	fd      int32
	pending int32 // operations in flight, and goroutines of Work
	closing bool
	err     error

	receiving ticket
	held      []heldInput // received while paused
	ended     bool        // the peer's stream has ended
	paused    bool
	stopping  bool // receiving was asked to end, because of paused

	queue      pieces // to be sent
	inFlight   int    // of these, how many the operation in flight sends
	sending    ticket
	unsent     int    // what the queue counts
	moved      int64  // of a Send whose last piece is in the queue
	cut        int64  // of Sends that closing cut short
	sendFailed error  // nothing more can be sent
	out        *chunk // of Out
	message    *chunk // of the SENDMSG in flight
	sentIn     uint64 // the turn in which sendsNow was tried last
	stirred    bool   // on the loop's list of those who may have something to send
	finishing  bool   // to be closed when all is sent
	shutting   bool   // to be shut down when all is sent
	shut       bool

	paths *chunk // of the file operation in flight
	file  ticket // of OpenFile or StatFile

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
	connShut    Conn
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

// Post runs f on the connection's loop, unless the connection is closed by then. It may be called by
// any goroutine, and is the only method that may; it never waits, and returns ErrFull or ErrClosed
// when f will not be called.
func (c *Conn) Post(f func()) error {
	_, err := c.loop.post(&csrc.Op{Code: csrc.Nop}, loopFunc(func(*loop) {
		if !c.closing {
			f()
		}
	}))
	return err
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
			c.settle()
		}
		// Refused only when Shutdown did not wait, and then the loop has closed the connection.
		_ = c.loop.do(back, true)
	}()
}

// SetHandler makes h the connection's handler from now on. Opened is not called again.
func (c *Conn) SetHandler(h Handler) { c.handler = h }

// Loop is the index of the connection's loop, from 0.
func (c *Conn) Loop() int { return c.loop.index }

// Turn counts the loop's deliveries. All that a delivery brings was received before it began: what is
// looked at since the beginning of a turn, and found good, is so for all of the turn's input.
func (c *Conn) Turn() uint64 { return c.loop.turn }

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
func (c *Conn) RemoteAddr() net.Addr { return netAddr(syscall.Getpeername(int(c.fd))) }

// LocalAddr asks the kernel for the connection's own address; nil when it has none any more.
func (c *Conn) LocalAddr() net.Addr { return netAddr(syscall.Getsockname(int(c.fd))) }

func netAddr(sa syscall.Sockaddr, err error) net.Addr {
	if err != nil {
		return nil
	}
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
	case *syscall.SockaddrInet6:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port, Zone: zoneName(sa.ZoneId)}
	case *syscall.SockaddrUnix:
		return &net.UnixAddr{Name: sa.Name, Net: "unix"}
	}
	return nil
}

// zoneName is the name of a network interface, as package net gives it.
func zoneName(index uint32) string {
	if index == 0 {
		return ""
	}
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		return i.Name
	}
	return strconv.Itoa(int(index))
}

// CloseWrite tells the peer, when all that is queued has been sent, that nothing more comes, and
// goes on receiving.
func (c *Conn) CloseWrite() {
	c.shutting = true
	c.stir()
}

func (s *connShut) complete(*loop, *csrc.Completion) {
	c := (*Conn)(s)
	c.pending--
	c.settle()
}

// Finish closes the connection when all that is queued has been sent. What the peer sends meanwhile
// still comes.
func (c *Conn) Finish() {
	c.finishing = true
	c.stir()
}

// Close cancels what is in progress and closes the connection; only Closed comes after it. What
// a completed Send handed to the kernel is still sent.
func (c *Conn) Close() { c.fail(nil) }

// Abort is Close for a peer that takes nothing: it gets a reset. After Close the kernel would keep
// what is not sent, and go on offering it, for minutes.
func (c *Conn) Abort() {
	if !c.closing {
		// What fails is only the saving.
		_ = syscall.SetsockoptLinger(int(c.fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	}
	c.fail(nil)
}

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
	case c.detach != nil && c.queue.length() == 0 && (!c.shutting || c.shut):
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
	for c.inFlight = 0; c.queue.length() > 0; {
		c.drop(0)
	}
	c.giveMessage()
	if c.out != nil {
		c.loop.giveChunk(c.out)
		c.out = nil
	}
	c.handler.Closed(c, c.err)
	c.port.forget(c)
}
