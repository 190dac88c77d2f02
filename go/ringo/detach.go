package ringo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/ringo-io/ringo/csrc"
)

// Detach turns the connection into an ordinary net.Conn, for what is best written with a goroutine
// per connection, or is written so already: crypto/tls, net/http. Nothing that was received is lost:
// the net.Conn's first reads give rest, which are bytes that Data brought and the handler has not
// used (they are copied), then what was received since, then what the socket has.
//
// Data, Timer and Drain come no more. What is being sent and worked on ends first, and is told. Then
// fn is called on the loop, once, with the net.Conn, which is fn's to close, or with why there is
// none; and then Closed. The connection counts no more among those of Serve, which does not wait
// for it.
//
// The net.Conn is a *net.TCPConn or *net.UnixConn, or, where bytes had been received, one of these
// embedded in a type whose Read begins with those bytes; its NetConn method gives the socket itself,
// for when they are read. Reads that go around Read (SyscallConn, ReadMsgUnix) do not see them.
func (c *Conn) Detach(rest []byte, fn func(net.Conn, error)) {
	if c.closing || c.detach != nil {
		fn(nil, net.ErrClosed)
		return
	}
	c.detach = fn
	c.unread = &unread{data: bytes.Clone(rest)}
	for _, input := range c.held {
		c.unread.add(input.data, input.result)
	}
	c.held = nil
	c.loop.wheel.remove(c)
	c.stopReceiving()
	c.settle()
}

// leaveUnread keeps for the net.Conn what came in before receiving had ended.
func (c *Conn) leaveUnread(completion *csrc.Completion) {
	if completion.Result > 0 {
		c.unread.add(c.bytesOf(completion), completion.Result)
		c.returnBuffer(completion)
		return
	}
	c.unread.add(nil, completion.Result)
}

func (c *Conn) finishDetach() {
	if c.sendFailed != nil { // A stream that lacks a piece is of no use to anyone.
		c.fail(c.sendFailed)
		return
	}
	c.closing = true
	conn, err := netConn(c.fd, c.unread)
	c.fd, c.err = -1, err
	c.detach(conn, err)
	c.gone()
}

// netConn gives a descriptor to package net, which makes one of its own of it; fd is closed.
func netConn(fd int32, u *unread) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil || len(u.data) == 0 && u.err == nil {
		return conn, err
	}
	switch conn := conn.(type) {
	case *net.TCPConn:
		return &detachedTCP{conn, u}, nil
	case *net.UnixConn:
		return &detachedUnix{conn, u}, nil
	}
	return nil, errors.Join(fmt.Errorf("ringo: a connection of type %T cannot be detached", conn), conn.Close())
}

// unread is what a connection had received before it was detached: bytes, and then perhaps the error
// that ended receiving. (The end of the stream is found again by whoever reads on.) Safe for
// concurrent use.
type unread struct {
	mu   sync.Mutex
	data []byte
	err  error
}

func (u *unread) add(data []byte, result int64) {
	u.data = append(u.data, data...)
	if result < 0 {
		u.err = os.NewSyscallError("recv", errorOf(result))
	}
}

// read gives what is left, if socket may be read from at all: it is open, and its deadline is not
// over. None says that nothing is left, and the socket itself is to be read.
func (u *unread) read(p []byte, socket net.Conn) (n int, none bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.data) == 0 && u.err == nil || len(p) == 0 {
		return 0, true, nil
	}
	if err := readable(socket); err != nil {
		return 0, false, readError(socket, err)
	}
	if len(u.data) == 0 {
		return 0, false, readError(socket, u.err)
	}
	n = copy(p, u.data)
	u.data = u.data[n:]
	return n, false, nil
}

// writeTo writes what is left to w.
func (u *unread) writeTo(w io.Writer, socket net.Conn) (written int64, err error) {
	buf := make([]byte, 4096)
	for {
		n, none, err := u.read(buf, socket)
		if none || err != nil {
			return written, err
		}
		m, err := w.Write(buf[:n])
		written += int64(m)
		if err != nil {
			return written, err
		}
	}
}

// readable asks Go's poller what a read would ask it first.
func readable(socket net.Conn) error {
	raw, err := socket.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(uintptr) bool { return true })
}

// readError words an error as a Read of package net does.
func readError(socket net.Conn, err error) error {
	var wrapped *net.OpError
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return &net.OpError{Op: "read", Net: socket.LocalAddr().Network(), Source: socket.LocalAddr(),
		Addr: socket.RemoteAddr(), Err: err}
}

// A detachedTCP is a TCP connection some of whose bytes were received before.
type detachedTCP struct {
	*net.TCPConn
	unread *unread
}

func (d *detachedTCP) NetConn() net.Conn { return d.TCPConn }

func (d *detachedTCP) Read(p []byte) (int, error) {
	if n, none, err := d.unread.read(p, d.TCPConn); !none {
		return n, err
	}
	return d.TCPConn.Read(p)
}

// WriteTo implements io.WriterTo: what was received before by Write, the rest as TCPConn does.
func (d *detachedTCP) WriteTo(w io.Writer) (int64, error) {
	before, err := d.unread.writeTo(w, d.TCPConn)
	if err != nil {
		return before, err
	}
	n, err := d.TCPConn.WriteTo(w)
	return before + n, err
}

// A detachedUnix is a detachedTCP's brother.
type detachedUnix struct {
	*net.UnixConn
	unread *unread
}

func (d *detachedUnix) NetConn() net.Conn { return d.UnixConn }

func (d *detachedUnix) Read(p []byte) (int, error) {
	if n, none, err := d.unread.read(p, d.UnixConn); !none {
		return n, err
	}
	return d.UnixConn.Read(p)
}
