// SPDX-License-Identifier: MIT

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// stall connects, asks for a file much larger than sockets hold, and never reads more than the head
// of the answer. What follows the request is sent as far as the server takes it.
func stall(t testing.TB, address, target, more string) *client {
	t.Helper()
	c := newClient(t, address)
	if conn, ok := c.conn.(*net.TCPConn); ok {
		_ = conn.SetReadBuffer(4096) // so that little of the file is on its way
	}
	c.write(request("GET", target))
	if _, err := c.in.ReadByte(); err != nil {
		t.Fatal(err)
	}
	if more != "" {
		go func() { _, _ = io.WriteString(c.conn, more) }()
	}
	return c
}

// sparse makes a large file of which little is on the disk.
func sparse(t testing.TB, name string, size int64) {
	t.Helper()
	makeSparse(t, name, size)
}

// TestHeldBackInputStarvesNobody: receive buffers are shared by all connections, so one that is not
// read from must not keep any.
func TestHeldBackInputStarvesNobody(t *testing.T) {
	directory := site(t)
	sparse(t, directory+"/large", 5<<30)
	write(t, directory+"/small", []byte("small"))
	s := serve(t, directory, "--loops=1")
	for range 300 {
		stall(t, s.addresses[0], "/large", strings.Repeat(request("GET", "/small"), 5000))
	}
	for range 20 {
		mustServe(t, s.addresses[0], "/small", []byte("small"))
	}
}

// TestStalledReadersLetOthersPass: there are more of them than io-wq workers, pipes kept or anything
// else there is a few of.
func TestStalledReadersLetOthersPass(t *testing.T) {
	directory := site(t)
	sparse(t, directory+"/large", 5<<30)
	file := content("file", 3<<20)
	write(t, directory+"/file", file)
	inModes(t, func(t *testing.T, flags []string) {
		s := serve(t, directory, append(flags, "--loops=1")...)
		before := s.idleDescriptors("/file")
		var stalled []*client
		for range 200 {
			stalled = append(stalled, stall(t, s.addresses[0], "/large", ""))
		}
		for range 5 {
			mustServe(t, s.addresses[0], "/file", file)
		}
		for _, c := range stalled {
			c.conn.Close()
		}
		s.settlesTo(before)
	})
}

// idleDescriptors are those of a server that has started, has served and has nothing to do.
func (s *server) idleDescriptors(target string) map[string]int {
	s.t.Helper()
	if _, err := fetch(s.addresses[0], target); err != nil {
		s.t.Fatal(err)
	}
	var open map[string]int
	eventually(s.t, "descriptors at rest", func() bool {
		last := open
		time.Sleep(50 * time.Millisecond)
		open = s.descriptors()
		return maps.Equal(open, last)
	})
	return open
}

// settlesTo waits until the server has as many descriptors open as before, but for pipes and files it
// keeps. Whoever calls it made many times more requests than these, so that one lost with each of
// them would be seen.
func (s *server) settlesTo(before map[string]int) {
	s.t.Helper()
	const (
		pipesKept = 2 * 32 // two ends, IDLE_TRANSFERS_MAX of csrc/sendfile.c
		filesKept = 2 * 4  // on each loop, the files and the directory of the test that are asked for often
	)
	var now map[string]int
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		now = s.descriptors()
		if now["socket"] <= before["socket"] && now["file"] <= before["file"]+filesKept &&
			now["anon_inode"] <= before["anon_inode"] && now["pipe"] <= before["pipe"]+pipesKept {
			return
		}
	}
	s.t.Errorf("%v descriptors, where there were %v", now, before)
}

func TestIdleConnections(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	s := serve(t, directory)
	before := s.idleDescriptors("/file")
	var idle []*client
	for i := range 1000 {
		c := newClient(t, s.addresses[0])
		switch i % 3 {
		case 0: // nothing at all
		case 1: // half a request
			c.write("GET /file HT")
		default: // a request, answered
			c.get("/file")
		}
		idle = append(idle, c)
	}
	for range 20 {
		mustServe(t, s.addresses[0], "/file", []byte("content"))
	}
	for _, c := range idle {
		c.conn.Close()
	}
	s.settlesTo(before)
}

