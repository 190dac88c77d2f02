package fileserver

import (
	"fmt"
	"strings"
	"testing"
)

// skipPieces skips a body fed in pieces of the given size and gives outcome,
// status and bytes used.
func skipPieces(q *request, body string, size int) (out outcome, status, used int) {
	var b bodySkipper
	b.start(q)
	for {
		end := min(len(body), used+size)
		n, out := b.skip([]byte(body[used:end]))
		used += n
		if out != more {
			return out, b.status, used
		}
		if used != end {
			panic(fmt.Sprintf("more, with bytes left: %d of %d", used, end))
		}
		if end == len(body) {
			return more, 0, used
		}
	}
}

func TestBodyChunked(t *testing.T) {
	big := strings.Repeat("a", maxSkip)
	for _, c := range []struct {
		body string
		want int // 0 for complete, -1 for more, or the status
	}{
		{"0\r\n\r\n", 0},
		{"5\r\nhello\r\n0\r\n\r\n", 0},
		{"5\r\nhello\r\n3;a=b;c=\"d\"\r\n\r\n\x00\r\n00\r\n\r\n", 0},
		{"A \t;x\r\n0123456789\r\na\r\n0123456789\r\n0\r\nX: y\r\nZ:\r\n\r\n", 0},
		{fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(big), big), 0},
		{fmt.Sprintf("%x\r\n", len(big)+1), 413},
		{fmt.Sprintf("%x\r\n%s\r\n1\r\n", len(big), big), 413},
		{"ffffffffffffffffff\r\n", 413},
		{strings.Repeat("1\r\na\r\n", maxFraming), 413},
		{"1;" + strings.Repeat("x", maxFraming), 413},
		{"0\r\nX: " + strings.Repeat("x", maxFraming), 413},
		{"", isMore}, {"5", isMore}, {"5\r\nhel", isMore}, {"0\r\n", isMore}, {"0\r\n\r", isMore},
		{"\r\n", 400}, {"g\r\n", 400}, {"-1\r\n", 400}, {"+1\r\n", 400}, {"0x1\r\n", 400}, {" 1\r\n", 400},
		{"1 \r\na\r\n0\r\n\r\n", 400}, {"1 2\r\n", 400}, {"1\n", 400}, {"1\ra", 400}, {"1;a\nb", 400}, {"1;a\x00", 400},
		{"1;a\rb", 400}, {"1\r\nab", 400}, {"1\r\na\n", 400}, {"1\r\na\rb", 400}, {"0\r\n\n", 400}, {"0\n\r\n", 400},
		{"0\r\n: x\r\n\r\n", 400}, {"0\r\n x: y\r\n\r\n", 400}, {"0\r\nx : y\r\n\r\n", 400}, {"0\r\nx\r\n\r\n", 400},
		{"0\r\nx: y\n\r\n", 400}, {"0\r\nx: y\rz", 400}, {"0\r\nx: \x01", 400}, {"0\r\nx: y\r\n z\r\n\r\n", 400}, {"0\r\n\rx", 400},
	} {
		q := request{chunked: true}
		for _, size := range []int{1, 2, 3, 7, 1 << 20} {
			out, status, used := skipPieces(&q, c.body+"GET", size)
			if c.want == isMore {
				out, status, used = skipPieces(&q, c.body, size)
			}
			got := code(parsed{Out: out, Status: status})
			if got != c.want || (got == 0 && used != len(c.body)) {
				t.Errorf("%.60q by %d: got %d (used %d), want %d", c.body, size, got, used, c.want)
			}
		}
	}
}

func TestBodyLength(t *testing.T) {
	for _, c := range []struct {
		length int64
		given  int
		want   int
		used   int
	}{
		{0, 10, 0, 0}, {5, 10, 0, 5}, {5, 5, 0, 5}, {5, 4, isMore, 4}, {maxSkip, maxSkip + 1, 0, maxSkip}, {maxSkip + 1, 10, 413, 0},
	} {
		for _, size := range []int{1, 3, 1 << 20} {
			out, status, used := skipPieces(&request{contentLength: c.length}, strings.Repeat("a", c.given), size)
			if got := code(parsed{Out: out, Status: status}); got != c.want || used != c.used {
				t.Errorf("%d of %d: got %d, used %d", c.given, c.length, got, used)
			}
		}
	}
}

// TestBodyRestart makes sure that a skipper used before starts afresh.
func TestBodyRestart(t *testing.T) {
	var b bodySkipper
	b.start(&request{chunked: true})
	b.skip([]byte("5\r\nhe"))
	b.start(&request{contentLength: 2})
	if n, out := b.skip([]byte("abc")); n != 2 || out != complete {
		t.Error(n, out)
	}
}
