package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"path"

	"github.com/ringo-io/ringo/go/ringo"
)

// benchReadAt reads 4 KiB at random places of a file of 1 GiB, by as many goroutines as there are
// calls at once, from the page cache and by O_DIRECT: File.ReadAt against os.File.ReadAt.
func benchReadAt(o filesOptions) error {
	crowds := map[setting][]int{
		ordinary: {1, 2, 4, 8, 16, 32, 64, 128, 256},
		oneProc:  {1, 8, 64},
		busy:     {1, 8, 64},
	}
	return o.eachDir(func(dir, fileSystem string) error {
		for _, cache := range []string{"cached", "direct"} {
			for _, s := range []setting{ordinary, oneProc, busy} {
				var wanted []int
				name := func(callers int) string {
					return path.Join("readat", fileSystem, cache, fmt.Sprint(callers), string(s))
				}
				for _, callers := range crowds[s] {
					if o.wants(name(callers)) {
						wanted = append(wanted, callers)
					}
				}
				if len(wanted) == 0 {
					continue
				}
				if err := s.in(func() error { return compareReadAt(o.rounds, dir, cache, wanted, name) }); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// compareReadAt measures rows with one engine, which learns from each for the next.
func compareReadAt(rounds int, dir, cache string, crowds []int, name func(int) string) error {
	e, err := ringo.New()
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
	for _, callers := range crowds {
		if err := learn(func() (sample, error) { return readRandomly(ours, callers) }); err != nil {
			return err
		}
		samples, err := interleave(rounds,
			arm{"File", func() (sample, error) { return readRandomly(ours, callers) }},
			arm{"os.File", func() (sample, error) { return readRandomly(theirs, callers) }})
		if err != nil {
			return err
		}
		fmt.Println(name(callers))
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

func readRandomly(f io.ReaderAt, callers int) (sample, error) {
	return crowd(callers, func(int) func() error {
		buf := ringo.AlignedBuffer(pageSize, pageSize)
		random := rand.New(rand.NewPCG(rand.Uint64(), 1))
		return func() error {
			_, err := f.ReadAt(buf, randomPlace(random, pageSize))
			return err
		}
	})
}
