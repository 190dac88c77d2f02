package ringo

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
)

// TestSendQueue sends in all ways at once, at random, as fast as the queue takes it. The peer gets
// all of it in order.
func TestSendQueue(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for _, writes := range []bool{false, true} {
			e := open(t, WithReceiveBuffers(4, 512), WithSendQueue(200_000))
			data := randomBytes(100_000)
			file, err := e.Open(writeTemp(t, data))
			if err != nil {
				t.Fatal(err)
			}
			h := &randomSender{t: t, data: data, file: file, random: rand.New(rand.NewPCG(1, 2)), writes: writes, left: 1000}
			s := serveOn(t, e, network, nil, func(*Conn) Handler { return h })
			peer := s.dial()
			var got []byte
			within(t, "receiving", func() { got, err = io.ReadAll(peer) })
			s.stop()
			file.Close()
			if err != nil || !bytes.Equal(got, h.want.Bytes()) {
				t.Errorf("%s: %d bytes of %d, or others; %v", network, len(got), h.want.Len(), err)
			}
			if h.bytes != int64(h.want.Len()) || h.full == 0 || h.unsent != 0 {
				t.Errorf("%s: told of %d bytes of %d; %d times full; the empty queue counts %d", network, h.bytes, h.want.Len(), h.full, h.unsent)
			}
			if !writes && len(h.inFlight) != 0 {
				t.Errorf("%s: %d sends were not told of", network, len(h.inFlight))
			}
		}
	}
}

// A randomSender keeps its connection's queue full. Unless it writes, each Sent is for the oldest of
// its sends, whose memory it poisons then: it may not be looked at any more.
type randomSender struct {
	Defaults
	t        *testing.T
	data     []byte
	file     *File
	random   *rand.Rand
	writes   bool
	left     int
	full     int
	bytes    int64
	unsent   int
	inFlight [][]byte
	want     bytes.Buffer
}

func (r *randomSender) Opened(c *Conn) { r.fill(c) }

func (r *randomSender) Sent(c *Conn, n int64, err error) {
	if err != nil {
		r.t.Error(err)
	}
	r.bytes += n
	r.unsent = c.Unsent()
	if !r.writes {
		clear(r.inFlight[0])
		r.inFlight = r.inFlight[1:]
	}
	r.fill(c)
}

func (r *randomSender) fill(c *Conn) {
	for ; r.left > 0; r.left-- {
		if err := r.send(c); err != nil {
			if r.full++; !errors.Is(err, ErrFull) {
				r.t.Error(err)
				c.Close()
			}
			return
		}
	}
	c.Finish()
}

// some is a copy of a part of the data.
func (r *randomSender) some(most int) []byte {
	from := r.random.IntN(len(r.data))
	return bytes.Clone(r.data[from:min(from+r.random.IntN(most), len(r.data))])
}

func (r *randomSender) send(c *Conn) error {
	var slices [][]byte
	var err error
	switch kind := r.random.IntN(4); {
	case kind == 3:
		off, n := r.random.IntN(len(r.data)), r.random.IntN(30_000)
		slices = [][]byte{nil, r.data[off:min(off+n, len(r.data))]}
		err = c.Sendfile(r.file, int64(off), int64(n))
	case r.writes && kind > 0:
		slices = [][]byte{r.some([]int{0, 100, 60_000}[kind])}
		_, err = c.Write(slices[0])
	default: // Memory of the heap, of Out, and none at all.
		heap := r.some(5000)
		slices = [][]byte{heap, append(c.Out(), r.some(2000)...), nil, heap}
		err = c.Send(slices...)
	}
	if err != nil {
		return err
	}
	for _, b := range slices {
		r.want.Write(b)
	}
	r.inFlight = append(r.inFlight, slices[0])
	return nil
}

