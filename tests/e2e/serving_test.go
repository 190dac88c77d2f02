// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// sizes lie on both sides of what the server treats in different ways: a page, what it reads into
// its own memory and how much of that there is, a pipe, a turn's budget.
var sizes = []int{0, 1, 4095, 4096, 4097, 16383, 16384, 16385, 28671, 28672, 28673, 65535, 65536, 65537, 262145, 16 << 20}

func sizeName(size int) string { return fmt.Sprintf("f%d.bin", size) }

// writeSizes makes a file of each size and gives them by target.
func writeSizes(t testing.TB, directory string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, size := range sizes {
		files["/"+sizeName(size)] = content(sizeName(size), size)
		write(t, filepath.Join(directory, sizeName(size)), files["/"+sizeName(size)])
	}
	return files
}

// A part is a Range and what it must give of a file; to < from is 416.
type part struct {
	bytes    string
	from, to int64
}

// partsOf are ranges at a file's edges.
func partsOf(size int64) []part {
	last := size - 1
	return []part{
		{"0-0", 0, 0},
		{fmt.Sprintf("%d-%d", last, last), last, last},
		{"-1", last, last},
		{fmt.Sprintf("%d-", last), last, last},
		{"0-", 0, last},
		{fmt.Sprintf("-%d", size), 0, last},
		{fmt.Sprintf("-%d", size+1), 0, last},
		{fmt.Sprintf("0-%d", size), 0, last},
		{fmt.Sprintf("%d-%d", size/3, size/2), size / 3, size / 2},
		{fmt.Sprintf("%d-99999999999999999999", size/2), size / 2, last},
		{fmt.Sprintf("%d-", size), 0, -1},
		{fmt.Sprintf("%d-%d", size+1, size+2), 0, -1},
		{"99999999999999999999-", 0, -1},
		{"-0", 0, -1},
		{"1-0", 0, -1},
		{"x-", 0, -1},
		{"", 0, -1},
	}
}

func TestFilesWholeAndInParts(t *testing.T) {
	fileSystems(t, func(t *testing.T, directory string) {
		files := writeSizes(t, directory)
		inModes(t, func(t *testing.T, flags []string) {
			s := serve(t, directory, flags...)
			c := newClient(t, s.addresses[0])
			for _, size := range sizes {
				checkFile(c, "/"+sizeName(size), files["/"+sizeName(size)])
			}
			c.alive()
		})
	})
}

// checkFile asks for a file in all ways, on one connection.
func checkFile(c *client, target string, want []byte) {
	c.t.Helper()
	whole := c.get(target)
	if whole.status != 200 || !bytes.Equal(whole.body, want) {
		c.t.Fatalf("%s: %d and %d bytes, equal: %v", target, whole.status, len(whole.body), bytes.Equal(whole.body, want))
	}
	if whole.field("accept-ranges") != "bytes" || whole.field("etag") == "" || whole.field("last-modified") == "" {
		c.t.Errorf("%s: %v", target, whole.fields)
	}
	head := c.ask("HEAD", target, "Range: bytes=0-0")
	if head.status != 200 || head.length != int64(len(want)) || head.field("etag") != whole.field("etag") {
		c.t.Errorf("HEAD %s: %v", target, head)
	}
	if len(want) == 0 {
		if a := c.get(target, "Range: bytes=0-"); a.status != 200 || a.length != 0 {
			c.t.Errorf("%s, a range of nothing: %v", target, a)
		}
		return
	}
	for _, p := range partsOf(int64(len(want))) {
		checkPart(c, target, p, int64(len(want)), want[p.from:max(p.to+1, p.from)])
	}
}

