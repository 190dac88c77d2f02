//go:build linux && cgo

package ringo_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/ringo-io/ringo/go/ringo"
)

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
