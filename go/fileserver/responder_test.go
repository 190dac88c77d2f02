package fileserver

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
)

// site is a tree in memory: facts by name.
type site map[string]fileFacts

var regular = fileFacts{size: 1000, mtime: fileTime, isRegular: true}

var testSite = site{
	".": {isDir: true}, "a.txt": regular, "empty": {mtime: fileTime, isRegular: true}, "fifo": {mtime: fileTime},
	"dir": {isDir: true}, "dir/index.html": regular, "bare": {isDir: true}, "x/a:b é": {isDir: true}, "odd": {isDir: true},
	"odd/index.html": {isDir: true}, "pipe": {isDir: true}, "pipe/index.html": {mtime: fileTime}, "nix": {size: 1000, mtime: second, isRegular: true},
	"dir/home.htm": regular, "future.txt": {size: 1, mtime: hourOn + 3600*second, isRegular: true},
}

// exchanged is what a connection would do with one request: it gives the head
// as appended, and the plan. Bytes of files are not sent; a listing is.
func exchanged(t *testing.T, s *responder, tree site, input string) (string, *plan) {
	t.Helper()
	var q request
	p := new(plan)
	n, out := q.parse([]byte(input))
	if out != complete && out != failed {
		t.Fatalf("outcome %d of %q", out, input)
	}
	body := tree.follow(s, &q, p, firstStep(s, &q, p, input[n:], out))
	head := s.appendHead(nil, p)
	if p.noBody {
		body = nil
	}
	return string(append(head, body...)), p
}

func firstStep(s *responder, q *request, p *plan, body string, out outcome) step {
	if out == failed {
		return s.failAndClose(q, q.status, p)
	}
	if q.hasBody() && !q.expect {
		var b bodySkipper
		b.start(q)
		if _, out := b.skip([]byte(body)); out == failed {
			return s.bodyFailed(q, b.status, p)
		}
	}
	return s.route(q, p)
}

// follow plays the owner of a connection, with a tree in memory.
func (tree site) follow(s *responder, q *request, p *plan, next step) (listing []byte) {
	for next != stepAnswer {
		facts, found := tree[strings.TrimPrefix(string(p.name), "./")]
		facts.variants = allCodings
		switch {
		case next == stepList:
			l := s.listing(q, p)
			listing = l.body([]listEntry{{name: "n", size: 1}})
			s.listed(l, listing, p)
			next = stepAnswer
		case next == stepHash:
			next = s.hashed(q, []byte("0123456789abcdef"), p)
		case next == stepProbe:
			next, _ = s.probed(q, facts, p)
		case found:
			next = s.answer(q, facts, p)
		default:
			next = s.missing(q, p)
		}
	}
	return listing
}

// newTestResponder makes a responder whose time is an hour after the files'.
func newTestResponder(o Options) *responder {
	s := newResponder(o)
	s.setTime(hourOn)
	return s
}

// The lines of answers that come again and again.
const (
	dateLine = "Date: Sun, 06 Nov 1994 09:49:37 GMT\r\n"
	plain    = "Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"
	tags     = "ETag: \"ae1b981bc490bf4-3e8\"\r\nLast-Modified: " + same + "\r\n"
	wholeOK  = "HTTP/1.1 200 OK\r\n" + dateLine + plain + "Content-Length: 1000\r\nAccept-Ranges: bytes\r\n" + tags
)

// builtInAnswer is a whole built-in answer with more header lines at its end.
func builtInAnswer(said, lines string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\n%s%sContent-Length: %d\r\n%s\r\n%s\n", said, dateLine, plain, len(said)+1, lines, said)
}

func get(path string, lines ...string) string {
	return strings.Replace(withHeader(lines...), "/", path, 1)
}

// ranged is the head of a 206 for a.txt.
func ranged(length, lines string) string {
	return "HTTP/1.1 206 Partial Content\r\n" + dateLine + plain + "Content-Length: " + length + "\r\nAccept-Ranges: bytes\r\n" + tags + lines + "\r\n"
}

