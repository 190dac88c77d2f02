package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ringo-io/ringo/go/ringo"
)

// benchMatrix is random reads and writes, three to one, of several sizes and depths: by goroutines
// with a File, and by a Window, against as many goroutines with os.File.
func benchMatrix(o filesOptions) error {
	return o.eachDir(func(dir, fileSystem string) error {
		for _, cache := range []string{"direct", "buffered"} {
			for _, size := range []int{16 << 10, 32 << 10, 1 << 20} {
				for _, depth := range []int{8, 16, 32} {
					name := fmt.Sprintf("matrix/%s/%s/%dk/%d", fileSystem, cache, size>>10, depth)
					if !o.wants(name) {
						continue
					}
					if err := compareMatrix(o.rounds, name, dir, cache, size, depth); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}

func compareMatrix(rounds int, name, dir, cache string, size, depth int) error {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		return err
	}
	defer e.Close()
	ours, theirs, err := openBoth(e, dir, cache)
	if err != nil {
		return err
	}
	defer ours.Close()
	defer theirs.Close()
	mixOurs := func() (sample, error) { return mixGoroutines(ours, size, depth) }
	if err := learn(mixOurs); err != nil {
		return err
	}
	samples, err := interleave(rounds,
		arm{"File", mixOurs},
		arm{"Window", func() (sample, error) { return mixWindow(e, ours, size, depth) }},
		arm{"os.File", func() (sample, error) { return mixGoroutines(theirs, size, depth) }})
	if err != nil {
		return err
	}
	fmt.Println(name)
	medians("File, goroutines", samples[0])
	medians("Window", samples[1])
	medians("os.File, goroutines", samples[2])
	for i, who := range []string{"File", "Window"} {
		ratios(who+", IOPS", samples[i], samples[2], sample.perSecond)
		ratios(who+", CPU", samples[i], samples[2], sample.cpuPerOp)
	}
	return nil
}

func isWrite(random *rand.Rand) bool { return random.Uint32N(4) == 0 }

func mixGoroutines(f fileArm, size, depth int) (sample, error) {
	return crowd(depth, func(i int) func() error {
		buf := ringo.AlignedBuffer(size, pageSize)
		random := rand.New(rand.NewPCG(uint64(i), 1))
		return func() (err error) {
			if isWrite(random) {
				_, err = f.WriteAt(buf, randomPlace(random, size))
			} else {
				_, err = f.ReadAt(buf, randomPlace(random, size))
			}
			return err
		}
	})
}

func mixWindow(e *ringo.Engine, f *ringo.File, size, depth int) (sample, error) {
	random := rand.New(rand.NewPCG(1, 2))
	return slide(e, prepareOps(f, size, depth), func(op *ringo.Op) {
		op.Kind, op.Offset = ringo.OpRead, randomPlace(random, size)
		if isWrite(random) {
			op.Kind = ringo.OpWrite
		}
	})
}

func prepareOps(f *ringo.File, size, depth int) []ringo.Op {
	memory := ringo.AlignedBuffer(depth*size, pageSize)
	ops := make([]ringo.Op, depth)
	for i := range ops {
		ops[i] = ringo.Op{File: f, Data: memory[i*size : (i+1)*size]}
	}
	return ops
}

// slide keeps ops in flight in a window for armTime; next makes of one that has ended the next one.
func slide(e *ringo.Engine, ops []ringo.Op, next func(*ringo.Op)) (sample, error) {
	w, err := e.NewWindow(context.Background(), len(ops))
	if err != nil {
		return sample{}, err
	}
	defer w.Close()
	total := 0
	s, err := measure(0, func() error {
		for i := range ops {
			next(&ops[i])
			if err := w.Submit(&ops[i]); err != nil {
				return err
			}
		}
		for end := time.Now().Add(armTime); time.Now().Before(end); {
			for range max(1, 64*pageSize/len(ops[0].Data)) { // The clock costs a part of a cached read.
				n, err := slideOnce(w, next)
				if err != nil {
					return err
				}
				total += n
			}
		}
		return nil
	})
	s.ops = float64(total)
	return s, err
}

func slideOnce(w *ringo.Window, next func(*ringo.Op)) (int, error) {
	ended, err := w.Wait(1)
	if err != nil {
		return 0, err
	}
	for _, op := range ended {
		if op.Err != nil {
			return 0, op.Err
		}
		next(op)
		if err := w.Submit(op); err != nil {
			return 0, err
		}
	}
	return len(ended), nil
}
