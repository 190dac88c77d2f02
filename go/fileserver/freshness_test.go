package fileserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ringo-io/ringo/go/ringo"
)

// TestFreshness changes files in every way there is. A request that is sent once the change has
// returned must be answered from the new state: on a new connection, on an open one of every loop,
// and behind an earlier request on the same connection. FRESH_CYCLES makes it longer, FRESH_DIR puts
// the files on another file system; see `make fresh`.
func TestFreshness(t *testing.T) {
	cycles := 40
	if n, err := strconv.Atoi(os.Getenv("FRESH_CYCLES")); err == nil {
		cycles = n
	}
	for _, backend := range []string{"uring", "threads"} {
		for _, change := range changes {
			t.Run(backend+"/"+change.name, func(t *testing.T) {
				if change.unprivileged && os.Getuid() == 0 {
					t.Skip("SKIPPED: root may read everything")
				}
				newFreshTest(t, backend).run(change, cycles)
			})
		}
	}
}

// A change is a way to change what a request for a place's file is answered with.
type change struct {
	name         string
	unprivileged bool
	atomic       bool // there is nothing between the old state and the new one
	shrinks      bool // an answer begun before may be cut, and its connection with it
	// do makes the file's answer be version n, and gives the status it then has.
	do func(p *place, n int) (status int, err error)
}

// A place is a tree of its own, so that changes in one leave others as old as they are: dir is changed
// and what is served lies in dir/d/f.
type place struct {
	dir, outside string
	last, next   string // what is in the file before the change, and after it
}

func (p *place) file() string { return p.dir + "/d/f" }

// text is what version n says, in a fixed length.
func text(n int) string { return fmt.Sprintf("version %08d of this file\n", n) }

var changes = []change{
	{name: "rename over", atomic: true, do: func(p *place, n int) (int, error) {
		return 200, errors.Join(os.WriteFile(p.dir+"/new", []byte(text(n)), 0o644), os.Rename(p.dir+"/new", p.file()))
	}},
	{name: "overwrite", atomic: true, do: func(p *place, n int) (int, error) { return 200, pwrite(p.file(), text(n)) }},
	{name: "write anew", shrinks: true, do: func(p *place, n int) (int, error) {
		return 200, os.WriteFile(p.file(), []byte(text(n)), 0o644)
	}},
	{name: "append", do: func(p *place, n int) (int, error) {
		f, err := os.OpenFile(p.file(), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return 0, err
		}
		_, err = f.WriteString("x")
		p.next = p.last + "x"
		return 200, errors.Join(err, f.Close())
	}},
	{name: "truncate", shrinks: true, do: func(p *place, n int) (int, error) {
		p.next = text(n)[:n%20+1]
		return 200, errors.Join(pwrite(p.file(), text(n)), os.Truncate(p.file(), int64(n%20+1)))
	}},
	{name: "unlink and create", do: func(p *place, n int) (int, error) {
		if _, err := os.Stat(p.file()); err == nil {
			return 404, os.Remove(p.file())
		}
		return 200, os.WriteFile(p.file(), []byte(text(n)), 0o644)
	}},
	{name: "chmod", unprivileged: true, do: func(p *place, n int) (int, error) {
		p.next = text(0)
		if st, err := os.Stat(p.file()); err != nil || st.Mode().Perm() == 0 {
			return 200, errors.Join(err, os.Chmod(p.file(), 0o644))
		}
		return 404, os.Chmod(p.file(), 0)
	}},
	{name: "chmod of the directory", unprivileged: true, do: func(p *place, n int) (int, error) {
		p.next = text(0)
		if st, err := os.Stat(p.dir + "/d"); err != nil || st.Mode().Perm() == 0 {
			return 200, errors.Join(err, os.Chmod(p.dir+"/d", 0o755))
		}
		return 404, os.Chmod(p.dir+"/d", 0)
	}},
	{name: "through a hard link", do: func(p *place, n int) (int, error) {
		if err := os.Link(p.file(), p.outside); err != nil && !errors.Is(err, os.ErrExist) {
			return 0, err
		}
		return 200, pwrite(p.outside, text(n))
	}},
	{name: "through a mapping", do: func(p *place, n int) (int, error) {
		f, err := os.OpenFile(p.file(), os.O_RDWR, 0)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		mapped, err := syscall.Mmap(int(f.Fd()), 0, len(text(n)), syscall.PROT_WRITE, syscall.MAP_SHARED)
		if err != nil {
			return 0, err
		}
		copy(mapped, text(n))
		return 200, syscall.Munmap(mapped)
	}},
	{name: "directory renamed", do: func(p *place, n int) (int, error) {
		if err := errors.Join(os.RemoveAll(p.dir+"/old"), os.Mkdir(p.dir+"/new", 0o755), os.WriteFile(p.dir+"/new/f", []byte(text(n)), 0o644)); err != nil {
			return 0, err
		}
		return 200, errors.Join(os.Rename(p.dir+"/d", p.dir+"/old"), os.Rename(p.dir+"/new", p.dir+"/d"))
	}},
	{name: "link in a directory's place", do: func(p *place, n int) (int, error) {
		to := fmt.Sprintf("to%d", n)
		if err := errors.Join(os.Mkdir(p.dir+"/"+to, 0o755), os.WriteFile(p.dir+"/"+to+"/f", []byte(text(n)), 0o644)); err != nil {
			return 0, err
		}
		if os.Remove(p.dir+"/d") == nil { // it was a link: now a directory comes in its place
			return 200, os.Rename(p.dir+"/"+to, p.dir+"/d")
		}
		return 200, errors.Join(os.Rename(p.dir+"/d", p.dir+fmt.Sprintf("/was%d", n)), os.Symlink(to, p.dir+"/d"))
	}},
	{name: "precompressed comes and goes", do: func(p *place, n int) (int, error) {
		if _, err := os.Stat(p.file() + ".gz"); err == nil {
			p.next = text(0)
			return 200, os.Remove(p.file() + ".gz")
		}
		return 200, os.WriteFile(p.file()+".gz", []byte(text(n)), 0o644)
	}},
}

