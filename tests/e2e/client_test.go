// SPDX-License-Identifier: MIT

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// An answer is a response as it came, read more strictly than any client would.
type answer struct {
	status int
	fields map[string][]string // by lower-case name
	body   []byte
	length int64 // of the body announced
}

// field is the value of a field that may come once.
func (a *answer) field(name string) string {
	if values := a.fields[name]; len(values) == 1 {
		return values[0]
	} else if len(values) > 1 {
		return fmt.Sprintf("%d times: %q", len(values), values)
	}
	return ""
}

func (a *answer) String() string {
	body := a.body
	if len(body) > 300 {
		body = append(slices.Clip(body[:300]), fmt.Sprintf("... (%d bytes)", len(a.body))...)
	}
	return fmt.Sprintf("%d %v %q", a.status, a.fields, body)
}

// A client is a connection on which requests are written and answers read.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func newClient(t testing.TB, address string) *client {
	t.Helper()
	conn := dial(t, address)
	return &client{t, conn, bufio.NewReaderSize(conn, 64<<10)}
}

func (c *client) write(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatal(err)
	}
}

// writeAhead writes while nothing is read. The first of the requests must ask for more than sockets
// hold, so that the others come in while its answer is sent.
func (c *client) writeAhead(text string) {
	go func() { _, _ = io.WriteString(c.conn, text) }()
	time.Sleep(200 * time.Millisecond)
}

// readHead reads a status line and fields.
func readHead(in *bufio.Reader) (*answer, error) {
	line, err := readLine(in)
	if err != nil {
		return nil, err
	}
	a := &answer{fields: map[string][]string{}}
	if len(line) < 13 || !strings.HasPrefix(line, "HTTP/1.1 ") || line[12] != ' ' {
		return nil, fmt.Errorf("status line %q", line)
	}
	if a.status, err = strconv.Atoi(line[9:12]); err != nil {
		return nil, fmt.Errorf("status line %q", line)
	}
	for {
		line, err := readLine(in)
		if err != nil {
			return nil, noEOF(err)
		}
		if line == "" {
			break
		}
		name, value, found := strings.Cut(line, ": ")
		if !found || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("field %q", line)
		}
		name = strings.ToLower(name)
		a.fields[name] = append(a.fields[name], value)
	}
	if a.field("date") == "" {
		return nil, fmt.Errorf("no Date: %v", a)
	}
	if a.fields["transfer-encoding"] != nil {
		return nil, fmt.Errorf("a Transfer-Encoding: %v", a)
	}
	a.length = -1
	if a.fields["content-length"] != nil {
		if a.length, err = strconv.ParseInt(a.field("content-length"), 10, 64); err != nil || a.length < 0 {
			return nil, fmt.Errorf("Content-Length: %v", a)
		}
	}
	return a, nil
}

func readLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		if line != "" {
			return "", fmt.Errorf("%w after %q", noEOF(err), line)
		}
		return "", err
	}
	text, found := strings.CutSuffix(line, "\r\n")
	if !found || strings.ContainsAny(text, "\r\x00") {
		return "", fmt.Errorf("line %q", line)
	}
	return text, nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// bodyLength is how many bytes follow the head of an answer to method.
func (a *answer) bodyLength(method string) (int64, error) {
	switch {
	case method == "HEAD", a.status == 304, a.status == 204:
		return 0, nil
	case a.length < 0:
		return 0, fmt.Errorf("no Content-Length: %v", a)
	}
	return a.length, nil
}

// readAnswer reads a whole answer to a request with that method.
func readAnswer(in *bufio.Reader, method string) (*answer, error) {
	a, err := readHead(in)
	if err != nil {
		return nil, err
	}
	n, err := a.bodyLength(method)
	if err != nil {
		return nil, err
	}
	a.body = make([]byte, n)
	if got, err := io.ReadFull(in, a.body); err != nil {
		return nil, fmt.Errorf("%w after %d of %d bytes of %v", noEOF(err), got, n, a.fields)
	}
	return a, nil
}

// read reads the next answer, which must come.
func (c *client) read(method string) *answer {
	c.t.Helper()
	a, err := readAnswer(c.in, method)
	if err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
	return a
}

// ask sends a request and reads its answer. fields are lines without their ends.
func (c *client) ask(method, target string, fields ...string) *answer {
	c.t.Helper()
	c.write(request(method, target, fields...))
	return c.read(method)
}

func (c *client) get(target string, fields ...string) *answer {
	c.t.Helper()
	return c.ask("GET", target, fields...)
}

func request(method, target string, fields ...string) string {
	text := method + " " + target + " HTTP/1.1\r\nHost: test\r\n"
	for _, field := range fields {
		text += field + "\r\n"
	}
	return text + "\r\n"
}

// ends fails the test unless the server ends the stream here, in an orderly way.
func (c *client) ends() {
	c.t.Helper()
	if more, err := io.ReadAll(c.in); err != nil || len(more) > 0 {
		c.t.Errorf("%q, %v where the stream should end", more[:min(len(more), 300)], err)
	}
}

// alive fails the test unless another request on this connection is answered.
func (c *client) alive() {
	c.t.Helper()
	if a := c.ask("OPTIONS", "*"); a.status != 204 {
		c.t.Errorf("%v", a)
	}
}

// fetch asks for target on a connection of its own, in a goroutine that is not the test's.
func fetch(address, target string, fields ...string) (*answer, error) {
	conn, err := net.DialTimeout(network(address), address, patience)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(timeLimit()); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, request("GET", target, append(fields, "Connection: close")...)); err != nil {
		return nil, err
	}
	return readAnswer(bufio.NewReader(conn), "GET")
}

// mustServe checks that a server still does its work for others.
func mustServe(t testing.TB, address, target string, want []byte) {
	t.Helper()
	a, err := fetch(address, target)
	if err != nil || a.status != 200 || !bytes.Equal(a.body, want) {
		t.Fatalf("GET %s: %v, %v", target, a, err)
	}
}
