package fileserver

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// parsed is what is compared of two parses of the same bytes.
type parsed struct {
	Out                                 outcome
	N, Status                           int
	Method                              method
	Minor                               uint8
	KeepAlive, Star, Chunked, Expect    bool
	Length                              int64
	Name, Target, Path, Query, HostName string
	Fields                              map[string]string
}

// snapshot copies what a request says.
func snapshot(q *request, n int, out outcome) parsed {
	if out != complete {
		return parsed{Out: out, Status: q.status, Method: q.method}
	}
	p := parsed{out, n, q.status, q.method, q.minor, q.keepAlive, q.star, q.chunked, q.expect, q.contentLength,
		string(q.methodName()), string(q.target()), string(q.path()), string(q.query()), string(q.host()),
		map[string]string{}}
	for f := range numFields {
		if q.has(f) {
			p.Fields[fieldNames[f]] = string(q.field(f))
		}
	}
	return p
}

// parseWhole parses in one go.
func parseWhole(input string) parsed {
	var q request
	n, out := q.parse([]byte(input))
	return snapshot(&q, n, out)
}

// parsePieces parses a prefix of every given length in turn, each in a buffer
// of its own, as if the caller's had moved, with the old one overwritten.
func parsePieces(input string, ends ...int) parsed {
	var q request
	var old []byte
	for _, end := range append(ends, len(input)) {
		buf := []byte(input[:end])
		for i := range old {
			old[i] = 0xee
		}
		old = buf
		if n, out := q.parse(buf); out != more || end == len(input) {
			return snapshot(&q, n, out)
		}
	}
	panic("not reached")
}

// everyByte is the list of all piece ends.
func everyByte(input string) []int {
	ends := make([]int, len(input))
	for i := range ends {
		ends[i] = i
	}
	return ends
}