// pwrite overwrites the beginning of a file, and nothing else.
func pwrite(name, data string) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(data), 0)
	return errors.Join(err, f.Close())
}

type freshTest struct {
	t       *testing.T
	served  *running
	caches  []*cache
	places  []*place
	open    []net.Conn
	readers []*bufio.Reader
}

func newFreshTest(t *testing.T, backend string) *freshTest {
	engine, err := ringo.New(append(EngineOptions(2, 500), ringo.WithBackend(backend))...)
	if errors.Is(err, ringo.ErrUnavailable) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	base := os.Getenv("FRESH_DIR")
	if base != "" {
		if base, err = os.MkdirTemp(base, "fresh"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(base) })
	} else {
		base = t.TempDir()
	}
	f := &freshTest{t: t}
	for i := range 16 {
		p := &place{dir: fmt.Sprintf("%s/root/p%d", base, i), outside: fmt.Sprintf("%s/link%d", base, i), last: text(0)}
		if err := errors.Join(os.MkdirAll(p.dir+"/d", 0o755), os.WriteFile(p.file(), []byte(text(0)), 0o644)); err != nil {
			t.Fatal(err)
		}
		f.places = append(f.places, p)
	}
	keepCaches := make(chan []*cache, 1)
	f.served = begin(t, &Server{Root: base + "/root", Engine: engine, cachesOpened: func(c []*cache) { keepCaches <- c }})
	f.caches = <-keepCaches
	for range 6 { // as many as will be on both loops, near enough
		conn, in := f.served.dial()
		f.open, f.readers = append(f.open, conn), append(f.readers, in)
	}
	return f
}

