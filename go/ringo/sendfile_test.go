package ringo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A sender is one of the ways to send a file; all do the same.
type sender struct {
	name string
	send func(e *Engine, dst net.Conn, src *os.File, off, n int64) (int64, error)
}

var senders = []sender{
	{"Sendfile", func(e *Engine, dst net.Conn, src *os.File, off, n int64) (int64, error) {
		return e.Sendfile(context.Background(), dst, src, off, n)
	}},
	{"SendfileFunc", func(e *Engine, dst net.Conn, src *os.File, off, n int64) (sent int64, err error) {
		done := make(chan struct{})
		posted := e.SendfileFunc(dst, src, off, n, func(n int64, e error) {
			sent, err = n, e
			close(done)
		})
		if posted != nil {
			return 0, posted
		}
		<-done
		return sent, err
	}},
}

// connect gives the two ends of a connection, which the test closes.
func connect(t testing.TB, network string) (a, b net.Conn) {
	t.Helper()
	if network == "pipe" {
		a, b = net.Pipe()
	} else {
		address := map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")}[network]
		ln, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		if a, err = net.Dial(network, ln.Addr().String()); err != nil {
			t.Fatal(err)
		}
		if b, err = ln.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// eachSender runs test for each kind of connection and each way that there is for it.
func eachSender(t *testing.T, test func(t *testing.T, e *Engine, network string, s sender)) {
	for _, network := range []string{"tcp", "unix", "pipe"} {
		for _, s := range senders {
			if network == "pipe" && s.name == "SendfileFunc" {
				continue
			}
			t.Run(network+"/"+s.name, func(t *testing.T) { test(t, open(t), network, s) })
		}
	}
}

func openTemp(t testing.TB, data []byte) *os.File {
	t.Helper()
	f, err := os.OpenFile(writeTemp(t, data), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// receive reads all that comes on c until its end.
func receive(c net.Conn) <-chan []byte {
	all := make(chan []byte, 1)
	go func() {
		data, _ := io.ReadAll(c)
		all <- data
	}()
	return all
}

func TestSendfileParts(t *testing.T) {
	data := randomBytes(3 << 20)
	size := int64(len(data))
	eachSender(t, func(t *testing.T, e *Engine, network string, s sender) {
		src := openTemp(t, data)
		for _, c := range []struct{ off, n, want int64 }{
			{0, size, size}, {0, -1, size}, {0, size + 1, size}, {0, 1 << 62, size}, {1, -1, size - 1},
			{4095, 4098, 4098}, {size - 1, 10, 1}, {size, -1, 0}, {size + 5, 10, 0}, {7, 0, 0},
			{1 << 20, 1<<20 + 1, 1<<20 + 1},
		} {
			a, b := connect(t, network)
			got := receive(b)
			sent, err := s.send(e, a, src, c.off, c.n)
			a.Close()
			received := <-got
			want := data[min(c.off, size):min(c.off+c.want, size)]
			if sent != c.want || err != nil || !bytes.Equal(received, want) {
				t.Errorf("%d bytes from %d: sent %d, want %d, received %d, %v", c.n, c.off, sent, c.want, len(received), err)
			}
		}
		if at, err := src.Seek(0, io.SeekCurrent); at != 0 || err != nil {
			t.Errorf("the file's own offset is %d, %v", at, err)
		}
	})
}

// TestSendfileLarge sends more than 4 GiB of a file that takes no room.
func TestSendfileLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: 4 GiB twice take some seconds")
	}
	const size = 4<<30 + 12345
	// Holes in tmpfs cost no memory when they are sent; elsewhere they fill the page cache.
	src, err := os.CreateTemp("/dev/shm", "ringo-")
	if err != nil {
		src = openTemp(t, nil)
	}
	defer src.Close()
	defer os.Remove(src.Name())
	if _, err := src.WriteAt([]byte("the end"), size-7); err != nil {
		t.Fatal(err)
	}
	for _, s := range senders {
		e := open(t)
		a, b := connect(t, "tcp")
		var tail []byte
		received := make(chan int64)
		go func() {
			n := discard(t, b.(*net.TCPConn), size-1000)
			tail, _ = io.ReadAll(b)
			received <- n + int64(len(tail))
		}()
		sent, err := s.send(e, a, src, 0, -1)
		a.Close()
		if n := <-received; sent != size || n != size || err != nil || !bytes.HasSuffix(tail, []byte("the end")) {
			t.Errorf("%s: sent %d, received %d; %v", s.name, sent, n, err)
		}
	}
}

// discard takes at most n bytes off the connection without copying them (tcp(7), MSG_TRUNC).
func discard(t *testing.T, c *net.TCPConn, n int64) (taken int64) {
	raw, err := c.SyscallConn()
	if err != nil {
		t.Error(err)
		return 0
	}
	room := make([]byte, 16<<20)
	err = raw.Read(func(fd uintptr) bool {
		for taken < n {
			// A slice that is never written is never touched, so it costs no memory either.
			got, _, err := syscall.Recvfrom(int(fd), room[:min(n-taken, int64(len(room)))], syscall.MSG_TRUNC)
			if err == syscall.EAGAIN {
				return false
			}
			if err != nil || got == 0 {
				return true
			}
			taken += int64(got)
		}
		return true
	})
	if err != nil {
		t.Error(err)
	}
	return taken
}

func TestSendfileArguments(t *testing.T) {
	e := open(t)
	a, _ := connect(t, "tcp")
	src := openTemp(t, []byte("data"))
	closed := openTemp(t, nil)
	closed.Close()
	closedConn, _ := connect(t, "tcp")
	closedConn.Close()
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for _, s := range senders {
		if _, err := s.send(e, a, src, -1, 1); err == nil {
			t.Errorf("%s: a negative offset was taken", s.name)
		}
		if _, err := s.send(e, a, closed, 0, 1); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: closed file: %v", s.name, err)
		}
		if _, err := s.send(e, closedConn, src, 0, 1); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: closed connection: %v", s.name, err)
		}
		if _, err := s.send(e, a, dir, 0, 1); err == nil {
			t.Errorf("%s: a directory was sent", s.name)
		}
	}
	pipe, _ := net.Pipe()
	defer pipe.Close()
	if err := e.SendfileFunc(pipe, src, 0, 4, func(int64, error) { t.Error("called") }); err == nil {
		t.Error("SendfileFunc took a connection without a descriptor")
	}
}