const closeLine = "Connection: close\r\n"

var notFound = builtInAnswer("404 Not Found", "")

// answers lists requests to testSite, the head each is answered with, and the
// part of the file that goes behind it.
var answers = []struct {
	name, input, want string
	off, len          int64
}{
	{"file", get("/a.txt"), wholeOK + "\r\n", 0, 1000},
	{"query", get("/a.txt?x"), wholeOK + "\r\n", 0, 1000},
	{"close", get("/a.txt", "Connection: close"), wholeOK + closeLine + "\r\n", 0, 1000},
	{"1.0", "GET /a.txt HTTP/1.0\r\n\r\n", wholeOK + closeLine + "\r\n", 0, 1000},
	{"1.0 keep-alive", "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", wholeOK + "Connection: keep-alive\r\n\r\n", 0, 1000},
	{"HEAD", "HEAD" + get("/a.txt")[3:], wholeOK + "\r\n", 0, 0},
	{"HEAD with Range", "HEAD" + get("/a.txt", "Range: bytes=0-1")[3:], wholeOK + "\r\n", 0, 0},
	{"HEAD 404", "HEAD" + get("/b")[3:], strings.TrimSuffix(notFound, "404 Not Found\n"), 0, 0},
	{"range", get("/a.txt", "Range: bytes=10-19"), ranged("10", "Content-Range: bytes 10-19/1000\r\n"), 10, 10},
	{"too many ranges", get("/a.txt", "Range: bytes="+strings.Repeat("0-0,", 17)), wholeOK + "\r\n", 0, 1000},
	{"one of two satisfiable", get("/a.txt", "Range: bytes=999-,5000-"), ranged("1", "Content-Range: bytes 999-999/1000\r\n"), 999, 1},
	{"range beyond", get("/a.txt", "Range: bytes=1000-"), builtInAnswer("416 Range Not Satisfiable", "Accept-Ranges: bytes\r\nContent-Range: bytes */1000\r\n"), 0, 0},
	{"range bad", get("/a.txt", "Range: bytes=x"), builtInAnswer("416 Range Not Satisfiable", "Accept-Ranges: bytes\r\nContent-Range: bytes */1000\r\n"), 0, 0},
	{"range of empty", get("/empty", "Range: bytes=0-"), "HTTP/1.1 200 OK\r\n" + dateLine + "Content-Type: application/octet-stream\r\nX-Content-Type-Options: nosniff\r\n" +
		"Content-Length: 0\r\nAccept-Ranges: bytes\r\n" + strings.Replace(tags, "3e8", "0", 1) + "\r\n", 0, 0},
	{"If-Range hit", get("/a.txt", "Range: bytes=0-0", `If-Range: "ae1b981bc490bf4-3e8"`), ranged("1", "Content-Range: bytes 0-0/1000\r\n"), 0, 1},
	{"If-Range miss", get("/a.txt", "Range: bytes=0-0", `If-Range: "x"`), wholeOK + "\r\n", 0, 1000},
	{"If-Range miss, unsatisfiable", get("/a.txt", "Range: bytes=1000-", `If-Range: "x"`), wholeOK + "\r\n", 0, 1000},
	{"not modified", get("/a.txt", "If-Modified-Since: "+same), "HTTP/1.1 304 Not Modified\r\n" + dateLine + tags + "\r\n", 0, 0},
	{"not modified before range", get("/a.txt", "Range: bytes=5000-", "If-None-Match: *"), "HTTP/1.1 304 Not Modified\r\n" + dateLine + tags + "\r\n", 0, 0},
	{"precondition failed", get("/a.txt", `If-Match: "x"`), builtInAnswer("412 Precondition Failed", ""), 0, 0},
	{"no validators", get("/nix", "If-Modified-Since: "+same), "HTTP/1.1 200 OK\r\n" + dateLine + "Content-Type: application/octet-stream\r\nX-Content-Type-Options: nosniff\r\n" +
		"Content-Length: 1000\r\nAccept-Ranges: bytes\r\n\r\n", 0, 1000},
	{"future", get("/future.txt"), "HTTP/1.1 200 OK\r\n" + dateLine + plain + "Content-Length: 1\r\nAccept-Ranges: bytes\r\n" +
		"ETag: W/\"ae1c00e1dba4bf4-1\"\r\nLast-Modified: Sun, 06 Nov 1994 09:49:37 GMT\r\n\r\n", 0, 1},
	{"missing", get("/b"), notFound, 0, 0}, {"hidden", get("/.git"), notFound, 0, 0}, {"escaped slash", get("/dir%2Findex.html"), notFound, 0, 0},
	{"special file", get("/fifo"), notFound, 0, 0}, {"file with a slash", get("/a.txt/"), notFound, 0, 0},
	{"missing with a slash", get("/b/"), notFound, 0, 0},
	{"bad path", get("/%00"), builtInAnswer("400 Bad Request", ""), 0, 0}, {"above the root", get("/../a"), builtInAnswer("400 Bad Request", ""), 0, 0},
	{"bad request", "GET / HTTP/1.1\r\n\r\n", builtInAnswer("400 Bad Request", closeLine), 0, 0},
	{"bad HEAD", "HEAD / HTTP/1.1\r\n\r\n", strings.TrimSuffix(builtInAnswer("400 Bad Request", closeLine), "400 Bad Request\n"), 0, 0},
	{"other method", "PUT" + get("/a.txt")[3:], builtInAnswer("405 Method Not Allowed", "Allow: GET, HEAD, OPTIONS\r\n"), 0, 0},
	{"unknown method", "BREW" + get("/a.txt")[3:], builtInAnswer("501 Not Implemented", ""), 0, 0},
	{"OPTIONS", "OPTIONS" + get("/b")[3:], "HTTP/1.1 204 No Content\r\n" + dateLine + "Allow: GET, HEAD, OPTIONS\r\n\r\n", 0, 0},
	{"OPTIONS *", "OPTIONS" + get("*")[3:], "HTTP/1.1 204 No Content\r\n" + dateLine + "Allow: GET, HEAD, OPTIONS\r\n\r\n", 0, 0},
	{"small body", get("/a.txt", "Content-Length: 3") + "abc", wholeOK + "\r\n", 0, 1000},
	{"large body", get("/a.txt", "Content-Length: 65537"), builtInAnswer("413 Content Too Large", closeLine), 0, 0},
	{"bad chunk", get("/a.txt", "Transfer-Encoding: chunked") + "x", builtInAnswer("400 Bad Request", closeLine), 0, 0},
	{"large upload", "PUT" + get("/a.txt", "Content-Length: 65537")[3:], builtInAnswer("405 Method Not Allowed", "Allow: GET, HEAD, OPTIONS\r\n"+closeLine), 0, 0},
	{"expecting", get("/a.txt", "Expect: 100-continue", "Content-Length: 3"), wholeOK + closeLine + "\r\n", 0, 1000},
	{"expecting, 1.0", "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", wholeOK + "Connection: keep-alive\r\n\r\n", 0, 1000},
	{"redirect", get("/dir"), builtInAnswer("301 Moved Permanently", "Location: dir/\r\n"), 0, 0},
	{"redirect with query", get("//x/../dir?a=b&c=\xc3"), builtInAnswer("301 Moved Permanently", "Location: dir/?a=b&c=%C3\r\n"), 0, 0},
	{"redirect of an odd name", get("/x/a:b%20%c3%a9"), builtInAnswer("301 Moved Permanently", "Location: a%3Ab%20%C3%A9/\r\n"), 0, 0},
	{"no redirect to a host", get("//dir"), builtInAnswer("301 Moved Permanently", "Location: dir/\r\n"), 0, 0},
	{"index", get("/dir/"), strings.Replace(wholeOK, "plain", "html", 1) + "\r\n", 0, 1000},
	{"index range", get("/dir/", "Range: bytes=1-1"), strings.Replace(ranged("1", "Content-Range: bytes 1-1/1000\r\n"), "plain", "html", 1), 1, 1},
	{"index by name", get("/dir/index.html"), strings.Replace(wholeOK, "plain", "html", 1) + "\r\n", 0, 1000},
	{"dot ends a directory", get("/dir/."), strings.Replace(wholeOK, "plain", "html", 1) + "\r\n", 0, 1000},
}

