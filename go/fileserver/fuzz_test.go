package fileserver

import (
	"bytes"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// FuzzParse: however a request is cut, the outcome is that of the whole, and
// what is said about it lies within the input.
func FuzzParse(f *testing.F) {
	for _, c := range outcomes {
		if len(c.input) < 2000 {
			f.Add(c.input, uint16(len(c.input)/2), uint16(len(c.input)-1))
		}
	}
	f.Add(full, uint16(100), uint16(200))
	f.Fuzz(func(t *testing.T, input string, i, j uint16) {
		whole := parseWhole(input)
		first, second := min(int(i), len(input)), min(int(j), len(input))
		if got := parsePieces(input, min(first, second), max(first, second)); !reflect.DeepEqual(got, whole) {
			t.Fatalf("cut at %d and %d: %+v, whole: %+v", first, second, got, whole)
		}
		if got := parsePieces(input, everyByte(input)...); !reflect.DeepEqual(got, whole) {
			t.Fatalf("byte by byte: %+v, whole: %+v", got, whole)
		}
		if whole.Out == failed && (whole.Status < 400 || statusOf(whole.Status).line == "") {
			t.Fatalf("failed with %d", whole.Status)
		}
		if whole.Out == complete && (whole.N < len("G / HTTP/1.0\r\n\r\n") || !strings.HasSuffix(input[:whole.N], "\r\n\r\n")) {
			t.Fatalf("%d bytes of %q", whole.N, input)
		}
	})
}

// FuzzServe: no request makes the answer malformed or the server panic.
func FuzzServe(f *testing.F) {
	f.Add(full, int64(100), int64(fileTime), false)
	f.Add(get("/a%20b?\xff", "Range: bytes=5-", "If-Range: \"x\""), int64(1), int64(0), true)
	f.Fuzz(func(t *testing.T, input string, size, mtime int64, isDir bool) {
		w := newWorker()
		if _, out := w.q.parse([]byte(input)); out == more || out == closing {
			return
		}
		w.serve([]byte(input), fileFacts{size: max(size, -(size + 1)), mtime: mtime, isDir: isDir, isRegular: !isDir})
		head, _, ok := bytes.Cut(w.head, []byte("\r\n\r\n"))
		if !ok || bytes.Contains(bytes.ReplaceAll(head, []byte("\r\n"), nil), []byte("\n")) || !bytes.HasPrefix(head, []byte("HTTP/1.1 ")) {
			t.Fatalf("%q", w.head)
		}
		if w.p.fileOff < 0 || w.p.fileLen < 0 || w.p.fileOff+w.p.fileLen > max(size, -(size+1)) {
			t.Fatalf("[%d,+%d) of %d", w.p.fileOff, w.p.fileLen, size)
		}
	})
}

// FuzzBody: the framing reads the same however it is cut.
func FuzzBody(f *testing.F) {
	f.Add("5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\nGET", 3)
	f.Fuzz(func(t *testing.T, body string, size int) {
		q := request{chunked: true}
		out, status, used := skipPieces(&q, body, 1<<30)
		if o, s, u := skipPieces(&q, body, 1+size&1023); o != out || s != status || (out == complete && u != used) {
			t.Fatalf("%d %d %d, whole: %d %d %d", o, s, u, out, status, used)
		}
	})
}

// FuzzCleanPath: a name is safe to open, and is the one a simpler reading of
// the path gives.
func FuzzCleanPath(f *testing.F) {
	for _, seed := range []string{"/", "/a/../b", "/%2e%2e/a", "//a%2Fb/.", "/a%00", "/.well-known/x", "/ü%ff"} {
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, path string, hidden bool) {
		name, slash, status := cleanPath(nil, []byte(path), hidden)
		wantName, wantSlash, wantStatus := cleanPathSlowly(path, hidden)
		if string(name) != wantName || slash != wantSlash || status != wantStatus {
			t.Fatalf("%q: %q %v %d, want %q %v %d", path, name, slash, status, wantName, wantSlash, wantStatus)
		}
		if status != 0 || string(name) == "." {
			return
		}
		for i, part := range strings.Split(string(name), "/") {
			if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "\x00\r\n") || len(part) > 255 {
				t.Fatalf("%q has the component %q", name, part)
			}
			if part[0] == '.' && !hidden && (i > 0 || part != ".well-known") {
				t.Fatalf("%q is hidden", name)
			}
		}
	})
}

