// SPDX-License-Identifier: MIT

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// status is a field of a process's status in /proc.
func status(t testing.TB, pid int, field string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, field+":"); found {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no %s in\n%s", field, text)
	return ""
}

// saysOfSandbox is what the last worker said, once as many have spoken.
func (s *server) saysOfSandbox(workers int) string {
	s.t.Helper()
	var last string
	eventually(s.t, "the worker says how it is confined", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.sandbox) >= workers {
			last = s.sandbox[len(s.sandbox)-1]
		}
		return last != ""
	})
	return last
}

// hasSandbox skips where sanitizers need what a sandbox takes.
func hasSandbox(t *testing.T) {
	if sanitized() {
		skip(t, "a sanitizer works in no sandbox")
	}
}

func TestSandboxStates(t *testing.T) {
	hasSandbox(t)
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	for _, flags := range [][]string{{"--backend=uring"}, {"--backend=threads"}, {"--backend=uring", "--sandbox=strict"}} {
		s := serve(t, directory, flags...)
		mustServe(t, s.addresses[0], "/file", []byte("content"))
		said := s.saysOfSandbox(1)
		if !strings.Contains(said, "landlock (version ") || !strings.Contains(said, ", seccomp") ||
			strings.Contains(said, ", restricted rings") != (flags[0] == "--backend=uring") {
			t.Errorf("%v: %s", flags, said)
		}
		for field, want := range map[string]string{"NoNewPrivs": "1", "Seccomp": "2", "Name": "ringo-worker"} {
			if got := status(t, s.pid(), field); got != want {
				t.Errorf("%v: %s: %s", flags, field, got)
			}
		}
		if asRoot() {
			for _, field := range []string{"CapEff", "CapPrm", "CapBnd"} {
				if got := strings.TrimLeft(status(t, s.pid(), field), "0"); got != "4" { // CAP_DAC_READ_SEARCH
					t.Errorf("%v: %s: %s", flags, field, got)
				}
			}
		}
		if got := status(t, s.process.Process.Pid, "Seccomp"); got != "0" {
			t.Errorf("the supervisor's Seccomp: %s", got)
		}
	}
	off := serve(t, directory, "--sandbox=off")
	if said := off.saysOfSandbox(1); said != "off" || status(t, off.pid(), "Seccomp") != "0" {
		t.Errorf("off: %q, Seccomp %s", said, status(t, off.pid(), "Seccomp"))
	}
}

