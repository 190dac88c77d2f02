// SPDX-License-Identifier: MIT

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"
)

// framingSite has what the requests of these tests ask for.
func framingSite(t testing.TB) string {
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	write(t, directory+"/sub/file", []byte("below"))
	return directory
}

const closedSilently = 0

// A badRequest ends the connection, with a status or without a word.
type badRequest struct {
	name, text string
	status     int
}

func badRequests() []badRequest {
	post := func(fields, body string) string {
		return "POST /file HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body
	}
	chunked := func(body string) string { return post("Transfer-Encoding: chunked\r\n", body) }
	line := func(text string) string { return text + "\r\nHost: a\r\n\r\n" }
	field := func(text string) string { return "GET /file HTTP/1.1\r\nHost: a\r\n" + text + "\r\n\r\n" }
	return []badRequest{
		{"length and coding", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
		{"coding and length", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400},
		{"two lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n", "123456"), 400},
		{"list of lengths", post("Content-Length: 5, 6\r\n", "123456"), 400},
		{"negative length", post("Content-Length: -5\r\n", ""), 400},
		{"signed length", post("Content-Length: +5\r\n", "12345"), 400},
		{"hexadecimal length", post("Content-Length: 0x5\r\n", "12345"), 400},
		{"empty length", post("Content-Length:\r\n", ""), 400},
		{"endless length", post("Content-Length: 99999999999999999999\r\n", ""), 400},
		{"unknown coding", post("Transfer-Encoding: gzip\r\n", ""), 400},
		{"chunked twice", post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), 400},
		{"two codings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
		{"chunked not last", post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"), 400},
		{"identity", post("Transfer-Encoding: identity\r\n", ""), 400},
		{"almost chunked", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 400},
		{"vertical tab chunked", post("Transfer-Encoding: \vchunked\r\n", "0\r\n\r\n"), 400},
		{"chunked in 1.0", "POST /file HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},

		{"bare LF", "GET /file HTTP/1.1\nHost: a\n\n", 400},
		{"bare LF behind a field", "GET /file HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400},
		{"bare LF as the end", "GET /file HTTP/1.1\r\nHost: a\r\n\n", 400},
		{"bare CR in a field", field("X: a\rb"), 400},
		{"bare CR in the line", line("GET /fi\rle HTTP/1.1"), 400},
		{"folded field", field("X: a\r\n b"), 400},
		{"folded by tab", field("X: a\r\n\tb"), 400},
		{"first field folded", "GET /file HTTP/1.1\r\n Host: a\r\n\r\n", 400},
		{"space before the colon", field("X : a"), 400},
		{"tab before the colon", field("X\t: a"), 400},
		{"no colon", field("nonsense"), 400},
		{"no name", field(": a"), 400},
		{"NUL in a value", field("X: a\x00b"), 400},
		{"NUL in a name", field("X\x00: b"), 400},
		{"control character", field("X: a\x01b"), 400},
		{"DEL", field("X: \x7f"), 400},
		{"no Host", "GET /file HTTP/1.1\r\n\r\n", 400},
		{"two Hosts", field("Host: a"), 400},
		{"empty Host", "GET /file HTTP/1.1\r\nHost:\r\n\r\n", 400},
		{"Host with a path", "GET /file HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
		{"Host with a user", "GET /file HTTP/1.1\r\nHost: a@b\r\n\r\n", 400},

		{"chunk without a size", chunked("\r\n"), 400},
		{"chunk size of nonsense", chunked("x\r\n"), 400},
		{"chunk size with a sign", chunked("-1\r\n"), 400},
		{"chunk size in C", chunked("0x5\r\nhello\r\n0\r\n\r\n"), 400},
		{"chunk size behind a space", chunked(" 5\r\nhello\r\n0\r\n\r\n"), 400},
		{"chunk with bare LF", chunked("5\nhello\r\n0\r\n\r\n"), 400},
		{"chunk data too long", chunked("5\r\nhello!\r\n0\r\n\r\n"), 400},
		{"chunk data ended by LF", chunked("5\r\nhello\n0\r\n\r\n"), 400},
		{"chunk extension with bare LF", chunked("5;a\nb\r\nhello\r\n0\r\n\r\n"), 400},
		{"trailer without a colon", chunked("0\r\ntrailer\r\n\r\n"), 400},
		{"trailer folded", chunked("0\r\n a: b\r\n\r\n"), 400},
		{"endless chunk extension", "GET /file HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
			strings.Repeat("x", 20<<10) + "\r\n", 413},
		{"chunk size beyond 64 bits", "GET /file HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
			"ffffffffffffffffff\r\n", 413},
		{"body too large", "GET /file HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", 413},
		{"chunks too large", "GET /file HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
			"8000\r\n" + strings.Repeat("x", 0x8000) + "\r\n8001\r\n", 413},
		{"body too large for another method", post("Content-Length: 65537\r\n", ""), 405},

		{"header of 1 MiB", field("X: " + strings.Repeat("a", 1<<20)), 431},
		{"1 MiB of fields", field(strings.TrimSuffix(strings.Repeat("X: a\r\n", 1<<20/6), "\r\n")), 431},
		{"header without an end", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 17<<10), 431},
		{"long target", line("GET /" + strings.Repeat("a", 8<<10) + " HTTP/1.1"), 414},
		{"longer target", line("GET /" + strings.Repeat("a", 100<<10) + " HTTP/1.1"), 414},
		{"target without an end", "GET /" + strings.Repeat("a", 10<<10), 414},
		{"method without an end", strings.Repeat("G", 10<<10), 501},

		{"garbage", strings.Repeat("\xde\xad\xbe\xef", 5000), 400},
		{"zeros", strings.Repeat("\x00", 5000), 400},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\xaa", 500), 400},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", 400},
		{"HTTP/2.0", line("GET / HTTP/2.0"), 505},
		{"HTTP/3.0", line("GET / HTTP/3.0"), 505},
		{"HTTP/1.10", line("GET / HTTP/1.10"), 400},
		{"http/1.1", line("GET / http/1.1"), 400},
		{"HTTP/0.9", "GET /file\r\n", closedSilently},
		{"two spaces", line("GET  /file HTTP/1.1"), 400},
		{"tab for a space", line("GET\t/file HTTP/1.1"), 400},
		{"space in the target", line("GET /fi le HTTP/1.1"), 400},
		{"space at the end", line("GET /file HTTP/1.1 "), 400},
		{"NUL in the target", line("GET /fi\x00le HTTP/1.1"), 400},
		{"fragment", line("GET /file#x HTTP/1.1"), 400},
		{"relative target", line("GET file HTTP/1.1"), 400},
		{"star", line("GET * HTTP/1.1"), 400},
		{"another scheme", line("GET ftp://a/file HTTP/1.1"), 400},
		{"user in the target", line("GET http://u:p@a/file HTTP/1.1"), 400},
		{"no host in the target", line("GET http:///file HTTP/1.1"), 400},
		{"many empty lines", strings.Repeat("\r\n", 10) + line("GET /file HTTP/1.1"), 400},
		{"empty line of LF", "\nGET /file HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	}
}

// TestBadRequests: each is answered, even though more follows that is never read, and the stream then
// ends without a reset; the next connection is served.
func TestBadRequests(t *testing.T) {
	s := serve(t, framingSite(t))
	more := strings.Repeat("GET /file HTTP/1.1\r\nHost: a\r\n\r\n", 1000)
	for _, bad := range badRequests() {
		t.Run(bad.name, func(t *testing.T) {
			t.Parallel()
			for _, pieces := range []int{1 << 30, 1} {
				if pieces == 1 && len(bad.text) > 20<<10 {
					continue
				}
				checkBad(t, s.addresses[0], bad, pieces, "")
				if !strings.Contains(bad.name, "end") {
					checkBad(t, s.addresses[0], bad, pieces, more)
				}
			}
		})
	}
	t.Cleanup(func() { mustServe(t, s.addresses[0], "/file", []byte("content")) })
}

func checkBad(t *testing.T, address string, bad badRequest, pieces int, more string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(timeLimit())
	for text := bad.text; len(text) > 0; {
		n := min(pieces, len(text))
		if _, err := io.WriteString(conn, text[:n]); err != nil {
			break // Refused already
		}
		text = text[n:]
	}
	_, _ = io.WriteString(conn, more)
	in := bufio.NewReader(conn)
	if bad.status != closedSilently {
		a, err := readAnswer(in, "GET")
		if err != nil || a.status != bad.status || a.field("connection") != "close" {
			t.Errorf("%v, %v, want %d and close", a, err, bad.status)
			return
		}
	} else if more != "" {
		return // What is not answered may end in a reset.
	}
	if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
		t.Errorf("then %.100q, %v", rest, err)
	}
}

// TestRequests are the ones that leave the connection usable.
func TestRequests(t *testing.T) {
	s := serve(t, framingSite(t))
	const get = "GET /file HTTP/1.1\r\nHost: a\r\n"
	chunked := "Transfer-Encoding: chunked\r\n\r\n"
	for _, row := range []struct {
		name, method, text string
		status             int
		body               string
	}{
		{"plain", "GET", get + "\r\n", 200, "content"},
		{"empty lines before", "GET", "\r\n\r\n" + get + "\r\n", 200, "content"},
		{"absolute form", "GET", "GET http://b/file HTTP/1.1\r\nHost: a\r\n\r\n", 200, "content"},
		{"absolute form, nothing behind the host", "HEAD", "HEAD HTTP://b HTTP/1.1\r\nHost: a\r\n\r\n", 200, ""},
		{"field names in any case", "GET", "GET /file HTTP/1.1\r\nhOsT:a\r\n\r\n", 200, "content"},
		{"blanks around a value", "GET", "GET /file HTTP/1.1\r\nHost: \t a \t \r\nX:\r\n\r\n", 200, "content"},
		{"query", "GET", "GET /file?a=/../../%zz HTTP/1.1\r\nHost: a\r\n\r\n", 200, "content"},
		{"HTTP/1.7", "GET", "GET /file HTTP/1.7\r\nHost: a\r\n\r\n", 200, "content"},
		{"Host with a port", "GET", "GET /file HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200, "content"},
		{"longest target", "GET", "GET /" + strings.Repeat("a", 8<<10-1) + " HTTP/1.1\r\nHost: a\r\n\r\n", 404, ""},
		{"header of nearly 16 KiB", "GET", get + "X: " + strings.Repeat("a", 16<<10-100) + "\r\n\r\n", 200, "content"},

		{"equal lengths", "GET", get + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 200, "content"},
		{"body", "GET", get + "Content-Length: 26\r\n\r\nGET /evil HTTP/1.1\r\nX: a\r\n", 200, "content"},
		{"body of 64 KiB", "GET", get + "Content-Length: 65536\r\n\r\n" + strings.Repeat("x", 65536), 200, "content"},
		{"no body", "GET", get + "Content-Length: 0\r\n\r\n", 200, "content"},
		{"chunks", "GET", get + chunked + "5\r\nhello\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\nT: x\r\n\r\n", 200, "content"},
		{"no chunks", "GET", get + chunked + "0\r\n\r\n", 200, "content"},
		{"chunked in capitals", "GET", get + "Transfer-Encoding: CHUNKED\r\n\r\n000\r\n\r\n", 200, "content"},
		{"chunks of 64 KiB", "GET", get + chunked + "8000\r\n" + strings.Repeat("x", 0x8000) + "\r\n8000 ;a\r\n" +
			strings.Repeat("y", 0x8000) + "\r\n0\r\n\r\n", 200, "content"},
		{"body of HEAD", "HEAD", "HEAD /file HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 200, ""},

		{"OPTIONS", "OPTIONS", "OPTIONS /file HTTP/1.1\r\nHost: a\r\n\r\n", 204, ""},
		{"OPTIONS *", "OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 204, ""},
		{"POST", "POST", "POST /file HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 405, ""},
		{"PUT", "PUT", "PUT /new HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 405, ""},
		{"DELETE", "DELETE", "DELETE /file HTTP/1.1\r\nHost: a\r\n\r\n", 405, ""},
		{"TRACE", "TRACE", "TRACE /file HTTP/1.1\r\nHost: a\r\n\r\n", 405, ""},
		{"CONNECT", "CONNECT", "CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n", 405, ""},
		{"PROPFIND", "PROPFIND", "PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", 405, ""},
		{"unknown method", "BREW", "BREW /file HTTP/1.1\r\nHost: a\r\n\r\n", 501, ""},
		{"method in small letters", "get", "get /file HTTP/1.1\r\nHost: a\r\n\r\n", 501, ""},

		{"collapsed", "GET", "GET //.//./sub/..///file HTTP/1.1\r\nHost: a\r\n\r\n", 200, "content"},
		{"escaped", "GET", "GET /%66%69%6c%65 HTTP/1.1\r\nHost: a\r\n\r\n", 200, "content"},
		{"escaped twice", "GET", "GET /%2566ile HTTP/1.1\r\nHost: a\r\n\r\n", 404, ""},
		{"up and down", "GET", "GET /sub/%2e%2E/file HTTP/1.1\r\nHost: a\r\n\r\n", 200, "content"},
		{"above the root", "GET", "GET /../file HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
		{"above the root and back", "GET", "GET /sub/../../file HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
		{"above the root, escaped", "GET", "GET /%2e%2e/file HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
		{"escaped slash", "GET", "GET /sub%2Ffile HTTP/1.1\r\nHost: a\r\n\r\n", 404, ""},
		{"backslash", "GET", "GET /sub\\file HTTP/1.1\r\nHost: a\r\n\r\n", 404, ""},
		{"escaped NUL", "GET", "GET /file%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
		{"escaped newline", "GET", "GET /file%0a HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
		{"escaped DEL", "GET", "GET /file%7f HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
		{"half an escape", "GET", "GET /file%6 HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
		{"no escape", "GET", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
		{"file as a directory", "GET", "GET /file/ HTTP/1.1\r\nHost: a\r\n\r\n", 404, ""},
		{"below a file", "GET", "GET /file/x HTTP/1.1\r\nHost: a\r\n\r\n", 404, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			check := func(c *client) {
				t.Helper()
				a := c.read(row.method)
				if a.status != row.status || row.body != "" && string(a.body) != row.body {
					t.Errorf("%v, want %d %q", a, row.status, row.body)
				}
				allow := a.field("allow")
				if wants := row.status == 405 || row.status == 204; wants != (allow == "GET, HEAD, OPTIONS") {
					t.Errorf("Allow: %q", allow)
				}
			}
			c := newClient(t, s.addresses[0])
			c.write(row.text)
			check(c)
			c.alive()
			c.write(row.text + row.text)
			check(c)
			check(c)
			if len(row.text) < 20<<10 {
				writePieces(c.conn, row.text, func(*rand.Rand, int) int { return 1 })
				check(c)
			}
			c.alive()
		})
	}
}

func TestKeepAlive(t *testing.T) {
	s := serve(t, framingSite(t))
	for _, row := range []struct {
		text  string
		field string
		kept  bool
	}{
		{"GET /file HTTP/1.1\r\nHost: a\r\n", "", true},
		{"GET /file HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n", "", true},
		{"GET /file HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", "close", false},
		{"GET /file HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n", "close", false},
		{"GET /file HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n", "close", false},
		{"GET /file HTTP/1.0\r\n", "close", false},
		{"GET /file HTTP/1.0\r\nConnection: Keep-Alive\r\n", "keep-alive", true},
		{"GET /file HTTP/1.0\r\nConnection: keep-alive, close\r\n", "close", false},
		{"GET /missing HTTP/1.0\r\nConnection: keep-alive\r\n", "keep-alive", true},
	} {
		c := newClient(t, s.addresses[0])
		c.write(row.text + "\r\n")
		a := c.read("GET")
		if a.field("connection") != row.field {
			t.Errorf("%q: Connection: %q", row.text, a.field("connection"))
		}
		if row.kept {
			c.alive()
		} else {
			c.ends()
		}
	}
}

// TestExpectContinue: the body is not wanted, so the final answer comes at once, and the connection
// ends whether the client sends the body or not.
func TestExpectContinue(t *testing.T) {
	s := serve(t, framingSite(t))
	for _, body := range []string{"", "hello", strings.Repeat("x", 500_000)} {
		c := newClient(t, s.addresses[0])
		c.write(request("GET", "/file", "Content-Length: 500000", "Expect: 100-continue"))
		if a := c.read("GET"); a.status != 200 || string(a.body) != "content" || a.field("connection") != "close" {
			t.Errorf("%v", a)
		}
		_, _ = io.WriteString(c.conn, body)
		c.ends()
	}
	c := newClient(t, s.addresses[0])
	if a := c.get("/file", "Expect: 100-continue"); a.status != 200 {
		t.Errorf("%v", a)
	}
	c.alive()
}

// TestHalfClosed: a client that has shut down its side still gets every answer.
func TestHalfClosed(t *testing.T) {
	directory := framingSite(t)
	large := content("large", 20<<20)
	write(t, directory+"/large", large)
	inModes(t, func(t *testing.T, flags []string) {
		s := serve(t, directory, flags...)
		for _, targets := range [][]string{{"/file"}, {"/large"}, {"/sub/"}, {"/large", "/file", "/sub/", "/missing", "/large"}} {
			c := newClient(t, s.addresses[0])
			for _, target := range targets {
				c.write(request("GET", target))
			}
			if err := c.conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
			for _, target := range targets {
				a := c.read("GET")
				if want := map[string]int{"/large": len(large), "/file": 7}[target]; want > 0 && len(a.body) != want {
					t.Errorf("%s: %v", target, a)
				}
			}
			c.ends()
		}
		// And one whose last request has no end is not waited for.
		for _, half := range []string{"", "GET /", request("GET", "/file", "Content-Length: 10") + "12345"} {
			c := newClient(t, s.addresses[0])
			c.write(request("GET", "/large") + half)
			if err := c.conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if a := c.read("GET"); len(a.body) != len(large) {
				t.Errorf("%v", a)
			}
			c.ends()
		}
	})
}

// TestAnswersBeforeAnEnd: what was asked before something that ends the connection is answered.
func TestAnswersBeforeAnEnd(t *testing.T) {
	s := serve(t, framingSite(t))
	for _, end := range []string{"GET /file\r\n", "nonsense\r\n\r\n", request("GET", "/file", "Connection: close"),
		request("GET", "/file", "Content-Length: 99999"), "GET /file HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\n"} {
		c := newClient(t, s.addresses[0])
		const before = 3
		c.write(strings.Repeat(request("GET", "/file"), before) + end + strings.Repeat(request("GET", "/"), 500))
		for i := range before {
			if a := c.read("GET"); string(a.body) != "content" {
				t.Errorf("%q: answer %d: %v", end, i, a)
			}
		}
	}
}

func TestFieldsOfEveryAnswer(t *testing.T) {
	s := serve(t, framingSite(t))
	c := newClient(t, s.addresses[0])
	for _, target := range []string{"/file", "/missing", "/sub", "/sub/", "/%zz"} {
		a := c.get(target)
		if date, err := time.Parse(time.RFC1123, a.field("date")); err != nil || time.Since(date).Abs() > time.Hour ||
			!strings.HasSuffix(a.field("date"), " GMT") {
			t.Errorf("%s: Date %q: %v", target, a.field("date"), err)
		}
		if a.field("x-content-type-options") != "nosniff" || a.field("content-type") == "" {
			t.Errorf("%s: %v", target, a)
		}
		for name, values := range a.fields {
			if len(values) != 1 {
				t.Errorf("%s: %s comes %d times", target, name, len(values))
			}
		}
		head := c.ask("HEAD", target)
		if a.fields["date"] = head.fields["date"]; fmt.Sprint(head.fields) != fmt.Sprint(a.fields) {
			t.Errorf("%s: HEAD gives %v, GET %v", target, head.fields, a.fields)
		}
	}
}
