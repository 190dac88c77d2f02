package ringo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
)

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
					c.SendfileFD(header, file, 0, status.Size, how)
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

// strategiesOf are the strategies that the engine has.
func strategiesOf(e *Engine) []SendfileStrategy {
	strategies := []SendfileStrategy{SendfileAuto, SendfileSplice, SendfileCopy, SendfileSyscall}
	if e.Backend() == "uring" {
		strategies = append(strategies, SendfileZeroCopy)
	}
	return strategies
}

// TestConnFiles sends files by each strategy.
func TestConnFiles(t *testing.T) {
	e := open(t, WithLoops(2), WithReceiveBuffers(4, 1024))
	for how, strategy := range strategiesOf(e) {
		for _, size := range []int{0, 1, 4095, 65536, 65537, 5 << 20} {
			data := randomBytes(size)
			s := serve(t, e, nil, fileReply(t, writeTemp(t, data), strategy))
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
	s := serve(t, e, nil, func(*Conn) Handler {
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
			c.SendfileFD(c.Out(), 1<<20, 0, 10, SendfileAuto)
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
	for _, how := range strategiesOf(e) {
		reply := fileReply(t, name, how)
		s := serve(t, e, nil, func(c *Conn) Handler {
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
