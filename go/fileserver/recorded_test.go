package fileserver

import (
	"bufio"
	_ "embed"
	"net"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// recorded are requests as Chromium, curl, wget, Go and Python have sent them, one to a line: the
// client, and the bytes as a Go string.
//
//go:embed testdata/recorded-requests.txt
var recorded string

// TestRecordedRequests: what real clients send is served, and alike in all three ways.
func TestRecordedRequests(t *testing.T) {
	addresses := arms(t, conformanceSite(t), Options{})
	count := 0
	for line := range strings.Lines(recorded) {
		client, quoted, _ := strings.Cut(strings.TrimSpace(line), " ")
		request, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatal(err)
		}
		count++
		request += bodyFor(request)
		want := askRaw(t, addresses["net/http"], request)
		if want.status != statusFor(request, want.status) {
			t.Errorf("%s: %d for %q", client, want.status, request)
		}
		for arm, address := range addresses {
			// Twice, for a client's second request comes on the same connection.
			conn, err := net.Dial(address.Network(), address.String())
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(patience))
			in := bufio.NewReader(conn)
			for range 2 {
				if _, err := conn.Write([]byte(request)); err != nil {
					t.Fatal(err)
				}
				got := readAnswer(t, in, request)
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s, %s: %q:\n%+v\nnet/http:\n%+v", client, arm, request, got, want)
				}
				if got.header.Get("Connection") == "close" {
					break
				}
			}
			conn.Close()
		}
	}
	if count < 100 {
		t.Errorf("%d requests", count)
	}
}

// bodyFor is a body of the length that a request announces.
func bodyFor(request string) string {
	lower := strings.ToLower(request)
	if strings.Contains(lower, "transfer-encoding: chunked") {
		return "3\r\nabc\r\n0\r\n\r\n"
	}
	_, rest, found := strings.Cut(lower, "content-length: ")
	if !found || strings.Contains(lower, "100-continue") {
		return ""
	}
	digits, _, _ := strings.Cut(rest, "\r")
	n, _ := strconv.Atoi(digits)
	return strings.Repeat("b", n)
}

// statusFor is the status a request should have; any other good one is as good for a GET or HEAD.
func statusFor(request string, got int) int {
	method, rest, _ := strings.Cut(request, " ")
	target, _, _ := strings.Cut(rest, " ")
	path, _, _ := strings.Cut(target, "?")
	switch {
	case method == "OPTIONS":
		return 204
	case method != "GET" && method != "HEAD":
		return 405
	case path == "/missing" || path == "/favicon.ico":
		return 404
	case got == 206 && strings.Contains(request, "ange: "), got == 304 && strings.Contains(request, "If-"):
		return got
	}
	return 200
}
