package main

import (
	"fmt"

	"github.com/ringo-io/ringo/go/ringo"
)

const (
	nopDepth = 32
	nopCount = 10_000_000
)

// benchNop compares the public Go API with the C core that it stands on: what is between them is
// the price of the boundary.
func benchNop(rounds int) error {
	samples, err := interleave(rounds, arm{"Go", nopGo}, arm{"C", nopC})
	if err != nil {
		return err
	}
	fmt.Printf("nop: posted again from its own callback, depth %d\n", nopDepth)
	medians("Go, Engine.NopFunc", samples[0])
	medians("C, ringo_loop_run", samples[1])
	ratios("CPU, Go to C", samples[0], samples[1], sample.cpuPerOp)
	return nil
}

func nopGo() (sample, error) {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		return sample{}, err
	}
	defer e.Close()
	return measure(nopCount, func() error {
		done := make(chan error)
		posted, running := 0, 0
		var again func(error)
		again = func(err error) {
			running--
			if err == nil && posted < nopCount {
				posted++
				running++
				err = e.NopFunc(again)
			}
			if err != nil || running == 0 {
				done <- err
			}
		}
		// All state belongs to the loop's goroutine: the first one posts the others.
		if err := e.NopFunc(func(err error) {
			for range nopDepth {
				posted++
				running++
				if err := e.NopFunc(again); err != nil {
					done <- err
				}
			}
		}); err != nil {
			return err
		}
		return <-done
	})
}

// nopC runs tests/bench/c/nop.c.
func nopC() (sample, error) {
	return runC("build/bench/nop", fmt.Sprint(nopDepth), fmt.Sprint(nopCount))
}
