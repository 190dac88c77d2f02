package fileserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/go/ringo"
)

// A Server serves the regular files below Root over HTTP/1.x, on the loops of an engine. No name,
// link or race leads it outside Root: every file is opened by openat2(2) from Root's descriptor
// with RESOLVE_BENEATH. The zero value of every field but Root and Engine is a good default.
type Server struct {
	Root    string
	Engine  *ringo.Engine // opened with EngineOptions, or alike
	Options Options

	// Fallback answers every request for which FallbackFor says true: the program's own handlers on
	// the same port. Its connection is handed over to net/http, with all that was read of it, and
	// stays there; requests for files are answered there too. path is decoded and not cleaned, as
	// http.Request.URL.Path. FallbackFor runs on the loops, so it must not block; see Under.
	Fallback    http.Handler
	FallbackFor func(method, path string) bool

	// Sendfile is how large bodies go to the socket. SendfileZeroCopy needs an engine on rings.
	Sendfile ringo.SendfileStrategy
	// RingOnly sends every request to the kernel by the ring, one that is done at once by a
	// plain system call as well. It is slower, and shows what the ring can do.
	RingOnly bool
	// NoCache opens every file anew. Otherwise each loop keeps small files open that are asked for
	// often; a request after a change is answered from the new state either way. RingOnly keeps none.
	NoCache bool

	MaxConns      int           // of all Serves together; 0: as many as the engine's reserve allows
	HeaderTimeout time.Duration // for a request's head to come in; 0: 10 s
	IdleTimeout   time.Duration // between requests; 0: 75 s
	StallTimeout  time.Duration // how long an answer may go on below MinRate; 0: 30 s
	MinRate       int64         // bytes per second; 0: 1 KiB/s; less: any byte is progress enough
	DrainTimeout  time.Duration // for answers in progress once ctx has ended; 0: 10 s

	// OnAnswer, unless nil, is told of each answer when it has ended, on the loop's goroutine: what
	// it waits for, all connections of the loop wait for. It is not told what a Fallback answers.
	OnAnswer func(*Answer)
	// Counters, unless nil, count what the server does.
	Counters *Counters

	limit ringo.ServeOption // MaxConns, the same for each Serve

	cachesOpened func([]*cache) // for tests
}

// EngineOptions are what an engine needs to serve maxConns connections on so many loops.
func EngineOptions(loops, maxConns int) []ringo.Option {
	perLoop := (maxConns + loops - 1) / loops
	return []ringo.Option{
		ringo.WithLoops(loops),
		ringo.WithDepth(256),
		ringo.WithReserve(min(4*perLoop+64, 262144)),
		ringo.WithReceiveBuffers(receiveBuffers, receiveBufferSize),
	}
}

// A receive buffer is lent only while its bytes are looked at, so a few serve many connections; a
// request that does not fit one comes in several.
const (
	receiveBuffers    = 256
	receiveBufferSize = 4096
)

// Serve answers connections from ln until ctx ends and the answers in progress are sent, or
// DrainTimeout is over; it closes ln. It may be called for several listeners at the same time.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if s.Sendfile == ringo.SendfileZeroCopy && s.Engine.Backend() != "uring" {
		ln.Close()
		return fmt.Errorf("fileserver: SendfileZeroCopy needs an engine on rings, and this one is on %s: %w",
			s.Engine.Backend(), errors.ErrUnsupported)
	}
	root, err := s.open()
	if err != nil {
		ln.Close()
		return err
	}
	defer unix.Close(root)
	shared := &service{server: s, root: root, how: openHow(s.Options.Symlinks), limits: s.limits(), counters: s.Counters,
		unmeasured: ln.Addr().Network() != "tcp"}
	if shared.counters == nil {
		shared.counters = new(Counters)
	}
	for range s.Engine.Loops() {
		shared.responders = append(shared.responders, newResponder(s.Options))
		shared.exchanges = append(shared.exchanges, new(exchanges))
	}
	defer shared.openCaches()()
	drain := orDefault(s.DrainTimeout, 10*time.Second)
	if s.Fallback != nil {
		shared.fallback = newFallback(s, root, ln.Addr())
		stopped := make(chan time.Time, 1)
		running := context.AfterFunc(ctx, func() { stopped <- time.Now() })
		defer func() {
			if running() { // The engine was closed, or accepting failed.
				stopped <- time.Now()
			}
			shared.fallback.end((<-stopped).Add(drain))
		}()
	}
	options := []ringo.ServeOption{s.connLimit(), ringo.DrainTimeout(drain)}
	if s.RingOnly {
		options = append(options, ringo.SendByRing())
	}
	return s.Engine.Serve(ctx, ln, ringo.PerConn(shared.accept), options...)
}

// limiting guards the limit of every Server: one with a lock in it could not be copied.
var limiting sync.Mutex

func (s *Server) connLimit() ringo.ServeOption {
	limiting.Lock()
	defer limiting.Unlock()
	if s.limit == nil {
		s.limit = ringo.MaxConns(s.MaxConns)
	}
	return s.limit
}

// Check reports what would keep Serve from serving, without serving.
func (s *Server) Check() error {
	root, err := s.open()
	if err != nil {
		return err
	}
	return unix.Close(root)
}

// open opens the root, if the options are good.
func (s *Server) open() (int, error) {
	if err := s.Options.Check(); err != nil {
		return -1, err
	}
	if (s.Fallback == nil) != (s.FallbackFor == nil) {
		return -1, errors.New("fileserver: Fallback and FallbackFor go together: set both, or none")
	}
	return openRoot(s.Root)
}

func openRoot(name string) (int, error) {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	switch {
	case err == nil:
		return fd, nil
	case errors.Is(err, unix.ENOTDIR):
		err = fmt.Errorf("%w: only directories can be served", err)
	}
	return -1, &fs.PathError{Op: "serve", Path: name, Err: err}
}

type limits struct {
	header, idle, stall time.Duration
	stallBytes          int64 // that must move in one stall time
}

func (s *Server) limits() limits {
	l := limits{
		header: orDefault(s.HeaderTimeout, 10*time.Second),
		idle:   orDefault(s.IdleTimeout, 75*time.Second),
		stall:  orDefault(s.StallTimeout, 30*time.Second),
	}
	rate := s.MinRate
	if rate == 0 {
		rate = 1 << 10
	}
	l.stallBytes = max(int64(float64(rate)*l.stall.Seconds()), 1)
	return l
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// A service is one Serve: what its connections share.
type service struct {
	server     *Server
	root       int
	how        ringo.OpenHow
	hashes     hashes
	fallback   *fallback // or nil
	limits     limits
	responders []*responder // one per loop
	exchanges  []*exchanges // one per loop
	caches     []*cache     // one per loop; nil where nothing is kept
	counters   *Counters
	unmeasured bool // nobody can say how much of what was sent has arrived: not TCP
}

func (s *service) accept(c *ringo.Conn) ringo.Handler {
	return &conn{service: s, responder: s.responders[c.Loop()], exchanges: s.exchanges[c.Loop()],
		cache: s.caches[c.Loop()], file: noFile, probe: noFile}
}
