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

// An echo sends back what it receives. It keeps nothing of its own, so one of it serves all.
type echo struct{ ringo.Defaults }

func (echo) Opened(c *ringo.Conn) { c.SetTimer(10 * time.Second) }

// Data sends back what has come. A peer that does not read what it gets is not read from either.
func (e echo) Data(c *ringo.Conn, p []byte) {
	if len(p) == 0 {
		c.Finish()
		return
	}
	if _, err := c.Write(p); err != nil {
		c.Close()
	}
	if c.Unsent() > 1<<16 {
		c.Pause()
	}
}

func (e echo) Sent(c *ringo.Conn, n int64, err error) {
	e.Defaults.Sent(c, n, err)
	c.SetTimer(10 * time.Second)
	c.Resume()
}

func (echo) Timer(c *ringo.Conn) { c.Close() }

func ExampleEngine_Serve() {
	e, err := ringo.New()
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
		served <- e.Serve(ctx, ln, echo{}, ringo.MaxConns(100), ringo.DrainTimeout(time.Second))
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

// A line asks a question and prints the answer.
type line struct{ ringo.Defaults }

func (line) Opened(c *ringo.Conn) { fmt.Fprint(c, "who are you?") }

func (line) Data(c *ringo.Conn, p []byte) {
	if len(p) > 0 {
		fmt.Printf("%s\n", p)
	}
	c.Close()
}

func (line) Closed(c *ringo.Conn, err error) {
	c.Value.(chan error) <- err
}

func ExampleEngine_DialFunc() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	go func() {
		peer, err := ln.Accept()
		if err != nil {
			return
		}
		question := make([]byte, 12)
		io.ReadFull(peer, question)
		fmt.Fprintf(peer, "you asked: %s", question)
		peer.Close()
	}()

	e, err := ringo.New()
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	closed := make(chan error, 1)
	err = e.DialFunc(context.Background(), "tcp", ln.Addr().String(), line{}, func(c *ringo.Conn, err error) {
		if err != nil {
			closed <- err
			return
		}
		c.Value = closed
	})
	fmt.Println(err)
	fmt.Println(<-closed)
	// Output:
	// <nil>
	// you asked: who are you?
	// <nil>
}

// An upgrade hands connections over to code with a goroutine for each.
type upgrade struct {
	ringo.Defaults
	talk func(net.Conn)
}

func (u upgrade) Data(c *ringo.Conn, p []byte) {
	c.Detach(p, func(conn net.Conn, err error) {
		if err == nil {
			go u.talk(conn)
		}
	})
}

func ExampleConn_Detach() {
	e, err := ringo.New()
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
		served <- e.Serve(ctx, ln, upgrade{talk: func(conn net.Conn) {
			defer conn.Close()
			io.Copy(conn, conn) // What Data was given comes first.
		}})
	}()

	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(peer, "from the first byte on")
	peer.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(peer)
	fmt.Printf("%s %v\n", answer, err)

	stop()
	fmt.Println(<-served)
	// Output:
	// from the first byte on <nil>
	// <nil>
}

// A window keeps eight reads in flight; each that has ended makes room for the next.
func ExampleWindow() {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	f, err := e.Open("testdata/greeting.txt")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	w, err := e.NewWindow(context.Background(), 8)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	const total = 100
	bytes := 0
	for next := 0; next < total || w.InFlight() > 0; {
		for ; next < total && w.InFlight() < w.Depth(); next++ {
			err := w.Submit(&ringo.Op{File: f, Data: make([]byte, 5), Offset: int64(next % 10)})
			if err != nil {
				log.Fatal(err)
			}
		}
		ended, err := w.Wait(1)
		if err != nil {
			log.Fatal(err)
		}
		for _, op := range ended {
			bytes += op.N
		}
	}
	fmt.Println(bytes, "bytes")
	// Output: 500 bytes
}

// Linked operations replace a file durably: each runs only when the one before has succeeded.
func ExampleBatch() {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	name := filepath.Join(os.TempDir(), "ringo-example-batch")
	defer os.Remove(name)
	f, err := e.Create(name + ".new")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	b, err := e.NewBatch(8)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	err = b.Run(context.Background(), []ringo.Op{
		{Kind: ringo.OpWrite, File: f, Data: []byte("all or nothing"), Link: true},
		{Kind: ringo.OpDatasync, File: f, Link: true},
		{Kind: ringo.OpRename, Name: name + ".new", NewName: name},
	})
	data, readErr := os.ReadFile(name)
	fmt.Printf("%v %s %v\n", err, data, readErr)
	// Output: <nil> all or nothing <nil>
}

// Many pieces of a file at once, by one goroutine.
func ExampleEngine_ReadBatch() {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	f, err := e.Open("testdata/greeting.txt")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	ops := []ringo.Op{
		{File: f, Data: make([]byte, 5), Offset: 0},
		{File: f, Data: make([]byte, 4), Offset: 15},
	}
	if err := e.ReadBatch(context.Background(), ops); err != nil {
		log.Fatal(err)
	}
	for _, op := range ops {
		fmt.Printf("%s\n", op.Data)
	}
	// Output:
	// Hello
	// ring
}

// A tree for whatever takes an fs.FS; nothing outside of it can be reached.
func ExampleEngine_FS() {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	data, err := fs.ReadFile(e.FS("testdata"), "farewell.txt")
	fmt.Printf("%s%v\n", data, err)
	// Output:
	// Until the next turn.
	// <nil>
}

// A File is an os.File whose ReadAt and WriteAt go the better of two ways.
func ExampleEngine_Create() {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	f, err := e.Create(filepath.Join(os.TempDir(), "ringo-example-create"))
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.WriteAt([]byte("ringo"), 3); err != nil {
		log.Fatal(err)
	}
	buf := make([]byte, 8)
	n, err := f.ReadAt(buf, 0)
	fmt.Printf("%d %q %v\n", n, buf, err)
	// Output: 8 "\x00\x00\x00ringo" <nil>
}

// Leased memory is aligned, and registered with the rings of windows and batches opened later.
func ExampleEngine_Buffers() {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	f, err := e.Open("testdata/greeting.txt")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	buffer, err := e.Buffers().Get(5)
	if err != nil {
		log.Fatal(err)
	}
	defer buffer.Release()
	err = e.ReadBatch(context.Background(), []ringo.Op{{File: f, Data: buffer.Bytes()}})
	fmt.Printf("%s %v\n", buffer.Bytes(), err)
	// Output: Hello <nil>
}
