package fileserver

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"
)

// packed is a tree with files in all forms, with some of them, and with forms alone.
var packed = site{
	".": {isDir: true}, "app.js": regular, "app.js.zst": form(300), "app.js.br": form(310), "app.js.gz": form(400),
	"a.css": regular, "a.css.gz": form(400), "only.txt.br": form(200), "plain.html": regular, "index.html": regular, "index.html.br": form(5),
	"404.html": form(44), "special": {mtime: fileTime}, "special.gz": {isDir: true}, "dir": {isDir: true}, "dir/index.html.gz": form(77),
}

func form(size int64) fileFacts { return fileFacts{size: size, mtime: fileTime, isRegular: true} }

// headOf runs a request and gives the head's lines by name, and the plan.
func headOf(t *testing.T, o Options, tree site, input string) (map[string]string, *plan) {
	t.Helper()
	got, p := exchanged(t, newTestResponder(o), tree, input)
	head, _, _ := strings.Cut(got, "\r\n\r\n")
	lines := map[string]string{}
	for i, line := range strings.Split(head, "\r\n") {
		name, value, ok := strings.Cut(line, ": ")
		if _, twice := lines[name]; i > 0 && (!ok || twice) {
			t.Fatalf("header %q", head)
		}
		lines[name] = value
	}
	return lines, p
}

func TestVariants(t *testing.T) {
	const all = "gzip, deflate, br, zstd"
	for _, c := range []struct {
		path, accept string
		status       int
		coding       string // of the answer
		length       int64
		vary         bool
	}{
		{"/app.js", all, 200, "zstd", 300, true},
		{"/app.js", "br, gzip", 200, "br", 310, true},
		{"/app.js", "gzip", 200, "gzip", 400, true},
		{"/app.js", "x-gzip", 200, "gzip", 400, true},
		{"/app.js", "GZIP;q=0.5", 200, "gzip", 400, true},
		{"/app.js", "gzip;q=1.0, br;q=0.9, zstd;q=0.001", 200, "gzip", 400, true},
		{"/app.js", "gzip;q=0, br;q=0", 200, "", 1000, true},
		{"/app.js", "gzip;q=0.5, identity;q=0.6", 200, "", 1000, true},
		{"/app.js", "gzip;q=0.6, identity;q=0.5", 200, "gzip", 400, true},
		{"/app.js", "*", 200, "zstd", 300, true},
		{"/app.js", "*;q=0.1, br;q=0.2", 200, "br", 310, true},
		{"/app.js", "*, zstd;q=0", 200, "br", 310, true},
		{"/app.js", "*;q=0", 406, "", 19, true},
		{"/app.js", "identity;q=0", 406, "", 19, true},
		{"/app.js", "*;q=0, identity", 200, "", 1000, true},
		{"/app.js", "identity;q=0, gzip;q=0.1", 200, "gzip", 400, true},
		{"/app.js", "deflate, compress", 200, "", 1000, true},
		{"/app.js", "", 200, "", 1000, true},
		{"/app.js", "none", 200, "", 1000, true},
		{"/a.css", all, 200, "gzip", 400, true},
		{"/a.css", "br", 200, "", 1000, true},
		{"/a.css", "br, identity;q=0", 406, "", 19, true},
		{"/plain.html", all, 200, "", 1000, false},
		{"/plain.html", "identity;q=0", 406, "", 19, true},
		{"/only.txt", all, 200, "br", 200, true},
		{"/only.txt", "gzip", 404, "", 14, true},
		{"/only.txt", "br;q=0", 404, "", 14, true},
		{"/only.txt", "br;q=0.1, identity", 200, "br", 200, true},
		{"/only.txt/", all, 404, "", 14, false},
		{"/missing", all, 404, "", 14, false},
		{"/special", "gzip", 404, "", 14, false},
		{"/app.js.gz", all, 200, "", 400, false},
		{"/", all, 200, "br", 5, true},
		{"/dir/", "gzip", 200, "gzip", 77, true},
	} {
		lines := []string{"Accept-Encoding: " + c.accept}
		if c.accept == "none" {
			lines = nil
		}
		name := c.path + " " + c.accept
		head, p := headOf(t, Options{}, packed, get(c.path, lines...))
		if p.status != c.status || head["Content-Encoding"] != c.coding || p.length != c.length {
			t.Errorf("%s: %d %q %d", name, p.status, head["Content-Encoding"], p.length)
		}
		if (head["Vary"] == "Accept-Encoding") != c.vary {
			t.Errorf("%s: Vary %q", name, head["Vary"])
		}
	}
}

