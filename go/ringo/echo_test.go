package ringo

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"
)

type echo struct {
	pending []byte
	ended   bool
}

func (h *echo) Opened(c *Conn) { c.SetTimer(5 * time.Second) }
func (h *echo) Data(c *Conn, p []byte) {
	if len(p) == 0 {
		h.ended = true
	}
	h.pending = append(h.pending, p...)
	h.flush(c)
}
func (h *echo) flush(c *Conn) {
	if c.Busy() {
		c.Pause()
		return
	}
	if len(h.pending) == 0 {
		if h.ended {
			c.Close()
		}
		return
	}
	out := c.Out()
	n := min(cap(out), len(h.pending))
	out = append(out, h.pending[:n]...)
	h.pending = h.pending[:copy(h.pending, h.pending[n:])]
	c.Send(out)
}
func (h *echo) Sent(c *Conn, n int64, err error) {
	if err != nil {
		c.Close()
		return
	}
	c.Resume()
	if !c.Busy() {
		h.flush(c)
	}
}
func (h *echo) FileOpened(*Conn, int, error)        {}
func (h *echo) FileStatus(*Conn, FileStatus, error) {}
func (h *echo) Timer(c *Conn)                       { c.Close() }
func (h *echo) Drain(c *Conn)                       { c.Close() }
func (h *echo) Closed(*Conn, error)                 {}

func TestServeEcho(t *testing.T) {
	e, err := New(WithReceiveBuffers(64, 4096))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() {
		served <- e.Serve(ctx, ln, ServeOptions{}, func(*Conn) Handler { return &echo{} })
	}()
	for range 10 {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		go func() {
			conn.Write(want)
			conn.(*net.TCPConn).CloseWrite()
		}()
		got, err := io.ReadAll(conn)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatal(len(got), err)
		}
		conn.Close()
	}
	cancel()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
}
