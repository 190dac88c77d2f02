package fileserver

import (
	"net/http"
	"testing"
	"time"
)

func TestDateBothWays(t *testing.T) {
	for unix := int64(minDate); unix <= maxDate; unix += 86400*13 + 12347 {
		at := time.Unix(unix, 0).UTC()
		got := string(appendDate(nil, unix))
		if want := at.Format(http.TimeFormat); got != want {
			t.Fatalf("%d: %s, want %s", unix, got, want)
		}
		for _, form := range []string{http.TimeFormat, time.ANSIC} {
			if back, ok := parseDate([]byte(at.Format(form)), 0); !ok || back != unix {
				t.Fatalf("%s: %d %v", at.Format(form), back, ok)
			}
		}
	}
	if got := string(appendDate(nil, maxDate+1)); got != "Fri, 31 Dec 9999 23:59:59 GMT" {
		t.Error(got)
	}
}

func TestParseDate(t *testing.T) {
	now := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC).Unix()
	const sample = 784111777
	for _, c := range []struct {
		value string
		want  int64
		ok    bool
	}{
		{"Sun, 06 Nov 1994 08:49:37 GMT", sample, true},
		{"Sunday, 06-Nov-94 08:49:37 GMT", sample, true},
		{"Sun Nov  6 08:49:37 1994", sample, true},
		{"Sun Nov 06 08:49:37 1994", sample, true},
		{"Wednesday, 01-Jan-76 00:00:00 GMT", time.Date(2076, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), true},
		{"Saturday, 01-Jan-77 00:00:00 GMT", time.Date(1977, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), true},
		{"Thu, 29 Feb 2024 23:59:60 GMT", time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC).Unix(), true},
		{"Tue, 29 Feb 2023 00:00:00 GMT", 0, false},
		{"Thu, 29 Feb 1900 00:00:00 GMT", 0, false},
		{"Sun, 31 Nov 1994 08:49:37 GMT", 0, false},
		{"Sun, 00 Nov 1994 08:49:37 GMT", 0, false},
		{"Sun, 06 Nov 1994 24:49:37 GMT", 0, false},
		{"Sun, 06 Nov 1994 08:60:37 GMT", 0, false},
		{"Sun, 06 Nov 1994 08:49:61 GMT", 0, false},
		{"Sun, 06 Nov 1994 08:49:37 UTC", 0, false},
		{"Sun, 06 Nov 1994 08:49:37 +00", 0, false},
		{"Sun, 06 Nox 1994 08:49:37 GMT", 0, false},
		{"Sux, 06 Nov 1994 08:49:37 GMT", 0, false},
		{"Sun, 06 Nov 19x4 08:49:37 GMT", 0, false},
		{"Sun, 06 Nov x994 08:49:37 GMT", 0, false},
		{"Sun, -6 Nov 1994 08:49:37 GMT", 0, false},
		{"Sun, 06-Nov-1994 08:49:37 GMT", 0, false},
		{"Sun, 06 Nov 1994 08.49.37 GMT", 0, false},
		{"Sunday, 06-Nov-9x 08:49:37 GMT", 0, false},
		{"Sun, 06-Nov-94 08:49:37 GMT", 0, false},
		{"Sun Nov 36 08:49:37 1994", 0, false},
		{"Sun Nov  x 08:49:37 1994", 0, false},
		{"Sun Nov  6 08:49:37 19x4", 0, false},
		{"784111777", 0, false}, {"", 0, false}, {"0", 0, false},
	} {
		if got, ok := parseDate([]byte(c.value), now); got != c.want || ok != c.ok {
			t.Errorf("%q: %d %v, want %d %v", c.value, got, ok, c.want, c.ok)
		}
	}
}

// Times of the tests: a file's, with a fraction, and one an hour later.
const (
	fileTime = 784111777*second + 500
	hourOn   = fileTime + 3600*second
)

