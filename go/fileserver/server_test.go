package fileserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringo-io/ringo/go/ringo"
)

// patience is how long anything may take before a test calls it hung. It measures no speed.
const patience = time.Minute

// TestMain fails the run when a test has left a goroutine or a descriptor behind. Tests that run beside
// others wait for time to pass, so that they need no CPU of their own; -parallel has the last word.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	code := m.Run()
	// A fuzzer's coordinator has goroutines of its own.
	if fuzzing := flag.Lookup("test.fuzz").Value.String() != ""; code == 0 && !fuzzing {
		if left := leaked(nothingOpen); left != "" {
			fmt.Println("LEAKED", left)
			code = 1
		}
	}
	os.Exit(code)
}

// openThings are the process's descriptors, by number, and its goroutines.
type openThings struct {
	descriptors map[string]string
	goroutines  int
}

var nothingOpen = look()

func look() openThings {
	now := openThings{map[string]string{}, runtime.NumGoroutine()}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		// The runtime opens these for itself when it first needs them.
		ours := strings.HasPrefix(target, "/sys/fs/cgroup/") || strings.HasPrefix(target, "/proc/self/cgroup") ||
			target == "anon_inode:[eventpoll]" || target == "anon_inode:[eventfd]"
		if err == nil && !ours {
			now.descriptors[entry.Name()] = target
		}
	}
	return now
}

// leaked waits until no more is open than before, for things are let go of a moment later than they
// seem to be; it says what stays.
func leaked(before openThings) (left string) {
	for range 200 {
		runtime.GC()
		now := look()
		left = ""
		for number, target := range now.descriptors {
			if before.descriptors[number] == "" {
				left += fmt.Sprintf("descriptor %s: %s\n", number, target)
			}
		}
		if now.goroutines > before.goroutines {
			stacks := make([]byte, 1<<20)
			left += string(stacks[:runtime.Stack(stacks, true)])
		}
		if left == "" {
			return ""
		}
		time.Sleep(20 * time.Millisecond)
	}
	return left
}

// A running is a Server that serves.
type running struct {
	t       testing.TB
	server  *Server
	address net.Addr
	stop    context.CancelFunc
	served  chan error
	ended   bool
}

// begin serves a directory until the end of the test, and then looks for what is left over.
func begin(t testing.TB, server *Server, listen ...string) *running {
	t.Helper()
	before := look()
	r := start(t, server, listen...)
	t.Cleanup(func() {
		r.end()
		if err := server.Engine.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if left := leaked(before); left != "" {
			t.Errorf("left over: %s", left)
		}
	})
	return r
}

