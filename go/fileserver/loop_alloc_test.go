// AddressSanitizer makes memory escape to the heap that does not otherwise.
//go:build !asan

package fileserver

import (
	"bytes"
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestLoopsDoNotAllocate: once a loop is warm, a request on it allocates nothing, from the bytes that
// come in to those that go out.
func TestLoopsDoNotAllocate(t *testing.T) {
	root := conformanceSite(t)
	old := time.Unix(0, fileTime) // else the tag becomes a strong one, and the answer shorter, on the way
	if err := errors.Join(os.WriteFile(root+"/large.bin", make([]byte, 64<<10), 0o644), os.Chtimes(root+"/large.bin", old, old)); err != nil {
		t.Fatal(err)
	}
	for _, noCache := range []bool{false, true} {
		r := begin(t, &Server{Root: root, NoCache: noCache})
		for name, request := range quietRequests {
			conn, _ := r.dial()
			client := &quietClient{t: t, conn: conn, request: []byte(request)}
			client.learn()
			// Whatever else the process allocates now and then, a minimum has nothing of it.
			least := ^uint64(0)
			for range 3 {
				least = min(least, client.allocations(100))
			}
			if least > 2 {
				t.Errorf("%s, NoCache %v: %d allocations in 100 requests", name, noCache, least)
			}
			conn.Close()
		}
		r.end()
	}
}

var quietRequests = map[string]string{
	"file": get("/a.txt"), "browser": strings.Replace(browserRequest, "/assets/app.3f9a2c.js", "/a.txt", 1), "404": get("/nothing"), "range": get("/a.txt", "Range: bytes=1-9"),
	"304": get("/a.txt", "If-None-Match: *"), "precompressed": get("/app.js", "Accept-Encoding: br, gzip;q=0.5"), "sendfile": get("/large.bin"),
	"ranges": get("/a.txt", "Range: bytes=1-2,4-5"), "redirect": get("/dir"), "index": get("/dir/"), "HEAD": "HEAD" + get("/a.txt")[3:],
}

// A quietClient sends one request over and over, and allocates nothing either.
type quietClient struct {
	t       *testing.T
	conn    net.Conn
	request []byte
	answer  int // bytes of an answer
	buf     [64 << 10]byte
}

// learn finds out how long an answer is.
func (c *quietClient) learn() {
	c.write()
	have := []byte{}
	for !bytes.Contains(have, []byte("\r\n\r\n")) {
		n, err := c.conn.Read(c.buf[:])
		if err != nil {
			c.t.Fatal(err)
		}
		have = append(have, c.buf[:n]...)
	}
	head := bytes.Index(have, []byte("\r\n\r\n")) + 4
	length := 0
	if _, rest, ok := bytes.Cut(have[:head], []byte("Content-Length: ")); ok && c.request[0] != 'H' {
		for _, d := range rest[:bytes.IndexByte(rest, '\r')] {
			length = length*10 + int(d-'0')
		}
	}
	c.answer = head + length
	c.read(c.answer - len(have))
}

func (c *quietClient) write() {
	_ = c.conn.SetDeadline(time.Now().Add(patience))
	if _, err := c.conn.Write(c.request); err != nil {
		c.t.Fatal(err)
	}
}

func (c *quietClient) read(left int) {
	for left > 0 {
		n, err := c.conn.Read(c.buf[:])
		if err != nil {
			c.t.Fatal(err)
		}
		left -= n
	}
}

// allocations counts those of the whole process while n requests are answered.
func (c *quietClient) allocations(n int) uint64 {
	// Names become old enough to be kept, and the loop's memory grows to its size.
	for end := time.Now().Add(25 * time.Millisecond); time.Now().Before(end); {
		c.write()
		c.read(c.answer)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		c.write()
		c.read(c.answer)
	}
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}