func checkPart(c *client, target string, p part, size int64, want []byte) {
	c.t.Helper()
	a := c.get(target, "Range: bytes="+p.bytes)
	if p.to < p.from {
		if a.status != 416 || a.field("content-range") != fmt.Sprintf("bytes */%d", size) {
			c.t.Errorf("%s bytes=%s: %v", target, p.bytes, a)
		}
		return
	}
	place := fmt.Sprintf("bytes %d-%d/%d", p.from, p.to, size)
	if a.status != 206 || a.field("content-range") != place || !bytes.Equal(a.body, want) {
		c.t.Errorf("%s bytes=%s: %d %q, %d bytes, equal: %v", target, p.bytes, a.status, a.field("content-range"),
			len(a.body), bytes.Equal(a.body, want))
	}
}

// TestSparseFileBeyond32Bits is about offsets and lengths that do not fit 32 bits.
func TestSparseFileBeyond32Bits(t *testing.T) {
	const size = 5<<30 + 4097
	directory := site(t)
	marks := makeSparse(t, filepath.Join(directory, "sparse"), size)
	for i, flags := range modes {
		t.Run(fmt.Sprint(flags), func(t *testing.T) {
			s := serve(t, directory, flags...)
			c := newClient(t, s.addresses[0])
			for _, p := range []part{
				{"0-0", 0, 0}, {"-1", size - 1, size - 1}, {"-70000", size - 70000, size - 1},
				{fmt.Sprintf("%d-%d", 1<<32-40000, 1<<32+40000), 1<<32 - 40000, 1<<32 + 40000},
				{fmt.Sprintf("%d-%d", 1<<31-1, 1<<31+1), 1<<31 - 1, 1<<31 + 1},
				{fmt.Sprintf("%d-%d", 1<<32, 1<<32), 1 << 32, 1 << 32},
				{fmt.Sprintf("%d-", int64(size)), 0, -1},
			} {
				checkPart(c, "/sparse", p, size, marks.read(t, p.from, max(p.to-p.from+1, 0)))
			}
			if head := c.ask("HEAD", "/sparse"); head.status != 200 || head.length != size {
				t.Errorf("%v", head)
			}
			if long || i == 0 && !sanitized() {
				c.write(request("GET", "/sparse"))
				if head, err := readHead(c.in); err != nil || head.status != 200 || head.length != size {
					t.Fatalf("%v, %v", head, err)
				}
				if err := marks.compare(c.in); err != nil {
					t.Fatal(err)
				}
				c.alive()
			}
		})
	}
}

// marks is a sparse file with data here and there.
type marks struct {
	file *os.File
	size int64
	data map[int64][]byte
}

func makeSparse(t testing.TB, name string, size int64) marks {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		skip(t, "no sparse files here: %v", err)
	}
	m := marks{f, size, map[int64][]byte{}}
	for _, at := range []int64{0, 1<<31 - 500, 1<<32 - 500, 1<<32 + 1<<20, size - 1000} {
		if at < size {
			m.data[at] = content(fmt.Sprint(at), 1000)
		}
		if _, err := f.WriteAt(m.data[at], at); err != nil {
			t.Fatal(err)
		}
	}
	age(t, name)
	return m
}

func (m marks) read(t testing.TB, from, n int64) []byte {
	data := make([]byte, n)
	if _, err := m.file.ReadAt(data, from); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return data
}

// compare reads the whole file from somewhere and compares it, without holding or reading it anew.
func (m marks) compare(got io.Reader) error {
	piece, zeros := make([]byte, 1<<20), make([]byte, 1<<20)
	for at := int64(0); at < m.size; at += int64(len(piece)) {
		piece = piece[:min(m.size-at, 1<<20)]
		if n, err := io.ReadFull(got, piece); err != nil {
			return fmt.Errorf("%w at %d of %d", err, at+int64(n), m.size)
		}
		for where, data := range m.data { // Taken out, so that zeros are left
			from, to := max(where, at), min(where+int64(len(data)), at+int64(len(piece)))
			if from >= to {
				continue
			}
			if !bytes.Equal(piece[from-at:to-at], data[from-where:to-where]) {
				return fmt.Errorf("other bytes between %d and %d", from, to)
			}
			clear(piece[from-at : to-at])
		}
		if !bytes.Equal(piece, zeros[:len(piece)]) {
			return fmt.Errorf("no hole between %d and %d", at, at+int64(len(piece)))
		}
	}
	return nil
}

