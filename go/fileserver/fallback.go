package fileserver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/ringo-io/ringo/go/ringo"
)

// Under is a Server's FallbackFor: every request whose path begins with one of the prefixes. A prefix
// that does not end in a slash, such as "/api", is the path itself and what lies below it.
func Under(prefixes ...string) func(method, path string) bool {
	return func(_, path string) bool {
		for _, prefix := range prefixes {
			rest, found := strings.CutPrefix(path, prefix)
			if found && (rest == "" || rest[0] == '/' || strings.HasSuffix(prefix, "/")) {
				return true
			}
		}
		return false
	}
}

// A fallback is the program's own handler on the connections that were handed over to it: net/http
// serves them from then on, with the same limits of time, and answers requests for files there too.
type fallback struct {
	server *http.Server
	conns  handover
	done   chan struct{} // closed when server.Serve has returned
}

// newFallback begins to serve.
func newFallback(s *Server, root int, addr net.Addr) *fallback {
	files := newHandler(root, s.Options)
	l := s.limits()
	f := &fallback{
		server: &http.Server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if s.FallbackFor(r.Method, r.URL.Path) {
					s.Fallback.ServeHTTP(w, r)
					return
				}
				files.ServeHTTP(w, r)
			}),
			ReadHeaderTimeout: l.header,
			IdleTimeout:       l.idle,
			MaxHeaderBytes:    maxHeaders,
		},
		conns: handover{addr: addr},
		done:  make(chan struct{}),
	}
	f.conns.some.L = &f.conns.mu
	go func() {
		defer close(f.done)
		_ = f.server.Serve(&f.conns) // ErrServerClosed: nothing else can end it
	}()
	return f
}

// end lets requests in progress end until the deadline, and then cuts them.
func (f *fallback) end(deadline time.Time) {
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	if f.server.Shutdown(ctx) != nil {
		_ = f.server.Close()
	}
	<-f.done
}

// falls reports whether the request is the program's own. A path that is none is not.
func (s *Server) falls(q *request) bool {
	if s.Fallback == nil {
		return false
	}
	escaped := q.path()
	path, err := url.PathUnescape(unsafe.String(unsafe.SliceData(escaped), len(escaped)))
	return err == nil && s.FallbackFor(string(q.methodName()), strings.Clone(path))
}

// leave hands the connection over to the program's own handler, with input, the bytes that were read.
func (c *conn) leave(rc *ringo.Conn, input []byte) {
	c.state = closed
	rc.Detach(input, func(conn net.Conn, err error) {
		if err == nil {
			c.service.fallback.conns.put(conn)
		}
	})
}

// A handover is a listener whose connections were accepted elsewhere.
type handover struct {
	addr net.Addr

	mu     sync.Mutex
	some   sync.Cond // signalled when conns is not empty, or closed
	conns  []net.Conn
	closed bool
}

// put hands a connection over; it does not wait. After Close the connection is closed.
func (h *handover) put(conn net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		conn.Close()
		return
	}
	h.conns = append(h.conns, conn)
	h.some.Signal()
}

// Accept implements net.Listener.
func (h *handover) Accept() (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.conns) == 0 && !h.closed {
		h.some.Wait()
	}
	if h.closed {
		return nil, net.ErrClosed
	}
	conn := h.conns[0]
	h.conns = h.conns[1:]
	return conn, nil
}

// Close implements net.Listener.
func (h *handover) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	var errs []error
	for _, conn := range h.conns {
		errs = append(errs, conn.Close())
	}
	h.conns = nil
	h.some.Broadcast()
	return errors.Join(errs...)
}

// Addr implements net.Listener.
func (h *handover) Addr() net.Addr { return h.addr }