// TestVariantsAreApart: each form has tags, ranges and a size of its own, and the plain file's type.
func TestVariantsAreApart(t *testing.T) {
	tags := map[string]bool{}
	for _, accept := range []string{"zstd", "br", "gzip", "identity"} {
		tree := site{".": {isDir: true}, "a.js": regular, "a.js.zst": regular, "a.js.br": regular, "a.js.gz": regular}
		head, _ := headOf(t, Options{}, tree, get("/a.js", "Accept-Encoding: "+accept))
		if tag := head["ETag"]; tags[tag] || tag == "" || head["Content-Type"] != "text/javascript; charset=utf-8" {
			t.Errorf("%s: tag %s, type %s", accept, tag, head["Content-Type"])
		}
		tags[head["ETag"]] = true
		again, p := headOf(t, Options{}, tree, get("/a.js", "Accept-Encoding: "+accept, "If-None-Match: "+head["ETag"]))
		if p.status != 304 || again["Vary"] != "Accept-Encoding" || again["ETag"] != head["ETag"] {
			t.Errorf("%s: %d %v", accept, p.status, again)
		}
	}
	head, p := headOf(t, Options{}, packed, get("/app.js", "Accept-Encoding: br", "Range: bytes=-10"))
	if p.status != 206 || head["Content-Range"] != "bytes 300-309/310" || head["Content-Encoding"] != "br" || head["Vary"] == "" {
		t.Errorf("%d %v", p.status, head)
	}
	head, p = headOf(t, Options{}, packed, get("/app.js", "Accept-Encoding: br", "Range: bytes=310-"))
	if p.status != 416 || head["Content-Range"] != "bytes */310" || head["Vary"] == "" {
		t.Errorf("%d %v", p.status, head)
	}
}

func TestSPA(t *testing.T) {
	o := Options{SPA: "index.html", NoListing: true}
	for path, want := range map[string]int{
		"/": 200, "/users/7": 200, "/users/7/": 200, "/plain.html": 200, "/missing.js": 404, "/v1.2/users": 200, "/v1.2": 404, "/%00": 400,
		"/.git/x": 404, "/.x": 404, "/%2F": 404, "/dir": 301, "/special": 200,
	} {
		head, p := headOf(t, o, packed, get(path, "Accept-Encoding: br"))
		if p.status != want {
			t.Errorf("%s: %d, want %d", path, p.status, want)
		}
		if want == 200 && path != "/plain.html" && (p.length != 5 || head["Content-Type"] != "text/html; charset=utf-8") {
			t.Errorf("%s: %d bytes, %v", path, p.length, head)
		}
	}
	if _, p := headOf(t, Options{SPA: "gone.html"}, packed, get("/users")); p.status != 404 {
		t.Error(p.status)
	}
	if _, p := headOf(t, Options{SPA: "index.html"}, site{".": {isDir: true}, "d": {isDir: true}, "index.html": regular}, get("/d/")); !p.generated {
		t.Error("the listing must come before the SPA")
	}
}

func TestErrorPages(t *testing.T) {
	o := Options{ErrorPages: map[int]string{404: "404.html", 405: "404.html", 416: "404.html", 400: "404.html", 413: "404.html", 501: "gone.html"}}
	for _, c := range []struct {
		input  string
		status int
		length int64
		line   string
	}{
		{get("/missing"), 404, 44, "Content-Type"},
		{get("/app.js/"), 404, 44, "Content-Type"},
		{"PUT" + get("/app.js")[3:], 405, 44, "Allow"},
		{"BREW" + get("/app.js")[3:], 501, 20, "Content-Type"},
		{get("/app.js", "Range: bytes=1000-"), 416, 44, "Content-Range"},
		{get("/%00"), 400, 44, "Content-Type"},
		{"GET / HTTP/1.1\r\n\r\n", 400, 44, "Connection"},
		{get("/app.js", "Content-Length: 70000"), 413, 44, "Connection"},
		{"HEAD" + get("/missing")[3:], 404, 44, "Content-Type"},
		{get("/404.html"), 200, 44, "ETag"},
	} {
		head, p := headOf(t, o, packed, c.input)
		if p.status != c.status || p.length != c.length || head[c.line] == "" || (p.status != 200 && head["ETag"] != "") {
			t.Errorf("%.30q: %d, %d bytes, %v", c.input, p.status, p.length, head)
		}
		if sent := p.fileLen + int64(len(p.text)); sent != c.length && !p.noBody || p.noBody && p.fileLen != 0 {
			t.Errorf("%.30q: %d bytes are sent", c.input, sent)
		}
	}
}

