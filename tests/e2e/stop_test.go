// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"io"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTermLetsAnswersEnd: what is being sent is sent to its end, then the server exits with 0.
func TestTermLetsAnswersEnd(t *testing.T) {
	directory := site(t)
	data := content("file", largeSize)
	write(t, directory+"/file", data)
	inModes(t, func(t *testing.T, flags []string) {
		s := serve(t, directory, flags...)
		idle := newClient(t, s.addresses[0])
		idle.get("/file")
		var busy []*client
		for range 3 {
			c, _, _ := begin(t, s.addresses[0])
			busy = append(busy, c)
		}
		s.signal(syscall.SIGTERM)
		idle.ends()
		time.Sleep(100 * time.Millisecond)
		for _, c := range busy {
			rest := make([]byte, largeSize-100)
			if _, err := io.ReadFull(c.in, rest); err != nil || !bytes.Equal(rest, data[100:]) {
				t.Errorf("%v, equal: %v", err, bytes.Equal(rest, data[100:]))
			}
			c.ends()
			c.conn.Close()
		}
		if code := s.wait(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if conn, err := net.Dial("tcp", s.addresses[0]); err == nil {
			conn.Close()
			t.Error("something still listens")
		}
	})
}

// TestTermAmongPipelinedRequests: the answer after the signal is the last, says so, and arrives though
// more requests were sent.
func TestTermAmongPipelinedRequests(t *testing.T) {
	directory := site(t)
	data := content("file", largeSize)
	write(t, directory+"/file", data)
	write(t, directory+"/small", []byte("small"))
	for _, flags := range containmentModes {
		s := serve(t, directory, flags...)
		c := newClient(t, s.addresses[0])
		c.writeAhead(request("GET", "/file") + strings.Repeat(request("GET", "/small"), 5000))
		s.signal(syscall.SIGTERM)
		time.Sleep(100 * time.Millisecond)
		if a := c.read("GET"); !bytes.Equal(a.body, data) {
			t.Errorf("%v", a)
		}
		if a := c.read("GET"); string(a.body) != "small" || a.field("connection") != "close" {
			t.Errorf("%v", a)
		}
		c.ends()
		c.conn.Close()
		if code := s.wait(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
}

func TestInterruptEndsAnIdleServer(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		s := serve(t, site(t))
		half := newClient(t, s.addresses[0])
		half.get("/")
		s.signal(signal)
		if code := s.wait(); code != 0 {
			t.Errorf("%v: exit code %d", signal, code)
		}
		half.ends()
	}
}

// TestSecondSignalEndsAtOnce, whoever is still being sent to.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	directory := site(t)
	sparse(t, directory+"/large", 1<<30)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		s := serve(t, directory, "--drain-timeout=10m")
		stall(t, s.addresses[0], "/large", "")
		s.signal(signal)
		time.Sleep(time.Second) // Signals soon after the first count as the same one.
		if s.hasEnded() {
			t.Fatalf("it does not wait for the answer in progress: %s", s.said())
		}
		s.signal(signal)
		s.wait()
		if status, ok := s.process.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != signal {
			t.Errorf("%v: %v", signal, s.process.ProcessState)
		}
	}
}

// TestDrainTimeoutCutsAnswers that do not end by themselves.
func TestDrainTimeoutCutsAnswers(t *testing.T) {
	directory := site(t)
	sparse(t, directory+"/large", 1<<30)
	write(t, directory+"/file", []byte("content"))
	inModes(t, func(t *testing.T, flags []string) {
		t.Parallel()
		s := serve(t, directory, append(flags, "--drain-timeout=300ms")...)
		for range 10 {
			stall(t, s.addresses[0], "/large", "")
		}
		half := newClient(t, s.addresses[0])
		half.get("/file")
		half.write("GET /fi")
		s.signal(syscall.SIGTERM)
		if code := s.wait(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
}

func TestServeRefuses(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", nil)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, row := range []struct {
		arguments string
		code      int
		says      string
	}{
		{"serve --listen=" + taken.Addr().String() + " " + directory, 1, "in use"},
		{"serve --listen=127.0.0.1:0 --listen=" + taken.Addr().String() + " " + directory, 1, "in use"},
		{"serve --listen=unix:" + directory + "/file " + directory, 1, "in use"},
		{"serve --listen=unix:" + directory + "/no/such " + directory, 1, "no such file"},
		{"serve --listen=nonsense " + directory, 1, "nonsense"},
		{"serve --listen=127.0.0.1:99999 " + directory, 1, "99999"},
		{"serve --listen=127.0.0.1:0 " + directory + "/missing", 1, "no such file"},
		{"serve --listen=127.0.0.1:0 " + directory + "/file", 1, "not a directory"},
		{"serve", 2, "--help"},
		{"serve " + directory + " " + directory, 2, "--help"},
		{"serve --nonsense " + directory, 2, "nonsense"},
		{"serve --loops=0 " + directory, 2, "--loops"},
		{"serve --loops=x " + directory, 2, "loops"},
		{"serve --max-connections=-1 " + directory, 2, "--max-connections"},
		{"serve --min-rate=-1 " + directory, 2, "--min-rate"},
		{"serve --header-timeout=0 " + directory, 2, "--header-timeout"},
		{"serve --idle-timeout=10ms " + directory, 2, "--idle-timeout"},
		{"serve --stall-timeout=-1s " + directory, 2, "--stall-timeout"},
		{"serve --drain-timeout=-1s " + directory, 2, "--drain-timeout"},
		{"serve --config=" + directory + "/missing " + directory, 1, "configuration"},
		{"serve --config=" + directory + "/file", 2, "which DIR"},
		{"serve --sandbox=on " + directory, 2, "--sandbox"},
		{"serve --access-log-format=xml " + directory, 2, "--access-log-format"},
		{"serve --listen=127.0.0.1:0 --access-log=" + directory + "/no/log " + directory, 1, "access log"},
		{"serve --listen=systemd " + directory, 1, "no sockets were passed"},
		{"serve --sendfile=fast " + directory, 2, "--sendfile"},
		{"serve --sendfile=zerocopy --backend=threads " + directory, 1, "needs a ring"},
		{"serve --cache=on " + directory, 2, "--cache"},
		{"serve --drain-timeout=soon " + directory, 2, "drain-timeout"},
		{"serve --backend=fast " + directory, 2, "--backend"},
	} {
		words := strings.Fields(row.arguments)
		stdout, stderr, code := finish(t, exec.Command(command, words...))
		if code != row.code || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, row.says) {
			t.Errorf("ringo %s: exit code %d, stdout %q, stderr %q", row.arguments, code, stdout, stderr)
		}
	}
}
