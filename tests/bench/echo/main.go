// Command echo is three servers that send back what they get, to be measured against each other by
// tests/bench: goroutines on package net, gnet, and Engine.Serve. It is a module of its own, so that
// ringo does not depend on gnet.
//
//	echo ringo|net|gnet ADDRESS
//
// Each runs one loop; with package net it is GOMAXPROCS that says how many cores there are.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"

	"github.com/panjf2000/gnet/v2"

	"github.com/ringo-io/ringo/go/ringo"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: echo ringo|net|gnet ADDRESS")
	}
	serve := map[string]func(string) error{"ringo": serveRingo, "net": serveNet, "gnet": serveGnet}[os.Args[1]]
	if serve == nil {
		log.Fatalf("echo: no server %q", os.Args[1])
	}
	if err := serve(os.Args[2]); err != nil {
		log.Fatalf("echo: %v", err)
	}
}

// ringoEcho answers on a loop of an engine.
type ringoEcho struct{ ringo.Defaults }

func (ringoEcho) Data(c *ringo.Conn, p []byte) {
	if len(p) == 0 {
		c.Finish()
		return
	}
	if _, err := c.Write(p); err != nil {
		c.Close()
		return
	}
	if c.Unsent() > 64<<10 {
		c.Pause()
	}
}

func (e ringoEcho) Sent(c *ringo.Conn, n int64, err error) {
	e.Defaults.Sent(c, n, err)
	c.Resume()
}

func serveRingo(address string) error {
	engine, err := ringo.New(ringo.WithLoops(1), ringo.WithReserve(50_000))
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return engine.Serve(context.Background(), ln, ringoEcho{})
}

// serveNet has a goroutine for each connection.
func serveNet(address string) error {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			buf := make([]byte, 4096)
			for {
				n, err := conn.Read(buf)
				if n > 0 {
					if _, err := conn.Write(buf[:n]); err != nil {
						return
					}
				}
				if err != nil {
					return
				}
			}
		}()
	}
}

// gnetEcho answers on gnet's event loop.
type gnetEcho struct{ gnet.BuiltinEventEngine }

func (*gnetEcho) OnTraffic(c gnet.Conn) gnet.Action {
	buf, err := c.Next(-1)
	if err == nil {
		_, err = c.Write(buf)
	}
	if err != nil {
		return gnet.Close
	}
	return gnet.None
}

func serveGnet(address string) error {
	return gnet.Run(new(gnetEcho), fmt.Sprint("tcp://", address), gnet.WithNumEventLoop(1), gnet.WithTCPNoDelay(gnet.TCPNoDelay))
}
