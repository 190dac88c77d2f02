package ringo

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// An Engine runs operations on its loops and batch rings. It is safe for concurrent use.
type Engine struct {
	loops     []*loop
	depth     int
	readLimit int64
	sendQueue int
	backend   string
	fallback  error
	chunks    chunkPool
	batches   batchPool
	windows   windowPool
	volumes   volumes
	buffers   Buffers
	policy    Policy
	holds     holds

	plainWrites atomic.Int32 // WriteFiles by plain system calls under way

	logger   *slog.Logger
	slow     time.Duration // of a delivery
	slowOnce sync.Once
	execute  func(func())
	batched  atomic.Uint64 // operations run by batch rings

	closing   sync.Once
	refusing  atomic.Bool   // Close or Shutdown has begun
	closed    chan struct{} // the same, for those who wait for it
	stopped   chan struct{} // closed when everything is released
	closeErrs []error
}

// New opens an engine; close it. When there is no io_uring to be had and nothing else was asked for
// ([WithBackend]), the error matches [ErrUnavailable] and says why and what to do. Safe for
// concurrent use.
func New(options ...Option) (*Engine, error) {
	c, err := newConfig(options)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		depth:     int(c.ring.Depth),
		readLimit: c.readLimit,
		policy:    c.policy,
		sendQueue: c.sendQueue,
		logger:    c.logger,
		slow:      c.slow,
		execute:   c.execute,
		closed:    make(chan struct{}),
		stopped:   make(chan struct{}),
	}
	e.holds.init()
	e.batches.init(e, c)
	e.windows.init(c)
	for range c.loops {
		l, err := openLoop(e, c)
		if err != nil {
			return nil, errors.Join(unavailable(err), e.Close())
		}
		e.loops = append(e.loops, l)
	}
	e.noteBackend()
	return e, nil
}

func (e *Engine) noteBackend() {
	backend, why := e.loops[0].c.Backend()
	e.backend = backendNames[backend]
	if why != nil {
		e.fallback = unavailable(why)
		if e.logger != nil {
			e.logger.Warn("ringo: running on threads instead of io_uring", "why", e.fallback)
		}
	}
}

var backendNames = map[uint32]string{csrc.BackendURing: "uring", csrc.BackendThreads: "threads",
	csrc.BackendOS: "os"}

// Default returns the engine that the package-level functions use. It is opened when first asked
// for, with default options, and never closed; an error stays.
func Default() (*Engine, error) { return defaultEngine() }

var defaultEngine = sync.OnceValues(func() (*Engine, error) { return New() })

// Backend says what runs operations: "uring", or "threads" where io_uring is forbidden or missing, or "os" in a build
// without cgo or not for Linux: there goroutines make plain system calls, and there are no event-driven connections.
func (e *Engine) Backend() string { return e.backend }

// Fallback says why the backend is threads though nobody asked for it, and what to do; else nil. It
// matches ErrUnavailable.
func (e *Engine) Fallback() error { return e.fallback }

// Close refuses new operations, lets those in flight end and releases everything. Operations that
// wait for others (accept, receive, poll, timers) are cancelled. It can wait without end for a
// transfer whose peer does not move; [Engine.Shutdown] has a limit. Close in a callback returns
// ErrWouldDeadlock.
func (e *Engine) Close() error { return e.Shutdown(context.Background()) }

// Shutdown is Close until ctx ends; what is then in flight is cancelled. It returns the cause of
// ctx's end in that case, after everything was released.
func (e *Engine) Shutdown(ctx context.Context) error {
	if e.onSomeLoop() {
		return ErrWouldDeadlock
	}
	e.closing.Do(func() {
		e.refusing.Store(true)
		close(e.closed)
		e.holds.close()
		for _, l := range e.loops {
			l.waiters.close()
		}
		go e.release()
	})
	select {
	case <-e.stopped:
		return errors.Join(e.closeErrs...)
	case <-ctx.Done():
	}
	e.batches.cancel()
	e.windows.cancel()
	for _, l := range e.loops {
		l.stop(csrc.StopCancel)
	}
	<-e.stopped
	return errors.Join(errors.Join(e.closeErrs...), context.Cause(ctx))
}

// release waits for everything to end and gives back what the engine owns. The loops are told to
// stop only when no call needs them for its further operations or for its cancel, since a loop
// that stops takes neither.
func (e *Engine) release() {
	<-e.holds.none
	for _, l := range e.loops {
		l.stop(csrc.StopDrain)
	}
	for _, l := range e.loops {
		<-l.done
		if l.runErr != nil {
			e.closeErrs = append(e.closeErrs, l.runErr)
		}
	}
	e.batches.close()
	e.windows.close()
	e.buffers.free()
	e.chunks.free()
	close(e.stopped)
}

// Flush submits at once what WithSubmitThreshold holds back.
func (e *Engine) Flush() {
	for _, l := range e.loops {
		if !l.onLoop() {
			l.wake()
		}
	}
}

// anyLoop picks a loop for work that may go anywhere; in a callback, the loop that runs it.
func (e *Engine) anyLoop() *loop {
	if len(e.loops) == 1 {
		return e.loops[0]
	}
	self := caller()
	for _, l := range e.loops {
		if l.self.Load() == self {
			return l
		}
	}
	return e.loops[rand.Uint32N(uint32(len(e.loops)))]
}

// blockingLoop is anyLoop for a caller that will wait.
func (e *Engine) blockingLoop() (*loop, error) {
	l := e.anyLoop()
	if l.onLoop() {
		return nil, ErrWouldDeadlock
	}
	return l, nil
}

// mayBlock says why a call that waits must not be made: the engine is closing, or the caller is in
// a callback.
func (e *Engine) mayBlock() error {
	switch {
	case e.refusing.Load():
		return ErrClosed
	case e.onSomeLoop():
		return ErrWouldDeadlock
	}
	return nil
}

func (e *Engine) onSomeLoop() bool {
	self := caller()
	for _, l := range e.loops {
		if l.self.Load() == self {
			return true
		}
	}
	return false
}

// A nopFunc is the sink of NopFunc; a func is pointer-shaped, so it becomes a sink for free.
type nopFunc func(error)

func (f nopFunc) complete(_ *loop, c *csrc.Completion) { f(errorOf(c.Result)) }

// NopFunc runs an operation that does nothing and calls fn on a loop's goroutine when it has
// completed: the cheapest round trip there is, for measuring, and for running code on a loop.
func (e *Engine) NopFunc(fn func(error)) error {
	_, err := e.anyLoop().post(&csrc.Op{Code: csrc.Nop}, nopFunc(errElsewhere(e, fn)))
	return err
}

var _ io.Closer = (*Engine)(nil)

// OnLoop runs f on the goroutine of one loop, from 0, where that loop's connections are stepped; f must
// not block. It waits until f is posted, not until it has run.
func (e *Engine) OnLoop(index int, f func()) error {
	if e.onSomeLoop() {
		return ErrWouldDeadlock
	}
	return e.loops[index].do(func(*loop) { f() }, false)
}

// Loops is the number of loops.
func (e *Engine) Loops() int { return len(e.loops) }
