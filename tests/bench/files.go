package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
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

// filesOptions are what the benchmarks of files share.
type filesOptions struct {
	rounds int
	dirs   []string       // on the file systems to measure
	only   *regexp.Regexp // which rows
}

// A fileArm is one side of a comparison of files.
type fileArm interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

// eachDir calls f for each directory, with the name of its file system.
func (o *filesOptions) eachDir(f func(dir, fileSystem string) error) error {
	for _, dir := range o.dirs {
		if err := f(dir, fileSystem(dir)); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return nil
}

// wants says whether the row is to be measured.
func (o *filesOptions) wants(row string) bool { return o.only.MatchString(row) }

func fileSystem(dir string) string {
	var status unix.Statfs_t
	if unix.Statfs(dir, &status) != nil {
		return "unknown"
	}
	names := map[int64]string{unix.EXT4_SUPER_MAGIC: "ext4", unix.TMPFS_MAGIC: "tmpfs", unix.OVERLAYFS_SUPER_MAGIC: "overlayfs",
		unix.BTRFS_SUPER_MAGIC: "btrfs", unix.XFS_SUPER_MAGIC: "xfs"}
	if name := names[status.Type]; name != "" {
		return name
	}
	return fmt.Sprintf("%#x", status.Type)
}

// openBoth opens the big file in dir by an engine and by package os; what is cached is warm then.
func openBoth(e *ringo.Engine, dir, cache string) (ours *ringo.File, theirs *os.File, err error) {
	name, err := makeBigFile(dir)
	if err != nil {
		return nil, nil, err
	}
	flag := os.O_RDWR
	if cache == "direct" {
		flag |= unix.O_DIRECT
	}
	if theirs, err = os.OpenFile(name, flag, 0); err != nil {
		return nil, nil, err
	}
	if cache != "direct" {
		_, err = io.Copy(io.Discard, io.NewSectionReader(theirs, 0, bigFileSize))
	}
	if err == nil {
		ours, err = e.OpenFile(name, flag, 0)
	}
	if err != nil {
		theirs.Close()
	}
	return ours, theirs, err
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

// randomPlace is a multiple of size in the big file.
func randomPlace(random *rand.Rand, size int) int64 {
	return int64(random.Uint32N(uint32(bigFileSize/size))) * int64(size)
}

// together runs f on n goroutines.
func together(n int, f func(i int) error) error {
	errs := make([]error, n)
	var running sync.WaitGroup
	for i := range n {
		running.Add(1)
		go func() {
			defer running.Done()
			errs[i] = f(i)
		}()
	}
	running.Wait()
	return errors.Join(errs...)
}

// crowd makes calls on n goroutines for armTime; each goroutine's come from prepare. One call of
// sixteen is timed, since the clock costs a part of a cached read.
func crowd(n int, prepare func(i int) (call func() error)) (sample, error) {
	var stop atomic.Bool
	var total atomic.Int64
	latencies := make([][]time.Duration, n)
	timer := time.AfterFunc(armTime, func() { stop.Store(true) })
	defer timer.Stop()
	s, err := measure(0, func() error {
		return together(n, func(i int) error {
			call, calls := prepare(i), int64(0)
			defer func() { total.Add(calls) }()
			for ; !stop.Load(); calls++ {
				if calls%16 != 0 {
					if err := call(); err != nil {
						return err
					}
					continue
				}
				begin := time.Now()
				if err := call(); err != nil {
					return err
				}
				latencies[i] = append(latencies[i], time.Since(begin))
			}
			return nil
		})
	})
	s.ops, s.p99 = float64(total.Load()), percentile99(latencies)
	return s, err
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

// bestNumber tries how many goroutines do something quickest.
func bestNumber(run func(goroutines int) (sample, error)) (best int, err error) {
	fastest := 0.0
	for _, n := range []int{1, 2, 4, 8, 16, 32, 64, 128} {
		s, err := run(n)
		if err != nil {
			return 0, err
		}
		if s.perSecond() > fastest {
			best, fastest = n, s.perSecond()
		}
	}
	return best, nil
}

// A setting is what a row is measured in beside nothing special.
type setting string

const (
	ordinary setting = ""
	oneProc  setting = "one-proc" // GOMAXPROCS is 1
	busy     setting = "busy"     // every P has a goroutine that computes
)

// in runs f in the setting. An engine has to be opened there.
func (s setting) in(f func() error) error {
	switch s {
	case oneProc:
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	case busy:
		var stop atomic.Bool
		defer stop.Store(true)
		for range runtime.GOMAXPROCS(0) {
			go func() {
				for !stop.Load() {
				}
			}()
		}
	}
	return f()
}

// learn lets a policy find out what it can, as it would early in a program's life.
func learn(run func() (sample, error)) error {
	for range 10 {
		if _, err := run(); err != nil {
			return err
		}
	}
	return nil
}