// TestSendQueueBound: a peer that does not read makes the queue full, not the memory; what was
// refused is not sent; when the peer reads on there is room again.
func TestSendQueueBound(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 512), WithSendQueue(1<<20))
	block := make([]byte, 10_000)
	var written atomic.Int64
	conns := make(chan *Conn, 1)
	fill := func(c *Conn) {
		for {
			n, err := c.Write(block)
			if err != nil {
				if n != 0 || !errors.Is(err, ErrFull) {
					t.Errorf("%d, %v", n, err)
				}
				return
			}
			written.Add(int64(n))
		}
	}
	stop := false
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{opened: func(c *Conn) { fill(c); conns <- c }, sent: func(c *Conn, _ int64, err error) {
			if !stop {
				fill(c)
			}
		}}
	})
	peer := s.dial()
	c := <-conns
	waitUntilStill(t, &written)
	onItsLoop(t, c, func() {
		if unsent := c.Unsent(); unsent > 1<<20 || unsent < 1<<19 {
			t.Errorf("%d bytes are queued", unsent)
		}
	})
	before := written.Load()
	io.CopyN(io.Discard, peer, before)
	eventually(t, "room in the queue", func() bool { return written.Load() > before })
	onItsLoop(t, c, func() { stop = true; c.Finish() })
	rest, err := io.Copy(io.Discard, peer)
	if err != nil || before+rest != written.Load() {
		t.Errorf("received %d of %d, %v", before+rest, written.Load(), err)
	}
}

// TestSendLarge: what is larger than the queue may be is taken when nothing else is queued.
func TestSendLarge(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 512), WithSendQueue(1000))
	want := randomBytes(5 << 20)
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{opened: func(c *Conn) {
			if err := c.Send(want); err != nil {
				t.Error(err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, ErrFull) {
				t.Errorf("behind it: %v", err)
			}
			c.Finish()
		}}
	})
	if got, err := io.ReadAll(s.dial()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestSendManySlices: more slices than one message takes.
func TestSendManySlices(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 512))
	want := randomBytes(3000)
	told := make(chan int64, 10)
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{opened: func(c *Conn) {
			var slices [][]byte
			for i := range want {
				slices = append(slices, want[i:i+1])
			}
			if err := c.Send(slices...); err != nil {
				t.Error(err)
			}
			c.CloseWrite()
		}, sent: func(_ *Conn, n int64, _ error) { told <- n }, data: func(c *Conn, _ []byte) { c.Close() }}
	})
	peer := s.dial()
	if got, err := io.ReadAll(peer); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	peer.Close()
	s.stop()
	if len(told) != 1 || <-told != 3000 {
		t.Error("it is one Send, and told once")
	}
}

// TestSendQueueFails: after a send that failed each one behind it is told so, and no other is taken.
func TestSendQueueFails(t *testing.T) {
	e := open(t, WithLoops(1), WithReceiveBuffers(4, 512))
	const sends = 5
	errs := make(chan error, sends+1)
	conns := make(chan *Conn, 1)
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{
			drain: closeOnDrain,
			opened: func(c *Conn) {
				c.Pause()
				for range sends {
					if err := c.Send(make([]byte, 100_000), make([]byte, 50_000)); err != nil {
						t.Error(err)
					}
				}
				conns <- c
			},
			sent: func(c *Conn, n int64, err error) {
				if (err == nil) != (n == 150_000) {
					t.Errorf("%d bytes, %v", n, err)
				}
				errs <- err
			},
		}
	})
	peer := s.dial().(*net.TCPConn)
	peer.SetReadBuffer(4096)
	c := <-conns
	peer.SetLinger(0)
	peer.Close()
	failed := 0
	for range sends {
		within(t, "a send", func() {
			switch err := <-errs; {
			case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
				failed++
			case err != nil || failed > 0:
				t.Errorf("after %d that failed: %v", failed, err)
			}
		})
	}
	onItsLoop(t, c, func() {
		if _, err := c.Write(nil); failed > 0 && err == nil {
			t.Error("a stream that lacks a piece takes more")
		}
	})
}

// TestSendWithoutRoom: a connection whose send finds the reserve full is closed with ErrFull, and gives back all
// memory it had taken for that.
func TestSendWithoutRoom(t *testing.T) {
	e := open(t, WithLoops(1), WithReserve(16), WithReceiveBuffers(4, 1024))
	all := func() (idle int) {
		onLoop(t, e, func() {
			for _, list := range []*chunk{e.loops[0].chunks, e.chunks.idle} {
				for ; list != nil; list = list.next {
					idle++
				}
			}
			idle -= len(e.chunks.slabs) * slabSize
		})
		return idle
	}
	before := all()
	conns, closed := make(chan *Conn, 1), make(chan error, 1)
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{
			opened: func(c *Conn) { conns <- c },
			sent:   func(_ *Conn, n int64, err error) { t.Errorf("Sent: %d, %v", n, err) },
			closed: func(_ *Conn, err error) { closed <- err },
		}
	})
	s.dial()
	c := <-conns
	onItsLoop(t, c, func() {
		for e.NopFunc(func(error) {}) == nil {
		}
		if err := c.Send([]byte("two"), []byte("pieces")); err != nil {
			t.Error(err)
		}
	})
	within(t, "the end of the connection", func() {
		if err := <-closed; !errors.Is(err, ErrFull) {
			t.Errorf("closed with %v", err)
		}
	})
	if after := all(); after != before {
		t.Errorf("%d chunks were idle before, %d afterwards, of all", before, after)
	}
}

