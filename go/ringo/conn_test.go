package ringo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// onItsLoop runs f on the goroutine of c's loop and waits for it.
func onItsLoop(t *testing.T, c *Conn, f func()) {
	t.Helper()
	done := make(chan struct{})
	if err := c.loop.do(func(*loop) { f(); close(done) }, false); err != nil {
		t.Fatal(err)
	}
	within(t, "on the loop", func() { <-done })
}

// TestPause: while a connection is paused the peer is slowed down, and what is held is little; on
// Resume all comes, in order.
func TestPause(t *testing.T) {
	const size = 50 << 20
	e := open(t, WithLoops(1), WithReceiveBuffers(8, 4096))
	conns := make(chan *Conn, 1)
	sum, n := uint32(0), 0
	ended := make(chan struct{})
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{
			opened: func(c *Conn) { c.Pause(); conns <- c },
			data: func(c *Conn, p []byte) {
				if len(p) == 0 {
					c.Close()
					close(ended)
					return
				}
				n += len(p)
				sum = crc32.Update(sum, crc32.IEEETable, p)
			},
		}
	})
	peer := s.dial()
	data := randomBytes(size)
	var written atomic.Int64
	go func() {
		for rest := data; len(rest) > 0; rest = rest[min(len(rest), 1<<16):] {
			m, _ := peer.Write(rest[:min(len(rest), 1<<16)])
			written.Add(int64(m))
		}
		peer.Close()
	}()
	c := <-conns
	waitUntilStill(t, &written)
	var held int
	onItsLoop(t, c, func() {
		for _, input := range c.held {
			held += len(input.data)
		}
	})
	if held > 1<<20 || written.Load() == size {
		t.Errorf("%d bytes are held, %d of %d were taken from the peer", held, written.Load(), size)
	}
	onItsLoop(t, c, c.Resume)
	within(t, "receiving after Resume", func() { <-ended })
	if n != size || sum != crc32.ChecksumIEEE(data) {
		t.Errorf("received %d of %d bytes, or others", n, size)
	}
}

// waitUntilStill waits until a count has stopped changing.
func waitUntilStill(t *testing.T, count *atomic.Int64) {
	t.Helper()
	last, still := int64(-1), 0
	eventually(t, "a blocked writer", func() bool {
		time.Sleep(10 * time.Millisecond)
		if now := count.Load(); now != last {
			last, still = now, 0
			return false
		}
		still++
		return last > 0 && still > 10
	})
}

// TestPausedConnectionsHoldNoBuffers: more paused connections than there are buffers hold up
// nobody else.
func TestPausedConnectionsHoldNoBuffers(t *testing.T) {
	e := open(t, WithLoops(1), WithReceiveBuffers(2, 1024))
	var paused atomic.Int64
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{drain: closeOnDrain, data: func(c *Conn, p []byte) {
			if bytes.HasPrefix(p, []byte("pause")) {
				paused.Add(1)
				c.Pause()
				return
			}
			c.Close()
		}}
	})
	for range 10 {
		peer := s.dial()
		peer.Write([]byte("pause"))
		peer.Write(make([]byte, 100_000))
	}
	eventually(t, "all paused", func() bool { return paused.Load() == 10 })
	peer := s.dial()
	peer.Write([]byte("go"))
	within(t, "a connection beside paused ones", func() { io.ReadAll(peer) })
}

// TestPauseAndResumeAtRandom: no byte is lost, doubled or moved, however the two meet with data.
func TestPauseAndResumeAtRandom(t *testing.T) {
	e := open(t, WithLoops(1), WithReceiveBuffers(4, 512))
	want := randomBytes(1 << 20)
	var got []byte
	conns, ended := make(chan *Conn, 1), make(chan struct{})
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{
			opened: func(c *Conn) { conns <- c },
			data: func(c *Conn, p []byte) {
				if len(p) == 0 {
					c.Close()
					close(ended)
					return
				}
				got = append(got, p...)
				if rand.IntN(3) == 0 {
					c.Pause()
				}
			},
		}
	})
	peer := s.dial()
	go func() {
		peer.Write(want)
		peer.Close()
	}()
	c := <-conns
	eventually(t, "the end", func() bool {
		select {
		case <-ended:
			return true
		default:
			onItsLoop(t, c, func() {
				if !c.closing {
					c.Resume()
				}
			})
			return false
		}
	})
	if !bytes.Equal(got, want) {
		t.Errorf("received %d of %d bytes, or others", len(got), len(want))
	}
}