func TestCacheControl(t *testing.T) {
	o := Options{CacheControl: []CacheRule{
		{"assets/**/*.js", "max-age=1"}, {"*.js", "max-age=2"}, {"assets/*", "max-age=3"}, {"**/img/**", "max-age=4"}, {"*", "no-cache"},
	}}
	rules := newCacheRules(o.CacheControl[:4])
	for name, want := range map[string]string{
		"assets/a.js": "1", "assets/x/y/a.js": "1", "a.js": "2", "x/a.js": "2", "assets/a.css": "3", "assets/x/a.css": "",
		"img/a": "4", "x/img/y/z": "4", "img": "", "ximg/a": "", "assets/x/img/b": "4",
	} {
		if want != "" {
			want = "Cache-Control: max-age=" + want + "\r\n"
		}
		if got := rules.lineFor([]byte(name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for input, want := range map[string]string{
		get("/app.js", "Accept-Encoding: br"): "max-age=2", get("/"): "no-cache", get("/app.js", "If-None-Match: *"): "max-age=2",
		get("/missing.js"): "", get("/app.js", "Range: bytes=0-1"): "max-age=2", get("/app.js", "Range: bytes=1000-"): "", get("/dir"): "",
	} {
		if head, _ := headOf(t, o, packed, input); head["Cache-Control"] != want {
			t.Errorf("%q: %q", input, head["Cache-Control"])
		}
	}
}

func TestCORS(t *testing.T) {
	preflight := "OPTIONS" + get("/app.js", "Origin: https://a.example", "Access-Control-Request-Method: GET")[3:]
	for _, c := range []struct {
		origins             []string
		input               string
		allow, vary, expose string
		isPreflight         bool
	}{
		{nil, get("/app.js", "Origin: https://a.example"), "", "Accept-Encoding", "", false},
		{[]string{"*"}, get("/plain.html"), "*", "", "E", false},
		{[]string{"*"}, get("/missing", "Origin: https://x"), "*", "", "E", false},
		{[]string{"*"}, preflight, "*", "", "E", true},
		{[]string{"https://b.example", "https://a.example"}, preflight, "https://a.example", "Origin", "E", true},
		{[]string{"https://b.example"}, preflight, "", "Origin", "", false},
		{[]string{"https://b.example"}, get("/app.js", "Origin: https://b.example"), "https://b.example", "Accept-Encoding, Origin", "E", false},
		{[]string{"https://b.example"}, get("/plain.html"), "", "Origin", "", false},
		{[]string{"https://b.example"}, get("/plain.html", "If-None-Match: *"), "", "Origin", "", false},
		{[]string{"https://b.example"}, "GET / HTTP/1.1\r\nOrigin: https://b.example\r\n\r\n", "https://b.example", "Origin", "E", false},
		{[]string{"https://b.example"}, get("/none/"), "", "Origin", "", false},
	} {
		head, p := headOf(t, Options{CORS: c.origins}, packed, c.input)
		if head["Access-Control-Allow-Origin"] != c.allow || head["Vary"] != c.vary ||
			(head["Access-Control-Expose-Headers"] != "") != (c.expose != "") || (head["Access-Control-Allow-Methods"] != "") != c.isPreflight {
			t.Errorf("%v %.40q: %d %v", c.origins, c.input, p.status, head)
		}
	}
}

// TestParts reads multipart bodies with Go's own reader.
func TestParts(t *testing.T) {
	file := make([]byte, 1000)
	for i := range file {
		file[i] = byte(i * 7)
	}
	for set, want := range map[string][]byteRange{
		"0-0,5-5": {{0, 1}, {5, 1}}, "990-,0-9": {{990, 10}, {0, 10}}, "-1,-2,-3": {{999, 1}, {998, 2}, {997, 3}},
		"0-9,2000-,20-29": {{0, 10}, {20, 10}}, "0-499,500-999": {{0, 500}, {500, 500}},
		strings.Repeat("7-7,", 16): repeat(byteRange{7, 1}, 16), "0-0,1-1,999-": {{0, 1}, {1, 1}, {999, 1}},
	} {
		got, p := exchanged(t, newTestResponder(Options{}), testSite, get("/a.txt", "Range: bytes="+set))
		var body []byte
		for p.morePart() {
			body = p.appendPart(body)
			body = append(body, file[p.fileOff:p.fileOff+p.fileLen]...)
			p.fileLen = 0
		}
		if p.status != 206 || int64(len(body)) != p.length || strings.Contains(got, "Content-Range") || !strings.Contains(got, "ETag: \"") {
			t.Fatalf("%s: %d bytes of %d, %s", set, len(body), p.length, got)
		}
		_, rest, _ := strings.Cut(got, "Content-Type: ")
		kind, _, _ := strings.Cut(rest, "\r\n")
		_, parameters, err := mime.ParseMediaType(kind)
		if err != nil {
			t.Fatal(err)
		}
		reader := multipart.NewReader(bytes.NewReader(body), parameters["boundary"])
		for _, r := range want {
			part, err := reader.NextRawPart()
			if err != nil {
				t.Fatalf("%s: %v", set, err)
			}
			data, err := io.ReadAll(part)
			if err != nil || !bytes.Equal(data, file[r.off:r.off+r.len]) || part.Header.Get("Content-Type") != "text/plain; charset=utf-8" ||
				part.Header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/1000", r.off, r.off+r.len-1) {
				t.Errorf("%s: %v %v, %d bytes", set, err, part.Header, len(data))
			}
		}
		if _, err := reader.NextRawPart(); err != io.EOF {
			t.Errorf("%s: %v", set, err)
		}
	}
}

func repeat(r byteRange, n int) []byteRange {
	list := make([]byteRange, n)
	for i := range list {
		list[i] = r
	}
	return list
}

// TestHashTags: a tag of the contents, also where the time says nothing.
func TestHashTags(t *testing.T) {
	for path, want := range map[string]string{
		"/a.txt": `"30313233343536373839616263646566"`, "/nix": `"30313233343536373839616263646566"`,
	} {
		head, p := headOf(t, Options{ETag: ETagHash}, testSite, get(path))
		if p.status != 200 || head["ETag"] != want {
			t.Errorf("%s: %d %v", path, p.status, head)
		}
		if _, p := headOf(t, Options{ETag: ETagHash}, testSite, get(path, "If-None-Match: "+want)); p.status != 304 {
			t.Errorf("%s: %d", path, p.status)
		}
	}
	s, p := newTestResponder(Options{ETag: ETagHash}), new(plan)
	q := requestWith(t)
	s.route(q, p)
	p.facts = regular
	if s.hashed(q, nil, p) != stepAnswer || len(p.validators.etag) != 0 {
		t.Errorf("a file that changed has the tag %s", p.validators.etag)
	}
}

func TestOptionsCheck(t *testing.T) {
	for _, o := range []Options{
		{}, {Index: "home.html", SPA: "app/index.html", ErrorPages: map[int]string{404: "e/404.html", 503: "x"}, CORS: []string{"*", "http://localhost:3000"}},
		{CacheControl: []CacheRule{{"**/*.js", "no-cache"}, {"[a-z]?", "x"}}},
	} {
		if err := o.Check(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	for _, o := range []Options{
		{Index: "a/b"}, {Index: ".."}, {SPA: "/index.html"}, {SPA: "../x"}, {SPA: "a//b"}, {SPA: "."}, {SPA: "a\n"},
		{ErrorPages: map[int]string{200: "x"}}, {ErrorPages: map[int]string{418: "x"}}, {ErrorPages: map[int]string{999: "x"}},
		{ErrorPages: map[int]string{404: ""}}, {ErrorPages: map[int]string{404: "../404.html"}},
		{CacheControl: []CacheRule{{"", "x"}}}, {CacheControl: []CacheRule{{"a", ""}}}, {CacheControl: []CacheRule{{"[", "x"}}},
		{CacheControl: []CacheRule{{"/a", "x"}}}, {CacheControl: []CacheRule{{"a", "x\r\ny"}}},
		{CORS: []string{""}}, {CORS: []string{"example.org"}}, {CORS: []string{"https://a/"}}, {CORS: []string{"https://A"}}, {CORS: []string{"https://a\r\nX: y"}},
	} {
		if o.Check() == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
