package fileserver

import (
	"strings"
	"testing"
)

// Requests as load generators and browsers send them.
const (
	wrkRequest     = "GET /assets/app.3f9a2c.js HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"
	browserRequest = "GET /assets/app.3f9a2c.js HTTP/1.1\r\nHost: www.example.org\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.5\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\nReferer: https://www.example.org/\r\nConnection: keep-alive\r\n" +
		"Sec-Fetch-Dest: script\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: same-origin\r\nPriority: u=2\r\n" +
		"If-None-Match: \"18527a1b2c3d4e5f-1234\"\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n\r\n"
	rangeRequest = "GET /video/film.mp4 HTTP/1.1\r\nHost: a\r\nRange: bytes=1048576-2097151\r\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
)

// worker is the memory one connection keeps.
type worker struct {
	s    *responder
	q    request
	p    plan
	b    bodySkipper
	head []byte

	variant fileFacts // of every precompressed form
}

func newWorker() *worker { return &worker{s: newTestResponder(Options{})} }

var benchFile = fileFacts{size: 4 << 20, mtime: fileTime, isRegular: true}

// serve takes a request through all stages.
func (w *worker) serve(input []byte, facts fileFacts) {
	w.q.reset()
	w.head = w.head[:0]
	n, out := w.q.parse(input)
	if out == failed {
		w.s.failAndClose(&w.q, w.q.status, &w.p)
	} else {
		if w.q.hasBody() {
			w.b.start(&w.q)
			w.b.skip(input[n:])
		}
		for next := w.s.route(&w.q, &w.p); next != stepAnswer; {
			switch {
			case next == stepList:
				next = w.s.fail(&w.q, 404, &w.p)
			case next == stepProbe:
				next, _ = w.s.probed(&w.q, w.variant, &w.p)
			case facts.isDir && w.p.goal == goalIndex:
				next = w.s.missing(&w.q, &w.p)
			default:
				next = w.s.answer(&w.q, facts, &w.p)
			}
		}
	}
	for w.p.morePart() {
		w.head = w.p.appendPart(w.head)
	}
	w.head = w.s.appendHead(w.head, &w.p)
}

// TestNoAllocations serves every kind of answer from memory already there.
func TestNoAllocations(t *testing.T) {
	directory := fileFacts{isDir: true}
	for name, c := range map[string]struct {
		input string
		facts fileFacts
		want  int
	}{
		"file": {wrkRequest, benchFile, 200}, "browser": {browserRequest, benchFile, 200}, "range": {rangeRequest, benchFile, 206},
		"not modified": {get("/a", "If-Modified-Since: "+same), benchFile, 304}, "unsatisfiable": {get("/a", "Range: bytes=-0"), benchFile, 416},
		"redirect": {get("/a%20b?q"), directory, 301}, "directory": {get("/a/"), directory, 404}, "missing": {get("/a"), fileFacts{}, 404},
		"bad path": {get("/%"), benchFile, 400}, "bad request": {get("/", "x y"), benchFile, 400}, "other method": {"PUT" + simple[3:], benchFile, 405},
		"HEAD": {"HEAD" + simple[3:], benchFile, 404}, "absolute": {get("http://b/c"), benchFile, 200},
		"body":       {get("/a", "Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\n\r\n", benchFile, 200},
		"many dates": {get("/a", "If-Unmodified-Since: Sunday, 06-Nov-94 08:49:37 GMT", "If-Modified-Since: Sun Nov  6 08:49:36 1994"), benchFile, 200},
		"parts":      {get("/a", "Range: bytes=0-0,5-9", "Origin: https://a.example"), benchFile, 206}, "variant": {get("/a.js", "Accept-Encoding: gzip, br;q=0.9"), benchFile, 200},
		"repeated": {get("/a", `If-Match: "a"`, `If-Match: "b"`, "Range: bytes=0-0,5-9"), benchFile, 412},
	} {
		w, input := newWorker(), []byte(c.input)
		w.s = newTestResponder(Options{CORS: []string{"https://a.example"}, CacheControl: []CacheRule{{"x/**/*.js", "x"}, {"*", "no-cache"}}})
		if name == "variant" {
			w.variant = benchFile
		}
		if name == "HEAD" {
			c.facts = fileFacts{}
		}
		allocs := testing.AllocsPerRun(100, func() {
			w.s.setTime(w.s.clock.now + second)
			w.serve(input, c.facts)
		})
		if allocs != 0 || w.p.status != c.want {
			t.Errorf("%s: %v allocations, status %d", name, allocs, w.p.status)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for name, input := range map[string]string{"wrk": wrkRequest, "browser": browserRequest} {
		b.Run(name, func(b *testing.B) {
			var q request
			buf := []byte(input)
			b.ReportAllocs()
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				q.reset()
				if _, out := q.parse(buf); out != complete {
					b.Fatal(q.status)
				}
			}
		})
	}
}

func BenchmarkParseByteByByte(b *testing.B) {
	buf := []byte(browserRequest)
	var q request
	b.ReportAllocs()
	for b.Loop() {
		q.reset()
		for n := range buf {
			q.parse(buf[:n+1])
		}
	}
}

func BenchmarkServe(b *testing.B) {
	for name, input := range map[string]string{"wrk": wrkRequest, "browser": browserRequest, "range": rangeRequest, "304": get("/a.html", "If-Modified-Since: "+same)} {
		b.Run(name, func(b *testing.B) {
			w, buf := newWorker(), []byte(input)
			b.ReportAllocs()
			for b.Loop() {
				w.serve(buf, benchFile)
			}
		})
	}
}

func BenchmarkCleanPath(b *testing.B) {
	dst, path := make([]byte, 0, 64), []byte("/assets/js/../app%20one.js")
	b.ReportAllocs()
	for b.Loop() {
		cleanPath(dst, path, false)
	}
}

func BenchmarkBodySkip(b *testing.B) {
	body := []byte(strings.Repeat("400\r\n"+strings.Repeat("x", 1024)+"\r\n", 32) + "0\r\n\r\n")
	var s bodySkipper
	q := request{chunked: true}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		s.start(&q)
		if _, out := s.skip(body); out != complete {
			b.Fatal(s.status)
		}
	}
}
