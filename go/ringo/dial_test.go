package ringo

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// TestDial speaks with servers of package net.
func TestDial(t *testing.T) {
	e := open(t, WithLoops(2))
	for _, network := range []string{"tcp", "tcp4", "unix"} {
		s := serveOn(t, open(t, WithLoops(1)), strings.TrimSuffix(network, "4"), nil, newEcho)
		answers := make(chan string, 1)
		var got []byte
		h := &script{
			opened: func(c *Conn) { c.Write([]byte("who is there?")); c.CloseWrite() },
			data: func(c *Conn, p []byte) {
				if got = append(got, p...); len(p) == 0 {
					answers <- string(got)
					c.Close()
				}
			},
		}
		if err := e.Dial(t.Context(), network, s.ln.Addr().String(), h); err != nil {
			t.Fatal(err)
		}
		within(t, "an answer", func() {
			if got := <-answers; got != "who is there?" {
				t.Errorf("%q", got)
			}
		})
		s.stop()
	}
}

// TestDialErrors are those of package net, and ringo's own.
func TestDialErrors(t *testing.T) {
	e := open(t, WithLoops(1), WithReserve(12))
	s := serveOn(t, open(t), "tcp", nil, newEcho)
	address := s.ln.Addr().String()
	none := &script{opened: func(*Conn) { t.Error("opened") }}
	var op *net.OpError
	if err := e.Dial(t.Context(), "tcp", "127.0.0.1:1", none); !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("nobody listens: %v", err)
	}
	if err := e.Dial(canceled(), "tcp", address, none); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
	if err := e.Dial(t.Context(), "udp", address, none); !errors.As(err, new(net.UnknownNetworkError)) {
		t.Errorf("udp: %v", err)
	}
	if err := e.Dial(t.Context(), "tcp", address, &script{}); err != nil {
		t.Error(err)
	}
	if err := e.Dial(t.Context(), "tcp", address, none); !errors.Is(err, ErrFull) {
		t.Errorf("no room: %v", err)
	}
	onLoop(t, e, func() {
		if err := e.Dial(t.Context(), "tcp", address, none); !errors.Is(err, ErrWouldDeadlock) {
			t.Errorf("in a callback: %v", err)
		}
	})
	closed := open(t)
	closed.Close()
	if err := closed.Dial(t.Context(), "tcp", address, none); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestDialClosing: an engine that closes does not wait for an address that does not answer, nor for
// dialled connections.
func TestDialClosing(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	e := open(t, WithLoops(1))
	closed := make(chan struct{}, 2)
	for _, h := range []*script{{}, {opened: (*Conn).Pause}} {
		h.closed = func(*Conn, error) { closed <- struct{}{} }
		if err := e.Dial(t.Context(), "tcp", ln.Addr().String(), h); err != nil {
			t.Fatal(err)
		}
	}
	var dials sync.WaitGroup
	for range 20 {
		dials.Add(1)
		err := e.DialFunc(t.Context(), "tcp", ln.Addr().String(), &script{}, func(*Conn, error) { dials.Done() })
		if err != nil {
			t.Fatal(err)
		}
	}
	within(t, "Close", func() { e.Close() })
	within(t, "being told", func() { <-closed; <-closed; dials.Wait() })
}

// A proxy ties each connection to one that it dials, each taking in only what the other has sent.
type proxy struct {
	Defaults
	e       *Engine
	address string
}

func (p proxy) Opened(c *Conn) {
	c.Pause()
	err := p.e.DialFunc(context.Background(), "tcp", p.address, dialledHalf{p}, func(to *Conn, err error) {
		if err != nil {
			c.Close()
			return
		}
		to.Value, c.Value = c, to
		c.Resume()
		to.Resume()
	})
	if err != nil {
		c.Close()
	}
}

func (p proxy) Data(c *Conn, b []byte) {
	to := c.Value.(*Conn)
	if len(b) == 0 {
		to.CloseWrite()
		return
	}
	to.Write(b)
	c.Pause()
}

func (p proxy) Sent(c *Conn, _ int64, err error) { c.Value.(*Conn).Resume() }

func (p proxy) Closed(c *Conn, _ error) {
	if to, ok := c.Value.(*Conn); ok {
		to.Close()
	}
}

// dialledHalf is the proxy for the connections that it dials itself.
type dialledHalf struct{ proxy }

func (dialledHalf) Opened(c *Conn) { c.Pause() }

// TestProxy: connections dialled by a handler are on its loop, so both can be stepped without locks.
func TestProxy(t *testing.T) {
	back := serve(t, open(t, WithLoops(1)), nil, newEcho)
	e := open(t, WithLoops(2))
	front := serve(t, e, nil, func(*Conn) Handler { return proxy{e: e, address: back.ln.Addr().String()} })
	var clients sync.WaitGroup
	for range 10 {
		c := front.dial().(*net.TCPConn)
		clients.Add(1)
		go func() {
			defer clients.Done()
			want := randomBytes(300_000)
			go func() {
				c.Write(want)
				c.CloseWrite()
			}()
			if got, err := io.ReadAll(c); err != nil || string(got) != string(want) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		}()
	}
	within(t, "clients of the proxy", clients.Wait)
}