func TestETag(t *testing.T) {
	for _, c := range []struct {
		name       string
		mode       ETagMode
		mtime, now int64
		want       string
	}{
		{"old", ETagMtime, fileTime, hourOn, `"ae1b981bc490bf4-1000"`},
		{"inode", ETagInode, fileTime, hourOn, `"ae1b981bc490bf4-1000-2a"`},
		{"off", ETagOff, fileTime, hourOn, ""},
		{"just written", ETagMtime, fileTime, fileTime + clockGrain - 1, `W/"ae1b981bc490bf4-1000"`},
		{"a grain old", ETagMtime, fileTime, fileTime + clockGrain, `"ae1b981bc490bf4-1000"`},
		{"of the future", ETagMtime, fileTime, fileTime - 3600*second, `W/"ae1b981bc490bf4-1000"`},
		{"whole seconds", ETagMtime, fileTime - 500, fileTime - 500 + coarseGrain - 1, `W/"ae1b981bc490a00-1000"`},
		{"whole seconds, old", ETagMtime, fileTime - 500, fileTime - 500 + coarseGrain, `"ae1b981bc490a00-1000"`},
		{"epoch", ETagMtime, 0, hourOn, ""},
		{"one second", ETagMtime, second, hourOn, ""},
		{"one second and more", ETagMtime, second + 1, hourOn, `"3b9aca01-1000"`},
		{"before the epoch", ETagMtime, -fileTime, hourOn, ""},
	} {
		var v validators
		v.set(c.mode, &fileFacts{size: 4096, mtime: c.mtime, inode: 42}, identity, c.now)
		if string(v.etag) != c.want {
			t.Errorf("%s: %s, want %s", c.name, v.etag, c.want)
		}
	}
}

// requestWith parses a GET with the given header lines.
func requestWith(t *testing.T, lines ...string) *request {
	t.Helper()
	var q request
	if _, out := q.parse([]byte(withHeader(lines...))); out != complete {
		t.Fatalf("%q: %d", lines, q.status)
	}
	return &q
}

const (
	before = "Sun, 06 Nov 1994 08:49:36 GMT"
	same   = "Sun, 06 Nov 1994 08:49:37 GMT"
	after  = "Sun, 06 Nov 1994 08:49:38 GMT"
)

