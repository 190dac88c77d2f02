package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/go/ringo"
)

// benchMatrix is random reads and writes, three to one, of several sizes and depths, by a Window
// against as many goroutines with os.File.
func benchMatrix(rounds int, dir string) error {
	name, err := makeBigFile(dir)
	if err != nil {
		return err
	}
	for _, direct := range []bool{true, false} {
		for _, size := range []int{16 << 10, 32 << 10, 1 << 20} {
			for _, depth := range []int{8, 16, 32} {
				if err := compareMatrix(rounds, name, direct, size, depth); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func compareMatrix(rounds int, name string, direct bool, size, depth int) error {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		return err
	}
	defer e.Close()
	flag, how := os.O_RDWR, "buffered"
	if direct {
		flag, how = flag|unix.O_DIRECT, "O_DIRECT"
	}
	theirs, err := os.OpenFile(name, flag, 0)
	if err != nil {
		return err
	}
	defer theirs.Close()
	ours, err := e.OpenFile(name, flag, 0)
	if err != nil {
		return err
	}
	defer ours.Close()
	samples, err := interleave(rounds,
		arm{"File", func() (sample, error) { return mixGoroutines(ours, size, depth) }},
		arm{"Window", func() (sample, error) { return mixWindow(e, ours, size, depth) }},
		arm{"os.File", func() (sample, error) { return mixGoroutines(theirs, size, depth) }})
	if err != nil {
		return err
	}
	fmt.Printf("matrix: 3 reads to 1 write, random, %s, %d KiB, depth %d\n", how, size>>10, depth)
	medians("File, goroutines", samples[0])
	medians("Window", samples[1])
	medians("os.File, goroutines", samples[2])
	ratios("File, IOPS", samples[0], samples[2], sample.perSecond)
	ratios("File, CPU", samples[0], samples[2], sample.cpuPerOp)
	ratios("Window, IOPS", samples[1], samples[2], sample.perSecond)
	ratios("Window, CPU", samples[1], samples[2], sample.cpuPerOp)
	return nil
}

func isWrite(random *rand.Rand) bool { return random.Uint32N(4) == 0 }

func place(random *rand.Rand, size int) int64 {
	return int64(random.Uint32N(uint32(bigFileSize/size))) * int64(size)
}

func mixGoroutines(f interface {
	io.ReaderAt
	io.WriterAt
}, size, depth int) (sample, error) {
	var workers sync.WaitGroup
	var total atomic.Int64
	var failure atomic.Pointer[error]
	end := time.Now().Add(armTime)
	s, _ := measure(0, func() error {
		for i := range depth {
			workers.Add(1)
			go func() {
				defer workers.Done()
				buf := ringo.AlignedBuffer(size, pageSize)
				random := rand.New(rand.NewPCG(uint64(i), 1))
				for time.Now().Before(end) {
					var err error
					if isWrite(random) {
						_, err = f.WriteAt(buf, place(random, size))
					} else {
						_, err = f.ReadAt(buf, place(random, size))
					}
					if err != nil {
						failure.Store(&err)
						return
					}
					total.Add(1)
				}
			}()
		}
		workers.Wait()
		return nil
	})
	if err := failure.Load(); err != nil {
		return s, *err
	}
	s.ops = float64(total.Load())
	return s, nil
}

func mixWindow(e *ringo.Engine, f *ringo.File, size, depth int) (sample, error) {
	w, err := e.NewWindow(context.Background(), depth)
	if err != nil {
		return sample{}, err
	}
	defer w.Close()
	memory := ringo.AlignedBuffer(depth*size, pageSize)
	random := rand.New(rand.NewPCG(1, 2))
	ops := make([]ringo.Op, depth)
	submit := func(op *ringo.Op) error {
		op.Kind, op.Offset = ringo.OpRead, place(random, size)
		if isWrite(random) {
			op.Kind = ringo.OpWrite
		}
		return w.Submit(op)
	}
	total := 0
	s, err := measure(0, func() error {
		for i := range ops {
			ops[i] = ringo.Op{File: f, Data: memory[i*size : (i+1)*size]}
			if err := submit(&ops[i]); err != nil {
				return err
			}
		}
		for end := time.Now().Add(armTime); time.Now().Before(end); {
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
		return nil
	})
	s.ops = float64(total)
	return s, err
}

// benchWriteFiles writes new files of 4 KiB, plainly and durably, by 64 goroutines.
func benchWriteFiles(rounds int, dir string) error {
	e, err := ringo.New()
	if err != nil {
		return err
	}
	defer e.Close()
	dir, err = os.MkdirTemp(dir, "ringo-bench-write-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ours := func(options ...ringo.WriteOption) func(string, []byte) error {
		return func(name string, data []byte) error {
			return e.WriteFile(context.Background(), name, data, 0o600, options...)
		}
	}
	plain := func(name string, data []byte) error { return os.WriteFile(name, data, 0o600) }
	for _, c := range []struct {
		how          string
		ours, theirs func(string, []byte) error
		files        int
	}{{"plain", ours(), plain, 8000}, {"durable", ours(ringo.Sync), writeDurably, 1000}} {
		samples, err := interleave(rounds,
			arm{"WriteFile", func() (sample, error) { return writeMany(dir, c.files, c.ours) }},
			arm{"os", func() (sample, error) { return writeMany(dir, c.files, c.theirs) }})
		if err != nil {
			return err
		}
		fmt.Printf("writefiles: %d new files of 4 KiB, %s, 64 goroutines\n", c.files, c.how)
		medians("ringo.WriteFile", samples[0])
		medians("package os", samples[1])
		ratios("files/s", samples[0], samples[1], sample.perSecond)
		ratios("CPU", samples[0], samples[1], sample.cpuPerOp)
	}
	return nil
}

func writeDurably(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// writeMany writes files into a new directory, and removes it outside of what is measured.
func writeMany(dir string, files int, write func(string, []byte) error) (sample, error) {
	dir, err := os.MkdirTemp(dir, "")
	if err != nil {
		return sample{}, err
	}
	defer os.RemoveAll(dir)
	var workers sync.WaitGroup
	var next atomic.Int64
	var failure atomic.Pointer[error]
	data := make([]byte, 4096)
	s, _ := measure(files, func() error {
		for range 64 {
			workers.Add(1)
			go func() {
				defer workers.Done()
				for i := next.Add(1); i <= int64(files); i = next.Add(1) {
					if err := write(filepath.Join(dir, fmt.Sprint(i)), data); err != nil {
						failure.Store(&err)
						return
					}
				}
			}()
		}
		workers.Wait()
		return nil
	})
	if err := failure.Load(); err != nil {
		return s, *err
	}
	return s, nil
}
