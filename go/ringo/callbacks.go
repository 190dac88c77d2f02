package ringo

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// What user code may do on a loop's goroutine that harms everybody else there: take long, panic, or
// end the goroutine.

// WithLogger makes the engine report to logger what its owner should know: that it runs on the
// threads backend and why, a callback that was slow (once), and a loop that failed.
func WithLogger(logger *slog.Logger) Option { return func(c *config) { c.logger = logger } }

// WithSlowCallback sets how long a delivery's callbacks and handlers may take on a loop before that
// counts as slow ([Stats].Slow) and is reported (WithLogger); the default is 10 ms. The loop, and all
// that is in flight on it, waits for them.
func WithSlowCallback(d time.Duration) Option {
	return func(c *config) {
		if d <= 0 {
			c.err = fmt.Errorf("ringo: WithSlowCallback(%v): must be positive", d)
		}
		c.slow = d
	}
}

// WithCallbackExecutor makes execute run the functions given to the callback forms (ReadFileFunc,
// WriteFileFunc, SendfileFunc, NopFunc), instead of the loop: it is called on the loop with each, must
// not block, and may run it on any goroutine. So they may block; Close does not wait for them.
// Handlers of connections stay on their loops.
func WithCallbackExecutor(execute func(func())) Option {
	return func(c *config) { c.execute = execute }
}

// elsewhere makes fn run where WithCallbackExecutor says.
func elsewhere[T any](e *Engine, fn func(T, error)) func(T, error) {
	if e.execute == nil {
		return fn
	}
	return func(v T, err error) { e.execute(func() { fn(v, err) }) }
}

// errElsewhere is elsewhere for callbacks that get an error alone.
func errElsewhere(e *Engine, fn func(error)) func(error) {
	if e.execute == nil {
		return fn
	}
	return func(err error) { e.execute(func() { fn(err) }) }
}

// A CallbackPanic is what a panic in a callback or a handler is raised again as, to end the program:
// a loop that is in the middle of a delivery cannot go on.
type CallbackPanic struct {
	Op    string // the operation whose end the callback was told, as in [Features]
	Value any    // what panic was called with
}

// Error implements error.
func (p *CallbackPanic) Error() string {
	return fmt.Sprintf("ringo: panic in a callback or handler, at the end of %s: %v", p.Op, p.Value)
}

// Unwrap gives the value if it is an error.
func (p *CallbackPanic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// leave is deferred by Deliver. A Goexit cannot be held up; were the goroutine to end, its thread
// would take with it all that is in flight.
func (l *loop) leave() {
	if !l.delivering {
		return
	}
	op := codeName(csrc.Code(l.running))
	if value := recover(); value != nil {
		panic(&CallbackPanic{op, value})
	}
	panic(fmt.Sprintf("ringo: runtime.Goexit (of testing: FailNow, SkipNow) in a callback or handler, at the end of %s: it would end the loop, and lose what is in flight", op))
}

// completeTimed is complete with an eye on the time, for an engine that has a logger.
func (l *loop) completeTimed(c *csrc.Completion) {
	begin := time.Now()
	l.complete(c)
	if took := time.Since(begin); took > l.engine.slow {
		l.engine.slowOnce.Do(func() {
			l.engine.logger.Warn("ringo: a callback or handler was slow; its loop and all that is in flight there waited",
				"op", codeName(csrc.Code(l.running)), "took", took, "loop", l.index)
		})
	}
}

// codeName is the name of an operation, as in Features.
func codeName(code csrc.Code) string { return codeNames()[code] }

var codeNames = sync.OnceValue(func() (names [csrc.CodeCount]string) {
	for code := range csrc.CodeCount {
		names[code] = csrc.CodeName(code)
	}
	return names
})