func TestAnswers(t *testing.T) {
	for _, c := range answers {
		t.Run(c.name, func(t *testing.T) {
			got, p := exchanged(t, newTestResponder(Options{}), testSite, c.input)
			if got != c.want || p.fileOff != c.off || p.fileLen != c.len {
				t.Errorf("body [%d,+%d)\ngot  %q\nwant %q", p.fileOff, p.fileLen, got, c.want)
			}
			if p.close != strings.Contains(c.want, closeLine) {
				t.Errorf("close is %v", p.close)
			}
		})
	}
}

// TestEveryStatus makes sure that each built-in answer is one that a client
// can read.
func TestEveryStatus(t *testing.T) {
	s := newTestResponder(Options{})
	for _, status := range []int{301, 400, 404, 405, 406, 408, 412, 413, 414, 416, 431, 500, 501, 503, 505} {
		var q request
		p := new(plan)
		q.parse([]byte(simple))
		s.fail(&q, status, p)
		r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(s.appendHead(nil, p))), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != status || r.Close || !strings.HasPrefix(string(body), fmt.Sprint(status, " ")) {
			t.Errorf("%d: %+v %q %v", status, r, body, err)
		}
		s.failAndClose(&q, status, p)
		if !p.close || !bytes.Contains(s.appendHead(nil, p), []byte("Connection: close\r\n")) {
			t.Errorf("%d does not close", status)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		options Options
		path    string
		status  int
	}{
		{Options{}, "/bare/", 200}, {Options{NoListing: true}, "/bare/", 404}, {Options{NoListing: true}, "/dir/", 200}, {Options{}, "/", 200},
		{Options{}, "/odd/", 200}, {Options{NoListing: true}, "/odd/", 404}, {Options{NoListing: true}, "/pipe/", 404},
		{Options{NoListing: true, Index: "home.htm"}, "/dir/", 200}, {Options{NoListing: true, Index: "no.htm"}, "/dir/", 404},
		{Options{NoListing: true}, "/bare", 301}, {Options{Hidden: true}, "/.a", 200}, {Options{}, "/.a", 404},
	} {
		tree := site{".a": regular}
		for name, facts := range testSite {
			tree[name] = facts
		}
		if _, p := exchanged(t, newTestResponder(c.options), tree, get(c.path)); p.status != c.status {
			t.Errorf("%+v %s: %d, want %d", c.options, c.path, p.status, c.status)
		}
	}
	if got, _ := exchanged(t, newTestResponder(Options{ETag: ETagOff}), testSite, get("/a.txt")); strings.Contains(got, "ETag") {
		t.Error(got)
	}
}

