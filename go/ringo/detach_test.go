package ringo

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// detached is what the function given to Detach got.
type detached struct {
	conn net.Conn
	err  error
}

// detachAfter detaches each connection once n bytes have come, of which it gives back the last ones.
func detachAfter(n int, to chan<- detached, before func(c *Conn)) func(*Conn) Handler {
	return func(*Conn) Handler {
		var got []byte
		return &script{drain: closeOnDrain, data: func(c *Conn, p []byte) {
			if got = append(got, p...); len(got) < n {
				return
			}
			if before != nil {
				before(c)
			}
			c.Detach(got, func(conn net.Conn, err error) { to <- detached{conn, err} })
		}}
	}
}

func take(t *testing.T, from <-chan detached) net.Conn {
	t.Helper()
	var d detached
	within(t, "Detach", func() { d = <-from })
	if d.err != nil {
		t.Fatal(d.err)
	}
	t.Cleanup(func() { d.conn.Close() })
	return d.conn
}

// TestDetach: a stream that is detached while it comes in loses no byte and has none twice, in
// whatever way it is read on.
func TestDetach(t *testing.T) {
	e := open(t, WithLoops(2), WithReceiveBuffers(4, 512))
	want := randomBytes(300_000)
	ways := []func(net.Conn) ([]byte, error){
		func(c net.Conn) ([]byte, error) { return io.ReadAll(c) },
		func(c net.Conn) ([]byte, error) {
			var b bytes.Buffer
			_, err := io.Copy(&b, c) // By WriteTo, where there is one.
			return b.Bytes(), err
		},
	}
	for _, network := range []string{"tcp", "unix"} {
		for i := range 20 {
			to := make(chan detached, 1)
			n := rand.IntN(3000)
			s := serveOn(t, e, network, nil, detachAfter(n, to, nil))
			peer := s.dial()
			go func() {
				peer.Write(want)
				peer.(interface{ CloseWrite() error }).CloseWrite()
			}()
			conn := take(t, to)
			s.stop() // Serve does not wait for it.
			within(t, "reading on", func() {
				if got, err := ways[i%len(ways)](conn); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: detached after %d: %d bytes, %v", network, n, len(got), err)
				}
			})
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Error(err)
			}
			conn.Close()
			if got, err := io.ReadAll(peer); string(got) != "x" || err != nil {
				t.Errorf("the peer got %q, %v", got, err)
			}
		}
	}
}

// TestDetachPaused: what was received while paused comes first, and a connection that received
// nothing is package net's own.
func TestDetachPaused(t *testing.T) {
	e := open(t, WithLoops(1), WithReceiveBuffers(4, 512))
	to, conns := make(chan detached, 1), make(chan *Conn, 1)
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{drain: closeOnDrain, opened: func(c *Conn) { c.Pause(); conns <- c }}
	})
	hand := func(conn net.Conn, err error) { to <- detached{conn, err} }

	s.dial()
	c := <-conns
	onItsLoop(t, c, func() { c.Detach(nil, hand) })
	if conn := take(t, to); conn != nil {
		if _, bare := conn.(*net.TCPConn); !bare {
			t.Errorf("a %T, though nothing was received", conn)
		}
	}

	peer := s.dial()
	peer.Write([]byte("held"))
	c = <-conns
	held := false
	eventually(t, "data is held", func() bool {
		onItsLoop(t, c, func() { held = len(c.held) > 0 })
		return held
	})
	onItsLoop(t, c, func() { c.Detach([]byte("known, "), hand) })
	conn := take(t, to)
	peer.Write([]byte(", new"))
	peer.Close()
	if got, err := io.ReadAll(conn); string(got) != "known, held, new" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, ok := conn.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn); !ok {
		t.Error("NetConn is no TCPConn")
	}
}

// TestDetachSending: what is being sent goes first, whole.
func TestDetachSending(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 512))
	data := randomBytes(2 << 20)
	file, err := os.Open(writeTemp(t, data))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	to := make(chan detached, 1)
	s := serve(t, e, nil, detachAfter(2, to, func(c *Conn) {
		c.SendfileFD(append(c.Out(), "head"...), int(file.Fd()), 0, int64(len(data)), SendfileAuto)
	}))
	peer := s.dial()
	peer.Write([]byte("go"))
	got := make([]byte, 4+len(data))
	if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got[4:], data) {
		t.Errorf("%v", err)
	}
	conn := take(t, to)
	conn.Write([]byte("tail"))
	conn.Close()
	if tail, err := io.ReadAll(peer); string(tail) != "tail" || err != nil {
		t.Errorf("%q, %v", tail, err)
	}
}

