package fileserver

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

var someEntries = []listEntry{
	{"b.txt", false, 5, 3 * second}, {"a.txt", false, 2000, 2 * second}, {"z", true, 4096, 9 * second},
	{"y", true, 4096, second}, {"c.txt", false, 5, second},
}

func TestListingSort(t *testing.T) {
	for query, want := range map[string]string{
		"":                         "y z a.txt b.txt c.txt",
		"?sort=name":               "y z a.txt b.txt c.txt",
		"?sort=name&order=desc":    "z y c.txt b.txt a.txt",
		"?order=desc":              "z y c.txt b.txt a.txt",
		"?sort=size":               "y z b.txt c.txt a.txt",
		"?sort=size&order=desc":    "z y a.txt c.txt b.txt",
		"?sort=time&order=asc":     "y z c.txt a.txt b.txt",
		"?x=y&sort=time&order=up&": "y z c.txt a.txt b.txt",
		"?sort=colour":             "y z a.txt b.txt c.txt",
	} {
		entries := append([]listEntry(nil), someEntries...)
		listFormOf([]byte(query), nil).sort(entries)
		var names []string
		for _, e := range entries {
			names = append(names, e.name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestListingFormat(t *testing.T) {
	for _, c := range []struct {
		query, accept string
		want          bool
	}{
		{"", "", false}, {"", "*/*", false}, {"", "application/json", true}, {"", "Application/JSON;charset=utf-8", true},
		{"", "text/html, application/json", false}, {"", "text/html;q=0.9, application/json", true}, {"", "application/json;q=0.5, text/html; q=0.8", false},
		{"", "application/json, text/plain, */*", true}, {"", "application/json;q=0", false}, {"", "application/json;q=x, text/html;q=0.999", true},
		{"", "application/json;q=.5, text/html;Q=0.4", true}, {"", "application/xhtml+xml, application/json;q=0.9", false},
		{"?format=json", "text/html", true}, {"?format=html", "application/json", false}, {"?format=xml", "", false}, {"?sort=name&format=json", "", true},
	} {
		if got := listFormOf([]byte(c.query), []byte(c.accept)).json; got != c.want {
			t.Errorf("%q %q: %v", c.query, c.accept, got)
		}
	}
}

func TestListingVisible(t *testing.T) {
	names := []string{".", "..", ".git", ".well-known", "a\nb", "a\tb", "a\x7f", "ok", "..ok"}
	for _, c := range []struct {
		hidden    bool
		directory string
		want      string
	}{
		{false, ".", ".well-known ok"}, {false, "sub", "ok"}, {true, "sub", ".git .well-known ok ..ok"},
	} {
		var entries []listEntry
		for _, n := range names {
			entries = append(entries, listEntry{name: n})
		}
		var got []string
		for _, e := range newResponder(Options{Hidden: c.hidden}).listing(&request{}, &plan{name: []byte(c.directory)}).visible(entries) {
			got = append(got, e.name)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestListingJSON(t *testing.T) {
	entries := []listEntry{{"d:\"<ü>", true, 4096, 784111777 * second}, {"\xff &.txt", false, 0, 784111777*second + 1}}
	got := string(listingJSON(entries))
	want := `[{"name":"d:\"\u003cü\u003e","url":"d%3A%22%3C%C3%BC%3E/","type":"directory","mtime":"1994-11-06T08:49:37Z"},` +
		`{"name":"\ufffd \u0026.txt","url":"%FF%20%26.txt","type":"file","size":0,"mtime":"1994-11-06T08:49:37Z"}]` + "\n"
	if got != want || !json.Valid([]byte(got)) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if empty := string(listingJSON(nil)); empty != "[]\n" {
		t.Error(empty)
	}
}

// TestListingHTML looks for what must be in a page, and checks that hostile
// names stay text.
func TestListingHTML(t *testing.T) {
	hostile := `"><script>alert('1')</script>`
	page := string(listing{listForm{key: bySize, descending: true}, `a<b/c&"d`, false}.page([]listEntry{
		{hostile, false, 1536, 784111777 * second}, {"javascript:x", true, 0, 0}, {"\xff", false, 1, 0},
	}))
	for _, want := range []string{
		"<title>Index of /a&lt;b/c&amp;&#34;d/</title>",
		`<a href="../../"><bdi>/</bdi></a><a href="../"><bdi>a&lt;b/</bdi></a><bdi>c&amp;&#34;d/</bdi></h1>`,
		`<a href="../">../</a>`,
		`<a href="%22%3E%3Cscript%3Ealert(&#39;1&#39;)%3C%2Fscript%3E"><bdi>&#34;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;</bdi></a>`,
		`<span title="1536 bytes">1.5 KiB</span>`, `<time datetime="1994-11-06T08:49:37Z">1994-11-06 08:49</time>`,
		`<a href="javascript%3Ax/"><bdi>javascript:x</bdi>/</a></td><td class="n"></td>`, "<a href=\"%FF\"><bdi>\uFFFD</bdi></a>",
		`<th><a rel="nofollow" href="?sort=name&amp;order=asc">Name</a></th>`,
		`<th class="n" aria-sort="descending"><a rel="nofollow" href="?sort=size&amp;order=asc">Size</a> ↓</th>`,
		`color-scheme:light dark`, `name="viewport"`, `lang="en"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
	if strings.Contains(page, "<script") {
		t.Error("a name became markup")
	}
	root := string(listing{directory: "."}.page(nil))
	if !strings.Contains(root, "<title>Index of /</title>") || strings.Contains(root, "../") || !strings.Contains(root, `aria-sort="ascending"><a rel="nofollow" href="?sort=name&amp;order=desc">`) {
		t.Error(root)
	}
}

// TestListingHTMLBalanced lets a strict XML reader walk the page, whose only
// elements without an end are its meta ones.
func TestListingHTMLBalanced(t *testing.T) {
	page := string(listing{directory: "a/b"}.page(someEntries))
	for _, meta := range []string{`<meta charset="utf-8">`, `<meta name="viewport" content="width=device-width,initial-scale=1">`} {
		page = strings.Replace(page, meta, "", 1)
	}
	for d := xml.NewDecoder(strings.NewReader(page)); ; {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, page)
		}
	}
}

func TestAppendSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 10 << 10: "10 KiB", 10137: "9.9 KiB", 10200: "10 KiB", 1023 << 10: "1023 KiB", 1<<20 - 1: "1.0 MiB",
		1 << 20: "1.0 MiB", 5 << 30: "5.0 GiB", 1 << 40: "1.0 TiB", 1<<63 - 1: "8.0 EiB",
	} {
		if got := string(appendSize(nil, n)); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
