package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/ringo-io/ringo/go/ringo"
)

// benchWriteFiles writes new files of 4 KiB. Plainly, by as many goroutines as os.WriteFile does
// best with; durably (write, fsync, close), 64 in flight: by goroutines and by callbacks.
func benchWriteFiles(o filesOptions) error {
	e, err := ringo.New()
	if err != nil {
		return err
	}
	defer e.Close()
	return o.eachDir(func(dir, fileSystem string) error {
		for how, compare := range map[string]func(int, *ringo.Engine, string, string) error{"plain": comparePlain, "durable": compareDurable} {
			if row := fmt.Sprintf("writefiles/%s/%s", fileSystem, how); o.wants(row) {
				if err := inScratch(dir, func(scratch string) error { return compare(o.rounds, e, scratch, row) }); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// inScratch keeps what was written until a row is done: ext4 is slow to use again an inode that
// was deleted a moment ago.
func inScratch(dir string, f func(scratch string) error) error {
	scratch, err := os.MkdirTemp(dir, "ringo-bench-write-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	return f(scratch)
}

const (
	plainFiles   = 8000
	durableFiles = 1000
	durableAhead = 64
)

func comparePlain(rounds int, e *ringo.Engine, dir, row string) error {
	theirs := func(name string, data []byte) error { return os.WriteFile(name, data, 0o600) }
	goroutines, err := bestNumber(func(n int) (sample, error) { return writeMany(n, dir, plainFiles/4, theirs) })
	if err != nil {
		return err
	}
	samples, err := interleave(rounds,
		arm{"WriteFile", func() (sample, error) { return writeMany(goroutines, dir, plainFiles, writeByEngine(e)) }},
		arm{"os", func() (sample, error) { return writeMany(goroutines, dir, plainFiles, theirs) }})
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d new files of 4 KiB, %d goroutines\n", row, plainFiles, goroutines)
	medians("WriteFile", samples[0])
	medians("os.WriteFile", samples[1])
	ratios("files/s", samples[0], samples[1], sample.perSecond)
	ratios("CPU", samples[0], samples[1], sample.cpuPerOp)
	return nil
}

func compareDurable(rounds int, e *ringo.Engine, dir, row string) error {
	samples, err := interleave(rounds,
		arm{"WriteFile", func() (sample, error) {
			return writeMany(durableAhead, dir, durableFiles, writeByEngine(e, ringo.Sync))
		}},
		arm{"WriteFileFunc", func() (sample, error) { return writeByCallbacks(e, dir) }},
		arm{"os", func() (sample, error) { return writeMany(durableAhead, dir, durableFiles, writeDurably) }})
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d new files of 4 KiB, %d in flight\n", row, durableFiles, durableAhead)
	names := []string{"WriteFile", "WriteFileFunc", "package os"}
	for i, name := range names {
		medians(name, samples[i])
	}
	for i, name := range names[:2] {
		ratios(name+", files/s", samples[i], samples[2], sample.perSecond)
		ratios(name+", CPU", samples[i], samples[2], sample.cpuPerOp)
	}
	return nil
}

func writeByEngine(e *ringo.Engine, options ...ringo.WriteOption) func(string, []byte) error {
	return func(name string, data []byte) error {
		return e.WriteFile(context.Background(), name, data, 0o600, options...)
	}
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

// writeMany writes files into a new directory.
func writeMany(goroutines int, dir string, files int, write func(string, []byte) error) (sample, error) {
	dir, err := os.MkdirTemp(dir, "")
	if err != nil {
		return sample{}, err
	}
	data := make([]byte, 4096)
	var next atomic.Int64
	return measure(files, func() error {
		return together(goroutines, func(int) error {
			for i := next.Add(1); i <= int64(files); i = next.Add(1) {
				if err := write(filepath.Join(dir, fmt.Sprint(i)), data); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// writeByCallbacks keeps WriteFileFuncs in flight: each that has ended starts the next, on its loop.
func writeByCallbacks(e *ringo.Engine, dir string) (sample, error) {
	dir, err := os.MkdirTemp(dir, "")
	if err != nil {
		return sample{}, err
	}
	data := make([]byte, 4096)
	return measure(durableFiles, func() error {
		var next atomic.Int64
		ended := make(chan error, durableAhead)
		var again func(error)
		again = func(err error) {
			i := next.Add(1)
			if err == nil && i <= durableFiles {
				err = e.WriteFileFunc(filepath.Join(dir, fmt.Sprint(i)), data, 0o600, again, ringo.Sync)
				if err == nil {
					return
				}
			}
			ended <- err
		}
		for range durableAhead {
			again(nil)
		}
		var errs []error
		for range durableAhead {
			errs = append(errs, <-ended)
		}
		return errors.Join(errs...)
	})
}
