// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/ringo-io/ringo/cmd/ringo/internal/report"
	"github.com/ringo-io/ringo/go/ringo"
)

// ringFile is an open file whose reads and writes go by the ring.
type ringFile interface {
	io.ReaderAt
	io.WriterAt
}

// engine is as much of ringo.Engine as cat and cp use.
type engine interface {
	NewFile(*os.File) ringFile
	Close() error
}

// lazyEngine opens the engine when the first file needs it: most copies are reflinks, and most files that are printed
// are smaller than what opening a ring costs.
type lazyEngine struct {
	backend string
	once    sync.Once
	opened  engine
	err     error
}

// insist opens an engine that was asked for by name, so that one that cannot be had is known before anything is done.
func (l *lazyEngine) insist() error {
	if l.backend == "auto" {
		return nil
	}
	l.once.Do(func() { l.opened, l.err = openEngine(l.backend) })
	if l.err == nil {
		return nil
	}
	return &report.Failure{What: "cannot open a ring by the backend " + l.backend, Why: l.err,
		Cure: "`ringo probe` says what is missing"}
}

func (l *lazyEngine) file(f *os.File) (ringFile, error) {
	l.once.Do(func() { l.opened, l.err = openEngine(l.backend) })
	if l.err != nil {
		return nil, l.err
	}
	return l.opened.NewFile(f), nil
}

func (l *lazyEngine) Close() error {
	if l.opened == nil {
		return nil
	}
	return l.opened.Close()
}

// ringEngine is the engine of go/ringo.
type ringEngine struct{ *ringo.Engine }

func (e ringEngine) NewFile(f *os.File) ringFile { return e.Engine.NewFile(f) }

// openEngine takes one loop: cat and cp have a few chunks in flight and nothing to do on a second thread.
func openEngine(backend string) (engine, error) {
	opened, err := newEngine(backend, ringo.WithLoops(1))
	if err != nil {
		return nil, err
	}
	return ringEngine{opened}, nil
}

// newEngine opens an engine, and says so when it is not the one that would be best.
func newEngine(backend string, options ...ringo.Option) (*ringo.Engine, error) {
	opened, err := ringo.New(append(options, ringo.WithBackend(backend))...)
	if err != nil {
		return nil, err
	}
	if why := opened.Fallback(); why != nil {
		fmt.Fprintf(os.Stderr, "ringo: using threads: %v\n", why)
	}
	return opened, nil
}
