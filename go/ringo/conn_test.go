package ringo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
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
	sum, n := uint64(0), 0
	ended := make(chan struct{})
	s := serve(t, e, ServeOptions{}, func(*Conn) Handler {
		return &script{
			opened: func(c *Conn) { c.Pause(); conns <- c },
			data: func(c *Conn, p []byte) {
				if len(p) == 0 {
					c.Close()
					close(ended)
				}
				for _, b := range p {
					n++
					sum = sum*31 + uint64(b)
				}
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
	var want uint64
	for _, b := range data {
		want = want*31 + uint64(b)
	}
	if n != size || sum != want {
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
	s := serve(t, e, ServeOptions{}, func(*Conn) Handler {
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
	s := serve(t, e, ServeOptions{}, func(*Conn) Handler {
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

// TestTimer: it fires once, not early, again when set again, and not when it is taken back.
func TestTimer(t *testing.T) {
	e := open(t, WithLoops(1), WithReceiveBuffers(4, 1024))
	const d = 150 * time.Millisecond
	var begin time.Time
	fired := make(chan time.Duration, 100)
	conns := make(chan *Conn, 1)
	times := 0
	s := serve(t, e, ServeOptions{}, func(*Conn) Handler {
		return &script{
			drain:  closeOnDrain,
			opened: func(c *Conn) { begin = time.Now(); c.SetTimer(d); conns <- c },
			timer: func(c *Conn) {
				fired <- time.Since(begin)
				if times++; times < 3 {
					begin = time.Now()
					c.SetTimer(d)
				}
			},
		}
	})
	s.dial()
	c := <-conns
	for range 3 {
		within(t, "the timer", func() {
			if after := <-fired; after < d {
				t.Errorf("fired after %v", after)
			}
		})
	}
	onItsLoop(t, c, func() { c.SetTimer(d); c.SetTimer(0) })
	onItsLoop(t, c, func() { c.SetTimer(time.Hour); c.SetTimer(d); c.SetTimer(time.Hour) })
	time.Sleep(4 * d)
	if len(fired) != 0 {
		t.Error("fired though it was taken back")
	}
	onItsLoop(t, c, func() { begin = time.Now(); c.SetTimer(d / 3) }) // Sooner than before.
	within(t, "the timer that was brought forward", func() { <-fired })
}

// TestTimersOfMany: timers of one moment all fire, though each touches others: closes them, moves
// them into the future or takes them back.
func TestTimersOfMany(t *testing.T) {
	e := open(t, WithLoops(1), WithReceiveBuffers(16, 1024))
	const total = 60
	var conns []*Conn // of the loop
	fired := map[*Conn]int{}
	var n crowd
	s := serve(t, e, ServeOptions{}, func(*Conn) Handler {
		return &script{
			drain:  closeOnDrain,
			opened: func(c *Conn) { conns = append(conns, c); n.in() },
			timer: func(c *Conn) {
				fired[c]++
				for i, other := range conns {
					if other != c || fired[c] > 1 {
						continue
					}
					switch i % 4 { // Its neighbours in the list of the moment, on both sides.
					case 1:
						conns[i-1].Close()
						conns[i+1].SetTimer(300 * time.Millisecond)
					case 3:
						conns[i-1].SetTimer(0)
						conns[i-1].SetTimer(time.Millisecond)
						c.SetTimer(time.Millisecond)
					}
				}
			},
			closed: func(*Conn, error) { n.closed.Add(1) },
		}
	})
	for range total {
		s.dial()
	}
	eventually(t, "all opened", func() bool { return n.opened.Load() == total })
	onItsLoop(t, conns[0], func() {
		for _, c := range conns {
			c.SetTimer(100 * time.Millisecond)
		}
	})
	missing := 0
	eventually(t, "every timer has fired", func() bool {
		onItsLoop(t, conns[0], func() {
			missing = 0
			for i, c := range conns {
				if want := map[int]int{1: 1, 2: 1, 3: 2}[i%4]; !c.closing && fired[c] < want {
					missing++
				}
			}
		})
		return missing == 0
	})
}

// TestTimerBeyondTheWheel: times longer than the wheel goes around once work as well. The wheel is
// turned by hand.
func TestTimerBeyondTheWheel(t *testing.T) {
	e := open(t, WithLoops(1))
	onLoop(t, e, func() {
		var w timerWheel
		w.init(e.loops[0])
		w.armed = true // By this test.
		var fired []string
		conn := func(name string, times ...time.Duration) {
			c := &Conn{handler: &script{timer: func(*Conn) { fired = append(fired, fmt.Sprint(name, " at ", w.tick)) }}}
			for _, d := range times {
				w.set(c, d)
			}
		}
		conn("short", wheelTick)
		conn("around", wheelSlots*wheelTick)
		conn("twice around", 2*wheelSlots*wheelTick)
		conn("sooner", time.Hour, 2*wheelTick)
		conn("later", wheelTick, 3*wheelTick)
		conn("never", wheelTick, 0)
		start := w.tick
		for tick := start; tick < start+3*wheelSlots; {
			tick++
			w.tick = tick
			w.run(tick)
		}
		want := fmt.Sprintf("[short at %d sooner at %d later at %d around at %d twice around at %d]", start+2, start+3, start+4, start+wheelSlots+1, start+2*wheelSlots+1)
		if got := fmt.Sprint(fired); got != want || w.count != 0 {
			t.Errorf("fired %v, want %v; %d are left", got, want, w.count)
		}
	})
}

// TestSendErrors: a peer that is gone shows in Sent, if nothing is being received that would show
// it first.
func TestSendErrors(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 1024))
	failed := make(chan error, 1)
	s := serve(t, e, ServeOptions{}, func(*Conn) Handler {
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
	s := serve(t, e, ServeOptions{}, func(*Conn) Handler {
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
	s := serve(t, e, ServeOptions{}, func(*Conn) Handler {
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
		s := serveOn(t, e, network, ServeOptions{}, func(c *Conn) Handler {
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

// A fileReply answers each connection with a header and a file, opened, asked for its size, sent
// and closed on the ring.
func fileReply(t *testing.T, name string, how SendfileStrategy) func(*Conn) Handler {
	return func(*Conn) Handler {
		file := -1
		fail := func(c *Conn, err error) bool {
			if err != nil {
				t.Error(err)
				c.Close()
			}
			return err != nil
		}
		return &script{
			drain: closeOnDrain,
			opened: func(c *Conn) {
				fail(c, c.OpenFile(atCWD, name, OpenHow{Flags: syscall.O_RDONLY | syscall.O_CLOEXEC}))
			},
			fileOpened: func(c *Conn, fd int, err error) {
				if !fail(c, err) {
					file = fd
					c.StatFile(fd)
				}
			},
			fileStatus: func(c *Conn, status FileStatus, err error) {
				if !fail(c, err) {
					header := append(c.Out(), fmt.Sprintf("%d %o;", status.Size, status.Mode)...)
					c.Sendfile(header, file, 0, status.Size, how)
				}
			},
			sent: func(c *Conn, n int64, err error) {
				fail(c, err)
				c.Close()
			},
			closed: func(c *Conn, _ error) {
				if file >= 0 {
					c.CloseFile(file) // Only now for certain is it not being sent.
				}
			},
		}
	}
}

// TestConnFiles sends files by each strategy.
func TestConnFiles(t *testing.T) {
	e := open(t, WithLoops(2), WithReceiveBuffers(4, 1024))
	for how, strategy := range []SendfileStrategy{SendfileAuto, SendfileSplice, SendfileCopy, SendfileSyscall} {
		for _, size := range []int{0, 1, 4095, 65536, 65537, 5 << 20} {
			data := randomBytes(size)
			s := serve(t, e, ServeOptions{}, fileReply(t, writeTemp(t, data), strategy))
			var peers sync.WaitGroup
			for range 4 {
				peer := s.dial()
				peers.Add(1)
				go func() {
					defer peers.Done()
					got, err := io.ReadAll(peer)
					want := append([]byte(fmt.Sprintf("%d 100600;", size)), data...)
					if err != nil || !bytes.Equal(got, want) {
						t.Errorf("strategy %d: got %d bytes of %d, %v", how, len(got), len(want), err)
					}
				}()
			}
			within(t, "files", peers.Wait)
			s.stop()
		}
	}
}

// TestConnFileErrors: what cannot be opened, asked for or sent comes as an error, once.
func TestConnFileErrors(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 1024))
	var steps []error
	ended := make(chan struct{})
	s := serve(t, e, ServeOptions{}, func(*Conn) Handler {
		h := &script{closed: func(*Conn, error) { close(ended) }}
		h.opened = func(c *Conn) {
			steps = append(steps, c.OpenFile(atCWD, strings.Repeat("n", pathSize), OpenHow{}), c.OpenFile(atCWD, "a\x00b", OpenHow{}))
			if err := c.OpenFile(atCWD, "/missing/file", OpenHow{}); err != nil {
				t.Error(err)
			}
		}
		h.fileOpened = func(c *Conn, _ int, err error) {
			steps = append(steps, err)
			c.StatFile(1 << 20)
		}
		h.fileStatus = func(c *Conn, _ FileStatus, err error) {
			steps = append(steps, err)
			c.Sendfile(c.Out(), 1<<20, 0, 10, SendfileAuto)
		}
		h.sent = func(c *Conn, n int64, err error) {
			steps = append(steps, err)
			c.Close()
		}
		return h
	})
	s.dial()
	within(t, "failing steps", func() { <-ended })
	want := []error{syscall.ENAMETOOLONG, syscall.EINVAL, syscall.ENOENT, syscall.EBADF, syscall.EBADF}
	if fmt.Sprint(steps) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", steps, want)
	}
}

// TestConnFilePeerGone: peers that go in the middle of a file, whatever the strategy, leave no
// descriptor and no pipe with bytes for the next one.
func TestConnFilePeerGone(t *testing.T) {
	e := open(t, WithLoops(1), WithReceiveBuffers(4, 1024))
	data := randomBytes(4 << 20)
	name := writeTemp(t, data)
	for _, how := range []SendfileStrategy{SendfileAuto, SendfileSplice, SendfileCopy, SendfileSyscall} {
		reply := fileReply(t, name, how)
		s := serve(t, e, ServeOptions{}, func(c *Conn) Handler {
			h := reply(c).(*script)
			sent := h.sent
			h.sent = func(c *Conn, n int64, err error) {
				if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
					err = nil
				}
				sent(c, n, err)
			}
			return h
		})
		for i := range 20 {
			peer := s.dial().(*net.TCPConn)
			if i%2 == 0 {
				io.ReadFull(peer, make([]byte, 100_000+i*1000))
				peer.SetLinger(0)
				peer.Close()
				continue
			}
			got, err := io.ReadAll(peer)
			if err != nil || !bytes.HasSuffix(got, data) || len(got) > len(data)+20 {
				t.Errorf("strategy %d: %d bytes, %v", how, len(got), err)
			}
			peer.Close()
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
		s := serve(t, e, ServeOptions{DrainTimeout: time.Hour}, func(*Conn) Handler {
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
	s := serve(t, e, ServeOptions{}, func(*Conn) Handler {
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
	s := serve(t, e, ServeOptions{DrainTimeout: time.Hour}, func(*Conn) Handler {
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

// TestConnMisuse: starting what is in progress already is a mistake of the program.
func TestConnMisuse(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 1024))
	panics := make(chan string, 2)
	try := func(f func()) {
		defer func() { panics <- fmt.Sprint(recover()) }()
		f()
	}
	s := serve(t, e, ServeOptions{}, func(*Conn) Handler {
		return &script{
			drain: closeOnDrain,
			opened: func(c *Conn) {
				c.Send(append(c.Out(), "once"...))
				try(func() { c.Send(c.Out()[:1]) })
				_ = c.OpenFile(atCWD, "/", OpenHow{})
				try(func() { c.StatFile(0) })
			},
			fileOpened: func(c *Conn, fd int, err error) {
				if err == nil {
					c.CloseFile(fd)
				}
			},
		}
	})
	s.dial()
	for range 2 {
		if text := <-panics; !strings.HasPrefix(text, "ringo: ") {
			t.Errorf("panic: %s", text)
		}
	}
}
