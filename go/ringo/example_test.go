package ringo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/ringo-io/ringo/go/ringo"
)

func ExampleReadFile() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	data, err := ringo.ReadFile(ctx, "testdata/greeting.txt")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", data)
	// Output: Hello from the ring.
}

// Readers of the file, and whoever starts after a crash, see the old content or the new one.
func ExampleWriteFile() {
	name := filepath.Join(os.TempDir(), "ringo-example-settings")
	defer os.Remove(name)
	err := ringo.WriteFile(context.Background(), name, []byte("colour = blue\n"), 0o600, ringo.Atomic, ringo.Sync)
	if err != nil {
		log.Fatal(err)
	}
	data, err := os.ReadFile(name)
	fmt.Printf("%s%v\n", data, err)
	// Output:
	// colour = blue
	// <nil>
}

// Many files are read at once, and come in the order of their names.
func ExampleEngine_ReadFiles() {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	names := []string{"testdata/greeting.txt", "testdata/missing.txt", "testdata/farewell.txt"}
	for file, err := range e.ReadFiles(context.Background(), names) {
		if errors.Is(err, fs.ErrNotExist) {
			fmt.Println(file.Name, "is not there")
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s", file.Name, file.Data)
	}
	// Output:
	// testdata/greeting.txt: Hello from the ring.
	// testdata/missing.txt is not there
	// testdata/farewell.txt: Until the next turn.
}

// A callback runs on a loop's goroutine. It may start the next operation, but must not block.
func ExampleEngine_ReadFileFunc() {
	e, err := ringo.New()
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	done := make(chan struct{})
	err = e.ReadFileFunc("testdata/greeting.txt", func(first []byte, err error) {
		fmt.Printf("%s%v\n", first, err)
		err = e.ReadFileFunc("testdata/farewell.txt", func(second []byte, err error) {
			fmt.Printf("%s%v\n", second, err)
			close(done)
		})
		if err != nil {
			log.Fatal(err)
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	<-done
	// Output:
	// Hello from the ring.
	// <nil>
	// Until the next turn.
	// <nil>
}

// An engine for direct I/O by many goroutines: few loops, room for all of them at once, and rings
// that submit several operations together.
func ExampleNew() {
	e, err := ringo.New(
		ringo.WithLoops(2),
		ringo.WithDepth(4096),
		ringo.WithSubmitThreshold(8, 20*time.Microsecond),
		ringo.WithReadLimit(64<<20),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	if why := e.Fallback(); why != nil {
		log.Print(why) // Says who forbids io_uring, and what to do about it.
	}
	data, err := e.ReadFile(context.Background(), "testdata/greeting.txt")
	fmt.Printf("%s%v\n", data, err)
	// Output:
	// Hello from the ring.
	// <nil>
}

// An echo is the handler of one connection. Its methods run on the connection's loop.
type echo struct{}

func (echo) Opened(c *ringo.Conn) { c.SetTimer(10 * time.Second) }

// Data sends back what has come. Until that is sent no more is taken in, so a peer that does not
// read is not read from either.
func (echo) Data(c *ringo.Conn, p []byte) {
	if len(p) == 0 {
		c.Close()
		return
	}
	c.Pause()
	c.Send(append(c.Out(), p...))
}

func (echo) Sent(c *ringo.Conn, _ int64, err error) {
	if err != nil {
		c.Close()
		return
	}
	c.SetTimer(10 * time.Second)
	c.Resume()
}

func (echo) Timer(c *ringo.Conn)                             { c.Close() }
func (echo) Drain(c *ringo.Conn)                             { c.Close() }
func (echo) FileOpened(*ringo.Conn, int, error)              {}
func (echo) FileStatus(*ringo.Conn, ringo.FileStatus, error) {}
func (echo) Closed(*ringo.Conn, error)                       {}

func ExampleEngine_Serve() {
	e, err := ringo.New(ringo.WithReceiveBuffers(64, 4096))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() {
		served <- e.Serve(ctx, ln, ringo.ServeOptions{MaxConns: 100, DrainTimeout: time.Second},
			func(*ringo.Conn) ringo.Handler { return echo{} })
	}()

	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(peer, "anybody there?")
	answer := make([]byte, 14)
	_, err = io.ReadFull(peer, answer)
	fmt.Printf("%s %v\n", answer, err)
	peer.Close()

	stop()
	fmt.Println(<-served)
	// Output:
	// anybody there? <nil>
	// <nil>
}