// TestUser: the worker is another user, with that one's rights alone.
func TestUser(t *testing.T) {
	if !asRoot() {
		skip(t, "only root can become another user")
	}
	hasSandbox(t)
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	write(t, directory+"/secret", []byte("secret"))
	if err := os.Chmod(directory+"/secret", 0o600); err != nil {
		t.Fatal(err)
	}
	for place := directory; place != "/" && place != os.TempDir(); place = filepath.Dir(place) {
		if err := os.Chmod(place, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	log := filepath.Join(t.TempDir(), "log")
	for _, flags := range [][]string{{"--sandbox=auto"}, {"--sandbox=off"}} {
		s := serve(t, directory, append(flags, "--user=nobody", "--access-log="+log)...)
		mustServe(t, s.addresses[0], "/file", []byte("content"))
		if a, err := fetch(s.addresses[0], "/secret"); err != nil || a.status != 404 {
			t.Errorf("what nobody may not read: %v, %v", a, err)
		}
		uid := strings.Fields(status(t, s.pid(), "Uid"))
		if slices.Contains(uid, "0") || strings.Trim(status(t, s.pid(), "CapPrm"), "0") != "" || status(t, s.pid(), "Groups") == "0" {
			t.Errorf("%v: %v, %s, groups %s", flags, uid, status(t, s.pid(), "CapPrm"), status(t, s.pid(), "Groups"))
		}
	}
	if _, stderr, code := run(t, "serve", "--listen=127.0.0.1:0", "--user=no-such-user", directory); code != 2 || !strings.Contains(stderr, "no-such-user") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestCrashedWorkerIsFollowedByAnother, on the same sockets.
func TestCrashedWorkerIsFollowedByAnother(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	socket := filepath.Join(t.TempDir(), "www.sock")
	s := serve(t, directory, "--listen=127.0.0.1:0", "--listen=unix:"+socket)
	for crash := 1; crash <= 3; crash++ {
		if err := syscall.Kill(s.pid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.saysOfSandbox(crash + 1)
		for _, address := range s.addresses {
			mustServe(t, address, "/file", []byte("content"))
		}
	}
	s.mu.Lock()
	said := s.stderr
	s.stderr = nil
	s.mu.Unlock()
	for i, delay := range []string{"100ms", "200ms", "400ms"} {
		if len(said) != 3 || !strings.Contains(said[i], "signal: killed") || !strings.Contains(said[i], delay) {
			t.Fatalf("%q", said)
		}
	}
}

// TestWorkerEndsWithItsSupervisor, however that ends.
func TestWorkerEndsWithItsSupervisor(t *testing.T) {
	s := serve(t, site(t))
	worker := s.pid()
	_ = s.process.Process.Kill()
	s.wait()
	s.addresses = nil
	eventually(t, "the worker ends", func() bool { return syscall.Kill(worker, 0) != nil })
}

// TestSignalsToTheGroup: a terminal's Ctrl-C goes to the worker as well, and must not end it early.
func TestSignalsToTheWorkerAreIgnored(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	s := serve(t, directory)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1} {
		_ = syscall.Kill(s.pid(), signal)
	}
	mustServe(t, s.addresses[0], "/file", []byte("content"))
}

func TestWorkerCommandAlone(t *testing.T) {
	if _, stderr, code := run(t, "serve-worker"); code != 1 || !strings.Contains(stderr, "started by ringo serve") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

var logLine = regexp.MustCompile(`^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /file\?(\d+) HTTP/1\.1" 200 7 "-" "-"$`)

// TestAccessLogIsReopened: no line is lost or written twice when the file is renamed and the server told.
func TestAccessLogIsReopened(t *testing.T) {
	directory, place := site(t), t.TempDir()
	write(t, directory+"/file", []byte("content"))
	log := place + "/log"
	s := serve(t, directory, "--access-log="+log)
	c := newClient(t, s.addresses[0])
	asked, rotated := 0, 0
	for ; rotated < 4; rotated++ {
		for range 500 {
			c.get(fmt.Sprintf("/file?%d", asked))
			asked++
		}
		if err := os.Rename(log, fmt.Sprintf("%s.%d", log, rotated)); err != nil {
			t.Fatal(err)
		}
		s.signal(syscall.SIGUSR1)
		eventually(t, "the log is opened anew", func() bool { _, err := os.Stat(log); return err == nil })
	}
	s.stop()
	seen := map[string]bool{}
	for i := range rotated + 1 {
		name := fmt.Sprintf("%s.%d", log, i)
		if i == rotated {
			name = log
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			match := logLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
			if match == nil || seen[match[1]] {
				t.Fatalf("%s: %q", name, line)
			}
			seen[match[1]] = true
		}
	}
	if len(seen) != asked {
		t.Errorf("%d lines for %d answers", len(seen), asked)
	}
}

// TestAccessLogOnStdout: in JSON, with what an attacker sent harmless; and a reader that goes away is survived.
func TestAccessLogOnStdout(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	process := exec.Command(command, "serve", "--listen=127.0.0.1:0", "--access-log=-", "--access-log-format=json", directory)
	process.Stdout = in
	s := serveProcess(t, process, 1)
	in.Close()
	c := newClient(t, s.addresses[0])
	c.get("/file", "User-Agent: \x80\"}{\\")
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil || !strings.Contains(line, `"user_agent":"\ufffd\"}{\\"`) || !strings.Contains(line, `"complete":true`) {
		t.Errorf("%q, %v", line, err)
	}
	out.Close()
	c.get("/file")
	eventually(t, "the loss is said", func() bool { return strings.Contains(s.said(), "loses lines") })
	c.get("/file")
	s.mu.Lock()
	s.stderr = nil
	s.mu.Unlock()
}

// TestSlowLogSlowsTheServer, and loses nothing: a pipe that is not read fills, then all buffers, then clients wait.
func TestSlowLogSlowsTheServer(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	process := exec.Command(command, "serve", "--loops=1", "--listen=127.0.0.1:0", "--access-log=-", directory)
	process.Stdout = in
	s := serveProcess(t, process, 1)
	in.Close()
	c := newClient(t, s.addresses[0])
	padding := strings.Repeat("p", 8000)
	const asked = 200 // more than a pipe and both buffers of a loop hold
	answered := make(chan int)
	go func() {
		for range asked {
			if a, err := readAnswer(c.in, "GET"); err != nil || a.status != 200 {
				break
			}
			answered <- 1
		}
		close(answered)
	}()
	go func() {
		for range asked {
			if _, err := c.conn.Write([]byte(request("GET", "/file", "Referer: "+padding))); err != nil {
				return
			}
		}
	}()
	got := 0
	for quiet := false; !quiet; {
		select {
		case _, more := <-answered:
			if got++; !more || got == asked {
				t.Fatalf("%d answers though nobody reads the log", got)
			}
		case <-time.After(time.Second):
			quiet = true
		}
	}
	lines := make(chan int)
	go func() {
		n := 0
		for scanner := bufio.NewReader(out); ; n++ {
			if line, err := scanner.ReadBytes('\n'); err != nil || !bytes.Contains(line, []byte(padding)) {
				break
			}
		}
		lines <- n
	}()
	for range answered {
		got++
	}
	s.stop()
	if n := <-lines; n != asked || got != asked {
		t.Errorf("%d answers, %d lines, for %d requests", got, n, asked)
	}
}
