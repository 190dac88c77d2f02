package fileserver

import (
	"net/url"
	"strings"
	"testing"
)

func TestCleanPath(t *testing.T) {
	long := strings.Repeat("x", maxComponent)
	deep := strings.Repeat("/"+strings.Repeat("y", 99), 40) + "/" + strings.Repeat("z", 95)
	for _, c := range []struct {
		path, name string
		slash      bool
		status     int
	}{
		{"/", ".", true, 0}, {"//", ".", true, 0}, {"/.", ".", true, 0}, {"/a/..", ".", true, 0}, {"/a/../", ".", true, 0},
		{"/a", "a", false, 0}, {"/a/", "a", true, 0}, {"/a//", "a", true, 0}, {"/a/.", "a", true, 0}, {"/a/./", "a", true, 0},
		{"//a///b/./c", "a/b/c", false, 0}, {"/a/b/..", "a", true, 0}, {"/a/../b", "b", false, 0}, {"/a/b/../../c/d", "c/d", false, 0},
		{"/%61%2e%62", "a.b", false, 0}, {"/a/%2e%2E/b", "b", false, 0}, {"/a/.%2e/b", "b", false, 0}, {"/%2e/a", "a", false, 0},
		{"/a%20b", "a b", false, 0}, {"/a+b;c&d=e'f\"g", "a+b;c&d=e'f\"g", false, 0}, {"/%c3%bc", "ü", false, 0}, {"/ü", "ü", false, 0},
		{"/100%25", "100%", false, 0}, {"/%2525", "%25", false, 0}, {"/%252e%252e/a", "%2e%2e/a", false, 0}, {"/%ff", "\xff", false, 0},
		{"/a\\b", "a\\b", false, 0}, {"/..a", "", false, 404}, {"/a..", "a..", false, 0}, {"/...", "", false, 404},
		{"/..", "", false, 400}, {"/../a", "", false, 400}, {"/a/../..", "", false, 400}, {"/%2e%2e/a", "", false, 400}, {"/./..", "", false, 400},
		{"/%00", "", false, 400}, {"/a%00.html", "", false, 400}, {"/%0a", "", false, 400}, {"/%7F", "", false, 400}, {"/\x01", "", false, 400},
		{"/%", "", false, 400}, {"/%4", "", false, 400}, {"/%zz", "", false, 400}, {"/%4z", "", false, 400}, {"/a%/b", "", false, 400}, {"/%u0041", "", false, 400},
		{"/a%2Fb", "", false, 404}, {"/%2f", "", false, 404}, {"/a%2f..%2fb", "", false, 404}, {"/..%2fa", "", false, 404},
		{"/a%2Fb/../c", "", false, 404}, {"/a%2Fb/..", "", false, 404}, {"/a%2Fb/../..", "", false, 400}, {"/%2f%2f/%00", "", false, 400},
		{"/.git", "", false, 404}, {"/a/.git/b", "", false, 404}, {"/.git/../a", "a", false, 0}, {"/%2egit", "", false, 404},
		{"/.well-known", ".well-known", false, 0}, {"/.well-known/a", ".well-known/a", false, 0}, {"/a/../.well-known/", ".well-known", true, 0},
		{"/a/.well-known", "", false, 404}, {"/.well-known/.a", "", false, 404}, {"/.well-knowns", "", false, 404},
		{"/" + long, long, false, 0}, {"/" + long + "x", "", false, 404}, {"/a/" + long + "x/b", "", false, 404},
		{deep, deep[1:], false, 0}, {deep + "z", "", false, 404},
	} {
		name, slash, status := cleanPath(nil, []byte(c.path), false)
		if string(name) != c.name || slash != c.slash || status != c.status {
			t.Errorf("%.80q: %q %v %d, want %q %v %d", c.path, name, slash, status, c.name, c.slash, c.status)
		}
	}
	if len(deep) != maxName+1 {
		t.Fatalf("the deep name has %d bytes", len(deep)-1)
	}
}

func TestCleanPathHidden(t *testing.T) {
	for path, want := range map[string]string{"/.git/config": ".git/config", "/a/.b": "a/.b", "/...": "..."} {
		if name, _, status := cleanPath(nil, []byte(path), true); string(name) != want || status != 0 {
			t.Errorf("%s: %q %d", path, name, status)
		}
	}
}

// TestAppendEscaped makes sure that every byte comes back from a URL parser,
// and that no name makes a reference that leads elsewhere.
func TestAppendEscaped(t *testing.T) {
	for c := 1; c < 256; c++ {
		for _, name := range []string{string([]byte{byte(c)}), string([]byte{byte(c), byte(c), 'x', ':', byte(c)})} {
			escaped := string(appendEscaped(nil, []byte(name)))
			u, err := url.Parse(escaped + "/")
			if err != nil || u.Path != name+"/" || u.Host != "" || u.Scheme != "" || u.RawQuery != "" {
				t.Errorf("%q: %q parses as %+v, %v", name, escaped, u, err)
			}
			if strings.ContainsAny(escaped, "/:<>\"&?# \\\r\n") {
				t.Errorf("%q: %q", name, escaped)
			}
		}
	}
	if got := string(appendEscaped(nil, []byte("A b-é.html"))); got != "A%20b-%C3%A9.html" {
		t.Error(got)
	}
}
