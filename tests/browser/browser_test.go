// SPDX-License-Identifier: MIT

//go:build browser

// Package browser shows the file server to a headless Chromium; `make test-browser` runs it.
package browser

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringo-io/ringo/go/fileserver"
	"github.com/ringo-io/ringo/go/ringo"
)

//go:embed listing.html
var listingPage string

//go:embed video.html
var videoPage string

// A site is served until the end of the test.
type site struct {
	root, url string
	mu        sync.Mutex
	answers   []string // status and target, in order
}

func serve(t *testing.T) *site {
	t.Helper()
	s := &site{root: t.TempDir()}
	engine, err := ringo.New(fileserver.EngineOptions(1, 100)...)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	server := &fileserver.Server{Root: s.root, Engine: engine, DrainTimeout: time.Second, OnAnswer: s.note}
	served := make(chan error)
	go func() { served <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-served, engine.Close()); err != nil {
			t.Error(err)
		}
	})
	s.url = "http://" + ln.Addr().String()
	return s
}

func (s *site) note(a *fileserver.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, fmt.Sprintf("%d %s", a.Status, a.Target))
}

func (s *site) write(t *testing.T, name, data string, at time.Time) {
	t.Helper()
	name = filepath.Join(s.root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(data), 0o644), os.Chtimes(name, at, at)); err != nil {
		t.Fatal(err)
	}
}

// browse runs Chromium on a page and gives the document as it is in the end.
func (s *site) browse(t *testing.T, path string, flags ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	args := []string{"--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--user-data-dir=" + t.TempDir(),
		"--autoplay-policy=no-user-gesture-required", "--window-size=900,560"}
	out, err := exec.CommandContext(ctx, "chromium", append(append(args, flags...), s.url+path)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// verdict is what a page's script has found.
func verdict(t *testing.T, document string) {
	t.Helper()
	_, rest, _ := strings.Cut(document, `<pre id="verdict">`)
	said, _, _ := strings.Cut(rest, "</pre>")
	if said != "good" {
		t.Errorf("the page says %q", said)
	}
}

// TestListing sorts by each heading, both ways, and goes down and up again, with scripts in the listing
// allowed and with scripts forbidden.
func TestListing(t *testing.T) {
	s := serve(t)
	day := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	s.write(t, "list/b.txt", strings.Repeat("b", 30), day)
	s.write(t, "list/a <i> & 'ü'.txt", strings.Repeat("a", 2000), day.Add(time.Hour))
	s.write(t, "list/c.bin", strings.Repeat("c", 100), day.Add(-time.Hour))
	s.write(t, "list/sub dir/inside", "x", day)
	s.write(t, "test/listing.html", listingPage, day)
	verdict(t, s.browse(t, "/test/listing.html", "--dump-dom", "--virtual-time-budget=30000"))
	verdict(t, s.browse(t, "/test/listing.html?scripts", "--dump-dom", "--virtual-time-budget=30000"))
	if dir := os.Getenv("SCREENSHOTS"); dir != "" {
		s.browse(t, "/list/?sort=size&order=desc", "--screenshot="+filepath.Join(dir, "listing.png"))
	}
}

// TestVideo plays, and seeks to a place that has not been loaded: that takes a range.
func TestVideo(t *testing.T) {
	s := serve(t)
	film := filepath.Join(s.root, "film.mp4")
	make := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25", "-t", "60", "-c:v", "libx264", "-preset", "ultrafast",
		"-b:v", "8M", "-minrate", "8M", "-maxrate", "8M", "-bufsize", "8M", "-x264-params", "nal-hrd=cbr", "-g", "25", "-pix_fmt", "yuv420p", "-movflags", "+faststart", film)
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.write(t, "video.html", videoPage, time.Now())
	verdict(t, s.browse(t, "/video.html", "--dump-dom", "--timeout=20000"))
	s.mu.Lock()
	defer s.mu.Unlock()
	ranges := 0
	for _, a := range s.answers {
		if a == "206 /film.mp4" {
			ranges++
		}
	}
	if ranges < 2 {
		t.Errorf("%d ranges: %v", ranges, s.answers)
	}
	if dir := os.Getenv("SCREENSHOTS"); dir != "" {
		s.browse(t, "/video.html", "--screenshot="+filepath.Join(dir, "video.png"), "--timeout=8000")
	}
}