// TestSendErrors: a peer that is gone shows in Sent, if nothing is being received that would show
// it first.
func TestSendErrors(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 1024))
	failed := make(chan error, 1)
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{
			drain: closeOnDrain,
			data:  func(c *Conn, _ []byte) { c.Pause(); c.Send(c.Out()[:cap(c.Out())]) },
			sent: func(c *Conn, _ int64, err error) {
				if err != nil {
					failed <- err
					c.Close()
					return
				}
				c.Send(c.Out()[:cap(c.Out())])
			},
		}
	})
	peer := s.dial().(*net.TCPConn)
	peer.Write([]byte("go"))
	if _, err := io.ReadFull(peer, make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	peer.SetLinger(0)
	peer.Close()
	within(t, "sending to a peer that is gone", func() {
		if err := <-failed; !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Error(err)
		}
	})
}

// TestReset: a peer that resets the connection shows in Closed.
func TestReset(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 1024))
	closed := make(chan error, 1)
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{data: func(*Conn, []byte) {}, closed: func(_ *Conn, err error) { closed <- err }}
	})
	peer := s.dial().(*net.TCPConn)
	peer.Write([]byte("x"))
	peer.SetLinger(0)
	peer.Close()
	within(t, "a reset", func() {
		if err := <-closed; !errors.Is(err, syscall.ECONNRESET) || !strings.Contains(err.Error(), "recv") {
			t.Error(err)
		}
	})
}

// TestCloseWrite: the peer sees the end, and can still be heard.
func TestCloseWrite(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 1024))
	heard := make(chan string, 10)
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{
			opened: func(c *Conn) { c.Send(append(c.Out(), "bye"...)) },
			sent:   func(c *Conn, _ int64, _ error) { c.CloseWrite() },
			data: func(c *Conn, p []byte) {
				heard <- string(p)
				if len(p) == 0 {
					c.Close()
				}
			},
		}
	})
	peer := s.dial()
	if got, err := io.ReadAll(peer); string(got) != "bye" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	peer.Write([]byte("still here"))
	peer.Close()
	if got := <-heard; got != "still here" {
		t.Errorf("heard %q", got)
	}
	if got := <-heard; got != "" {
		t.Errorf("heard %q", got)
	}
}

// TestRemoteAddr is the address that the peer calls its own.
func TestRemoteAddr(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 1024))
	for _, network := range []string{"tcp", "unix"} {
		addrs := make(chan net.Addr, 1)
		s := serveOn(t, e, network, nil, func(c *Conn) Handler {
			addrs <- c.RemoteAddr()
			return &script{drain: closeOnDrain}
		})
		peer := s.dial()
		got := <-addrs
		if got == nil || got.Network() != network || (network == "tcp" && got.String() != peer.LocalAddr().String()) {
			t.Errorf("%s: %v, want %v", network, got, peer.LocalAddr())
		}
		s.stop()
	}
}

// TestConnCloseInEveryMethod: after Close only Closed comes, wherever it was called.
func TestConnCloseInEveryMethod(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 1024))
	name := writeTemp(t, []byte("x"))
	for _, where := range []string{"Opened", "Data", "Sent", "FileOpened", "FileStatus", "Timer", "Drain", "end"} {
		var after atomic.Int64
		closed := make(chan struct{})
		at := func(c *Conn, method string) bool {
			if c.closing {
				after.Add(1)
			}
			if method == where {
				c.Close()
				c.Close()
			}
			return method == where
		}
		s := serve(t, e, []ServeOption{DrainTimeout(time.Hour)}, func(*Conn) Handler {
			h := &script{closed: func(*Conn, error) { close(closed) }}
			h.opened = func(c *Conn) {
				if !at(c, "Opened") {
					c.SetTimer(time.Millisecond)
				}
			}
			h.timer = func(c *Conn) {
				if !at(c, "Timer") {
					_ = c.OpenFile(atCWD, name, OpenHow{})
				}
			}
			h.fileOpened = func(c *Conn, fd int, err error) {
				closing := at(c, "FileOpened")
				if !closing {
					c.StatFile(fd)
				}
				c.CloseFile(fd)
			}
			h.fileStatus = func(c *Conn, _ FileStatus, _ error) {
				if !at(c, "FileStatus") {
					c.Send(append(c.Out(), "x"...))
				}
			}
			h.sent = func(c *Conn, _ int64, _ error) { at(c, "Sent") }
			h.data = func(c *Conn, p []byte) {
				if !at(c, "Data") && len(p) == 0 {
					at(c, "end")
				}
			}
			h.drain = func(c *Conn) { at(c, "Drain") }
			return h
		})
		peer := s.dial()
		switch where {
		case "Data":
			peer.Write([]byte("x"))
		case "end":
			peer.(*net.TCPConn).CloseWrite()
		case "Drain":
			io.ReadFull(peer, make([]byte, 1))
			s.end()
		}
		within(t, "Close in "+where, func() { <-closed })
		peer.Close()
		s.stop()
		if after.Load() != 0 {
			t.Errorf("Close in %s: %d calls came after it", where, after.Load())
		}
	}
}

