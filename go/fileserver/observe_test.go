package fileserver

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestOnAnswer: every answer is told of once, with what was asked and what was sent, also one that
// its connection does not outlive; and the counters agree.
func TestOnAnswer(t *testing.T) {
	ways(t, func(t *testing.T, server *Server) {
		t.Parallel()
		here := *server
		here.Counters = new(Counters)
		var mu sync.Mutex
		var told []string
		here.OnAnswer = func(a *Answer) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprintf("%s %s 1.%d %s %s %d %d %v", a.Method, a.Target, a.Minor, a.Host, a.UserAgent,
				a.Status, a.Bytes, a.Whole))
			if a.Peer.String() != "127.0.0.1" || a.Took < 0 || time.Since(a.Began) > patience || a.Loop >= here.Engine.Loops() {
				t.Errorf("%v", a)
			}
		}
		if err := os.WriteFile(here.Root+"/medium", make([]byte, 300_000), 0o644); err != nil {
			t.Fatal(err)
		}
		r := beginBeside(t, &here, "tcp", "127.0.0.1:0")
		var want []string
		bytes := 0
		conn, in := r.dial()
		for _, row := range []struct {
			method, target string
			status, length int
		}{
			{"GET", "/small", 200, len("small")}, {"HEAD", "/small", 200, 0}, {"GET", "/medium", 200, 300_000},
			{"GET", "/missing?" + strings.Repeat("q", 30), 404, len(statusOf(404).text)}, {"PUT", "/small", 405, len(statusOf(405).text)},
			{"OPTIONS", "*", 204, 0}, {"GET", "/medium", 200, 300_000},
		} {
			if _, err := io.WriteString(conn, row.method+" "+row.target+" HTTP/1.1\r\nHost: h\r\nUser-Agent: test 1\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(in, &http.Request{Method: row.method})
			if err != nil {
				t.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != row.status || int(n) != row.length {
				t.Fatalf("%s %s: %d, %d bytes, %v", row.method, row.target, answer.StatusCode, n, err)
			}
			bytes += row.length
			want = append(want, fmt.Sprintf("%s %s 1.1 h test 1 %d %d true", row.method, row.target, row.status, row.length))
		}
		if _, err := io.WriteString(conn, "nonsense\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		ends(t, in)
		bytes += len(statusOf(400).text)
		want = append(want, fmt.Sprintf("  1.0   400 %d true", len(statusOf(400).text)))

		conn, in = r.dial()
		if _, err := io.WriteString(conn, getText("/large")); err != nil {
			t.Fatal(err)
		}
		if _, err := in.ReadByte(); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		all := func() []string {
			mu.Lock()
			defer mu.Unlock()
			return told
		}
		for end := time.Now().Add(patience); len(all()) <= len(want); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%q", all())
			}
		}
		got := all()
		if cut := got[len(want)]; !strings.HasPrefix(cut, "GET /large 1.1") || !strings.HasSuffix(cut, "false") {
			t.Errorf("%q", cut)
		}
		if got = got[:len(want)]; strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%q\nwant %q", got, want)
		}
		n := here.Counters.Counts()
		if n.Answers != [6]uint64{0, 0, 6, 0, 3, 0} || n.Cut != 1 || n.BodyBytes < uint64(bytes) || n.Accepted != 2 {
			t.Errorf("%+v, %d bytes", n, bytes)
		}
		for end := time.Now().Add(patience); here.Counters.Counts().Open != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%+v", here.Counters.Counts())
			}
		}
	})
}
