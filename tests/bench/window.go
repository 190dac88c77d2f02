package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"time"

	"github.com/ringo-io/ringo/go/ringo"
)

// benchWindow reads 4 KiB at random places by one goroutine, many at once: Window against a window
// in C on plain liburing, and ReadBatch against lists there, with the same flags of the ring.
func benchWindow(o filesOptions) error {
	return o.eachDir(func(dir, fileSystem string) error {
		for _, cache := range []string{"cached", "direct"} {
			for _, depth := range []int{32, 128} {
				name := fmt.Sprintf("window/%s/%s/%d", fileSystem, cache, depth)
				if !o.wants(name) {
					continue
				}
				if err := compareWindow(o.rounds, name, dir, cache, depth); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func compareWindow(rounds int, name, dir, cache string, depth int) error {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		return err
	}
	defer e.Close()
	f, theirs, err := openBoth(e, dir, cache)
	if err != nil {
		return err
	}
	defer f.Close()
	theirs.Close()
	path := theirs.Name()
	samples, err := interleave(rounds,
		arm{"Window", func() (sample, error) { return windowGo(e, f, depth) }},
		arm{"C window", func() (sample, error) { return windowC(path, depth, cache, "window") }},
		arm{"ReadBatch", func() (sample, error) { return batchGo(e, f, depth) }},
		arm{"C list", func() (sample, error) { return windowC(path, depth, cache, "list") }})
	if err != nil {
		return err
	}
	fmt.Println(name)
	medians("Go, Window", samples[0])
	medians("C, liburing, window", samples[1])
	ratios("IOPS", samples[0], samples[1], sample.perSecond)
	ratios("CPU", samples[0], samples[1], sample.cpuPerOp)
	medians("Go, ReadBatch", samples[2])
	medians("C, liburing, list", samples[3])
	ratios("IOPS", samples[2], samples[3], sample.perSecond)
	ratios("CPU", samples[2], samples[3], sample.cpuPerOp)
	return nil
}

func windowGo(e *ringo.Engine, f *ringo.File, depth int) (sample, error) {
	random := rand.New(rand.NewPCG(1, 2))
	return slide(e, prepareOps(f, pageSize, depth), func(op *ringo.Op) { op.Offset = randomPlace(random, pageSize) })
}

func batchGo(e *ringo.Engine, f *ringo.File, depth int) (sample, error) {
	ops := prepareOps(f, pageSize, depth)
	random := rand.New(rand.NewPCG(1, 2))
	total := 0
	s, err := measure(0, func() error {
		for end := time.Now().Add(armTime); time.Now().Before(end); total += depth {
			for i := range ops {
				ops[i].Offset = randomPlace(random, pageSize)
			}
			if err := e.ReadBatch(context.Background(), ops); err != nil {
				return err
			}
		}
		return nil
	})
	s.ops = float64(total)
	return s, err
}

// windowC runs tests/bench/c/window.c.
func windowC(name string, depth int, cache, how string) (sample, error) {
	return runC("build/bench/window", name, fmt.Sprint(depth), cache, how, fmt.Sprint(armTime.Milliseconds()))
}

// runC runs a program that prints operations, wall and CPU nanoseconds.
func runC(program string, args ...string) (sample, error) {
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		return sample{}, fmt.Errorf("%s (make builds it): %w", program, err)
	}
	var ops, wall, cpu int64
	if _, err := fmt.Sscan(string(out), &ops, &wall, &cpu); err != nil {
		return sample{}, err
	}
	return sample{ops: float64(ops), wall: time.Duration(wall), cpu: time.Duration(cpu)}, nil
}
