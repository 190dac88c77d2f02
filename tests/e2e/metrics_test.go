// SPDX-License-Identifier: MIT

package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ask is a GET to the address of --metrics.
func (s *server) askMetrics(target string) (status int, body string) {
	s.t.Helper()
	var address string
	eventually(s.t, "the metrics are announced", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		address = s.metrics
		return address != ""
	})
	client := http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	answer, err := client.Get("http://" + address + target)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// metric is the value of a line of /metrics; the name comes with its labels.
func (s *server) metric(name string) float64 {
	s.t.Helper()
	status, text := s.askMetrics("/metrics")
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, name+" "); found && status == 200 {
			number, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return number
		}
	}
	s.t.Fatalf("%d, no %s in\n%s", status, name, text)
	return 0
}

func TestMetrics(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	write(t, directory+"/large", content("large", largeSize))
	inModes(t, func(t *testing.T, flags []string) {
		s := serve(t, directory, append(flags, "--metrics=127.0.0.1:0")...)
		c := newClient(t, s.addresses[0])
		for range 3 {
			c.get("/file")
		}
		c.get("/large")
		c.get("/missing")
		c.get("/file", "If-None-Match: *")
		for name, want := range map[string]float64{
			`ringo_http_answers_total{class="2xx"}`: 4, `ringo_http_answers_total{class="3xx"}`: 1,
			`ringo_http_answers_total{class="4xx"}`: 1, `ringo_http_answers_total{class="5xx"}`: 0,
			"ringo_http_connections_total": 1, "ringo_http_connections": 1, "ringo_http_answers_cut_total": 0,
			"ringo_worker_restarts_total": 0,
		} {
			if got := s.metric(name); got != want {
				t.Errorf("%s is %v, not %v", name, got, want)
			}
		}
		if got := s.metric("ringo_http_body_bytes_total"); got < 3*7+largeSize || got > 3*7+largeSize+100 {
			t.Errorf("%v bytes", got)
		}
		for _, name := range []string{"ringo_loop_turns_total", "ringo_loop_longest_turn_seconds", "ringo_loop_longest_turn_cpu_seconds", "ringo_loop_in_flight", "go_goroutines"} {
			if s.metric(name) <= 0 {
				t.Errorf("no %s", name)
			}
		}
		c.conn.Close()
		eventually(t, "the connection is seen to be closed", func() bool { return s.metric("ringo_http_connections") == 0 })
	})
}

// TestHealth: a worker that is stopping takes no new work, and says so to whoever distributes it.
func TestHealth(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", content("file", largeSize))
	s := serve(t, directory, "--metrics=127.0.0.1:0", "--drain-timeout=10m")
	if status, body := s.askMetrics("/healthz"); status != 200 || body != "ok\n" {
		t.Errorf("%d %q", status, body)
	}
	if status, _ := s.askMetrics("/"); status != 404 {
		t.Errorf("%d for /", status)
	}
	busy, _, _ := begin(t, s.addresses[0])
	s.signal(syscall.SIGTERM)
	eventually(t, "it is stopping", func() bool { status, _ := s.askMetrics("/healthz"); return status == 503 })
	if _, err := io.Copy(io.Discard, busy.in); err != nil {
		t.Error(err)
	}
}

// TestAttemptsAreRefused: what an attacker in the worker would try, wherever in it that is.
func TestAttemptsAreRefused(t *testing.T) {
	hasSandbox(t)
	attacked := filepath.Join(t.TempDir(), "ringo")
	build := exec.Command("go", "build", "-buildvcs=false", "-tags=ringo_attempts", "-o", attacked, "../../cmd/ringo")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	directory, outside := site(t), t.TempDir()+"/canary"
	write(t, directory+"/file", []byte("content"))
	write(t, outside, []byte("canary"))
	for _, flags := range [][]string{{"--backend=uring"}, {"--backend=threads"}, {"--backend=uring", "--symlinks=all"}} {
		words := append([]string{"serve", "--listen=127.0.0.1:0", "--metrics=127.0.0.1:0"}, flags...)
		s := serveProcess(t, exec.Command(attacked, append(words, directory)...), 1)
		status, body := s.askMetrics("/attempts?inside=" + directory + "/file&outside=" + outside)
		outcomes := map[string]string{}
		if err := json.Unmarshal([]byte(body), &outcomes); err != nil || status != 200 {
			t.Fatalf("%d %q: %v", status, body, err)
		}
		places := map[string]int{}
		for what, outcome := range outcomes {
			place, attempt, _ := strings.Cut(what, ": ")
			places[place]++
			allowed := strings.HasPrefix(attempt, "allowed") || len(flags) > 1 && flags[1] == "--symlinks=all" &&
				(strings.Contains(attempt, "outside") && !strings.Contains(attempt, "create"))
			if refused := outcome == "operation not permitted" || strings.HasSuffix(outcome, "permission denied") ||
				strings.HasSuffix(outcome, "operation not permitted"); refused == allowed {
				t.Errorf("%v: %s: %s", flags, what, outcome)
			}
		}
		if places["goroutine of net/http"] < 20 || places["thread of a loop"] < 20 || places["operation of a loop"] < 7 {
			t.Errorf("%v", places)
		}
		mustServe(t, s.addresses[0], "/file", []byte("content"))
		for _, place := range []string{directory, filepath.Dir(outside)} {
			if entries, _ := os.ReadDir(place); len(entries) != 1 {
				t.Errorf("%v: %v", flags, entries)
			}
		}
		s.stop()
	}
}

// TestMetricsOfAnotherWorker counts the one that has crashed.
func TestMetricsOfAnotherWorker(t *testing.T) {
	s := serve(t, site(t), "--metrics=127.0.0.1:0")
	_ = syscall.Kill(s.pid(), syscall.SIGKILL)
	s.saysOfSandbox(2)
	if got := s.metric("ringo_worker_restarts_total"); got != 1 {
		t.Errorf("%v restarts", got)
	}
	s.mu.Lock()
	s.stderr = nil
	s.mu.Unlock()
}

// TestMetricsWhileStopping: reading them is never a danger, however late.
func TestMetricsWhileStopping(t *testing.T) {
	for range 5 {
		s := serve(t, site(t), "--metrics=127.0.0.1:0")
		s.askMetrics("/metrics")
		conn := dial(t, s.metrics)
		go func() {
			for in := bufio.NewReader(conn); ; {
				if _, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: m\r\n\r\n"); err != nil {
					return
				}
				if answer, err := http.ReadResponse(in, nil); err != nil {
					return
				} else if _, err := io.Copy(io.Discard, answer.Body); err != nil {
					return
				}
			}
		}()
		time.Sleep(20 * time.Millisecond)
		s.stop()
	}
}