// An exchange is a request and what must be answered.
type exchange struct {
	text   string
	method string
	check  func(a *answer) error
}

// mixedExchanges are n requests of all kinds in some order.
func mixedExchanges(files map[string][]byte, n int) []exchange {
	order := rand.New(rand.NewPCG(uint64(n), 7))
	var list []exchange
	add := func(method, target string, status int, body []byte, fields ...string) {
		list = append(list, exchange{request(method, target, fields...), method, func(a *answer) error {
			if a.status != status || body != nil && !bytes.Equal(a.body, body) {
				return fmt.Errorf("%s %s %q: %d and %d bytes, want %d and %d", method, target, fields,
					a.status, len(a.body), status, len(body))
			}
			return nil
		}})
	}
	for len(list) < n {
		target := "/" + sizeName(sizes[order.IntN(len(sizes)-1)]) // not the largest
		data := files[target]
		switch order.IntN(10) {
		case 0:
			add("GET", "/missing", 404, nil)
		case 1:
			add("HEAD", target, 200, nil)
		case 2:
			if from := order.IntN(len(data) + 1); from < len(data) {
				add("GET", target, 206, data[from:], fmt.Sprintf("Range: bytes=%d-", from))
			}
		case 3:
			add("POST", target, 405, nil, "Content-Length: 5")
			list[len(list)-1].text += "hello"
		case 4:
			add("GET", target, 304, nil, "If-None-Match: *")
		case 5:
			add("GET", "/sub?a=b", 301, nil)
		case 6:
			add("GET", "/sub/", 200, nil)
		default:
			add("GET", target, 200, data)
		}
	}
	return list
}

func TestPipelinedRequests(t *testing.T) {
	directory := site(t)
	files := writeSizes(t, directory)
	write(t, directory+"/sub/file", nil)
	list := mixedExchanges(files, 500)
	var whole strings.Builder
	for _, e := range list {
		whole.WriteString(e.text)
	}
	text := whole.String()
	pieces := map[string]func(order *rand.Rand, left int) int{
		"one write":    func(_ *rand.Rand, left int) int { return left },
		"random sizes": func(order *rand.Rand, left int) int { return min(1+order.IntN(1+order.IntN(9000)), left) },
		"byte by byte": func(*rand.Rand, int) int { return 1 },
	}
	inModes(t, func(t *testing.T, flags []string) {
		s := serve(t, directory, flags...)
		for name, size := range pieces {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				list, text := list, text
				if name == "byte by byte" { // a system call a byte
					list, text = mixedExchanges(files, 60), ""
					for _, e := range list {
						text += e.text
					}
				}
				c := newClient(t, s.addresses[0])
				go writePieces(c.conn, text, size)
				for i, e := range list {
					a, err := readAnswer(c.in, e.method)
					if err == nil {
						err = e.check(a)
					}
					if err != nil {
						t.Fatalf("answer %d to %q: %v", i, e.text, err)
					}
				}
				c.alive()
			})
		}
	})
}

func writePieces(out io.Writer, text string, size func(*rand.Rand, int) int) {
	order := rand.New(rand.NewPCG(1, 2))
	for len(text) > 0 {
		n := size(order, len(text))
		if _, err := io.WriteString(out, text[:n]); err != nil {
			return
		}
		text = text[n:]
	}
}

