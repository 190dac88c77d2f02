package ringo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A script is a Handler made of functions; those that are nil do nothing.
type script struct {
	opened     func(c *Conn)
	data       func(c *Conn, p []byte)
	sent       func(c *Conn, n int64, err error)
	fileOpened func(c *Conn, fd int, err error)
	fileStatus func(c *Conn, status FileStatus, err error)
	timer      func(c *Conn)
	drain      func(c *Conn)
	closed     func(c *Conn, err error)
}

func (s *script) Opened(c *Conn) {
	if s.opened != nil {
		s.opened(c)
	}
}

func (s *script) Data(c *Conn, p []byte) {
	if s.data != nil {
		s.data(c, p)
	}
}

func (s *script) Sent(c *Conn, n int64, err error) {
	if s.sent != nil {
		s.sent(c, n, err)
	}
}

func (s *script) FileOpened(c *Conn, fd int, err error) {
	if s.fileOpened != nil {
		s.fileOpened(c, fd, err)
	}
}

func (s *script) FileStatus(c *Conn, status FileStatus, err error) {
	if s.fileStatus != nil {
		s.fileStatus(c, status, err)
	}
}

func (s *script) Timer(c *Conn) {
	if s.timer != nil {
		s.timer(c)
	}
}

func (s *script) Drain(c *Conn) {
	if s.drain != nil {
		s.drain(c)
	}
}

func (s *script) Closed(c *Conn, err error) {
	if s.closed != nil {
		s.closed(c, err)
	}
}

// closeOnDrain is the script of a connection that has nothing to finish.
func closeOnDrain(c *Conn) { c.Close() }

// A server is a Serve under way.
type server struct {
	t    testing.TB
	ln   net.Listener
	end  context.CancelFunc
	done chan error
}

// serve starts Serve on a port of its own.
func serve(t testing.TB, e *Engine, options []ServeOption, accept func(*Conn) Handler) *server {
	t.Helper()
	return serveOn(t, e, "tcp", options, accept)
}

func serveOn(t testing.TB, e *Engine, network string, options []ServeOption, accept func(*Conn) Handler) *server {
	t.Helper()
	if e.Backend() == "os" {
		t.Skip("SKIPPED: there are no event-driven connections without cgo")
	}
	address := map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")}[network]
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &server{t, ln, cancel, make(chan error, 1)}
	go func() { s.done <- e.Serve(ctx, ln, PerConn(accept), options...) }()
	t.Cleanup(s.stop)
	return s
}