// TestListAnswer reads a listing's answer with Go's own client code.
func TestListAnswer(t *testing.T) {
	for _, c := range []struct{ input, contentType string }{
		{get("/bare/"), "text/html; charset=utf-8"}, {get("/bare/?format=json"), "application/json"}, {get("/bare/", "Accept: application/json"), "application/json"},
	} {
		got, p := exchanged(t, newTestResponder(Options{}), testSite, c.input)
		r, err := http.ReadResponse(bufio.NewReader(strings.NewReader(got)), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || int64(len(body)) != p.length || r.Header.Get("Content-Type") != c.contentType {
			t.Errorf("%d of %d bytes, %v: %+v", len(body), p.length, err, r.Header)
		}
		for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Vary", "Date"} {
			if r.Header.Get(name) == "" {
				t.Errorf("no %s", name)
			}
		}
		if string(p.name) != "bare" {
			t.Errorf("the directory to list is %q", p.name)
		}
		if head, _ := exchanged(t, newTestResponder(Options{}), testSite, "HEAD"+c.input[3:]); !strings.HasSuffix(head, "\r\n\r\n") || head+string(body) != got {
			t.Errorf("HEAD: %q", head)
		}
	}
}

// TestListMissing makes sure that a directory that cannot be read is a 404.
func TestListMissing(t *testing.T) {
	s, p := newTestResponder(Options{}), new(plan)
	q := requestWith(t)
	s.route(q, p)
	if s.answer(q, fileFacts{isDir: true}, p) != stepOpen || string(p.name) != "./index.html" {
		t.Fatalf("%q", p.name)
	}
	next := s.missing(q, p)
	for next == stepProbe {
		next, _ = s.probed(q, fileFacts{}, p)
	}
	if next != stepList || string(p.name) != "." {
		t.Fatalf("%d %q", next, p.name)
	}
	if s.missing(q, p) != stepAnswer || p.status != 404 {
		t.Error(p.status)
	}
}