// cleanPathSlowly is cleanPath in terms of the standard library.
func cleanPathSlowly(path string, hidden bool) (string, bool, int) {
	var stack []string
	missing, slash := false, true
	parts := strings.Split(path, "/")
	for i, escaped := range parts {
		part, err := url.PathUnescape(escaped)
		if err != nil || strings.ContainsFunc(part, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			return "", false, 400
		}
		slash = i < len(parts)-1
		switch {
		case part == "" || part == ".":
			slash = true
		case part == "..":
			if len(stack) == 0 {
				return "", false, 400
			}
			stack, slash = stack[:len(stack)-1], true
		default:
			missing = missing || strings.Contains(part, "/")
			stack = append(stack, part)
		}
	}
	for i, part := range stack {
		missing = missing || len(part) > 255 || (part[0] == '.' && !hidden && !(i == 0 && part == ".well-known"))
	}
	name := strings.Join(stack, "/")
	if missing || len(name) > 4095 {
		return "", false, 404
	}
	if name == "" {
		return ".", true, 0
	}
	return name, slash, 0
}

// FuzzRange compares with a reading by the standard library's means.
func FuzzRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-0", "bytes=-5", "bytes=5-", "bytes=0-1, 4-5", "bytes=99999999999999999999-", "bytes=5-4", "bytes=,", "x=0-1"} {
		f.Add(seed, int64(10))
	}
	f.Fuzz(func(t *testing.T, value string, size int64) {
		if size < 0 || hasControl([]byte(value)) {
			return
		}
		var s rangeSet
		verdict := s.parse([]byte(value), size)
		want, list := rangesSlowly(value, size)
		if verdict != want || (verdict == rangeOK && !reflect.DeepEqual(s.list[:s.n], list)) {
			t.Fatalf("%q of %d: %d %v, want %d %v", value, size, verdict, s.list[:s.n], want, list)
		}
	})
}

// rangesSlowly is rangeSet.parse in plain words.
func rangesSlowly(value string, size int64) (rangeVerdict, []byteRange) {
	unit, set, ok := strings.Cut(value, "=")
	if !ok || strings.ToLower(unit) != "bytes" || len(unit) != 5 || size == 0 {
		return rangeIgnored, nil
	}
	var list []byteRange
	asked, total := 0, uint64(0)
	for item := range strings.SplitSeq(set, ",") {
		item = strings.Trim(item, " \t")
		if item == "" {
			continue
		}
		asked++
		from, to, ok := strings.Cut(item, "-")
		a, okA := slowNumber(from)
		b, okB := slowNumber(to)
		switch {
		case !ok || (from == "" && to == "") || (from != "" && !okA) || (to != "" && !okB) || (from != "" && to != "" && a > b):
			return rangeUnsatisfiable, nil
		case from == "":
			a, b = uint64(size)-min(b, uint64(size)), uint64(size)-1
		case to == "":
			b = uint64(size) - 1
		}
		if a < uint64(size) {
			n := min(b, uint64(size)-1) - a + 1
			list = append(list, byteRange{int64(a), int64(n)})
			if total <= uint64(size) {
				total += n
			}
		}
	}
	if asked > maxRanges || (total > uint64(size) && asked > 1) {
		return rangeIgnored, nil
	}
	if len(list) == 0 {
		return rangeUnsatisfiable, nil
	}
	return rangeOK, list
}

// slowNumber reads digits, clamped to int64.
func slowNumber(s string) (uint64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 1<<63 - 1, true
	}
	return uint64(n), true
}

// FuzzDate: what is taken for a date in the usual form is one, and is written
// back the same.
func FuzzDate(f *testing.F) {
	f.Add(same)
	f.Add("Sunday, 06-Nov-94 08:49:37 GMT")
	f.Add("Sun Nov  6 08:49:37 1994")
	f.Fuzz(func(t *testing.T, value string) {
		unix, ok := parseDate([]byte(value), 784111777)
		if !ok || value[3] != ',' || strings.Contains(value, ":60 ") {
			return
		}
		if got := string(appendDate(nil, unix)); got[3:] != value[3:] {
			t.Fatalf("%q comes back as %q", value, got)
		}
	})
}

// FuzzListing: no name breaks out of its place in the page.
func FuzzListing(f *testing.F) {
	f.Add(`"><script>`, "a/b", int64(5))
	f.Fuzz(func(t *testing.T, name, directory string, size int64) {
		page := string(listing{directory: directory}.page([]listEntry{{name: name, size: size}}))
		tame := "d" + strings.Repeat("/d", strings.Count(directory, "/"))
		tamePage := string(listing{directory: tame}.page([]listEntry{{name: "x", size: 1}}))
		if directory != "." && strings.Count(page, "<") != strings.Count(tamePage, "<") {
			t.Fatalf("%q in %q: %s", name, directory, page)
		}
	})
}
