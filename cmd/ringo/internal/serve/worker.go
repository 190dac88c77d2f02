// SPDX-License-Identifier: MIT

package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/cmd/ringo/internal/accesslog"
	"github.com/ringo-io/ringo/cmd/ringo/internal/sandbox"
	"github.com/ringo-io/ringo/go/fileserver"
	"github.com/ringo-io/ringo/go/ringo"
)

// A worker answers. It has only what the supervisor has passed to it.
type worker struct {
	task      *task
	control   *control
	listeners []net.Listener
	metrics   net.Listener   // nil for none
	log       *accesslog.Log // nil for none
	server    *fileserver.Server
	confined  confinement
}

// ErrWorkerFailed is the error of a worker that has told its supervisor why it failed.
var ErrWorkerFailed = errors.New("the worker failed")

// A worker would be called exe, by the link that it is started from. Only here it is certain to be the main thread, whose
// name is the process's.
func init() {
	if len(os.Args) > 1 && os.Args[1] == WorkerCommand {
		name := [16]byte{}
		copy(name[:], "ringo-worker")
		_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name)), 0, 0, 0) // A name is all that could be lost.
	}
}

// Work is the life of a worker process.
func Work() error {
	// Signals are for the supervisor, also those that a terminal or a service manager sends to both.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1)
	control, err := controlOf(os.NewFile(controlFD, "control"))
	if err != nil {
		return fmt.Errorf("this command is started by ringo serve: %w", err)
	}
	var first order
	if _, err := control.receive(&first); err != nil || first.Task == nil {
		return fmt.Errorf("this command is started by ringo serve: %w", err)
	}
	w := &worker{task: first.Task, control: control}
	if err := w.run(); err != nil {
		_ = control.send(notice{Failed: err.Error()}, nil) // If nobody listens it does not matter.
		return ErrWorkerFailed
	}
	return nil
}

func (w *worker) run() error {
	engine, err := w.openEngine()
	if err != nil {
		return err
	}
	defer engine.Close()
	if err := w.confine(); err != nil {
		return err
	}
	if zone, err := time.LoadLocationFromTZData("Local", w.task.Zone); err == nil {
		time.Local = zone
	}
	if err := w.takeDescriptors(); err != nil {
		return err
	}
	s := &w.task.Settings
	w.server = s.server()
	w.server.Counters = new(fileserver.Counters)
	if w.log != nil {
		w.server.OnAnswer = w.log.Answered
	}
	w.server.Engine = engine
	told := &metrics{engine: engine, counters: w.server.Counters, log: w.log, restarts: w.task.Restarts}
	if w.metrics != nil {
		go told.serve(w.metrics)
		defer w.metrics.Close()
	}
	err = w.serve(told)
	engine.Close() // Before the log, to which its last answers go.
	if w.log != nil {
		w.log.Close()
	}
	return err
}

// openEngine opens the engine, on rings that only serve if those can be had.
func (w *worker) openEngine() (*ringo.Engine, error) {
	s := &w.task.Settings
	w.confined = confinement{Landlock: w.task.Landlock, User: w.task.User, NoRings: s.Backend == "threads"}
	options := append(fileserver.EngineOptions(s.Loops, s.MaxConns), ringo.WithBackend(s.Backend),
		ringo.WithTurnBudget(s.TurnBudget))
	if s.Sandbox != sandboxOff {
		engine, err := ringo.New(append(options, ringo.WithServingOnly())...)
		if err == nil {
			w.confined.Rings = !w.confined.NoRings
			return engine, nil
		}
	}
	return ringo.New(options...)
}

// confine takes system calls from the process, which has lost its files before it was born: also the one that would
// make another ring, so the engine must be open. It refuses what --sandbox=strict asks for and is not there.
func (w *worker) confine() error {
	s := &w.task.Settings
	if s.Sandbox == sandboxOff {
		return nil
	}
	err := sandbox.FilterSystemCalls()
	if err != nil && !errors.Is(err, sandbox.ErrUnsupported) {
		return err
	}
	w.confined.Seccomp = err == nil
	missing := w.confined.missing()
	if s.Sandbox != sandboxStrict || len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("--sandbox=strict cannot be had: there is no %s; --sandbox=auto takes what there is",
		strings.Join(missing, " and no "))
}

// takeDescriptors takes what comes behind the control, in the order of supervisor.descriptors.
func (w *worker) takeDescriptors() (err error) {
	next := controlFD + 1
	if w.listeners, err = inherited(next, w.task.Listeners); err != nil {
		return err
	}
	next += w.task.Listeners
	if w.task.Metrics {
		opened, err := inherited(next, 1)
		if err != nil {
			return err
		}
		w.metrics = opened[0]
		next++
	}
	if w.task.Log {
		w.log = accesslog.Start(os.NewFile(uintptr(next), "access log"), accesslog.Options{
			Format: w.task.Settings.LogFormat, Loops: w.task.Settings.Loops,
			Drop: w.task.Settings.LogDrop, Complain: complain})
	}
	return nil
}

func complain(sentence string) { fmt.Fprintf(os.Stderr, "ringo: %s\n", sentence) }

// serve serves all listeners until the supervisor says to stop, or one of them fails.
func (w *worker) serve(told *metrics) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var running sync.WaitGroup
	errs := make([]error, len(w.listeners))
	for i, ln := range w.listeners {
		running.Add(1)
		go func() {
			defer running.Done()
			defer stop()
			errs[i] = w.server.Serve(ctx, ln)
		}()
	}
	if err := w.control.send(notice{Serving: &w.confined}, nil); err != nil {
		return err
	}
	go w.obey(func() {
		told.stopping.Store(true)
		stop()
	})
	running.Wait()
	return errors.Join(errs...)
}

// obey does what the supervisor says. When that is gone, so is the reason to go on: others may have its sockets.
func (w *worker) obey(stop func()) {
	for {
		var said order
		file, err := w.control.receive(&said)
		switch {
		case err != nil:
			os.Exit(1)
		case said.Stop:
			stop()
		case said.NewLog && w.log != nil && file != nil:
			w.log.Reopen(file)
		}
	}
}
