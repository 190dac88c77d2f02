package fileserver

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ringo-io/ringo/go/ringo"
)

// TestConformance: one table of requests, answered alike by the loops on io_uring, by the loops on
// threads, and by the http.Handler under net/http.

// An answer is what a client sees, but for what differs from time to time.
type answer struct {
	status int
	header http.Header
	body   string // a hash of it, when it is long
}

// conformanceSite is served in all cases; every file's time is fileTime.
func conformanceSite(t testing.TB) string {
	root := t.TempDir()
	long := bytes.Repeat([]byte("0123456789abcdef"), 8<<10)
	for name, data := range map[string]string{
		"a.txt": strings.Repeat("x", 1000), "empty": "", "dir/index.html": "<p>index", "bare/one": "1", "bare/two.txt": "22", "bare/sub/x": "",
		"app.js": strings.Repeat("js ", 500), "app.js.gz": "gz", "app.js.br": "br!", "app.js.zst": "zstd", "only.css.br": "only",
		"long.bin": string(long), "404.html": "<p>not here", "index.html": "<p>spa", ".hidden": "h", ".well-known/x": "w", "a b+c;d&e%.txt": "odd",
		"secret/.x/y": "no",
	} {
		writeAt(t, filepath.Join(root, name), data)
	}
	for link, to := range map[string]string{"in": "a.txt", "indir": "bare", "out": "/etc/passwd", "up": "../../etc/passwd", "loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(root, func(name string, _ os.DirEntry, err error) error {
		if at := time.Unix(0, fileTime); err == nil {
			_ = os.Chtimes(name, at, at) // not through dangling links
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func writeAt(t testing.TB, name, data string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(data), 0o644)); err != nil {
		t.Fatal(err)
	}
}

var conformanceRows = []struct {
	name, input string
	status      int
	header      string // a line the answer has, or "!Name" for one it has not
}{
	{"file", get("/a.txt"), 200, "Content-Type: text/plain; charset=utf-8"},
	{"nosniff", get("/a.txt"), 200, "X-Content-Type-Options: nosniff"},
	{"ranges are offered", get("/a.txt"), 200, "Accept-Ranges: bytes"},
	{"tag", get("/a.txt"), 200, `Etag: "ae1b981bc490bf4-3e8"`},
	{"date of the file", get("/a.txt"), 200, "Last-Modified: " + same},
	{"HEAD", "HEAD" + get("/a.txt")[3:], 200, "Content-Length: 1000"},
	{"HEAD ignores Range", "HEAD" + get("/a.txt", "Range: bytes=0-0")[3:], 200, "Content-Length: 1000"},
	{"empty", get("/empty"), 200, "Content-Length: 0"},
	{"large", get("/long.bin"), 200, "Content-Length: 131072"},
	{"query", get("/a.txt?a=b&c"), 200, ""},
	{"OPTIONS", "OPTIONS" + get("/a.txt")[3:], 204, "Allow: GET, HEAD, OPTIONS"},
	{"OPTIONS of nothing", "OPTIONS" + get("/nothing")[3:], 204, "!Content-Length"},
	{"POST", "POST" + get("/a.txt", "Content-Length: 3")[3:] + "abc", 405, "Allow: GET, HEAD, OPTIONS"},
	{"DELETE", "DELETE" + get("/a.txt")[3:], 405, "Allow: GET, HEAD, OPTIONS"},
	{"unknown method", "BREW" + get("/a.txt")[3:], 501, "!Allow"},
	{"body of GET", get("/a.txt", "Content-Length: 3") + "abc", 200, "Content-Length: 1000"},
	{"chunked body of GET", get("/a.txt", "Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\n\r\n", 200, ""},
	{"body of 64 KiB", get("/a.txt", "Content-Length: 65536") + strings.Repeat("b", 65536), 200, ""},
	{"body over 64 KiB", get("/a.txt", "Content-Length: 65537") + strings.Repeat("b", 65537), 413, "Connection: close"},
	{"chunked over 64 KiB", get("/a.txt", "Transfer-Encoding: chunked") + "10001\r\n" + strings.Repeat("b", 65537) + "\r\n0\r\n\r\n", 413, "Connection: close"},
	{"expecting", get("/a.txt", "Expect: 100-continue", "Content-Length: 3"), 200, "Connection: close"},
	{"missing", get("/nothing"), 404, "Content-Length: 14"},
	{"hidden", get("/.hidden"), 404, "Content-Length: 14"},
	{"hidden below", get("/secret/.x/y"), 404, "Content-Length: 14"},
	{"well-known", get("/.well-known/x"), 200, ""},
	{"link within", get("/in"), 200, "Content-Length: 1000"},
	{"directory link within", get("/indir/one"), 200, ""},
	{"link out", get("/out"), 404, "Content-Length: 14"},
	{"relative link out", get("/up"), 404, "Content-Length: 14"},
	{"link to itself", get("/loop"), 404, ""},
	{"file as a directory", get("/a.txt/"), 404, ""},
	{"below a file", get("/a.txt/x"), 404, ""},
	{"NUL", get("/a%00.txt"), 400, ""},
	{"control character", get("/a%0Ab"), 400, ""},
	{"DEL", get("/a%7Fb"), 400, ""},
	{"slashes collapse", get("//dir///index.html"), 200, ""},
	{"dots collapse", get("/./dir/./index.html"), 200, ""},
	{"dot-dot within", get("/dir/../a.txt"), 200, ""},
	{"dot-dot above", get("/dir/../../a.txt"), 400, ""},
	{"escaped dot-dot above", get("/%2e%2e/a.txt"), 400, ""},
	{"escaped slash", get("/dir%2Findex.html"), 404, ""},
	{"escaped once", get("/%2561.txt"), 404, ""},
	{"odd name", get("/a%20b+c;d&e%25.txt"), 200, "Content-Length: 3"},
	{"directory", get("/dir"), 301, "Location: dir/"},
	{"directory with a query", get("/dir?x=1&y"), 301, "Location: dir/?x=1&y"},
	{"directory behind slashes", get("//dir"), 301, "Location: dir/"},
	{"index", get("/dir/"), 200, "Content-Type: text/html; charset=utf-8"},
	{"index by its name", get("/dir/index.html"), 200, "Content-Length: 8"},
	{"listing", get("/bare/"), 200, "Content-Type: text/html; charset=utf-8"},
	{"listing's policy", get("/bare/"), 200, "Vary: Accept"},
	{"listing as JSON", get("/bare/?format=json"), 200, "Content-Type: application/json"},
	{"listing by Accept", get("/bare/", "Accept: application/json"), 200, "Content-Type: application/json"},
	{"listing sorted", get("/bare/?format=json&sort=size&order=desc"), 200, "Content-Type: application/json"},
	{"HEAD of a listing", "HEAD" + get("/bare/")[3:], 200, "Vary: Accept"},
	{"range", get("/a.txt", "Range: bytes=10-19"), 206, "Content-Range: bytes 10-19/1000"},
	{"range to the end", get("/a.txt", "Range: bytes=990-"), 206, "Content-Range: bytes 990-999/1000"},
	{"suffix", get("/a.txt", "Range: bytes=-5"), 206, "Content-Range: bytes 995-999/1000"},
	{"suffix too long", get("/a.txt", "Range: bytes=-5000"), 206, "Content-Range: bytes 0-999/1000"},
	{"large range", get("/long.bin", "Range: bytes=1-100000"), 206, "Content-Length: 100000"},
	{"range beyond", get("/a.txt", "Range: bytes=1000-"), 416, "Content-Range: bytes */1000"},
	{"empty suffix", get("/a.txt", "Range: bytes=-0"), 416, "Content-Range: bytes */1000"},
	{"malformed range", get("/a.txt", "Range: bytes=alpha"), 416, "Content-Range: bytes */1000"},
	{"backward range", get("/a.txt", "Range: bytes=5-4"), 416, ""},
	{"other unit", get("/a.txt", "Range: lines=1-2"), 200, ""},
	{"range of nothing", get("/empty", "Range: bytes=0-0"), 200, ""},
	{"17 ranges", get("/a.txt", "Range: bytes="+strings.Repeat("0-0,", 17)), 200, "Content-Length: 1000"},
	{"ranges longer than the file", get("/a.txt", "Range: bytes=0-999,0-0"), 200, "Content-Length: 1000"},
	{"two ranges", get("/a.txt", "Range: bytes=0-9,20-29"), 206, "!Content-Range"},
	{"large ranges", get("/long.bin", "Range: bytes=0-40000,50000-90000,-1"), 206, "!Content-Range"},
	{"one of two", get("/a.txt", "Range: bytes=5000-,0-1"), 206, "Content-Range: bytes 0-1/1000"},
	{"If-Range by tag", get("/a.txt", "Range: bytes=0-0", `If-Range: "ae1b981bc490bf4-3e8"`), 206, ""},
	{"If-Range by another tag", get("/a.txt", "Range: bytes=0-0", `If-Range: "x"`), 200, ""},
	{"If-Range by weak tag", get("/a.txt", "Range: bytes=0-0", `If-Range: W/"ae1b981bc490bf4-3e8"`), 200, ""},
	{"If-Range by date", get("/a.txt", "Range: bytes=0-0", "If-Range: "+same), 206, ""},
	{"If-Range by an older date", get("/a.txt", "Range: bytes=0-0", "If-Range: Sun, 06 Nov 1994 08:49:36 GMT"), 200, ""},
	{"If-None-Match", get("/a.txt", `If-None-Match: "x", W/"ae1b981bc490bf4-3e8"`), 304, "!Content-Length"},
	{"If-None-Match twice", get("/a.txt", `If-None-Match: "x"`, `If-None-Match: "ae1b981bc490bf4-3e8"`), 304, ""},
	{"If-None-Match any", get("/a.txt", "If-None-Match: *"), 304, `Etag: "ae1b981bc490bf4-3e8"`},
	{"If-None-Match beats the date", get("/a.txt", `If-None-Match: "x"`, "If-Modified-Since: "+same), 200, ""},
	{"If-Modified-Since", get("/a.txt", "If-Modified-Since: "+same), 304, "!Content-Type"},
	{"If-Modified-Since before", get("/a.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT"), 200, ""},
	{"If-Modified-Since no date", get("/a.txt", "If-Modified-Since: yesterday"), 200, ""},
	{"If-Match", get("/a.txt", `If-Match: "ae1b981bc490bf4-3e8"`), 200, ""},
	{"If-Match another", get("/a.txt", `If-Match: "x"`), 412, ""},
	{"If-Match weak", get("/a.txt", `If-Match: W/"ae1b981bc490bf4-3e8"`), 412, ""},
	{"If-Match before If-None-Match", get("/a.txt", `If-Match: "x"`, "If-None-Match: *"), 412, ""},
	{"If-Unmodified-Since", get("/a.txt", "If-Unmodified-Since: "+same), 200, ""},
	{"If-Unmodified-Since before", get("/a.txt", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT"), 412, ""},
	{"conditions of nothing", get("/nothing", "If-None-Match: *"), 404, ""},
	{"precompressed", get("/app.js", "Accept-Encoding: gzip, deflate, br, zstd"), 200, "Content-Encoding: zstd"},
	{"precompressed, its length", get("/app.js", "Accept-Encoding: br"), 200, "Content-Length: 3"},
	{"precompressed, its type", get("/app.js", "Accept-Encoding: br"), 200, "Content-Type: text/javascript; charset=utf-8"},
	{"precompressed, range", get("/app.js", "Accept-Encoding: gzip", "Range: bytes=1-"), 206, "Content-Range: bytes 1-1/2"},
	{"precompressed, not wanted", get("/app.js"), 200, "Vary: Accept-Encoding"},
	{"precompressed, refused", get("/app.js", "Accept-Encoding: *;q=0"), 406, "Vary: Accept-Encoding"},
	{"precompressed alone", get("/only.css", "Accept-Encoding: br"), 200, "Content-Encoding: br"},
	{"precompressed alone, not wanted", get("/only.css"), 404, "Vary: Accept-Encoding"},
	{"not precompressed", get("/a.txt", "Accept-Encoding: gzip"), 200, "!Vary"},
}

// siteRows are rows for a site with everything switched on.
var siteRows = []struct {
	name, input string
	status      int
	header      string
}{
	{"SPA", get("/users/7"), 200, "Content-Type: text/html; charset=utf-8"},
	{"SPA, revalidated", get("/users/7", "If-None-Match: *"), 304, ""},
	{"SPA, not for files", get("/users.js"), 404, "Content-Type: text/html; charset=utf-8"},
	{"error page", get("/nothing.txt"), 404, "Content-Length: 11"},
	{"error page, HEAD", "HEAD" + get("/nothing.txt")[3:], 404, "Content-Length: 11"},
	{"error page of a method", "PUT" + get("/a.txt")[3:], 405, "Content-Length: 11"},
	{"error page keeps Allow", "PUT" + get("/a.txt")[3:], 405, "Allow: GET, HEAD, OPTIONS"},
	{"error page of a range", get("/a.txt", "Range: bytes=-0"), 416, "Content-Range: bytes */1000"},
	{"no listing", get("/bare/"), 200, "Content-Length: 6"},
	{"cache control", get("/app.js"), 200, "Cache-Control: max-age=60"},
	{"cache control of a form", get("/app.js", "Accept-Encoding: br"), 200, "Cache-Control: max-age=60"},
	{"cache control of 304", get("/app.js", "If-None-Match: *"), 304, "Cache-Control: max-age=60"},
	{"cache control of the rest", get("/a.txt"), 200, "Cache-Control: no-cache"},
	{"CORS", get("/a.txt", "Origin: https://a.example"), 200, "Access-Control-Allow-Origin: https://a.example"},
	{"CORS, another origin", get("/a.txt", "Origin: https://b.example"), 200, "!Access-Control-Allow-Origin"},
	{"CORS, caches know", get("/a.txt"), 200, "Vary: Origin"},
	{"CORS of an error", get("/nothing.txt", "Origin: https://a.example"), 404, "Access-Control-Allow-Origin: https://a.example"},
	{"preflight", "OPTIONS" + get("/a.txt", "Origin: https://a.example", "Access-Control-Request-Method: GET")[3:], 204, "Access-Control-Allow-Methods: GET, HEAD, OPTIONS"},
	{"links refused", get("/in"), 200, "Content-Length: 6"},
	{"hash", get("/a.txt"), 200, `Etag: "44f8354494a5ba03ba1792a8d3e9c534"`},
	{"hash, revalidated", get("/a.txt", `If-None-Match: "44f8354494a5ba03ba1792a8d3e9c534"`), 304, ""},
	{"hidden shown", get("/.hidden"), 200, "Content-Length: 1"},
}

func fullOptions() Options {
	pages := map[int]string{}
	for _, status := range []int{400, 404, 405, 412, 416} {
		pages[status] = "404.html"
	}
	return Options{SPA: "index.html", ErrorPages: pages, NoListing: true, Hidden: true, Symlinks: SymlinksNone, ETag: ETagHash,
		CacheControl: []CacheRule{{"*.js", "max-age=60"}, {"**", "no-cache"}}, CORS: []string{"https://a.example"}}
}

// arms are the three ways to be answered; each is an address.
func arms(t *testing.T, root string, o Options) map[string]net.Addr {
	t.Helper()
	addresses := map[string]net.Addr{}
	for _, backend := range []string{"uring", "threads"} {
		engine, err := ringo.New(append(EngineOptions(2, 500), ringo.WithBackend(backend))...)
		if errors.Is(err, ringo.ErrUnavailable) {
			t.Logf("SKIPPED: %s: %v", backend, err)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		addresses[backend] = beginBeside(t, &Server{Root: root, Options: o, Engine: engine}).address
	}
	handler, err := NewHandler(root, o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.Close()
		if err := handler.Close(); err != nil {
			t.Error(err)
		}
	})
	addresses["net/http"] = server.Listener.Addr()
	return addresses
}

func TestConformance(t *testing.T) {
	root := conformanceSite(t)
	for name, site := range map[string]struct {
		options Options
		rows    []struct {
			name, input string
			status      int
			header      string
		}
	}{"default": {Options{}, conformanceRows}, "everything on": {fullOptions(), siteRows}} {
		addresses := arms(t, root, site.options)
		for _, row := range site.rows {
			t.Run(name+"/"+row.name, func(t *testing.T) {
				answers := map[string]answer{}
				for arm, address := range addresses {
					answers[arm] = askRaw(t, address, row.input)
					checkAnswer(t, arm, answers[arm], row.status, row.header)
				}
				for arm := range answers {
					if want := answers["net/http"]; !reflect.DeepEqual(answers[arm], want) {
						t.Errorf("%s:\n%+v\nnet/http:\n%+v", arm, answers[arm], want)
					}
				}
			})
		}
	}
}

func checkAnswer(t *testing.T, arm string, a answer, status int, header string) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: status %d, want %d", arm, a.status, status)
	}
	name, value, _ := strings.Cut(header, ": ")
	if absent, is := strings.CutPrefix(name, "!"); is {
		if a.header.Get(absent) != "" {
			t.Errorf("%s: %s: %s", arm, absent, a.header.Get(absent))
		}
	} else if header != "" && a.header.Get(name) != value {
		t.Errorf("%s: %s is %q, want %q", arm, name, a.header.Get(name), value)
	}
}

// askRaw sends the bytes of a request on a connection of its own and reads the answer.
func askRaw(t testing.TB, address net.Addr, input string) answer {
	t.Helper()
	conn, err := net.Dial(address.Network(), address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, input); err != nil {
		t.Logf("the request was not taken whole: %v", err)
	}
	return readAnswer(t, bufio.NewReader(conn), input)
}

func readAnswer(t testing.TB, in *bufio.Reader, input string) answer {
	t.Helper()
	method, _, _ := strings.Cut(input, " ")
	r, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%.100q: %v", input, err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("%.100q: %v after %d bytes", input, err, len(body))
	}
	if r.Header.Get("Date") == "" {
		t.Errorf("%.100q: no Date", input)
	}
	r.Header.Del("Date")
	if r.Close {
		r.Header.Set("Connection", "close")
	}
	a := answer{r.StatusCode, r.Header, string(body)}
	// The boundary is another each time.
	if _, boundary, ok := strings.Cut(r.Header.Get("Content-Type"), "boundary="); ok {
		r.Header.Set("Content-Type", strings.ReplaceAll(r.Header.Get("Content-Type"), boundary, "BOUNDARY"))
		a.body = strings.ReplaceAll(a.body, boundary, "BOUNDARY")
	}
	if len(a.body) > 4096 {
		a.body = fmt.Sprintf("%d bytes, %x", len(a.body), sha256.Sum256([]byte(a.body)))
	}
	return a
}

// TestOddNames: every legal name is served under its escaped form, and its listing leads to it.
func TestOddNames(t *testing.T) {
	root := t.TempDir()
	names := oddNames()
	for i, name := range names {
		if err := os.WriteFile(root+"/"+name, fmt.Appendf(nil, "file %d", i), 0o644); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
	}
	for arm, address := range arms(t, root, Options{}) {
		conn, err := net.Dial(address.Network(), address.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		in := bufio.NewReader(conn)
		for i, name := range names {
			for _, target := range []string{"/" + string(appendEscaped(nil, []byte(name))), "/" + url.PathEscape(name)} {
				if status, body := ask(t, conn, in, target); status != 200 || string(body) != fmt.Sprintf("file %d", i) {
					t.Fatalf("%s: %q as %s: %d %.50q", arm, name, target, status, body)
				}
			}
		}
		_, listing := ask(t, conn, in, "/")
		for _, name := range names {
			if !bytes.Contains(listing, []byte(`<a href="`+string(appendEscaped(nil, []byte(name)))+`"`)) &&
				!bytes.Contains(listing, []byte(`<a href="`+strings.NewReplacer("'", "&#39;", "&", "&amp;").Replace(string(appendEscaped(nil, []byte(name))))+`"`)) {
				t.Errorf("%s: %q is not in the listing", arm, name)
			}
		}
	}
}

// oddNames are 500 names that are legal and that somebody uses.
func oddNames() []string {
	names := []string{
		strings.Repeat("n", 255), strings.Repeat("ü", 127), "a b", " a", "a ", "a+b", "a%20b", "%", "%%", "100%", "%2F", "%00", "..a", "a..", "...a"[1:],
		"a;b", "a&b=c", "a?b", "a#b", "a:b", "c:\\d", "\\", "|", "\"", "'", "`", "<b>", "*", "~", "$HOME", "$(x)", "!", "@", "=", ",", "(1)", "[1]", "{1}", "^",
		"-", "--help", "_", "index.html~", "a.tar.gz", "naïve", "日本語.txt", "🙂", "עברית", "e\u0301", "\xff\xfe", "\xc3", "a\u00a0b", "a\u200bb", "CON", "a.", "Thumbs.db",
	}
	for i, name := range names { // hidden ones are not served
		names[i] = strings.TrimLeft(name, ".")
	}
	for c := 0x20; len(names) < 500; c++ {
		switch b := byte(c); {
		case c > 0xff:
			names = append(names, fmt.Sprintf("%c%d", rune(0x400+c), c))
		case b == '/' || b == '.' || b == 0x7f:
		default:
			names = append(names, fmt.Sprintf("x%cy", b), fmt.Sprintf("%cz", b), fmt.Sprintf("q%s", string([]byte{b})))
		}
	}
	seen := map[string]bool{}
	for i, name := range names {
		if seen[name] {
			names[i] = fmt.Sprintf("again %d %s", i, strings.Repeat("é", i%7))
		}
		seen[names[i]] = true
	}
	return names
}