// TestConnWork: what may block runs elsewhere, and its end on the loop; Close waits for it, and a
// connection that was closed meanwhile hears no more.
func TestConnWork(t *testing.T) {
	e := open(t, WithLoops(1), WithReceiveBuffers(4, 1024))
	release, working := make(chan struct{}), make(chan struct{}, 2)
	var done, closed atomic.Int64
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{
			drain:  closeOnDrain,
			closed: func(*Conn, error) { closed.Add(1) },
			data: func(c *Conn, p []byte) {
				if len(p) == 0 {
					c.Close()
					return
				}
				c.Work(func() { working <- struct{}{}; <-release }, func() {
					if !c.loop.onLoop() || c.closing {
						t.Error("done was called elsewhere, or too late")
					}
					done.Add(1)
					c.Close()
				})
			},
		}
	})
	stays, goes := s.dial(), s.dial()
	stays.Write([]byte("x"))
	goes.Write([]byte("x"))
	<-working
	<-working
	goes.Close()
	onLoop(t, e, func() {}) // The loop is not blocked.
	closing := make(chan error, 1)
	go func() { closing <- e.Shutdown(context.Background()) }()
	<-e.closed
	close(release)
	within(t, "Close", func() {
		if err := <-closing; err != nil {
			t.Error(err)
		}
	})
	s.wait(nil)
	if done.Load() > 2 || closed.Load() != 2 {
		t.Errorf("%d done, %d closed", done.Load(), closed.Load())
	}
}

// TestConnWorkCutOff: a Shutdown that does not wait closes connections whose work goes on, and
// returns when it has ended.
func TestConnWorkCutOff(t *testing.T) {
	e := open(t, WithLoops(1), WithReceiveBuffers(4, 1024))
	release, working := make(chan struct{}), make(chan struct{})
	s := serve(t, e, []ServeOption{DrainTimeout(time.Hour)}, func(*Conn) Handler {
		return &script{data: func(c *Conn, _ []byte) {
			c.Work(func() { close(working); <-release }, func() { t.Error("done was called") })
		}}
	})
	s.dial().Write([]byte("x"))
	<-working
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	shut := make(chan error, 1)
	go func() { shut <- e.Shutdown(ctx) }()
	s.wait(nil)
	close(release)
	within(t, "Shutdown", func() {
		if err := <-shut; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestConnMisuse: starting what is in progress already, or what nobody could be told of, is a mistake
// of the program.
func TestConnMisuse(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 1024))
	panics := make(chan string, 2)
	try := func(f func()) {
		defer func() { panics <- fmt.Sprint(recover()) }()
		f()
	}
	s := serve(t, e, nil, func(*Conn) Handler {
		h := &script{drain: closeOnDrain}
		h.opened = func(c *Conn) {
			_ = c.OpenFile(atCWD, "/", OpenHow{})
			try(func() { c.StatFile(0) })
		}
		h.fileOpened = func(c *Conn, fd int, err error) {
			if err == nil {
				c.CloseFile(fd)
			}
			c.SetHandler(Defaults{})
			try(func() { c.StatFile(0) })
			c.SetHandler(h)
		}
		return h
	})
	s.dial()
	for range 2 {
		if text := <-panics; !strings.HasPrefix(text, "ringo: ") {
			t.Errorf("panic: %s", text)
		}
	}
}
