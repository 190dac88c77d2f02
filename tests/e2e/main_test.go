// SPDX-License-Identifier: MIT

// Package e2e tests the built command from outside: real sockets, real files, signals, exit codes.
//
// RINGO_BINARY names a command to test instead of building one. RINGO_LONG=1 runs what takes long.
package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take before a test calls it hung. It measures no speed.
const patience = time.Minute

// command is the path of the command under test.
var command string

// long tells whether to run what takes long.
// buildFlags make the command under test a build like this one.
var buildFlags []string

var long = os.Getenv("RINGO_LONG") != ""

// sanitized builds take many times as long for every byte.
func sanitized() bool { return len(buildFlags) > 0 }

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	command = os.Getenv("RINGO_BINARY")
	if command == "" {
		directory, err := os.MkdirTemp("", "ringo-e2e")
		if err != nil {
			fmt.Println(err)
			return 1
		}
		defer os.RemoveAll(directory)
		command = filepath.Join(directory, "ringo")
		// go test puts its own go first on the PATH.
		arguments := append([]string{"build", "-buildvcs=false", "-o", command}, buildFlags...)
		output, err := exec.Command("go", append(arguments, "../../cmd/ringo")...).CombinedOutput()
		if err != nil {
			fmt.Printf("go build: %v\n%s", err, output)
			return 1
		}
	}
	return m.Run()
}

func asRoot() bool { return os.Geteuid() == 0 }

// skip says loudly what could not be tested.
func skip(t testing.TB, why string, arguments ...any) {
	t.Helper()
	t.Skipf("SKIPPED: "+why, arguments...)
}

// run runs the command to its end.
func run(t testing.TB, arguments ...string) (stdout, stderr string, code int) {
	t.Helper()
	return finish(t, exec.Command(command, arguments...))
}

// finish runs a process to its end, and kills it when that does not come.
func finish(t testing.TB, process *exec.Cmd) (stdout, stderr string, code int) {
	t.Helper()
	var out, errors bytes.Buffer
	if process.Stdout == nil {
		process.Stdout = &out
	}
	process.Stderr = &errors
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	overdue := time.AfterFunc(patience, func() { _ = process.Process.Kill() })
	_ = process.Wait()
	if !overdue.Stop() {
		t.Fatalf("%v hangs", process.Args)
	}
	return out.String(), errors.String(), process.ProcessState.ExitCode()
}

// A server is a running `ringo serve`.
type server struct {
	t         testing.TB
	process   *exec.Cmd
	addresses []string // one per --listen: HOST:PORT, or a path
	ended     chan struct{}

	mu      sync.Mutex
	stderr  []string
	sandbox []string // what each worker said of its sandbox
	metrics string   // the address of --metrics
}

// serve starts a server on a free port of the loopback, or on the --listen addresses given. It is
// stopped at the end of the test, and must then have said nothing and exit with 0.
func serve(t testing.TB, directory string, arguments ...string) *server {
	t.Helper()
	return serveBy(t, nil, directory, arguments...)
}

// serveBy is serve with a command that runs the command: setpriv, say.
func serveBy(t testing.TB, wrapper []string, directory string, arguments ...string) *server {
	t.Helper()
	words := append(append([]string{}, wrapper...), command, "serve")
	listeners := 0
	for _, argument := range arguments {
		if strings.HasPrefix(argument, "--listen") {
			listeners++
		}
	}
	if listeners == 0 {
		words = append(words, "--listen=127.0.0.1:0")
		listeners = 1
	}
	if sanitized() { // What sanitizers need a sandbox does not give.
		words = append(words, "--sandbox=off")
	}
	words = append(append(words, arguments...), directory)
	return serveProcess(t, exec.Command(words[0], words[1:]...), listeners)
}