func TestPreconditions(t *testing.T) {
	strong := validators{etag: []byte(`"x,y"`), modified: 784111777, dated: true, settled: true}
	weak := validators{etag: []byte(`W/"x,y"`), modified: 784111777, dated: true}
	none := validators{modified: 1}
	for _, c := range []struct {
		v     *validators
		want  int
		lines []string
	}{
		{&strong, 0, nil},
		{&strong, 0, []string{`If-Match: "x,y"`}}, {&strong, 0, []string{`If-Match: "a" , W/"b",, "x,y"`}}, {&strong, 0, []string{"If-Match: *"}},
		{&strong, 0, []string{`If-Match: "a"`, `If-Match: "x,y"`}}, {&strong, 412, []string{`If-Match: W/"x,y"`}}, {&strong, 412, []string{`If-Match: "x"`}},
		{&strong, 412, []string{`If-Match: x,y`}}, {&strong, 412, []string{"If-Match:"}}, {&strong, 412, []string{`If-Match: "x,y`}}, {&strong, 412, []string{`If-Match: "a", b, "x,y"`}},
		{&weak, 412, []string{`If-Match: "x,y"`}}, {&weak, 412, []string{`If-Match: W/"x,y"`}}, {&weak, 0, []string{"If-Match: *"}},
		{&none, 412, []string{`If-Match: "x,y"`}}, {&none, 0, []string{"If-Match: *"}}, {&none, 412, []string{`If-Match: ""`}},
		{&strong, 0, []string{"If-Unmodified-Since: " + same}}, {&strong, 0, []string{"If-Unmodified-Since: " + after}}, {&strong, 412, []string{"If-Unmodified-Since: " + before}},
		{&strong, 0, []string{"If-Unmodified-Since: yesterday"}}, {&strong, 0, []string{`If-Match: "x,y"`, "If-Unmodified-Since: " + before}},
		{&none, 0, []string{"If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT"}},
		{&strong, 304, []string{`If-None-Match: "x,y"`}}, {&strong, 304, []string{`If-None-Match: W/"x,y"`}}, {&strong, 304, []string{"If-None-Match: *"}},
		{&strong, 304, []string{`If-None-Match: "a"`, `If-None-Match: "x,y"`}}, {&strong, 0, []string{`If-None-Match: "a"`}}, {&strong, 0, []string{"If-None-Match:"}},
		{&weak, 304, []string{`If-None-Match: "x,y"`}}, {&weak, 304, []string{`If-None-Match: W/"x,y"`}}, {&none, 0, []string{`If-None-Match: "x,y"`}}, {&none, 304, []string{"If-None-Match: *"}},
		{&strong, 304, []string{"If-Modified-Since: " + same}}, {&strong, 304, []string{"If-Modified-Since: " + after}}, {&strong, 0, []string{"If-Modified-Since: " + before}},
		{&strong, 0, []string{"If-Modified-Since: x"}}, {&none, 0, []string{"If-Modified-Since: " + same}},
		{&strong, 0, []string{`If-None-Match: "a"`, "If-Modified-Since: " + after}}, {&strong, 304, []string{`If-None-Match: "x,y"`, "If-Modified-Since: " + before}},
		{&strong, 412, []string{`If-Match: "a"`, `If-None-Match: "x,y"`}}, {&strong, 304, []string{`If-Match: "x,y"`, `If-None-Match: "x,y"`}},
		{&strong, 412, []string{"If-Unmodified-Since: " + before, "If-Modified-Since: " + after}},
	} {
		if got := c.v.precondition(requestWith(t, c.lines...), hourOn/second); got != c.want {
			t.Errorf("%q on %s: %d, want %d", c.lines, c.v.etag, got, c.want)
		}
	}
}

func TestIfRange(t *testing.T) {
	strong := validators{etag: []byte(`"x"`), modified: 784111777, dated: true, settled: true}
	weak := validators{etag: []byte(`W/"x"`), modified: 784111777, dated: true}
	none := validators{modified: 1, settled: true}
	for _, c := range []struct {
		v     *validators
		want  bool
		lines []string
	}{
		{&strong, true, nil}, {&strong, true, []string{`If-Range: "x"`}}, {&strong, false, []string{`If-Range: W/"x"`}}, {&strong, false, []string{`If-Range: "y"`}},
		{&strong, true, []string{"If-Range: " + same}}, {&strong, false, []string{"If-Range: " + after}}, {&strong, false, []string{"If-Range: " + before}},
		{&strong, false, []string{"If-Range:"}}, {&strong, false, []string{"If-Range: x"}}, {&strong, false, []string{`If-Range: "x", "x"`}},
		{&weak, false, []string{`If-Range: "x"`}}, {&weak, false, []string{`If-Range: W/"x"`}}, {&weak, false, []string{"If-Range: " + same}},
		{&none, false, []string{"If-Range: Thu, 01 Jan 1970 00:00:01 GMT"}}, {&none, false, []string{`If-Range: ""`}},
	} {
		if got := c.v.rangeApplies(requestWith(t, c.lines...), hourOn/second); got != c.want {
			t.Errorf("%q on %s: %v", c.lines, c.v.etag, got)
		}
	}
}

func TestSettled(t *testing.T) {
	var v validators
	for now, want := range map[int64]bool{fileTime: false, fileTime + second/2: false, fileTime + second: true, fileTime - second: false} {
		if v.set(ETagMtime, &fileFacts{mtime: fileTime}, identity, now); v.settled != want {
			t.Errorf("%d after: %v", now-fileTime, v.settled)
		}
	}
}