func (f *freshTest) run(c change, cycles int) {
	f.t.Cleanup(func() {
		for _, p := range f.places { // so that they can be removed
			_ = os.Chmod(p.dir+"/d", 0o755)
		}
	})
	stop := sync.OnceFunc(f.load())
	defer stop()
	for n := 1; n <= cycles; n++ {
		i := n % len(f.places)
		p := f.places[i]
		request := fmt.Sprintf("GET /p%d/d/f HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n", i)
		f.prime(p, request)
		ahead := n % len(f.open) // has a request on its way while the change is made
		f.write(f.open[ahead], request)
		p.next = text(n)
		status, err := c.do(p, n)
		if err != nil {
			f.t.Fatalf("change %d: %v", n, err)
		}
		f.write(f.open[ahead], request)
		first, body, err := f.tryRead(f.readers[ahead])
		if err != nil && c.shrinks {
			f.open[ahead], f.readers[ahead] = f.served.dial()
			f.write(f.open[ahead], request)
		} else if err != nil {
			f.t.Fatal(err)
		}
		if c.atomic && (first != 200 || body != p.last && body != p.next) {
			f.t.Fatalf("cycle %d: neither old nor new: %d %q", n, first, body)
		}
		f.judge(n, "behind another request", f.readers[ahead], status, p.next)
		for k, conn := range f.open {
			f.write(conn, request)
			f.judge(n, "on an open connection", f.readers[k], status, p.next)
		}
		conn, in := f.served.dial()
		f.write(conn, request)
		f.judge(n, "on a new connection", in, status, p.next)
		conn.Close()
		p.last = p.next
	}
	stop()
	f.served.end()
	hits := uint64(0)
	for _, c := range f.caches {
		hits += c.hits
	}
	if f.caches[0] != nil && hits < uint64(cycles)/4 {
		f.t.Errorf("the cache was of use %d times in %d cycles: nothing is shown", hits, cycles)
	}
}

// prime makes the place's file known to every loop.
func (f *freshTest) prime(p *place, request string) {
	f.old(p)
	for range 2 {
		for k, conn := range f.open {
			f.write(conn, request)
			f.read(f.readers[k])
		}
	}
}

// old waits until the place is so old that it is kept.
func (f *freshTest) old(p *place) {
	for _, name := range []string{p.dir, p.dir + "/d", p.file()} {
		var st syscall.Stat_t
		if syscall.Stat(name, &st) == nil {
			for isYoung(st.Ctim.Nano(), time.Now().UnixNano()) {
				time.Sleep(time.Millisecond)
			}
		}
	}
}

func (f *freshTest) write(conn net.Conn, request string) {
	if _, err := io.WriteString(conn, request); err != nil {
		f.t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
}

func (f *freshTest) read(in *bufio.Reader) (int, string) {
	f.t.Helper()
	status, body, err := f.tryRead(in)
	if err != nil {
		f.t.Fatal(err)
	}
	return status, body
}

func (f *freshTest) tryRead(in *bufio.Reader) (int, string, error) {
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

func (f *freshTest) judge(n int, where string, in *bufio.Reader, status int, want string) {
	f.t.Helper()
	if got, body := f.read(in); got != status || status == 200 && body != want {
		f.t.Fatalf("cycle %d, %s: stale: %d %q, want %d %q", n, where, got, body, status, want)
	}
}

// load asks for the same files from other connections all the while.
func (f *freshTest) load() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for range 2 {
		running.Add(1)
		go func() {
			defer running.Done()
			for ctx.Err() == nil {
				f.loadOne(ctx)
			}
		}()
	}
	return func() { cancel(); running.Wait() }
}

// loadOne is one connection of load's: until it is cut, for a file that shrank.
func (f *freshTest) loadOne(ctx context.Context) {
	conn, err := net.Dial(f.served.address.Network(), f.served.address.String())
	if err != nil {
		f.t.Error(err)
		return
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for i := 0; ctx.Err() == nil; i++ {
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(conn, getText(fmt.Sprintf("/p%d/d/f", i%len(f.places)))); err != nil {
			return
		}
		if _, _, err := f.tryRead(in); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestNothingKept: where changes may show late, every file is opened anew.
func TestNothingKept(t *testing.T) {
	root, err := openRoot("/proc")
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	defer syscall.Close(root)
	if newCache(root, openHow(SymlinksBeneath), 10) != nil {
		t.Error("files of /proc are kept")
	}
}