// TestDetachReads: deadlines and Close count before what was received, as they do for a socket.
func TestDetachReads(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 512))
	for _, network := range []string{"tcp", "unix"} {
		to := make(chan detached, 1)
		s := serveOn(t, e, network, nil, detachAfter(4, to, nil))
		s.dial().Write([]byte("text"))
		conn := take(t, to)
		buf := make([]byte, 2)
		conn.SetReadDeadline(time.Unix(1, 0))
		n, err := conn.Read(buf)
		var op *net.OpError
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || op.Op != "read" || n != 0 {
			t.Errorf("after the deadline: %d, %v", n, err)
		}
		conn.SetReadDeadline(time.Time{})
		if n, err := conn.Read(nil); n != 0 || err != nil {
			t.Errorf("nothing: %d, %v", n, err)
		}
		if n, err := conn.Read(buf); string(buf[:n]) != "te" || err != nil {
			t.Errorf("%q, %v", buf[:n], err)
		}
		conn.Close()
		if n, err := conn.Read(buf); !errors.Is(err, net.ErrClosed) || !errors.As(err, &op) || op.Op != "read" || n != 0 {
			t.Errorf("after Close: %d, %v", n, err)
		}
		s.stop()
	}
}

// TestDetachReset: how receiving ended is told to who reads on, after the data.
func TestDetachReset(t *testing.T) {
	e := open(t, WithLoops(1), WithReceiveBuffers(4, 512))
	to, conns := make(chan detached, 1), make(chan *Conn, 1)
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{opened: func(c *Conn) { c.Pause(); conns <- c }}
	})
	peer := s.dial().(*net.TCPConn)
	c := <-conns
	peer.SetLinger(0)
	peer.Close()
	ended := false
	eventually(t, "the reset is held", func() bool {
		onItsLoop(t, c, func() { ended = len(c.held) > 0 })
		return ended
	})
	onItsLoop(t, c, func() {
		c.Detach([]byte("x"), func(conn net.Conn, err error) { to <- detached{conn, err} })
	})
	conn := take(t, to)
	if got, err := io.ReadAll(conn); string(got) != "x" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%q, %v", got, err)
	}
}

// TestDetachRefused: a connection that closes, or whose engine does, is not handed over, and each
// Detach is answered once, before Closed.
func TestDetachRefused(t *testing.T) {
	for name, refuse := range map[string]func(*Engine, *Conn){
		"closed":  func(_ *Engine, c *Conn) { c.Close() },
		"engine":  func(e *Engine, _ *Conn) { go e.Shutdown(canceled()) },
		"drained": func(_ *Engine, c *Conn) { c.port.closeAll() },
	} {
		t.Run(name, func(t *testing.T) {
			e := open(t, WithLoops(1), WithReceiveBuffers(4, 512))
			var steps []string
			var sent atomic.Int64
			ended := make(chan struct{})
			s := serve(t, e, nil, func(*Conn) Handler {
				return &script{
					data: func(c *Conn, _ []byte) {
						c.Pause()
						c.Send(c.Out()[:cap(c.Out())])
					},
					sent: func(c *Conn, _ int64, err error) {
						if sent.Add(1); err == nil {
							c.Send(c.Out()[:cap(c.Out())])
						}
					},
					closed: func(*Conn, error) { steps = append(steps, "closed"); close(ended) },
				}
			})
			peer := s.dial()
			peer.Write([]byte("go"))
			waitUntilStill(t, &sent) // The peer does not read.
			onLoop(t, e, func() {
				var c *Conn
				for p := range e.loops[0].ports {
					if p.service != nil {
						c = p.conns
					}
				}
				c.Detach(nil, func(conn net.Conn, err error) {
					if conn != nil || err == nil {
						t.Errorf("%v, %v", conn, err)
					}
					steps = append(steps, "refused")
				})
				c.Detach(nil, func(_ net.Conn, err error) {
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("twice: %v", err)
					}
				})
				refuse(e, c)
			})
			within(t, "the end", func() { <-ended })
			if len(steps) != 2 || steps[0] != "refused" {
				t.Error(steps)
			}
		})
	}
}

// TestDetachFilesToNet: a detached connection is sent files by sendfile(2), as package net does.
func TestDetachFilesToNet(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 512))
	to := make(chan detached, 1)
	s := serve(t, e, nil, detachAfter(2, to, nil))
	peer := s.dial()
	peer.Write([]byte("go"))
	conn := take(t, to)
	data := randomBytes(1 << 20)
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var reader sync.WaitGroup
	reader.Add(1)
	go func() {
		defer reader.Done()
		if got, err := io.ReadAll(peer); !bytes.Equal(got, data) || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}()
	if n, err := conn.(io.ReaderFrom).ReadFrom(file); n != int64(len(data)) || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	conn.(interface{ CloseWrite() error }).CloseWrite()
	within(t, "the peer", reader.Wait)
}
