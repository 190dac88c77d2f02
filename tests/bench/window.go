package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/go/ringo"
)

// benchWindow reads 4 KiB at random places by one goroutine, many at once: Window against a window
// in C on plain liburing, and ReadBatch against lists there, with the same flags of the ring.
func benchWindow(rounds int, dir string) error {
	name, err := makeBigFile(dir)
	if err != nil {
		return err
	}
	for _, cache := range []string{"cached", "direct"} {
		for _, depth := range []int{32, 128} {
			if err := compareWindow(rounds, name, cache, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

func compareWindow(rounds int, name, cache string, depth int) error {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		return err
	}
	defer e.Close()
	flag := os.O_RDONLY
	if cache == "direct" {
		flag |= unix.O_DIRECT
	}
	f, err := e.OpenFile(name, flag, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	samples, err := interleave(rounds,
		arm{"Window", func() (sample, error) { return windowGo(e, f, depth) }},
		arm{"C window", func() (sample, error) { return windowC(name, depth, cache, "window") }},
		arm{"ReadBatch", func() (sample, error) { return batchGo(e, f, depth) }},
		arm{"C list", func() (sample, error) { return windowC(name, depth, cache, "list") }})
	if err != nil {
		return err
	}
	fmt.Printf("window: 4 KiB at random places of 1 GiB, %s, depth %d\n", cache, depth)
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

func prepareOps(f *ringo.File, depth int) []ringo.Op {
	memory := ringo.AlignedBuffer(depth*pageSize, pageSize)
	ops := make([]ringo.Op, depth)
	for i := range ops {
		ops[i] = ringo.Op{File: f, Data: memory[i*pageSize : (i+1)*pageSize]}
	}
	return ops
}

func randomPage(random *rand.Rand) int64 {
	return int64(random.Uint32N(bigFileSize/pageSize)) * pageSize
}

func windowGo(e *ringo.Engine, f *ringo.File, depth int) (sample, error) {
	w, err := e.NewWindow(context.Background(), depth)
	if err != nil {
		return sample{}, err
	}
	defer w.Close()
	ops := prepareOps(f, depth)
	random := rand.New(rand.NewPCG(1, 2))
	submit := func(op *ringo.Op) error {
		op.Offset = randomPage(random)
		return w.Submit(op)
	}
	total := 0
	s, err := measure(0, func() error {
		for i := range ops {
			if err := submit(&ops[i]); err != nil {
				return err
			}
		}
		for end := time.Now().Add(armTime); time.Now().Before(end); {
			for range 64 {
				ended, err := w.Wait(1)
				if err != nil {
					return err
				}
				for _, op := range ended {
					if op.Err != nil {
						return op.Err
					}
					if err := submit(op); err != nil {
						return err
					}
				}
				total += len(ended)
			}
		}
		return nil
	})
	s.ops = float64(total)
	return s, err
}

func batchGo(e *ringo.Engine, f *ringo.File, depth int) (sample, error) {
	ops := prepareOps(f, depth)
	random := rand.New(rand.NewPCG(1, 2))
	total := 0
	s, err := measure(0, func() error {
		for end := time.Now().Add(armTime); time.Now().Before(end); total += depth {
			for i := range ops {
				ops[i].Offset = randomPage(random)
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