// TestSendfileShrinkingFile truncates the file while the peer does not read: what was left is
// sent, and that it was less is no error.
func TestSendfileShrinkingFile(t *testing.T) {
	const size = 64 << 20
	eachSender(t, func(t *testing.T, e *Engine, network string, s sender) {
		src := openTemp(t, nil)
		if err := src.Truncate(size); err != nil {
			t.Fatal(err)
		}
		a, b := connect(t, network)
		type result struct {
			n   int64
			err error
		}
		done := make(chan result, 1)
		go func() {
			n, err := s.send(e, a, src, 0, size)
			a.Close()
			done <- result{n, err}
		}()
		if _, err := io.ReadFull(b, make([]byte, 10)); err != nil { // It has begun.
			t.Fatal(err)
		}
		if err := src.Truncate(100_000); err != nil {
			t.Fatal(err)
		}
		got := <-receive(b)
		within(t, "sending a file that shrinks", func() {
			if r := <-done; r.err != nil || r.n < 100_000 || r.n == size || r.n != int64(len(got))+10 {
				t.Errorf("sent %d, received %d, %v", r.n, len(got)+10, r.err)
			}
		})
	})
}

// TestSendfilePeerGone: the error says so, and with it comes what was sent.
func TestSendfilePeerGone(t *testing.T) {
	eachSender(t, func(t *testing.T, e *Engine, network string, s sender) {
		src := openTemp(t, nil)
		if err := src.Truncate(1 << 30); err != nil {
			t.Fatal(err)
		}
		a, b := connect(t, network)
		go func() {
			io.ReadFull(b, make([]byte, 100_000))
			if tcp, ok := b.(*net.TCPConn); ok {
				tcp.SetLinger(0)
			}
			b.Close()
		}()
		within(t, "sending to a peer that is gone", func() {
			sent, err := s.send(e, a, src, 0, -1)
			var opErr *net.OpError
			gone := errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrClosedPipe)
			if !gone || !errors.As(err, &opErr) || sent < 100_000 || sent >= 1<<30 {
				t.Errorf("sent %d, %v", sent, err)
			}
		})
	})
}

