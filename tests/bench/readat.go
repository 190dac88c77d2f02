package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/go/ringo"
)

const (
	bigFileSize = 1 << 30
	pageSize    = 4096
	armTime     = 200 * time.Millisecond // of each arm in each round
)

var concurrencies = []int{1, 2, 4, 8, 16, 32, 64, 128, 256}

// benchReadAt reads 4 KiB at random places of a file of 1 GiB, by as many goroutines as there are
// calls at once, from the page cache and by O_DIRECT: File.ReadAt against os.File.ReadAt.
func benchReadAt(rounds int, dir string) error {
	name, err := makeBigFile(dir)
	if err != nil {
		return err
	}
	for _, direct := range []bool{false, true} {
		if err := compareReadAt(rounds, name, direct); err != nil {
			return err
		}
	}
	return nil
}

func compareReadAt(rounds int, name string, direct bool) error {
	e, err := ringo.New()
	if err != nil {
		return err
	}
	defer e.Close()
	flag, how := os.O_RDWR, "cached"
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
	if !direct {
		if err := warm(theirs); err != nil {
			return err
		}
	}
	fmt.Printf("readat: 4 KiB at random places of 1 GiB, %s, GOMAXPROCS %d\n", how, runtime.GOMAXPROCS(0))
	for _, callers := range concurrencies {
		samples, err := interleave(rounds,
			arm{"File", func() (sample, error) { return readRandomly(ours, callers) }},
			arm{"os.File", func() (sample, error) { return readRandomly(theirs, callers) }})
		if err != nil {
			return err
		}
		fmt.Printf(" %d at once\n", callers)
		medians("File.ReadAt", samples[0])
		medians("os.File.ReadAt", samples[1])
		ratios("IOPS", samples[0], samples[1], sample.perSecond)
		ratios("CPU", samples[0], samples[1], sample.cpuPerOp)
		ratios("p99", samples[0], samples[1], sample.p99Of)
	}
	s := e.Stats()
	fmt.Printf("  ways: %d plain, %d from the page cache, %d by a loop; %d switches\n",
		s.Plain, s.Cached, s.Looped, s.Switches)
	return nil
}

// makeBigFile makes the file once; a later run finds it.
func makeBigFile(dir string) (string, error) {
	name := filepath.Join(dir, "ringo-bench-1g")
	if info, err := os.Stat(name); err == nil && info.Size() == bigFileSize {
		return name, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	chunk := make([]byte, 1<<20)
	for range bigFileSize / len(chunk) {
		for i := 0; i < len(chunk); i += 64 {
			chunk[i] = byte(rand.Uint32())
		}
		if _, err := f.Write(chunk); err != nil {
			return "", err
		}
	}
	return name, f.Sync()
}

func warm(f *os.File) error {
	_, err := io.Copy(io.Discard, io.NewSectionReader(f, 0, bigFileSize))
	return err
}

// readRandomly reads for armTime.
func readRandomly(f io.ReaderAt, callers int) (sample, error) {
	var workers sync.WaitGroup
	var stop atomic.Bool
	var total atomic.Int64
	var failure atomic.Pointer[error]
	latencies := make([][]time.Duration, callers)
	timer := time.AfterFunc(armTime, func() { stop.Store(true) })
	defer timer.Stop()
	s, _ := measure(0, func() error {
		for i := range callers {
			workers.Add(1)
			go func() {
				defer workers.Done()
				n, err := readUntil(&stop, f, &latencies[i])
				total.Add(n)
				if err != nil {
					failure.Store(&err)
				}
			}()
		}
		workers.Wait()
		return nil
	})
	if err := failure.Load(); err != nil {
		return s, *err
	}
	s.ops, s.p99 = float64(total.Load()), percentile99(latencies)
	return s, nil
}

// readUntil times one call of sixteen, since the clock costs a part of a cached read.
func readUntil(stop *atomic.Bool, f io.ReaderAt, latencies *[]time.Duration) (n int64, err error) {
	buf := ringo.AlignedBuffer(pageSize, pageSize)
	random := rand.New(rand.NewPCG(rand.Uint64(), 1))
	for ; !stop.Load(); n++ {
		off := int64(random.Uint32N(bigFileSize/pageSize)) * pageSize
		if n%16 != 0 {
			_, err = f.ReadAt(buf, off)
		} else {
			begin := time.Now()
			_, err = f.ReadAt(buf, off)
			*latencies = append(*latencies, time.Since(begin))
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func percentile99(latencies [][]time.Duration) time.Duration {
	var all []time.Duration
	for _, l := range latencies {
		all = append(all, l...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	if len(all) == 0 {
		return 0
	}
	return all[len(all)*99/100]
}
