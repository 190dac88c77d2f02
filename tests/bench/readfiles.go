package main

import (
	"context"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
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
func benchReadFiles(rounds int, dir string) error {
	names, err := makeFiles(filepath.Join(dir, "ringo-bench-files"))
	if err != nil {
		return err
	}
	e, err := ringo.New()
	if err != nil {
		return err
	}
	defer e.Close()
	for _, cold := range []bool{false, true} {
		if cold && os.Geteuid() != 0 {
			fmt.Println("readfiles, cold: left out: dropping the page cache needs root")
			continue
		}
		if err := compareReadFiles(rounds, e, names, cold); err != nil {
			return err
		}
	}
	return nil
}

func compareReadFiles(rounds int, e *ringo.Engine, names []string, cold bool) error {
	best, err := bestGoroutines(names, cold)
	if err != nil {
		return err
	}
	var sums [2]uint32
	samples, err := interleave(rounds,
		arm{"ReadFiles", func() (sample, error) { return readRing(e, names, cold, &sums[0]) }},
		arm{"os.ReadFile", func() (sample, error) { return readGoroutines(best, names, cold, &sums[1]) }})
	if err != nil {
		return err
	}
	if sums[0] != sums[1] {
		return fmt.Errorf("the two read different bytes: sums %08x and %08x", sums[0], sums[1])
	}
	fmt.Printf("readfiles: %d files of %d bytes, %s\n", len(names), filesSize,
		map[bool]string{false: "cached", true: "cold (drop_caches=3 before each)"}[cold])
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

// bestGoroutines tries how many goroutines read the files quickest.
func bestGoroutines(names []string, cold bool) (best int, err error) {
	fastest := 0.0
	for _, n := range []int{1, 2, 4, 8, 16, 32, 64, 128} {
		var sum uint32
		s, err := readGoroutines(n, names, cold, &sum)
		if err != nil {
			return 0, err
		}
		if s.perSecond() > fastest {
			best, fastest = n, s.perSecond()
		}
	}
	return best, nil
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
		var failed atomic.Pointer[error]
		var running sync.WaitGroup
		for range n {
			running.Add(1)
			go func() {
				defer running.Done()
				for i := next.Add(1) - 1; i < int64(len(names)); i = next.Add(1) - 1 {
					data, err := os.ReadFile(names[i])
					if err != nil {
						failed.Store(&err)
					}
					total.Add(crc32.ChecksumIEEE(data))
				}
			}()
		}
		running.Wait()
		*sum = total.Load()
		if err := failed.Load(); err != nil {
			return *err
		}
		return nil
	})
}