// beginBeside is begin for tests that run beside others, whose things are open too.
func beginBeside(t testing.TB, server *Server, listen ...string) *running {
	t.Helper()
	r := start(t, server, listen...)
	t.Cleanup(func() {
		r.end()
		if err := server.Engine.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return r
}

func start(t testing.TB, server *Server, listen ...string) *running {
	t.Helper()
	if server.Engine == nil {
		engine, err := ringo.New(EngineOptions(2, 500)...)
		if errors.Is(err, ringo.ErrUnavailable) {
			t.Skipf("SKIPPED: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		server.Engine = engine
	}
	if len(listen) == 0 {
		listen = []string{"tcp", "127.0.0.1:0"}
	}
	ln, err := net.Listen(listen[0], listen[1])
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{t: t, server: server, address: ln.Addr(), stop: stop, served: make(chan error, 1)}
	go func() { r.served <- server.Serve(ctx, ln) }()
	return r
}

// end stops and gives what Serve returned.
func (r *running) end() {
	r.t.Helper()
	r.stop()
	if r.ended {
		return
	}
	r.ended = true
	select {
	case err := <-r.served:
		if err != nil {
			r.t.Errorf("Serve: %v", err)
		}
	case <-time.After(patience):
		stacks := make([]byte, 1<<20)
		r.t.Fatalf("Serve does not return:\n%s", stacks[:runtime.Stack(stacks, true)])
	}
}

func (r *running) dial() (net.Conn, *bufio.Reader) {
	r.t.Helper()
	conn, err := net.Dial(r.address.Network(), r.address.String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn, bufio.NewReader(conn)
}

func getText(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: test\r\n\r\n" }

// ask sends a request and reads the whole answer.
func ask(t testing.TB, conn net.Conn, in *bufio.Reader, target string) (status int, body []byte) {
	t.Helper()
	if _, err := io.WriteString(conn, getText(target)); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err = io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, body
}

// mustServe checks that others are served.
func (r *running) mustServe(target, want string) {
	r.t.Helper()
	conn, in := r.dial()
	defer conn.Close()
	if status, body := ask(r.t, conn, in, target); status != 200 || string(body) != want {
		r.t.Fatalf("%s: %d %.100q", target, status, body)
	}
}

// rootWith makes a directory with files that are small, less so, and large.
func rootWith(t testing.TB) string {
	root := t.TempDir()
	if err := os.WriteFile(root+"/small", []byte("small"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/medium", make([]byte, 5<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	large, err := os.Create(root + "/large")
	if err != nil {
		t.Fatal(err)
	}
	defer large.Close()
	if err := large.Truncate(100 << 20); err != nil {
		t.Fatal(err)
	}
	return root
}

// ways are how a Server may go about a file.
func ways(t *testing.T, test func(t *testing.T, server *Server)) {
	for name, server := range map[string]Server{
		"auto":      {},
		"syscall":   {Sendfile: ringo.SendfileSyscall},
		"splice":    {Sendfile: ringo.SendfileSplice},
		"copy":      {Sendfile: ringo.SendfileCopy},
		"zerocopy":  {Sendfile: ringo.SendfileZeroCopy},
		"ring only": {Sendfile: ringo.SendfileSplice, RingOnly: true},
	} {
		t.Run(name, func(t *testing.T) {
			if server.Sendfile == ringo.SendfileZeroCopy && !hasRings(t) {
				t.Skip("not without rings: TestZeroCopyNeedsRings")
			}
			server.Root = rootWith(t)
			test(t, &server)
		})
	}
}

// hasRings reports whether an engine is on rings here.
func hasRings(t *testing.T) bool {
	t.Helper()
	engine, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	return engine.Backend() == "uring"
}

// TestZeroCopyNeedsRings: Serve says so at once, and not each answer.
func TestZeroCopyNeedsRings(t *testing.T) {
	engine, err := ringo.New(append(EngineOptions(1, 10), ringo.WithBackend("threads"))...)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := Server{Root: t.TempDir(), Engine: engine, Sendfile: ringo.SendfileZeroCopy}
	if err := server.Serve(t.Context(), ln); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Serve on threads: %v", err)
	}
	if _, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		t.Error("the listener is still open")
	}
}

func TestServe(t *testing.T) {
	ways(t, func(t *testing.T, server *Server) {
		r := begin(t, server)
		conn, in := r.dial()
		for range 3 {
			if status, body := ask(t, conn, in, "/small"); status != 200 || string(body) != "small" {
				t.Errorf("%d %q", status, body)
			}
			if status, body := ask(t, conn, in, "/medium"); status != 200 || len(body) != 5<<20 {
				t.Errorf("%d, %d bytes", status, len(body))
			}
			if status, body := ask(t, conn, in, "/"); status != 200 || !bytes.Contains(body, []byte("small")) {
				t.Errorf("%d %q", status, body)
			}
			if status, _ := ask(t, conn, in, "/missing"); status != 404 {
				t.Error(status)
			}
		}
	})
}

// ends reads to the end of a stream that must come, and gives what came before.
func ends(t testing.TB, in io.Reader) []byte {
	t.Helper()
	rest, err := io.ReadAll(in)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v after %d bytes", err, len(rest))
	}
	return rest
}

// TestStalledReaderIsClosed, over TCP and where the kernel does not tell what has arrived; meanwhile
// others are served.
func TestStalledReaderIsClosed(t *testing.T) {
	ways(t, func(t *testing.T, server *Server) {
		t.Parallel()
		for _, network := range []string{"tcp", "unix"} {
			t.Run(network, func(t *testing.T) {
				t.Parallel()
				here := *server
				here.StallTimeout = 2 * time.Second // a loaded machine must not look like a stalled reader
				address := "127.0.0.1:0"
				if network == "unix" {
					address = filepath.Join(t.TempDir(), "socket")
				}
				r := beginBeside(t, &here, network, address)
				conn, in := r.dial()
				if _, err := io.WriteString(conn, getText("/large")); err != nil {
					t.Fatal(err)
				}
				if _, err := in.ReadByte(); err != nil {
					t.Fatal(err)
				}
				for range 20 {
					r.mustServe("/small", "small")
				}
				awaitIdle(t, here.Engine)
				if rest := ends(t, in); len(rest) >= 100<<20 {
					t.Errorf("it got all the %d bytes", len(rest))
				}
			})
		}
	})
}

// awaitIdle waits until no connection is left. Two loops then have an accept in flight each, and for
// as long as a tick a timeout; a connection has at least a receive and a send. New connections would
// arm the timeouts again, so nobody may make any meanwhile.
func awaitIdle(t testing.TB, e *ringo.Engine) {
	t.Helper()
	const idle = 2
	for end := time.Now().Add(patience); e.Stats().InFlight > idle; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			var operations strings.Builder
			_ = e.DumpInFlight(&operations)
			t.Fatalf("still in flight:\n%s", &operations)
		}
	}
}

// TestSlowReaderIsNotClosed: what counts is that it moves, not how long it takes.
func TestSlowReaderIsNotClosed(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			// It takes longer in all than a stall may, and a busy machine may halt it for less than that.
			server := &Server{Root: t.TempDir(), StallTimeout: 4 * time.Second, MinRate: 1}
			if err := os.WriteFile(server.Root+"/file", make([]byte, 12<<20), 0o644); err != nil {
				t.Fatal(err)
			}
			address := "127.0.0.1:0"
			if network == "unix" {
				address = filepath.Join(t.TempDir(), "socket")
			}
			r := beginBeside(t, server, network, address)
			conn, in := r.dial()
			if _, err := io.WriteString(conn, getText("/file")); err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			n := int64(0)
			for piece := make([]byte, 256<<10); n < 12<<20; time.Sleep(100 * time.Millisecond) {
				got, err := io.ReadFull(answer.Body, piece)
				if n += int64(got); err != nil && n < 12<<20 {
					t.Fatalf("%v after %d bytes", err, n)
				}
			}
		})
	}
}