const simple = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// withHeader is a plain request with more header lines.
func withHeader(lines ...string) string {
	return "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// code folds an outcome and its status into one number for the table.
func code(p parsed) int {
	switch p.Out {
	case more:
		return isMore
	case closing:
		return isClosing
	case failed:
		return p.Status
	}
	return 0
}

func TestParseOutcome(t *testing.T) {
	for _, c := range outcomes {
		t.Run(c.name, func(t *testing.T) {
			whole := parseWhole(c.input)
			if got := code(whole); got != c.want {
				t.Errorf("got %d, want %d for %.200q", got, c.want, c.input)
			}
			if whole.Out == complete && whole.N != len(c.input) {
				t.Errorf("consumed %d of %d", whole.N, len(c.input))
			}
			if bytewise := parsePieces(c.input, everyByte(c.input)...); !reflect.DeepEqual(bytewise, whole) {
				t.Errorf("byte by byte: %+v, whole: %+v", bytewise, whole)
			}
		})
	}
}

// full has every field there is, in odd cases and spacings.
const full = "\r\nGET http://Example.org:8080/a%20b/?x=1?2 HTTP/1.1\r\nhOST:x.example\r\nRange: \t bytes=0-1 \t\r\n" +
	"If-Range: \"e\"\r\nACCEPT: text/html\r\nUnknown: y\r\naccept: application/json\r\nAccept-Encoding: gzip\r\n" +
	"Expect: 100-Continue\r\nOrigin: http://o\r\nReferer: http://r\r\nUser-Agent: curl/8\r\nIf-Match: \"a\"\r\n" +
	"If-None-Match: \"b\"\r\nIf-None-Match: W/\"c\"\r\nIf-None-Match:\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n" +
	"If-Unmodified-Since: x\r\nContent-Length: 7\r\nConnection: TE, close\r\nAccess-Control-Request-Method: PUT\r\n" +
	"Range: bytes=5-6\r\n\r\n"

func TestParseFields(t *testing.T) {
	want := parsed{
		Out: complete, N: len(full), Method: methodGet, Minor: 1, Expect: true, Length: 7,
		Name: "GET", Target: "http://Example.org:8080/a%20b/?x=1?2", Path: "/a%20b/", Query: "?x=1?2", HostName: "Example.org:8080",
		Fields: map[string]string{
			"host": "x.example", "range": "bytes=0-1", "if-range": `"e"`, "accept": "text/html,application/json",
			"accept-encoding": "gzip", "expect": "100-Continue", "origin": "http://o", "referer": "http://r",
			"user-agent": "curl/8", "if-match": `"a"`, "if-none-match": `"b",W/"c",`,
			"if-modified-since": "Sun, 06 Nov 1994 08:49:37 GMT", "if-unmodified-since": "x", "content-length": "7",
			"connection": "TE, close", "access-control-request-method": "PUT",
		},
	}
	input := full + "pipelined"
	if got := parseWhole(input); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestParseSplits cuts representative requests at every place, and at every
// pair of places for the short one.
func TestParseSplits(t *testing.T) {
	for _, input := range []string{full, simple, withHeader("Transfer-Encoding: chunked"), "OPTIONS * HTTP/1.0\r\n\r\n"} {
		whole := parseWhole(input)
		for i := range input {
			if got := parsePieces(input, i); !reflect.DeepEqual(got, whole) {
				t.Fatalf("cut at %d of %q:\n%+v\n%+v", i, input, got, whole)
			}
		}
	}
	whole := parseWhole(simple)
	for i := range simple {
		for j := i; j < len(simple); j++ {
			if got := parsePieces(simple, i, j); !reflect.DeepEqual(got, whole) {
				t.Fatalf("cut at %d and %d: %+v", i, j, got)
			}
		}
	}
}

// TestParseScansOnce makes sure that a head which trickles in is not looked
// for its line ends from the start again and again.
func TestParseScansOnce(t *testing.T) {
	var q request
	input := []byte("GET /" + strings.Repeat("a", 8000) + " HTTP/1.1\r\nX: " + strings.Repeat("b", 16000))
	for n := 1; n <= len(input); n++ {
		if _, out := q.parse(input[:n]); out != more {
			t.Fatalf("outcome %d at %d", out, n)
		}
		if q.scanned != n {
			t.Fatalf("after %d bytes the search stands at %d", n, q.scanned)
		}
	}
}

func TestParsePipelined(t *testing.T) {
	rest, paths := []byte(strings.Repeat(simple, 2)+"\r\n"+strings.ReplaceAll(simple, "/ ", "/x ")), ""
	var q request
	for len(rest) > 0 {
		q.reset()
		n, out := q.parse(rest)
		if out != complete {
			t.Fatal(out, q.status)
		}
		paths += string(q.path())
		rest = rest[n:]
	}
	if paths != "///x" {
		t.Error(paths)
	}
}

func TestParseReset(t *testing.T) {
	var q request
	q.parse([]byte(full))
	q.reset()
	n, out := q.parse([]byte(simple))
	if got := snapshot(&q, n, out); !reflect.DeepEqual(got, parseWhole(simple)) {
		t.Errorf("left over from the last request: %+v", got)
	}
}

func TestKeepAlive(t *testing.T) {
	for _, c := range []struct {
		version, connection string
		want                bool
	}{
		{"1.1", "", true}, {"1.1", "keep-alive", true}, {"1.1", "close", false}, {"1.1", "CLOSE", false},
		{"1.1", "keep-alive, close", false}, {"1.1", "close\r\nConnection: keep-alive", false}, {"1.1", "x\r\nConnection: y,,close ,z", false},
		{"1.1", "closed", true}, {"1.0", "", false}, {"1.0", "Keep-Alive", true}, {"1.0", "keep-alive, close", false}, {"1.0", "x", false},
	} {
		input := fmt.Sprintf("GET / HTTP/%s\r\nHost: a\r\nConnection: %s\r\n\r\n", c.version, c.connection)
		if got := parseWhole(input); got.KeepAlive != c.want || got.Out != complete {
			t.Errorf("%s %q: %v", c.version, c.connection, got)
		}
	}
}

func TestExpect(t *testing.T) {
	for _, c := range []struct {
		input string
		want  bool
	}{
		{withHeader("Expect: 100-continue", "Content-Length: 1"), true},
		{withHeader("Expect: 100-continue", "Transfer-Encoding: chunked"), true},
		{withHeader("Expect: 100-continue"), false},
		{withHeader("Expect: 100-continue", "Content-Length: 0"), false},
		{withHeader("Expect: x", "Content-Length: 1"), false},
		{"GET / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", false},
	} {
		if got := parseWhole(c.input); got.Expect != c.want || got.Out != complete {
			t.Errorf("%q: %v", c.input, got)
		}
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		method, target, path, query, host string
		star                              bool
	}{
		{"GET", "/", "/", "", "a", false},
		{"GET", "/?", "/", "?", "a", false},
		{"GET", "//b/c", "//b/c", "", "a", false},
		{"GET", "http://b", "/", "", "b", false},
		{"GET", "HTTPS://b?q", "/", "?q", "b", false},
		{"GET", "http://b:1/c?d/e", "/c", "?d/e", "b:1", false},
		{"OPTIONS", "*", "/", "", "a", true},
		{"OPTIONS", "http://b", "/", "", "b", true},
		{"OPTIONS", "http://b/", "/", "", "b", false},
		{"OPTIONS", "http://b?", "/", "?", "b", false},
	} {
		got := parseWhole(c.method + " " + c.target + " HTTP/1.1\r\nHost: a\r\n\r\n")
		if got.Path != c.path || got.Query != c.query || got.HostName != c.host || got.Star != c.star || got.Target != c.target {
			t.Errorf("%s %s: %+v", c.method, c.target, got)
		}
	}
}

func TestMinorVersion(t *testing.T) {
	for digit, want := range map[string]uint8{"0": 0, "1": 1, "2": 1, "9": 1} {
		if got := parseWhole("GET / HTTP/1." + digit + "\r\nHost: a\r\n\r\n"); got.Minor != want || got.KeepAlive != (want > 0) {
			t.Errorf("HTTP/1.%s: %+v", digit, got)
		}
	}
}

func TestMethodOf(t *testing.T) {
	for name, want := range map[string]method{
		"GET": methodGet, "HEAD": methodHead, "OPTIONS": methodOptions, "POST": methodOther, "PUT": methodOther,
		"PROPFIND": methodOther, "TRACE": methodOther, "get": methodUnknown, "GETT": methodUnknown, "BREW": methodUnknown,
	} {
		if got := methodOf([]byte(name)); got != want {
			t.Errorf("%s: %d", name, got)
		}
	}
}

func TestFieldNames(t *testing.T) {
	for f, name := range fieldNames {
		if got := fieldOf([]byte(strings.ToUpper(name))); got != field(f) {
			t.Errorf("%s is %d", name, got)
		}
		if fieldOf([]byte(name[1:])) != numFields || fieldOf([]byte("z"+name[1:])) != numFields {
			t.Errorf("%s matches too much", name)
		}
	}
}
