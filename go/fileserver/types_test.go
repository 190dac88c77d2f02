package fileserver

import (
	"mime"
	"strings"
	"testing"
)

func TestContentType(t *testing.T) {
	for name, want := range map[string]string{
		"index.html": "text/html; charset=utf-8", "a/b/x.CSS": "text/css; charset=utf-8", "x.Mjs": "text/javascript; charset=utf-8",
		"x.js.map": "application/json", "x.wasm": "application/wasm", "x.svg": "image/svg+xml", "x.jpeg": "image/jpeg", "x.avif": "image/avif",
		"x.woff2": "font/woff2", "x.mp4": "video/mp4", "x.opus": "audio/opus", "x.pdf": "application/pdf", "x.tar.gz": "application/gzip",
		"x.zst": "application/zstd", "x.go": "text/plain; charset=utf-8", "x.md": "text/markdown; charset=utf-8", "x.yaml": "application/yaml; charset=utf-8",
		"x.webmanifest": "application/manifest+json", "x.xml": "application/xml", "x.csv": "text/csv; charset=utf-8",
		"noext": defaultType, "x.": defaultType, ".html": defaultType, "a/.html": defaultType, "a.html/b": defaultType, "x.unknown": defaultType,
		"x.webmanifestt": defaultType, "x.html\xff": defaultType, "x.h\x54ml": "text/html; charset=utf-8", "": defaultType, ".": defaultType,
	} {
		if got := contentType([]byte(name)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestMediaTypesTable(t *testing.T) {
	seen := map[string]bool{}
	longest := 0
	for _, m := range mediaTypes {
		for _, e := range strings.Fields(m.extensions) {
			if seen[e] || e != strings.ToLower(e) {
				t.Errorf("%s is there twice, or not in lower case", e)
			}
			seen[e] = true
			longest = max(longest, len(e))
		}
	}
	if len(seen) < 150 || longest != longestExtension {
		t.Error(len(seen), longest)
	}
	for e, name := range typeByExtension {
		if _, _, err := mime.ParseMediaType(name); err != nil {
			t.Errorf("%s: %s: %v", e, name, err)
		}
	}
}