// TestPlanReuse makes sure that nothing of an answer is left in the next one.
func TestPlanReuse(t *testing.T) {
	s, p := newTestResponder(Options{}), new(plan)
	inputs := []string{get("/a.txt", "Range: bytes=1-2"), get("/dir"), get("/b"), "OPTIONS" + get("/")[3:], get("/a.txt", "Range: bytes=5000-"),
		"HEAD" + get("/a.txt")[3:], get("/a.txt", "If-None-Match: *"), "PUT" + get("/a.txt")[3:], get("/a.txt"), get("/%00")}
	run := func(p *plan, input string) string {
		var q request
		q.parse([]byte(input))
		testSite.follow(s, &q, p, s.route(&q, p))
		return fmt.Sprintf("%s%d %d %v", s.appendHead(nil, p), p.fileOff, p.fileLen, p.close)
	}
	for _, a := range inputs {
		for _, b := range inputs {
			run(p, a)
			if got, want := run(p, b), run(new(plan), b); got != want {
				t.Errorf("%q after %q:\n%q\n%q", b, a, got, want)
			}
		}
	}
}

func TestClock(t *testing.T) {
	var c clock
	for _, step := range []struct {
		now  int64
		want string
	}{{0, "Thu, 01 Jan 1970 00:00:00 GMT"}, {second - 1, "Thu, 01 Jan 1970 00:00:00 GMT"}, {second, "Thu, 01 Jan 1970 00:00:01 GMT"}, {-1, "Wed, 31 Dec 1969 23:59:59 GMT"}} {
		c.set(step.now)
		if got := string(c.date); got != "Date: "+step.want+"\r\n" || c.now != step.now {
			t.Errorf("%d: %q", step.now, got)
		}
	}
}

// TestHeadersWellFormed reads every answer of a mixed bag as MIME headers.
func TestHeadersWellFormed(t *testing.T) {
	for _, path := range []string{"/a.txt", "/dir?\"<>|{}^`\\\xff", "/x/a:b%20%c3%a9", "/nope"} {
		got, _ := exchanged(t, newTestResponder(Options{}), testSite, get(path))
		_, headers, _ := strings.Cut(got, "\r\n")
		h, err := textproto.NewReader(bufio.NewReader(strings.NewReader(headers))).ReadMIMEHeader()
		if err != nil || h.Get("Date") == "" {
			t.Errorf("%s: %v %v", path, h, err)
		}
	}
}