// TestPipelinedBodyBehindMuch: what is held back of a long row of requests while an answer is sent
// must be taken up again in the middle of a body, too.
func TestPipelinedBodyBehindMuch(t *testing.T) {
	directory := site(t)
	large := content("large", 8<<20)
	write(t, directory+"/large", large)
	write(t, directory+"/small", []byte("small"))
	for _, body := range []string{"Content-Length", "chunked"} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, serve(t, directory).addresses[0])
			const between, dropped = 500, 64 << 10
			text := request("GET", "/large") + strings.Repeat(request("GET", "/small"), between)
			if body == "chunked" {
				text += request("GET", "/small", "Transfer-Encoding: chunked") + fmt.Sprintf("%x\r\n", dropped) +
					strings.Repeat("x", dropped) + "\r\n0\r\n\r\n"
			} else {
				text += request("GET", "/small", fmt.Sprint("Content-Length: ", dropped)) + strings.Repeat("x", dropped)
			}
			c.writeAhead(text + request("GET", "/small"))
			if a := c.read("GET"); !bytes.Equal(a.body, large) {
				t.Fatalf("%v", a)
			}
			for i := range between + 2 {
				if a := c.read("GET"); string(a.body) != "small" {
					t.Fatalf("answer %d: %v", i, a)
				}
			}
		})
	}
}

// TestRedirectBehindGatheredAnswers: a head that does not fit behind the answers gathered before it
// must take none of them along.
func TestRedirectBehindGatheredAnswers(t *testing.T) {
	directory := site(t)
	write(t, directory+"/sub/file", nil)
	for _, size := range []int{12000, 16384} {
		write(t, directory+fmt.Sprint("/", size), content("", size))
	}
	large := content("large", 8<<20)
	write(t, directory+"/large", large)
	c := newClient(t, serve(t, directory).addresses[0])
	query := "/sub?" + strings.Repeat("\xff", 8000)
	for _, before := range []int{12000, 16384} {
		target := fmt.Sprint("/", before)
		c.writeAhead(request("GET", "/large") + request("GET", target) + request("GET", query) + request("GET", target))
		if a := c.read("GET"); !bytes.Equal(a.body, large) {
			t.Fatalf("%v", a)
		}
		if a := c.read("GET"); !bytes.Equal(a.body, content("", before)) {
			t.Fatalf("%v", a)
		}
		a := c.read("GET")
		if want := "sub/?" + strings.Repeat("%FF", 8000); a.status != 301 || a.field("location") != want {
			t.Fatalf("%.200v", a)
		}
		if a := c.read("GET"); !bytes.Equal(a.body, content("", before)) {
			t.Fatalf("%v", a)
		}
	}
}

func TestListeners(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	path := directory + "-socket"
	flags := []string{"--listen=127.0.0.1:0", "--listen=unix:" + path, "--listen", "127.0.0.1:0"}
	if conn, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM, 0); err != nil {
		t.Log("SKIPPED: no IPv6")
	} else {
		unix.Close(conn)
		flags = append(flags, "--listen=[::1]:0")
	}
	s := serve(t, directory, flags...)
	for _, address := range s.addresses {
		mustServe(t, address, "/file", []byte("content"))
	}
	s.signal(unix.SIGTERM)
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket is still there")
	}
}

func TestUnixSocketInEveryMode(t *testing.T) {
	directory := site(t)
	files := writeSizes(t, directory)
	inModes(t, func(t *testing.T, flags []string) {
		path := directory + "-socket"
		s := serve(t, directory, append(flags, "--listen=unix:"+path)...)
		c := newClient(t, s.addresses[0])
		for target, want := range files {
			if a := c.get(target); !bytes.Equal(a.body, want) {
				t.Errorf("%s: %d and %d bytes", target, a.status, len(a.body))
			}
		}
	})
}

// TestManyConnections: each with its own file, all at once, none gets another's bytes.
func TestManyConnections(t *testing.T) {
	directory := site(t)
	const count = 48
	for i := range count {
		write(t, fmt.Sprintf("%s/%d", directory, i), content(fmt.Sprint(i), 1000+i*9973))
	}
	inModes(t, func(t *testing.T, flags []string) {
		s := serve(t, directory, flags...)
		errs := make(chan error)
		for i := range count {
			go func() {
				for range 5 {
					a, err := fetch(s.addresses[0], fmt.Sprint("/", i))
					if err == nil && !bytes.Equal(a.body, content(fmt.Sprint(i), 1000+i*9973)) {
						err = fmt.Errorf("other bytes in %d", i)
					}
					if err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
		for range count {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}
