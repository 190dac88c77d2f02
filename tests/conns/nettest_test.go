// Package conns tests the connections of go/ringo with what others have written for theirs.
package conns

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/ringo-io/ringo/go/ringo"
)

// greeting is what a peer of a connection that had received something has said.
const greeting = "hello"

// A detaching handler detaches its connection at once, or when a greeting has come.
type detaching struct {
	ringo.Defaults
	first string
	conns chan net.Conn
	got   []byte
}

func (d *detaching) Opened(c *ringo.Conn) {
	if d.first == "" {
		d.detach(c)
	}
}

func (d *detaching) Data(c *ringo.Conn, p []byte) {
	if d.got = append(d.got, p...); len(d.got) >= len(d.first) {
		d.detach(c)
	}
}

func (d *detaching) detach(c *ringo.Conn) {
	c.Detach(d.got, func(conn net.Conn, err error) {
		if err != nil {
			panic(err)
		}
		d.conns <- conn
	})
}

// TestDetachedConns holds detached connections to the contract of net.Conn, on both backends: as
// they are when nothing was received before, and when something was.
func TestDetachedConns(t *testing.T) {
	for _, backend := range []string{"auto", "threads"} {
		for _, network := range []string{"tcp", "unix"} {
			for _, first := range []string{"", greeting} {
				t.Run(fmt.Sprintf("%s/%s/%d bytes before", backend, network, len(first)), func(t *testing.T) {
					nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
						return pair(t, backend, network, first)
					})
				})
			}
		}
	}
}

// pair is a nettest.MakePipe: the first connection was a ringo.Conn, the other one is its peer.
func pair(t *testing.T, backend, network, first string) (net.Conn, net.Conn, func(), error) {
	e, err := ringo.New(ringo.WithBackend(backend), ringo.WithLoops(1), ringo.WithReceiveBuffers(4, 512))
	if err != nil {
		return nil, nil, nil, err
	}
	conns := make(chan net.Conn, 1)
	address, stop := serve(t, e, network, func(*ringo.Conn) ringo.Handler {
		return &detaching{first: first, conns: conns}
	})
	peer, err := net.Dial(network, address)
	if err != nil {
		return nil, nil, nil, err
	}
	if _, err := io.WriteString(peer, first); err != nil {
		return nil, nil, nil, err
	}
	conn := <-conns
	buf := make([]byte, len(first))
	if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != first {
		return nil, nil, nil, fmt.Errorf("%q came before, %w", buf, err)
	}
	return conn, peer, func() {
		conn.Close()
		peer.Close()
		stop()
	}, nil
}

// serve serves on an address of its own until stop is called, which closes e as well.
func serve(t *testing.T, e *ringo.Engine, network string, accept func(*ringo.Conn) ringo.Handler) (address string, stop func()) {
	t.Helper()
	ln, err := net.Listen(network, map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")}[network])
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- e.Serve(ctx, ln, ringo.PerConn(accept)) }()
	return ln.Addr().String(), func() {
		end()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}
