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

// flags make Chromium quiet, and each run the first one.
func flags(t *testing.T) []string {
	return []string{"--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--user-data-dir=" + t.TempDir(),
		"--autoplay-policy=no-user-gesture-required", "--window-size=900,560"}
}

// picture keeps a screenshot of a page, if any are wanted.
func (s *site) picture(t *testing.T, path, name string) {
	t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	out, err := exec.Command("chromium", append(flags(t), "--timeout=5000", "--screenshot="+filepath.Join(dir, name), s.url+path)...).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// judge shows a page to Chromium until its script has asked for /verdict?WORD, which says what it found.
func (s *site) judge(t *testing.T, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "chromium", append(flags(t), "--remote-debugging-port=0", s.url+path)...)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer command.Wait()
	defer cancel()
	for ctx.Err() == nil {
		if said, found := s.verdict(); found {
			if said != "good" {
				t.Errorf("%s says %s", path, said)
			}
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("%s says nothing", path)
}

// verdict takes the last page's word out of what was asked for.
func (s *site) verdict() (said string, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, a := range s.answers {
		if _, said, found := strings.Cut(a, "/verdict?"); found {
			s.answers[i] = ""
			return said, true
		}
	}
	return "", false
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
	s.judge(t, "/test/listing.html")
	s.judge(t, "/test/listing.html?scripts")
	s.picture(t, "/list/?sort=size&order=desc", "listing.png")
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
	s.judge(t, "/video.html")
	s.picture(t, "/video.html", "video.png")
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
}