// blockedSend sends a large file to a peer that does not read, waits until it is stuck, calls
// stop and gives what Sendfile returned.
func blockedSend(t *testing.T, ctx context.Context, e *Engine, a, b net.Conn, stop func()) (sent int64, err error) {
	t.Helper()
	src := openTemp(t, nil)
	if err := src.Truncate(1 << 30); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		sent, err = e.Sendfile(ctx, a, src, 0, -1)
	}()
	if _, err := io.ReadFull(b, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	stop()
	within(t, "Sendfile that was stopped", func() { <-done })
	return sent, err
}

// TestSendfileCancelled: the transfer ends with the cause, and the connection is good for more.
func TestSendfileCancelled(t *testing.T) {
	e := open(t)
	for _, network := range []string{"tcp", "unix", "pipe"} {
		a, b := connect(t, network)
		cause := errors.New("the cause")
		ctx, cancel := context.WithCancelCause(t.Context())
		sent, err := blockedSend(t, ctx, e, a, b, func() { cancel(cause) })
		var opErr *net.OpError
		if !errors.Is(err, cause) || !errors.As(err, &opErr) || sent >= 1<<30 {
			t.Errorf("%s: sent %d, %v", network, sent, err)
		}
		got := receive(b)
		_, err = a.Write([]byte("more"))
		a.Close()
		if all := <-got; err != nil || int64(len(all)) != sent-10+4 || !bytes.HasSuffix(all, []byte("more")) {
			t.Errorf("%s: afterwards: received %d, sent %d, %v", network, len(all), sent, err)
		}
		if _, err := e.Sendfile(ctx, a, openTemp(t, nil), 0, 1); !errors.Is(err, cause) {
			t.Errorf("%s: context ended before: %v", network, err)
		}
	}
}

// TestSendfileCancelledAtItsEnd ends contexts about when the transfer ends by itself: no deadline
// may be left on the connection, however the two meet.
func TestSendfileCancelledAtItsEnd(t *testing.T) {
	e := open(t)
	a, b := connect(t, "unix")
	src := openTemp(t, []byte("0123456789"))
	var draining sync.WaitGroup
	draining.Add(1)
	go func() {
		defer draining.Done()
		io.Copy(io.Discard, b)
	}()
	for i := range 2000 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for range i % 100 {
				_ = e.lent()
			}
			cancel()
		}()
		if _, err := e.Sendfile(ctx, a, src, 0, -1); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("%d: %v", i, err)
		}
		if i%7 == 0 {
			time.Sleep(10 * time.Microsecond)
		}
		if _, err := a.Write([]byte("x")); err != nil {
			t.Fatalf("%d: Write afterwards: %v", i, err)
		}
	}
	a.Close()
	draining.Wait()
}

// A slowDeadline is a connection without a descriptor, whose context ends while it is written to
// and which takes its time to set a deadline.
type slowDeadline struct {
	net.Conn
	end context.CancelFunc
	set []time.Time
}

func (c *slowDeadline) Write(p []byte) (int, error) {
	c.end()
	time.Sleep(time.Millisecond) // Lets the end be noticed before this is.
	return len(p), nil
}

func (c *slowDeadline) SetWriteDeadline(at time.Time) error {
	if !at.IsZero() {
		time.Sleep(5 * time.Millisecond)
	}
	c.set = append(c.set, at)
	return nil
}