func (s *server) dial() net.Conn {
	s.t.Helper()
	c, err := net.Dial(s.ln.Addr().Network(), s.ln.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// stop ends the context of Serve and waits for it.
func (s *server) stop() {
	s.t.Helper()
	s.end()
	s.wait(nil)
}

// wait waits for Serve to return want; a second wait is for nothing.
func (s *server) wait(want error) {
	s.t.Helper()
	within(s.t, "Serve", func() {
		if err, ok := <-s.done; ok && !errors.Is(err, want) {
			s.t.Errorf("Serve: %v, want %v", err, want)
		}
	})
	select {
	case <-s.done:
	default:
		close(s.done)
	}
}

// An echo sends back what it receives, and the end of the stream too. It takes in more only when
// it has sent what it has.
type echo struct {
	script
	pending []byte
	ended   bool
}

func newEcho(*Conn) Handler { return &echo{} }

func (h *echo) Drain(c *Conn) { c.Close() }

func (h *echo) Data(c *Conn, p []byte) {
	h.ended = h.ended || len(p) == 0
	h.pending = append(h.pending, p...)
	h.flush(c)
}

func (h *echo) flush(c *Conn) {
	switch {
	case c.Busy():
		c.Pause()
	case len(h.pending) > 0:
		out := c.Out()
		n := min(cap(out), len(h.pending))
		c.Send(append(out, h.pending[:n]...))
		h.pending = h.pending[:copy(h.pending, h.pending[n:])]
	case h.ended:
		c.Close()
	}
}

func (h *echo) Sent(c *Conn, _ int64, err error) {
	if err != nil {
		c.Close()
		return
	}
	c.Resume()
	if !c.Busy() {
		h.flush(c)
	}
}

// TestEcho sends much both ways at once and closes one half, over few and small receive buffers.
func TestEcho(t *testing.T) {
	e := open(t, WithLoops(2), WithReceiveBuffers(4, 4096))
	want := randomBytes(4 << 20)
	for _, network := range []string{"tcp", "unix"} {
		s := serveOn(t, e, network, nil, newEcho)
		var clients sync.WaitGroup
		for range 12 {
			c := s.dial()
			clients.Add(1)
			go func() {
				defer clients.Done()
				go func() {
					c.Write(want)
					c.(interface{ CloseWrite() error }).CloseWrite()
				}()
				got, err := io.ReadAll(c)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: got %d bytes back, %v", network, len(got), err)
				}
			}()
		}
		within(t, "echo", clients.Wait)
		s.stop()
	}
	if e.Stats().Starved == 0 {
		t.Error("receiving never lacked a buffer: this tests too little")
	}
}

// TestServeArguments: what Serve cannot do it says at once, and closes the listener.
func TestServeArguments(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	e := open(t, WithReceiveBuffers(4, 4096))
	if err := e.Serve(t.Context(), ln, PerConn(newEcho)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener: %v", err)
	}
	if err := e.Serve(t.Context(), struct{ net.Listener }{ln}, PerConn(newEcho)); err == nil {
		t.Error("a listener without a descriptor was taken")
	}
}

// TestServeContextEnded: a context that has ended before means: serve nobody.
func TestServeContextEnded(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 4096))
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		within(t, "Serve", func() {
			if err := e.Serve(ctx, ln, PerConn(newEcho), DrainTimeout(time.Hour)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestServeTwice: two services share an engine, and end on their own.
func TestServeTwice(t *testing.T) {
	e := open(t, WithReceiveBuffers(16, 4096))
	greet := func(text string) func(*Conn) Handler {
		return func(*Conn) Handler {
			return &script{
				opened: func(c *Conn) { c.Send(append(c.Out(), text...)) },
				sent:   func(c *Conn, _ int64, _ error) { c.Close() },
			}
		}
	}
	a, b := serve(t, e, nil, greet("a")), serve(t, e, nil, greet("b"))
	for range 20 {
		for want, s := range map[string]*server{"a": a, "b": b} {
			if got, err := io.ReadAll(s.dial()); string(got) != want || err != nil {
				t.Fatalf("got %q, want %q, %v", got, want, err)
			}
		}
	}
	a.stop()
	if got, err := io.ReadAll(b.dial()); string(got) != "b" || err != nil {
		t.Errorf("after the other one ended: %q, %v", got, err)
	}
}

// A crowd counts connections.
type crowd struct{ opened, closed, most atomic.Int64 }

func (n *crowd) in() {
	now := n.opened.Add(1) - n.closed.Load()
	for most := n.most.Load(); now > most && !n.most.CompareAndSwap(most, now); most = n.most.Load() {
	}
}

// TestServeManyConnections opens 1,000 connections that are closed at random moments by either
// side, in different ways. Each is opened and closed once.
func TestServeManyConnections(t *testing.T) {
	const total = 1000
	e := open(t, WithLoops(2), WithReceiveBuffers(32, 2048), WithReserve(8192))
	var n crowd
	s := serve(t, e, nil, func(*Conn) Handler {
		h := &echo{}
		var turns, last int
		n.in()
		h.closed = func(*Conn, error) { n.closed.Add(1) }
		last = rand.IntN(20)
		return &struct{ Handler }{&countedEcho{h, &turns, last}}
	})
	var clients sync.WaitGroup
	gate := make(chan struct{}, 400) // Descriptors are not endless everywhere.
	for i := range total {
		gate <- struct{}{}
		c, err := net.Dial("tcp", s.ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		clients.Add(1)
		go func() {
			defer clients.Done()
			defer func() { <-gate }()
			chatter(c.(*net.TCPConn), rand.New(rand.NewPCG(7, uint64(i))))
		}()
	}
	within(t, "clients", clients.Wait)
	eventually(t, "all opened and closed", func() bool { return n.opened.Load() == total && n.closed.Load() == total })
	s.stop()
	if n.closed.Load() != total {
		t.Errorf("%d of %d closed", n.closed.Load(), total)
	}
}

// TestConnStaysOnItsLoop: all that a connection is told comes from one thread, its loop's.
func TestConnStaysOnItsLoop(t *testing.T) {
	const conns, messages = 20, 50
	e := open(t, WithLoops(2))
	var ended sync.WaitGroup
	ended.Add(conns)
	s := serve(t, e, nil, func(*Conn) Handler {
		h := &echo{}
		home := syscall.Gettid()
		told := func(what string) {
			if thread := syscall.Gettid(); thread != home {
				t.Errorf("%s: from thread %d, opened by %d", what, thread, home)
			}
		}
		h.opened = func(c *Conn) { told("Opened"); c.SetTimer(time.Millisecond) }
		h.timer = func(*Conn) { told("Timer") }
		h.closed = func(*Conn, error) {
			told("Closed")
			ended.Done()
		}
		return &toldEcho{h, told}
	})
	within(t, "clients", func() {
		var clients sync.WaitGroup
		for range conns {
			c := s.dial()
			clients.Add(1)
			go func() {
				defer clients.Done()
				defer c.Close()
				got := make([]byte, 8)
				for range messages {
					if _, err := c.Write(got); err != nil {
						t.Error(err)
					}
					if _, err := io.ReadFull(c, got); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		clients.Wait()
		ended.Wait()
	})
}

// A toldEcho is asked where it is called from.
type toldEcho struct {
	*echo
	told func(what string)
}

func (h *toldEcho) Data(c *Conn, p []byte) { h.told("Data"); h.echo.Data(c, p) }

func (h *toldEcho) Sent(c *Conn, n int64, err error) { h.told("Sent"); h.echo.Sent(c, n, err) }

// A countedEcho closes its connection after some pieces of data.
type countedEcho struct {
	*echo
	turns *int
	last  int
}

func (h *countedEcho) Data(c *Conn, p []byte) {
	if *h.turns++; *h.turns > h.last {
		c.Close()
		return
	}
	h.echo.Data(c, p)
}

// chatter talks to an echo for a while and goes, politely or not.
func chatter(c *net.TCPConn, random *rand.Rand) {
	defer c.Close()
	buf := make([]byte, 10_000)
	for range random.IntN(10) {
		n, err := c.Write(buf[:1+random.IntN(len(buf)-1)])
		if err == nil && random.IntN(4) > 0 {
			_, err = io.ReadFull(c, buf[:1+random.IntN(n)])
		}
		if err != nil {
			return
		}
	}
	switch random.IntN(3) {
	case 0:
		c.SetLinger(0) // A reset.
	case 1:
		c.CloseWrite()
		io.Copy(io.Discard, c)
	}
}

// TestDrain: when the context ends, each connection is told; Serve waits for those that go on, and
// accepts no others.
func TestDrain(t *testing.T) {
	e := open(t, WithReceiveBuffers(16, 4096))
	var n crowd
	s := serve(t, e, []ServeOption{DrainTimeout(time.Hour)}, func(*Conn) Handler {
		h := &script{opened: func(*Conn) { n.in() }, closed: func(*Conn, error) { n.closed.Add(1) }}
		h.drain = func(c *Conn) { c.Send(append(c.Out(), "last words"...)) }
		h.data = func(c *Conn, _ []byte) { c.Close() }
		return h
	})
	var conns []net.Conn
	for range 10 {
		conns = append(conns, s.dial())
	}
	eventually(t, "all opened", func() bool { return n.opened.Load() == 10 })
	s.end()
	for _, c := range conns {
		if _, err := io.ReadFull(c, make([]byte, len("last words"))); err != nil {
			t.Error(err)
		}
	}
	select {
	case err := <-s.done:
		t.Fatalf("Serve did not wait: %v", err)
	default:
	}
	for _, c := range conns {
		c.Close()
	}
	s.wait(nil)
	if n.closed.Load() != 10 {
		t.Errorf("%d were closed", n.closed.Load())
	}
	if c, err := net.Dial("tcp", s.ln.Addr().String()); err == nil {
		c.Close()
		t.Error("the port still accepts connections")
	}
}

// TestDrainTimeout: connections that do not heed Drain are closed when the time is over.
func TestDrainTimeout(t *testing.T) {
	e := open(t, WithReceiveBuffers(16, 4096))
	var n crowd
	s := serve(t, e, []ServeOption{DrainTimeout(time.Millisecond)}, func(*Conn) Handler {
		return &script{opened: func(*Conn) { n.in() }, closed: func(*Conn, error) { n.closed.Add(1) }}
	})
	var conns []net.Conn
	for range 10 {
		conns = append(conns, s.dial())
	}
	eventually(t, "all opened", func() bool { return n.opened.Load() == 10 })
	s.stop()
	if n.closed.Load() != 10 {
		t.Errorf("%d were closed", n.closed.Load())
	}
	for _, c := range conns {
		if got, err := io.ReadAll(c); len(got) != 0 || (err != nil && !errors.Is(err, syscall.ECONNRESET)) {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// idleKinds are connections that have nothing to say: what the engine must close by itself.
var idleKinds = map[string]func() *script{
	"waiting for data": func() *script { return &script{} },
	"paused":           func() *script { return &script{opened: (*Conn).Pause} },
	"paused with data": func() *script { return &script{data: func(c *Conn, _ []byte) { c.Pause() }} },
	"with a timer":     func() *script { return &script{opened: func(c *Conn) { c.SetTimer(time.Hour) }} },
	"after the end": func() *script {
		return &script{data: func(c *Conn, _ []byte) { c.Pause() }, opened: func(c *Conn) { c.CloseWrite() }}
	},
}

// TestCloseDuringServe: Close of the engine closes all connections, whatever they are doing, and
// ends Serve.
func TestCloseDuringServe(t *testing.T) {
	for name, kind := range idleKinds {
		t.Run(name, func(t *testing.T) {
			for _, hour := range []time.Duration{0, time.Hour} {
				e := open(t, WithLoops(2), WithReceiveBuffers(16, 4096))
				var n crowd
				s := serve(t, e, []ServeOption{DrainTimeout(hour)}, func(*Conn) Handler {
					h := kind()
					n.in()
					h.closed = func(*Conn, error) { n.closed.Add(1) }
					return h
				})
				const total = 20
				for range total {
					s.dial().Write([]byte("data"))
				}
				eventually(t, "all opened", func() bool { return n.opened.Load() == total })
				within(t, "Close", func() {
					if err := e.Close(); err != nil {
						t.Error(err)
					}
				})
				s.wait(nil)
				if n.closed.Load() != total {
					t.Errorf("%d of %d were closed", n.closed.Load(), total)
				}
			}
		})
	}
}

// TestShutdownDuringSends: connections whose peers do not read are cut off when the time is over.
func TestShutdownDuringSends(t *testing.T) {
	e := open(t, WithLoops(2), WithReceiveBuffers(16, 4096))
	var n crowd
	s := serve(t, e, []ServeOption{DrainTimeout(time.Hour)}, func(*Conn) Handler {
		h := &script{opened: func(c *Conn) { n.in(); c.Pause(); c.Send(c.Out()[:1000]) }}
		h.sent = func(c *Conn, _ int64, err error) {
			if err != nil {
				c.Close()
				return
			}
			c.Send(c.Out()[:cap(c.Out())])
		}
		h.closed = func(*Conn, error) { n.closed.Add(1) }
		return h
	})
	for range 20 {
		if _, err := io.ReadFull(s.dial(), make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	within(t, "Shutdown", func() {
		if err := e.Shutdown(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	s.wait(nil)
	if n.closed.Load() != 20 {
		t.Errorf("%d were closed", n.closed.Load())
	}
}
