package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// coreFileSize is what the reads of core are spread over; it fits the page cache.
const coreFileSize = 256 << 20

// coreOps are the rows' operations, and how many make a sample of some tenths of a second.
var coreOps = []struct {
	name  string
	count int
}{{"nop", 4_000_000}, {"cached", 400_000}, {"direct", 50_000}}

// benchCore compares tests/bench/c/core.c on the core with the same by hand on liburing: the same
// flags, queues and waits. From depth 8 up, IOPS are to be 0.97 times or better, CPU per op 1.05
// times or better; a NOP costs 25 ns more at most.
func benchCore(rounds int, dir, only string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	file, err := coreFile(dir)
	if err != nil {
		return err
	}
	defer os.Remove(file)
	for _, way := range []string{"loop", "batch"} {
		for _, op := range coreOps {
			for _, depth := range []int{1, 8, 32, 128} {
				row := fmt.Sprintf("%s/%s/%d", way, op.name, depth)
				if !match.MatchString(row) {
					continue
				}
				if err := coreRow(rounds, row, file, op.name, way, depth, op.count); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func coreRow(rounds int, row, file, op, way string, depth, count int) error {
	if depth == 1 {
		count /= 4
	}
	run := func(way string) func() (sample, error) {
		return func() (sample, error) {
			return runC("build/bench/core", way, op, fmt.Sprint(depth), fmt.Sprint(count), file)
		}
	}
	samples, err := interleave(rounds, arm{"core", run(way)}, arm{"by hand", run("raw-" + way)})
	if err != nil {
		return err
	}
	fmt.Println(row)
	medians("core", samples[0])
	medians("liburing by hand", samples[1])
	ratios("IOPS, core to hand", samples[0], samples[1], sample.perSecond)
	ratios("CPU, core to hand", samples[0], samples[1], sample.cpuPerOp)
	var more []float64
	for i := range samples[0] {
		more = append(more, samples[0][i].cpuPerOp()-samples[1][i].cpuPerOp())
	}
	fmt.Printf("  %-28s %+.0f ns\n", "CPU per op, core less hand", median(more))
	return nil
}

// coreFile makes the file, and reads it once so that it is cached.
func coreFile(dir string) (string, error) {
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("ringo-bench-core-%d", os.Getpid())))
	if err != nil {
		return "", err
	}
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i * 7)
	}
	for range coreFileSize / len(block) {
		if _, err = f.Write(block); err != nil {
			break
		}
	}
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		_, err = os.ReadFile(f.Name())
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return f.Name(), err
}