// TestSendfileDeadlineCleared: the deadline that stops a transfer is cleared after it was set.
func TestSendfileDeadlineCleared(t *testing.T) {
	e := open(t)
	src := openTemp(t, []byte("data"))
	a, _ := connect(t, "pipe")
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		c := &slowDeadline{Conn: a, end: cancel}
		if _, err := e.Sendfile(ctx, c, src, 0, -1); err != nil {
			t.Fatal(err)
		}
		if len(c.set) != 2 || c.set[0].IsZero() || !c.set[1].IsZero() {
			t.Fatalf("deadlines set: %v", c.set)
		}
	}
}

// TestSendfileDeadline: the connection's own deadline works as for Write.
func TestSendfileDeadline(t *testing.T) {
	e := open(t)
	for _, network := range []string{"tcp", "unix", "pipe"} {
		a, b := connect(t, network)
		_, err := blockedSend(t, t.Context(), e, a, b, func() { a.SetWriteDeadline(time.Now().Add(time.Millisecond)) })
		netErr, ok := err.(net.Error)
		if !errors.Is(err, os.ErrDeadlineExceeded) || !ok || !netErr.Timeout() {
			t.Errorf("%s: %T %v", network, err, err)
		}
	}
}

// TestSendfileClose: Close of the connection ends a transfer that waits for the peer.
func TestSendfileClose(t *testing.T) {
	e := open(t)
	for _, network := range []string{"tcp", "unix"} {
		a, b := connect(t, network)
		if _, err := blockedSend(t, t.Context(), e, a, b, func() { a.Close() }); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v", network, err)
		}
	}
}

// TestSendfileFuncOutlivesDescriptors: both ends may be closed at once; the transfer goes on, on
// the files it began with.
func TestSendfileFuncOutlivesDescriptors(t *testing.T) {
	e := open(t)
	data := randomBytes(5 << 20)
	name := writeTemp(t, data)
	for range 20 {
		src, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		a, b := connect(t, "tcp")
		done := make(chan string, 1)
		err = e.SendfileFunc(a, src, 0, -1, func(n int64, err error) { done <- fmt.Sprint(n, err) })
		a.Close()
		src.Close()
		if err != nil {
			t.Fatal(err)
		}
		other, err := os.Open("/dev/zero") // Takes the number.
		if err != nil {
			t.Fatal(err)
		}
		got := <-receive(b)
		if r := <-done; r != fmt.Sprint(len(data), nil) || !bytes.Equal(got, data) {
			t.Errorf("sent %s, received %d", r, len(got))
		}
		other.Close()
		b.Close()
	}
}

// TestSendfileMany: stalled transfers, more than there are worker threads, hold up nobody.
func TestSendfileMany(t *testing.T) {
	e := open(t, WithLoops(1), WithWorkers(2, 2))
	stalled := openTemp(t, nil)
	if err := stalled.Truncate(1 << 30); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 50)
	var peers []net.Conn
	for range cap(ended) {
		a, b := connect(t, "unix")
		if err := e.SendfileFunc(a, stalled, 0, -1, func(_ int64, err error) { ended <- err }); err != nil {
			t.Fatal(err)
		}
		peers = append(peers, b)
	}
	data := randomBytes(1 << 20)
	a, b := connect(t, "tcp")
	got := receive(b)
	within(t, "a transfer beside stalled ones", func() {
		if n, err := senders[1].send(e, a, openTemp(t, data), 0, -1); n != int64(len(data)) || err != nil {
			t.Errorf("sent %d, %v", n, err)
		}
	})
	a.Close()
	if !bytes.Equal(<-got, data) {
		t.Error("received something else")
	}
	for _, b := range peers {
		b.Close()
	}
	within(t, "stalled transfers whose peers are gone", func() {
		for range peers {
			if err := <-ended; !errors.Is(err, syscall.EPIPE) {
				t.Error(err)
			}
		}
	})
}