// TestSendfileFDRefuses: what cannot be sent ends no connection.
func TestSendfileFDRefuses(t *testing.T) {
	e := open(t, WithLoops(1), WithReceiveBuffers(4, 1024))
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{
			opened: func(c *Conn) {
				for _, part := range [][2]int64{{0, -1}, {-1, 1}} {
					if err := c.SendfileFD([]byte("header"), 0, part[0], part[1], SendfileAuto); !errors.Is(err, syscall.EINVAL) {
						t.Errorf("offset %d, length %d: %v", part[0], part[1], err)
					}
				}
				c.Send([]byte("well"))
				c.Finish()
			},
		}
	})
	if got, err := io.ReadAll(s.dial()); err != nil || string(got) != "well" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestSendAfterEnd: a connection that ends takes nothing more, and what it had taken is sent.
func TestSendAfterEnd(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 512))
	for name, end := range map[string]func(*Conn){"CloseWrite": (*Conn).CloseWrite, "Finish": (*Conn).Finish} {
		s := serve(t, e, nil, func(*Conn) Handler {
			return &script{
				opened: func(c *Conn) {
					c.Write([]byte("one "))
					c.Send([]byte("two"))
					end(c)
					_, err := c.Write([]byte("x"))
					if !errors.Is(err, net.ErrClosed) || !errors.Is(c.Send([]byte("x")), net.ErrClosed) {
						t.Errorf("%s: more was taken: %v", name, err)
					}
				},
				data: func(c *Conn, _ []byte) { c.Close() },
			}
		})
		peer := s.dial()
		if got, err := io.ReadAll(peer); string(got) != "one two" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		peer.Close()
		s.stop()
	}
}

// TestPost: any goroutine may speak for a connection, and is told when it is too late.
func TestPost(t *testing.T) {
	e := open(t, WithReceiveBuffers(4, 512))
	conns := make(chan *Conn, 1)
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{drain: closeOnDrain, opened: func(c *Conn) { conns <- c }}
	})
	peer := s.dial()
	c := <-conns
	for range 3 {
		if err := c.Post(func() { c.Write([]byte("x")) }); err != nil {
			t.Error(err)
		}
	}
	if _, err := io.ReadFull(peer, make([]byte, 3)); err != nil {
		t.Error(err)
	}
	s.stop()
	if err := c.Post(func() { t.Error("called after the end") }); err != nil {
		t.Error(err)
	}
	e.Close()
	if err := c.Post(func() { t.Error("called after the end") }); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// echoes runs n round trips with a server.
func echoes(tb testing.TB, peer net.Conn, n int) {
	buf := make([]byte, 512)
	for range n {
		if _, err := peer.Write(buf); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.ReadFull(peer, buf); err != nil {
			tb.Fatal(err)
		}
	}
}

// parrot is the shortest echo there is.
type parrot struct{ Defaults }

func (parrot) Data(c *Conn, p []byte) {
	if len(p) == 0 {
		c.Finish()
		return
	}
	c.Write(p)
}

// TestConnAllocations: what a message costs is time, not memory.
func TestConnAllocations(t *testing.T) {
	e := open(t, WithLoops(1))
	s := serve(t, e, nil, func(*Conn) Handler { return parrot{} })
	peer := s.dial()
	echoes(t, peer, 100)
	if n := testing.AllocsPerRun(500, func() { echoes(t, peer, 1) }); n > 1 { // The one is the client's buffer.
		t.Errorf("%v allocations for a message", n)
	}
}

func BenchmarkEcho(b *testing.B) {
	e := open(b, WithLoops(1))
	s := serve(b, e, nil, func(*Conn) Handler { return parrot{} })
	peer := s.dial()
	b.ReportAllocs()
	b.ResetTimer()
	echoes(b, peer, b.N)
}