// TestTimeouts: a request has its time from its first byte on, and silence between requests its own.
func TestTimeouts(t *testing.T) {
	root := rootWith(t)
	for name, row := range map[string]struct {
		server Server
		text   string
		status int // of the last answer; 0: none
	}{
		"nothing sent":        {Server{HeaderTimeout: 200 * time.Millisecond}, "", 0},
		"half a request":      {Server{HeaderTimeout: 200 * time.Millisecond}, "GET / HT", 408},
		"half a body":         {Server{HeaderTimeout: 200 * time.Millisecond}, "GET /small HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1234", 408},
		"half a chunk":        {Server{HeaderTimeout: 200 * time.Millisecond}, "GET /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n1234", 408},
		"half of the second":  {Server{HeaderTimeout: 200 * time.Millisecond}, getText("/small") + "GET /sma", 408},
		"behind a large one":  {Server{HeaderTimeout: 200 * time.Millisecond}, getText("/large") + "GET /sma", 408},
		"silence in between":  {Server{IdleTimeout: 200 * time.Millisecond}, getText("/small"), 200},
		"silence after large": {Server{IdleTimeout: 200 * time.Millisecond}, getText("/large"), 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := row.server
			server.Root = root
			r := beginBeside(t, &server)
			conn, in := r.dial()
			if _, err := io.WriteString(conn, row.text); err != nil {
				t.Fatal(err)
			}
			last := 0
			for {
				answer, err := http.ReadResponse(in, nil)
				if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, answer.Body); err != nil {
					t.Fatal(err)
				}
				last = answer.StatusCode
			}
			if last != row.status {
				t.Errorf("the last status is %d, want %d", last, row.status)
			}
		})
	}
}

