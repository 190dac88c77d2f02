package fileserver

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
)

// FuzzAgainstNetHTTP: what the parser takes, net/http's takes as well, and both read it alike: the
// parser is never more lenient, for servers that disagree about where a request ends can be played off
// against each other.
func FuzzAgainstNetHTTP(f *testing.F) {
	for _, c := range outcomes {
		if len(c.input) < 2000 {
			f.Add(c.input)
		}
	}
	for _, body := range []string{"5\r\nhello\r\n0\r\n\r\n", "5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n", "0005\r\nhello\r\n0\r\n\r\n", "5\r\nhelloX0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", "5\nhello\n0\n\n"} {
		f.Add(withHeader("Transfer-Encoding: chunked") + body)
	}
	f.Add(withHeader("Content-Length: 3") + "abc" + simple)
	f.Fuzz(func(t *testing.T, input string) {
		var q request
		n, out := q.parse([]byte(input))
		if out != complete {
			return
		}
		// net/http reads obs-text and some targets of its own way, which is no matter of framing.
		if strings.ContainsFunc(string(q.target()), func(r rune) bool { return r >= 0x7f }) || strings.Contains(string(q.target()), "%") {
			return
		}
		theirs, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.TrimLeft(input, "\r\n"))))
		if err != nil {
			if isOwnStrictness(err, &q) {
				return
			}
			t.Fatalf("%q is taken; net/http: %v", input, err)
		}
		if theirs.Method != string(q.methodName()) {
			t.Fatalf("%q: method %q, net/http: %q", input, q.methodName(), theirs.Method)
		}
		if q.chunked != (len(theirs.TransferEncoding) > 0) || !q.chunked && q.contentLength != theirs.ContentLength {
			t.Fatalf("%q: chunked %v, length %d; net/http: %v, %d", input, q.chunked, q.contentLength, theirs.TransferEncoding, theirs.ContentLength)
		}
		if q.hasBody() {
			compareBodies(t, input[n:], &q, theirs)
		}
	})
}

// isOwnStrictness reports errors that are about what a URL or a Host may look like.
func isOwnStrictness(err error, q *request) bool {
	text := err.Error()
	return strings.HasPrefix(text, "parse ") || strings.Contains(text, "malformed Host") || strings.Contains(text, "malformed HTTP version") && q.minor == 1
}

// compareBodies: a body that the skipper takes whole ends for net/http at the same byte.
func compareBodies(t *testing.T, rest string, q *request, theirs *http.Request) {
	var b bodySkipper
	b.start(q)
	if _, out := b.skip([]byte(rest)); out != complete {
		return
	}
	n, err := io.Copy(io.Discard, theirs.Body)
	if err != nil {
		t.Fatalf("the body of %q is taken; net/http: %v", rest, err)
	}
	want := q.contentLength
	if q.chunked {
		want = b.payload
	}
	if n != want {
		t.Fatalf("%q has %d bytes, net/http: %d", rest, want, n)
	}
}

// FuzzNegotiation: what is chosen is acceptable, and nothing that is acceptable is wanted more.
func FuzzNegotiation(f *testing.F) {
	for _, seed := range []string{"", "gzip", "gzip;q=0.5, br", "*;q=0", "identity;q=0, zstd;q=0.001", "br;q=1.0001", "gzip;Q=0", "x-gzip , ,*"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		if hasControl([]byte(field)) {
			return
		}
		var n negotiation
		n.set([]byte(field))
		seen := codingSet(0)
		for _, c := range n.order {
			seen |= c.set()
		}
		if seen != allCodings || n.wanted > n.usable || n.usable > int(numCodings) {
			t.Fatalf("%q: %+v", field, n)
		}
		if !strings.ContainsAny(field, "*") && !strings.Contains(strings.ToLower(field), "identity") && !n.plain {
			t.Fatalf("%q rules out the plain file: %+v", field, n)
		}
		if strings.TrimSpace(field) == "" && n.usable != 0 {
			t.Fatalf("%q asks for something: %+v", field, n)
		}
	})
}