// serveProcess is serve for a process that is not started, and will listen on so many addresses.
func serveProcess(t testing.TB, process *exec.Cmd, listeners int) *server {
	t.Helper()
	words := process.Args
	s := &server{t: t, process: process, ended: make(chan struct{})}
	// Not to outlive tests that are killed.
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	pipe, err := s.process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	go s.watch(bufio.NewScanner(pipe), lines)
	t.Cleanup(s.stop)
	for range listeners {
		select {
		case line := <-lines:
			_, address, found := strings.Cut(line, " on ")
			if !found || !strings.HasPrefix(line, "serving ") {
				t.Fatalf("%v says %q", words, line)
			}
			address = strings.TrimPrefix(strings.TrimSuffix(address, "/"), "http://")
			s.addresses = append(s.addresses, strings.TrimPrefix(address, "unix:"))
		case <-s.ended:
			t.Fatalf("%v ended: %v: %s", words, s.process.ProcessState, s.said())
		case <-time.After(patience):
			t.Fatalf("%v does not start to serve", words)
		}
	}
	return s
}

// watch hands out the lines in which a server says where it serves, and keeps all others.
func (s *server) watch(lines *bufio.Scanner, started chan<- string) {
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "serving ") {
			started <- lines.Text()
			continue
		}
		s.mu.Lock()
		if confined, found := strings.CutPrefix(lines.Text(), "sandbox: "); found {
			s.sandbox = append(s.sandbox, confined)
		} else if url, found := strings.CutPrefix(lines.Text(), "metrics on http://"); found {
			s.metrics = strings.TrimSuffix(url, "/")
		} else {
			s.stderr = append(s.stderr, lines.Text())
		}
		s.mu.Unlock()
	}
	_ = s.process.Wait()
	close(s.ended)
}

// said is what the server printed besides where it serves and how it is confined.
func (s *server) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.stderr, "\n")
}

func (s *server) hasEnded() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

func (s *server) signal(what syscall.Signal) {
	if err := s.process.Process.Signal(what); err != nil {
		s.t.Errorf("%v: %v", what, err)
	}
}

// wait waits for the end and gives the exit code, -1 after a signal.
func (s *server) wait() int {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.signal(syscall.SIGQUIT) // The stacks of all goroutines
		<-s.ended
		s.t.Fatalf("the server does not end:\n%s", s.said())
	}
	return s.process.ProcessState.ExitCode()
}

// stop is the end of every server that a test has not ended itself.
func (s *server) stop() {
	s.t.Helper()
	if s.hasEnded() && s.addresses == nil {
		return // It never began.
	}
	if !s.hasEnded() {
		s.signal(syscall.SIGTERM)
		if code := s.wait(); code != 0 {
			s.t.Errorf("the server's exit code is %d", code)
		}
	}
	if said := s.said(); said != "" {
		s.t.Errorf("the server says:\n%s", said)
	}
}

// pid is that of the process that answers: the one that the server has started, whichever of its threads did.
func (s *server) pid() int {
	s.t.Helper()
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", s.process.Process.Pid))
	for _, list := range lists {
		children, _ := os.ReadFile(list) // The thread may have ended.
		if fields := strings.Fields(string(children)); len(fields) > 0 {
			pid, err := strconv.Atoi(fields[0])
			if err != nil {
				s.t.Fatal(err)
			}
			return pid
		}
	}
	s.t.Fatal("the server has no worker")
	return 0
}

// descriptors counts the server's open descriptors by what they are: "socket", "pipe", "anon_inode"
// or "file".
func (s *server) descriptors() map[string]int {
	s.t.Helper()
	open := map[string]int{}
	directory := fmt.Sprintf("/proc/%d/fd/", s.pid())
	entries, err := os.ReadDir(directory)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, entry := range entries {
		target, err := os.Readlink(directory + entry.Name())
		if err != nil {
			continue // Closed meanwhile
		}
		kind, _, found := strings.Cut(target, ":")
		if !found {
			kind = "file"
		}
		open[kind]++
	}
	return open
}

// processorTime is the time the server has spent on processors.
func (s *server) processorTime() time.Duration {
	s.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid()))
	if err != nil {
		s.t.Fatal(err)
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime of proc(5)
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			s.t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}

// eventually waits for a condition that something else brings about.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// network tells a unix socket's path from an address.
func network(address string) string {
	if strings.HasPrefix(address, "/") {
		return "unix"
	}
	return "tcp"
}

// dial connects, and ends everything on the connection that hangs.
func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout(network(address), address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	return conn
}
