// SPDX-License-Identifier: MIT

package e2e

import (
	"io"
	"maps"
	"net"
	"strings"
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

// settlesTo waits until the server has as many descriptors open as before, but for pipes it keeps.
func (s *server) settlesTo(before map[string]int) {
	s.t.Helper()
	const pipesKept = 2 * 32 // two ends, IDLE_TRANSFERS_MAX of csrc/sendfile.c
	var now map[string]int
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		now = s.descriptors()
		if now["socket"] <= before["socket"] && now["file"] <= before["file"] &&
			now["anon_inode"] <= before["anon_inode"] && now["pipe"] <= before["pipe"]+pipesKept {
			return
		}
	}
	s.t.Errorf("%v descriptors, where there were %v", now, before)
}