// TestTrickleIsTimed: a byte now and then does not make a request's time longer.
func TestTrickleIsTimed(t *testing.T) {
	t.Parallel()
	r := beginBeside(t, &Server{Root: rootWith(t), HeaderTimeout: 500 * time.Millisecond})
	conn, in := r.dial()
	go func() {
		for _, b := range []byte("GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 10_000)) {
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	answer, err := http.ReadResponse(in, nil)
	if err != nil || answer.StatusCode != 408 {
		t.Fatalf("%v, %v", answer, err)
	}
}

// TestStopping: answers in progress end, then Serve returns; DrainTimeout cuts those that do not.
func TestStopping(t *testing.T) {
	ways(t, func(t *testing.T, server *Server) {
		server.DrainTimeout = patience
		r := begin(t, server)
		conn, in := r.dial()
		idle, _ := r.dial()
		if _, err := io.WriteString(conn, getText("/large")); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.stop()
		ends(t, idle)
		if n, err := io.Copy(io.Discard, answer.Body); n != 100<<20 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		ends(t, in)
		conn.Close()
		r.end()
	})
	ways(t, func(t *testing.T, server *Server) {
		server.DrainTimeout = 100 * time.Millisecond
		r := begin(t, server)
		for range 20 {
			conn, in := r.dial()
			if _, err := io.WriteString(conn, getText("/large")); err != nil {
				t.Fatal(err)
			}
			if _, err := in.ReadByte(); err != nil {
				t.Fatal(err)
			}
		}
		r.end()
	})
}

// TestEngineClosedWhileServing: Serve returns, and all is released.
func TestEngineClosedWhileServing(t *testing.T) {
	ways(t, func(t *testing.T, server *Server) {
		server.DrainTimeout = 100 * time.Millisecond
		r := begin(t, server)
		for _, target := range []string{"/large", "/small", "/"} {
			conn, in := r.dial()
			if _, err := io.WriteString(conn, getText(target)); err != nil {
				t.Fatal(err)
			}
			if _, err := in.ReadByte(); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		_ = server.Engine.Shutdown(ctx)
		select {
		case <-r.served:
			r.ended = true
		case <-time.After(patience):
			stacks := make([]byte, 1<<20)
			t.Fatalf("Serve does not return:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
	})
}

// TestServers on one engine are apart from each other, and may come and go.
func TestServers(t *testing.T) {
	first := &Server{Root: rootWith(t)}
	a := begin(t, first)
	for i := range 20 {
		second := &Server{Root: t.TempDir(), Engine: first.Engine}
		if err := os.WriteFile(second.Root+"/small", []byte(fmt.Sprint(i)), 0o644); err != nil {
			t.Fatal(err)
		}
		b := start(t, second)
		b.mustServe("/small", fmt.Sprint(i))
		a.mustServe("/small", "small")
		b.end()
	}
}

func TestServeRefuses(t *testing.T) {
	root := rootWith(t)
	engine, err := ringo.New(EngineOptions(1, 10)...)
	if errors.Is(err, ringo.ErrUnavailable) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	for name, server := range map[string]*Server{
		"missing":           {Root: root + "/missing", Engine: engine},
		"file":              {Root: root + "/small", Engine: engine},
		"no name":           {Engine: engine},
		"closed":            {Root: root, Engine: closedEngine(t)},
		"not a file at all": {Root: root + "/small/x", Engine: engine},
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- server.Serve(context.Background(), ln) }()
		select {
		case err := <-done:
			if err == nil && name != "closed" {
				t.Errorf("%s: no error", name)
			}
		case <-time.After(patience):
			t.Fatalf("%s: Serve does not return", name)
		}
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: the listener is still open: %v", name, err)
		}
	}
}

func closedEngine(t *testing.T) *ringo.Engine {
	engine, err := ringo.New(EngineOptions(1, 10)...)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	return engine
}

// TestClientsComeAndGo: whatever a client does, nothing of it is left when it has gone.
func TestClientsComeAndGo(t *testing.T) {
	ways(t, func(t *testing.T, server *Server) {
		r := begin(t, server)
		for i := range 300 {
			conn, in := r.dial()
			target := []string{"/large", "/small", "/", "/missing", "/large/", "/small?x"}[i%6]
			text := strings.Repeat(getText(target), 1+i%3)
			if i%5 == 0 {
				text = text[:len(text)-i%30-1]
			}
			if _, err := io.WriteString(conn, text); err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 && i%5 != 0 {
				if _, err := in.ReadByte(); err != nil {
					t.Fatal(err)
				}
			}
			if i%3 == 0 {
				_ = conn.(*net.TCPConn).SetLinger(0)
			}
			conn.Close()
		}
		awaitIdle(t, server.Engine)
		r.mustServe("/small", "small")
	})
}
