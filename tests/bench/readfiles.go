package main

import (
	"context"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/go/ringo"
)

const (
	filesCount = 40_000
	filesSize  = 4096
)

// benchReadFiles reads the same small files by ReadFiles and by as many goroutines with
// os.ReadFile as do best here, from the page cache and from the disk.
func benchReadFiles(o filesOptions) error {
	e, err := ringo.New()
	if err != nil {
		return err
	}
	defer e.Close()
	return o.eachDir(func(dir, fileSystem string) error {
		for _, cache := range []string{"cached", "cold"} {
			row := fmt.Sprintf("readfiles/%s/%s", fileSystem, cache)
			switch {
			case !o.wants(row):
			case cache == "cold" && fileSystem == "tmpfs":
				fmt.Printf("%s: left out: tmpfs is memory\n", row)
			case cache == "cold" && os.Geteuid() != 0:
				fmt.Printf("%s: left out: dropping the page cache needs root\n", row)
			default:
				if err := compareReadFiles(o.rounds, e, dir, row, cache == "cold"); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func compareReadFiles(rounds int, e *ringo.Engine, dir, row string, cold bool) error {
	names, err := makeFiles(filepath.Join(dir, "ringo-bench-files"))
	if err != nil {
		return err
	}
	var sums [2]uint32
	best, err := bestNumber(func(n int) (sample, error) { return readGoroutines(n, names, cold, &sums[1]) })
	if err != nil {
		return err
	}
	samples, err := interleave(rounds,
		arm{"ReadFiles", func() (sample, error) { return readRing(e, names, cold, &sums[0]) }},
		arm{"os.ReadFile", func() (sample, error) { return readGoroutines(best, names, cold, &sums[1]) }})
	if err != nil {
		return err
	}
	if sums[0] != sums[1] {
		return fmt.Errorf("the two read different bytes: sums %08x and %08x", sums[0], sums[1])
	}
	fmt.Printf("%s: %d files of %d bytes\n", row, len(names), filesSize)
	medians("ReadFiles", samples[0])
	medians(fmt.Sprintf("os.ReadFile, %d goroutines", best), samples[1])
	ratios("files/s", samples[0], samples[1], sample.perSecond)
	ratios("CPU", samples[0], samples[1], sample.cpuPerOp)
	return nil
}

// makeFiles makes the files once; a later run finds them.
func makeFiles(dir string) ([]string, error) {
	names := make([]string, filesCount)
	data := make([]byte, filesSize)
	for i := range names {
		below := filepath.Join(dir, fmt.Sprintf("%02d", i%64))
		names[i] = filepath.Join(below, fmt.Sprintf("%05d", i))
		if _, err := os.Stat(names[i]); err == nil {
			continue
		}
		if err := os.MkdirAll(below, 0o755); err != nil {
			return nil, err
		}
		copy(data, names[i])
		if err := os.WriteFile(names[i], data, 0o644); err != nil {
			return nil, err
		}
	}
	unix.Sync()
	return names, nil
}

func prepareCache(cold bool) error {
	if !cold {
		return nil
	}
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0)
}

func readRing(e *ringo.Engine, names []string, cold bool, sum *uint32) (sample, error) {
	if err := prepareCache(cold); err != nil {
		return sample{}, err
	}
	return measure(len(names), func() error {
		*sum = 0
		for file, err := range e.ReadFiles(context.Background(), names) {
			if err != nil {
				return err
			}
			*sum += crc32.ChecksumIEEE(file.Data)
		}
		return nil
	})
}

func readGoroutines(n int, names []string, cold bool, sum *uint32) (sample, error) {
	if err := prepareCache(cold); err != nil {
		return sample{}, err
	}
	return measure(len(names), func() error {
		var next atomic.Int64
		var total atomic.Uint32
		err := together(n, func(int) error {
			for i := next.Add(1) - 1; i < int64(len(names)); i = next.Add(1) - 1 {
				data, err := os.ReadFile(names[i])
				if err != nil {
					return err
				}
				total.Add(crc32.ChecksumIEEE(data))
			}
			return nil
		})
		*sum = total.Load()
		return err
	})
}
