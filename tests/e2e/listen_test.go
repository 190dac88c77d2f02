// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestBothFamiliesSideBySide: a literal address is what it says, and no host is both.
func TestBothFamiliesSideBySide(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	if probe, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		skip(t, "no IPv6: %v", err)
	} else {
		probe.Close()
	}
	first := serve(t, directory, "--listen=0.0.0.0:0")
	_, port, _ := net.SplitHostPort(first.addresses[0])
	serve(t, directory, "--listen=[::]:"+port)
	for _, host := range []string{"127.0.0.1", "::1"} {
		mustServe(t, net.JoinHostPort(host, port), "/file", []byte("content"))
	}
	both := serve(t, directory, "--listen=:0")
	_, port, _ = net.SplitHostPort(both.addresses[0])
	for _, host := range []string{"127.0.0.1", "::1"} {
		mustServe(t, net.JoinHostPort(host, port), "/file", []byte("content"))
	}
}

// TestUnixSocket: its mode, its end, and one left over by a server that was killed.
func TestUnixSocket(t *testing.T) {
	directory, place := site(t), t.TempDir()
	write(t, directory+"/file", []byte("content"))
	socket := filepath.Join(place, "www,a.sock")
	for _, row := range []struct {
		suffix string
		mode   fs.FileMode
	}{{",mode=660", 0o660}, {",mode=0600", 0o600}, {"", 0o755}} {
		s := serveBy(t, []string{"sh", "-c", `umask 022; exec "$@"`, "sh"}, directory, "--listen=unix:"+socket+row.suffix)
		mustServe(t, socket, "/file", []byte("content"))
		if status, err := os.Stat(socket); err != nil || status.Mode().Perm() != row.mode {
			t.Errorf("%q: %v, %v", row.suffix, status.Mode(), err)
		}
		if _, stderr, code := run(t, "serve", "--listen=unix:"+socket, directory); code != 1 || !strings.Contains(stderr, "in use") {
			t.Errorf("a second server: exit code %d: %s", code, stderr)
		}
		mustServe(t, socket, "/file", []byte("content"))
		s.stop()
		if _, err := os.Lstat(socket); err == nil {
			t.Errorf("%s is left", socket)
		}
	}
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	serve(t, directory, "--listen=unix:"+socket)
	mustServe(t, socket, "/file", []byte("content"))
}

// TestSystemdSockets takes listening sockets that were there before it, and leaves Unix ones there.
func TestSystemdSockets(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	socket := filepath.Join(t.TempDir(), "www.sock")
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	local, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	passed := func(files ...*os.File) *exec.Cmd {
		process := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", command, "serve", "--listen=systemd", directory)
		process.Env = append(os.Environ(), fmt.Sprintf("LISTEN_FDS=%d", len(files)))
		process.ExtraFiles = files
		return process
	}
	var files []*os.File
	for _, ln := range []interface{ File() (*os.File, error) }{tcp.(*net.TCPListener), local.(*net.UnixListener)} {
		file, err := ln.File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		files = append(files, file)
	}
	s := serveProcess(t, passed(files...), 2)
	for _, address := range s.addresses {
		mustServe(t, address, "/file", []byte("content"))
	}
	s.stop()
	if _, err := os.Lstat(socket); err != nil {
		t.Errorf("the service manager's socket is gone: %v", err)
	}
	if _, stderr, code := finish(t, passed(os.Stdin)); code != 1 || !strings.Contains(stderr, "ListenStream") {
		t.Errorf("what is no socket: exit code %d: %s", code, stderr)
	}
}

// TestServiceManagerIsTold when the server serves, and when it stops.
func TestServiceManagerIsTold(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	_ = manager.SetReadDeadline(time.Now().Add(patience))
	process := exec.Command(command, "serve", "--listen=127.0.0.1:0", site(t))
	process.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket)
	s := serveProcess(t, process, 1)
	for _, want := range []string{"READY=1", "STOPPING=1"} {
		message := make([]byte, 100)
		n, err := manager.Read(message)
		if err != nil || string(message[:n]) != want {
			t.Errorf("%q, %v; want %s", message[:n], err, want)
		}
		if want == "READY=1" {
			s.signal(syscall.SIGTERM)
		}
	}
	s.wait()
}

// TestTermUnderLoad: of 64 connections that ask without a pause none gets half an answer, or none to a request that the
// server has begun to answer; and all that were open before the signal are told that it is the end.
func TestTermUnderLoad(t *testing.T) {
	directory := site(t)
	small, large := content("small", 1024), content("large", 1<<20)
	write(t, directory+"/small", small)
	write(t, directory+"/large", large)
	inModes(t, func(t *testing.T, flags []string) {
		s := serve(t, directory, flags...)
		const clients = 64
		var warm, done sync.WaitGroup
		warm.Add(clients)
		errs := make(chan error, clients)
		for i := range clients {
			done.Add(1)
			target, want := "/small", small
			if i%8 == 0 {
				target, want = "/large", large
			}
			c := newClient(t, s.addresses[0])
			go func() {
				defer done.Done()
				errs <- askUntilClosed(c, target, want, &warm)
			}()
		}
		warm.Wait()
		s.signal(syscall.SIGTERM)
		if code := s.wait(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		done.Wait()
		for range clients {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}

// askUntilClosed asks again and again. The connection may end only where an answer has ended, and not by a reset.
func askUntilClosed(c *client, target string, want []byte, warm *sync.WaitGroup) error {
	defer c.conn.Close()
	for asked := 1; ; asked++ {
		if _, err := io.WriteString(c.conn, request("GET", target)); err != nil {
			return nil // Closed before this request could be sent.
		}
		if _, err := c.in.Peek(1); err != nil {
			if asked <= 10 {
				warm.Done()
				return fmt.Errorf("closed before the signal: %w", err)
			}
			return nil // Closed before this request was taken.
		}
		a, err := readAnswer(c.in, "GET")
		if err != nil || a.status != 200 || !bytes.Equal(a.body, want) {
			return fmt.Errorf("answer %d to %s: %v, %w", asked, target, a, err)
		}
		if asked == 10 {
			warm.Done()
		}
	}
}
