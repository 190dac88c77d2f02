package ringo

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestMaxConns: no more connections than asked for are open at once, over all loops; the others
// wait, and each gets its turn when one is closed.
func TestMaxConns(t *testing.T) {
	for _, loops := range []int{1, 2, 3} {
		for _, limit := range []int{1, 2, 5} {
			t.Run(fmt.Sprintf("%d loops, %d connections", loops, limit), func(t *testing.T) {
				e := open(t, WithLoops(loops), WithReceiveBuffers(16, 4096))
				var n crowd
				s := serve(t, e, []ServeOption{MaxConns(limit)}, func(*Conn) Handler {
					h := &script{drain: closeOnDrain}
					h.opened = func(c *Conn) { n.in(); c.Send(append(c.Out(), "hello"...)) }
					h.data = func(c *Conn, p []byte) {
						if len(p) == 0 {
							c.Close()
						}
					}
					h.closed = func(*Conn, error) { n.closed.Add(1) }
					return h
				})
				var clients sync.WaitGroup
				for range 30 {
					c := s.dial()
					clients.Add(1)
					go func() {
						defer clients.Done()
						defer c.Close()
						if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
							t.Error(err)
						}
						time.Sleep(time.Millisecond) // So that connections overlap if they can.
					}()
				}
				within(t, "clients that wait for each other", clients.Wait)
				if most := n.most.Load(); most > int64(limit) {
					t.Errorf("%d were open at once", most)
				}
			})
		}
	}
}

// TestMaxConnsTogether: one limit for several Serves, on different engines even, of which each may have all
// of it. Whoever has places set aside gives them up when others need them, and none is lost.
func TestMaxConnsTogether(t *testing.T) {
	const max = 100 // more than all ports can have set aside on rings of this size
	limit := MaxConns(max)
	var n crowd
	var servers []*server
	for range 2 {
		e := open(t, WithLoops(2), WithReceiveBuffers(16, 512), WithRingSize(2, 4))
		for range 2 {
			servers = append(servers, serve(t, e, []ServeOption{limit}, func(*Conn) Handler {
				return &script{drain: closeOnDrain,
					opened: func(c *Conn) { n.in(); c.Write([]byte("hello")) },
					data: func(c *Conn, p []byte) {
						if len(p) == 0 {
							c.Close()
						}
					},
					closed: func(*Conn, error) { n.closed.Add(1) },
				}
			}))
		}
	}
	for _, s := range servers {
		var held []net.Conn
		for range max { // all places, whoever listens
			held = append(held, s.dial())
		}
		for _, c := range held {
			within(t, "a place of the limit", func() {
				if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
					t.Error(err)
				}
			})
		}
		var waiting []net.Conn
		for _, other := range servers { // in each backlog one more
			waiting = append(waiting, other.dial())
		}
		for _, c := range held {
			c.Close()
		}
		for _, c := range waiting {
			within(t, "one who waited", func() {
				if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
					t.Error(err)
				}
			})
			c.Close()
		}
	}
	total := int64(len(servers) * (max + len(servers)))
	eventually(t, "all closed", func() bool { return n.closed.Load() == total })
	if n.most.Load() > max {
		t.Errorf("%d were open at once", n.most.Load())
	}
	for _, s := range servers {
		s.stop()
	}
	var s service
	if limit(&s); s.limit.free != max || s.limit.ports != 0 {
		t.Errorf("%d places are free at the end, for %d ports", s.limit.free, s.limit.ports)
	}
}

// TestServeNoDescriptors: without descriptors accepting pauses, and does not turn and turn; when
// there are some again, those who waited are served.
func TestServeNoDescriptors(t *testing.T) {
	// The kernel heeds the limit that an accept was armed under.
	fill, lift := limitDescriptors(t)
	e := open(t, WithLoops(1), WithReceiveBuffers(16, 4096))
	s := serve(t, e, nil, newEcho)
	client := s.dial()
	client.Write([]byte("x"))
	if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	fill()
	addr := s.ln.Addr().(*net.TCPAddr)
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())}); err != nil {
		t.Fatal(err)
	}
	before := e.Stats()
	eventually(t, "accepting paused some times", func() bool { return e.Stats().Backoffs >= before.Backoffs+4 })
	after := e.Stats()
	if turns, pauses := after.Turns-before.Turns, after.Backoffs-before.Backoffs; turns > 10*pauses {
		t.Errorf("%d turns for %d pauses", turns, pauses)
	}
	lift()
	if _, err := syscall.Write(fd, []byte("waited")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 6)
	within(t, "echo after the pause", func() {
		if n, err := syscall.Read(fd, buf); n != 6 || err != nil || string(buf) != "waited" {
			t.Errorf("%d, %v, %q", n, err, buf)
		}
	})
}

// TestServeSmallReserve: a loop that has operations for one connection only serves one at a time,
// and neither loses buffers nor turns in vain.
func TestServeSmallReserve(t *testing.T) {
	for _, reserve := range []int{3, 4, 8} {
		e := open(t, WithLoops(1), WithReserve(reserve), WithReceiveBuffers(2, 64))
		var received atomic.Int64
		s := serve(t, e, nil, func(*Conn) Handler {
			return &script{drain: closeOnDrain, data: func(c *Conn, p []byte) {
				received.Add(int64(len(p)))
				if len(p) == 0 {
					c.Close()
				}
			}}
		})
		for i := range int64(5) {
			c := s.dial()
			if _, err := c.Write(make([]byte, 10_000)); err != nil {
				t.Fatal(err)
			}
			c.Close()
			eventually(t, fmt.Sprintf("all received with a reserve of %d", reserve), func() bool { return received.Load() == (i+1)*10_000 })
		}
		s.stop()
	}
}

// TestAcceptNearTheLimit: accepting takes all that wait while there is room for that, and one by one
// near the limit, which it does not exceed; nobody who waits is lost.
func TestAcceptNearTheLimit(t *testing.T) {
	e := open(t, WithLoops(1), WithReceiveBuffers(16, 512), WithRingSize(4, 8))
	const limit, total = 60, 400
	var n crowd
	var wide, narrow atomic.Int64
	s := serve(t, e, []ServeOption{MaxConns(limit)}, func(*Conn) Handler {
		n.in()
		return &script{
			opened: func(c *Conn) {
				if c.port.wide {
					wide.Add(1)
				} else {
					narrow.Add(1)
				}
				c.Write([]byte("hello"))
			},
			data: func(c *Conn, p []byte) {
				if len(p) == 0 {
					c.Close()
				}
			},
			closed: func(*Conn, error) { n.closed.Add(1) },
		}
	})
	var held []net.Conn
	for range limit {
		held = append(held, s.dial())
	}
	eventually(t, "the limit is reached", func() bool { return n.most.Load() == limit })
	for i := range total - limit { // As one goes, one comes.
		held[i].Close()
		held = append(held, s.dial())
	}
	for _, c := range held[total-limit:] {
		within(t, "a connection that waited", func() {
			if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
				t.Error(err)
			}
		})
		c.Close()
	}
	eventually(t, "all closed", func() bool { return n.closed.Load() == total })
	if n.most.Load() > limit || wide.Load() == 0 && e.Backend() == "uring" || narrow.Load() == 0 {
		t.Errorf("%d at once; %d taken by an accept of many, %d by one of few", n.most.Load(), wide.Load(), narrow.Load())
	}
	again := s.dial()
	within(t, "another one", func() { io.ReadFull(again, make([]byte, 5)) })
}