// TestResetsInTheMiddle: a thousand clients go away while they are sent to.
func TestResetsInTheMiddle(t *testing.T) {
	directory := site(t)
	sparse(t, directory+"/large", 1<<30)
	write(t, directory+"/file", []byte("content"))
	inModes(t, func(t *testing.T, flags []string) {
		t.Parallel()
		s := serve(t, directory, flags...)
		before := s.idleDescriptors("/file")
		const workers, each = 8, 1000 / 8
		errs := make(chan error)
		for w := range workers {
			go func() {
				for i := range each {
					if err := reset(s.addresses[0], (w*each+i)*37%300_000); err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
		for range workers {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		s.settlesTo(before)
		mustServe(t, s.addresses[0], "/file", []byte("content"))
	})
}

// reset reads a part of a large answer and resets the connection.
func reset(address string, after int) error {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(timeLimit())
	_ = conn.(*net.TCPConn).SetLinger(0)
	if _, err := io.WriteString(conn, strings.Repeat(request("GET", "/large"), 1+after%3)); err != nil {
		return err
	}
	_, err = io.CopyN(io.Discard, conn, int64(after))
	return err
}

// TestConnectAndClose: clients that only knock.
func TestConnectAndClose(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	s := serve(t, directory)
	before := s.idleDescriptors("/file")
	for i := range 3000 {
		conn, err := net.DialTimeout("tcp", s.addresses[0], patience)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			_ = conn.(*net.TCPConn).SetLinger(0)
		}
		if i%3 == 0 {
			_, _ = io.WriteString(conn, request("GET", "/file"))
		}
		conn.Close()
	}
	mustServe(t, s.addresses[0], "/file", []byte("content"))
	s.settlesTo(before)
}

// TestMaxConnections: one more waits, and is served when another is closed.
func TestMaxConnections(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	s := serve(t, directory, "--loops=1", "--max-connections=3")
	var held []*client
	for range 3 {
		c := newClient(t, s.addresses[0])
		c.get("/file")
		held = append(held, c)
	}
	for round := range 30 {
		next := newClient(t, s.addresses[0])
		next.write(request("GET", "/file"))
		if round == 0 {
			_ = next.conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
			if b, err := next.in.ReadByte(); err == nil {
				t.Fatalf("%q for one too many", b)
			}
			_ = next.conn.SetReadDeadline(timeLimit())
		}
		held[0].conn.Close()
		held = append(held[1:], next)
		if a := next.read("GET"); a.status != 200 {
			t.Fatalf("%v", a)
		}
	}
}

// TestLimitIsOfNoAddress: each address may have all connections that there may be; then the next one waits
// wherever it comes.
func TestLimitIsOfNoAddress(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	const most = 6
	inModes(t, func(t *testing.T, flags []string) {
		s := serve(t, directory, append(flags, "--loops=2", fmt.Sprint("--max-connections=", most),
			"--listen=127.0.0.1:0", "--listen=127.0.0.1:0", "--listen=127.0.0.1:0")...)
		for i, address := range s.addresses {
			var held []*client
			for range most {
				c := newClient(t, address)
				c.get("/file")
				held = append(held, c)
			}
			next := newClient(t, s.addresses[(i+1)%len(s.addresses)])
			next.write(request("GET", "/file"))
			_ = next.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			if b, err := next.in.ReadByte(); err == nil {
				t.Fatalf("%q for one too many", b)
			}
			_ = next.conn.SetReadDeadline(timeLimit())
			for _, c := range held {
				c.conn.Close()
			}
			if a := next.read("GET"); a.status != 200 {
				t.Fatalf("%v", a)
			}
			next.conn.Close()
		}
	})
}

// TestManyListenersShareTheLimit: the connections of all of them fit into what was set up for.
func TestManyListenersShareTheLimit(t *testing.T) {
	directory := site(t)
	file := content("file", 100_000)
	write(t, directory+"/file", file)
	flags := []string{"--loops=1", "--max-connections=60"}
	for range 30 {
		flags = append(flags, "--listen=127.0.0.1:0")
	}
	for _, mode := range containmentModes {
		s := serve(t, directory, append(mode, flags...)...)
		for _, address := range s.addresses { // so that all of them are served
			mustServe(t, address, "/file", file)
		}
		const each = 8
		errs := make(chan error)
		var n crowd
		for _, address := range s.addresses {
			for range each {
				go func() { errs <- visit(address, file, &n) }()
			}
		}
		for range each * len(s.addresses) {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		for _, address := range s.addresses {
			mustServe(t, address, "/file", file)
		}
		if most := n.most.Load(); most > 60 {
			t.Errorf("%d connections at once", most)
		}
	}
}

// A crowd counts those who are there. Each is counted from its answer until just before it leaves, so
// the server has no fewer connections; the descriptors of a process cannot be counted at one moment.
type crowd struct{ now, most atomic.Int64 }

func (c *crowd) enter() {
	now := c.now.Add(1)
	for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
	}
}

func (c *crowd) leave() { c.now.Add(-1) }

// visit is a client that stays for a while when it has got its file.
func visit(address string, want []byte, n *crowd) error {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(timeLimit())
	if _, err := io.WriteString(conn, request("GET", "/file")); err != nil {
		return err
	}
	a, err := readAnswer(bufio.NewReader(conn), "GET")
	if err != nil {
		return err
	}
	if !bytes.Equal(a.body, want) {
		return fmt.Errorf("%v", a)
	}
	n.enter()
	defer n.leave() // Before the connection is closed.
	time.Sleep(100 * time.Millisecond)
	return nil
}

// TestNoDescriptorsLeft: the server waits until there are some, without spinning, and goes on.
func TestNoDescriptorsLeft(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	sparse(t, directory+"/large", 1<<30)
	limited := []string{"sh", "-c", `ulimit -n 40; exec "$@"`, "sh"}
	inModes(t, func(t *testing.T, flags []string) {
		s := serveBy(t, limited, directory, append(flags, "--loops=1", "--max-connections=1000")...)
		for range 3 { // so that what is asked for often is kept open from here on
			mustServe(t, s.addresses[0], "/file", []byte("content"))
		}
		before := s.idleDescriptors("/file")
		var held []*client
		for i := range 100 {
			c := newClient(t, s.addresses[0])
			c.write(request("GET", []string{"/file", "/large"}[i%2]))
			held = append(held, c)
		}
		eventually(t, "all descriptors in use", func() bool {
			sum := 0
			for _, n := range s.descriptors() {
				sum += n
			}
			return sum >= 38
		})
		used := s.processorTime()
		time.Sleep(time.Second)
		if used = s.processorTime() - used; used > 500*time.Millisecond {
			t.Errorf("%v of processor time in a second of waiting", used)
		}
		for _, c := range held {
			c.conn.Close()
		}
		// Those that had to wait are still taken, find descriptors short, and are seen to be gone.
		eventually(t, "served again and again", func() bool {
			for range 50 {
				if a, err := fetch(s.addresses[0], "/file"); err != nil || string(a.body) != "content" {
					return false
				}
			}
			return true
		})
		s.settlesTo(before)
	})
}
