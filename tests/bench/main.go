// Command bench measures ringo beside what people use now, side by side in one run.
//
//	go run ./tests/bench core        the C core against a loop written by hand on liburing
//	go run ./tests/bench nop         a NOP posted again from its own callback, in Go and in C
//	go run ./tests/bench readfiles   40,000 small files: ReadFiles against os.ReadFile
//	go run ./tests/bench readat      File.ReadAt against os.File's, by calls at once
//	go run ./tests/bench window      Window and ReadBatch against C on liburing
//	go run ./tests/bench matrix      reads and writes of several sizes and depths
//	go run ./tests/bench writefiles  new files, plain and durable, against package os
//	go run ./tests/bench serve       files over HTTP against nginx, net/http and Caddy
//	go run ./tests/bench chart A.json B.svg   draws what serve -json has kept
//	go run ./tests/bench tables A.svg A.txt...   tables of ringo bench, as Markdown and as a chart
//	go run ./tests/bench echo        512 bytes sent back, against net and gnet
//	go run ./tests/bench idle        memory of 10,000 connections, against net and gnet
//
// Arms are interleaved; a verdict is the median of the ratios of each round, with the interval
// that holds the true median with 95 % probability. CPU time is user + system of the whole
// process, the kernel's io-wq workers included.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	rounds := flag.Int("rounds", 9, "rounds; 9 are the least that give an interval of 95 %")
	seconds := flag.Float64("seconds", 5, "how long each arm of serve and echo runs in a round")
	dir := flag.String("dir", cmp.Or(os.Getenv("RINGO_DIRS"), os.TempDir()), "where files are made; the benchmarks of files take a list, separated by colons")
	binary := flag.String("ringo", "bin/ringo", "the command to measure")
	caddy := flag.String("caddy", "", "Caddy's command, for serve")
	only := flag.String("only", "", "a regular expression: which rows are run")
	keep := flag.String("json", "", "where serve keeps its ratios")
	flag.Parse()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: -only: %v\n", err)
		os.Exit(2)
	}
	files := filesOptions{*rounds, filepath.SplitList(*dir), pattern}
	benchmarks := map[string]func() error{
		"core":       func() error { return benchCore(*rounds, *dir, *only) },
		"nop":        func() error { return benchNop(*rounds) },
		"readfiles":  func() error { return benchReadFiles(files) },
		"readat":     func() error { return benchReadAt(files) },
		"window":     func() error { return benchWindow(files) },
		"matrix":     func() error { return benchMatrix(files) },
		"writefiles": func() error { return benchWriteFiles(files) },
		"serve": func() error {
			fmt.Printf("%s; %d rounds of %v s\n\n%s\n", environment(), *rounds, *seconds, tableHead)
			return benchServe(serveOptions{*rounds, *seconds, *dir, *binary, *caddy, *only, *keep})
		},
		"echo": func() error { return benchEcho(*rounds, *seconds, *only) },
		"idle": benchIdle,
	}
	if err, done := helper(flag.Args()); done {
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: %v\n", err)
			os.Exit(1)
		}
		return
	}
	for _, name := range flag.Args() {
		run, known := benchmarks[name]
		if !known {
			fmt.Fprintf(os.Stderr, "bench: no benchmark %q; there are core, nop, readfiles, readat, window, matrix, writefiles, serve, echo and idle\n", name)
			os.Exit(2)
		}
		if err := run(); err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", name, err)
			os.Exit(1)
		}
	}
}

// helper runs what is no benchmark.
func helper(args []string) (err error, done bool) {
	if len(args) > 2 && args[0] == "tables" {
		return tables(args[1], args[2:]), true
	}
	if len(args) != 3 {
		return nil, false
	}
	switch args[0] {
	case "net-http":
		return netHTTP(args[1], args[2]), true
	case "chart":
		return chart(args[1], args[2]), true
	}
	return nil, false
}

// A sample is one arm of one round.
type sample struct {
	ops    float64
	wall   time.Duration
	cpu    time.Duration
	p50    time.Duration // where known
	p99    time.Duration // likewise
	bytes  float64       // of bodies, where known
	beside float64       // bytes per second of what went on beside it
}

func (s sample) p99Of() float64    { return float64(s.p99) }
func (s sample) besideOf() float64 { return s.beside }

func (s sample) perSecond() float64 { return s.ops / s.wall.Seconds() }
func (s sample) cpuPerOp() float64  { return float64(s.cpu.Nanoseconds()) / s.ops }

// An arm is one of the things compared.
type arm struct {
	name string
	run  func() (sample, error)
}

// interleave runs the arms in turn, in each round in another order: what one leaves behind in a device
// would always meet the same next one.
func interleave(rounds int, arms ...arm) ([][]sample, error) {
	samples := make([][]sample, len(arms))
	for range rounds {
		for _, i := range rand.Perm(len(arms)) {
			s, err := arms[i].run()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", arms[i].name, err)
			}
			samples[i] = append(samples[i], s)
		}
	}
	return samples, nil
}

// medians prints what an arm did by itself.
func medians(name string, samples []sample) {
	fmt.Printf("  %-28s %10.0f /s  %8.0f ns CPU per op", name,
		median(each(samples, sample.perSecond)), median(each(samples, sample.cpuPerOp)))
	if samples[0].p99 > 0 {
		p99 := median(each(samples, func(s sample) float64 { return float64(s.p99) }))
		fmt.Printf("  p99 %v", time.Duration(p99).Round(time.Microsecond))
	}
	fmt.Println()
}

// ratios prints how the first arm stands to the second, round by round.
func ratios(what string, a, b []sample, of func(sample) float64) {
	var r []float64
	for i := range a {
		r = append(r, of(a[i])/of(b[i]))
	}
	sort.Float64s(r)
	low, high := interval(len(r))
	fmt.Printf("  %-28s %.2fx  (95 %% of %.2f to %.2f)\n", what, median(r), r[low], r[high])
}

// interval gives the order statistics that enclose the median with at least 95 % probability:
// the second and the second to last of nine, all of fewer.
func interval(n int) (low, high int) {
	probability, term := 0.0, 1.0
	for range n {
		term /= 2
	}
	for k := 0; k < n/2; k++ {
		probability += 2 * term
		if probability > 0.05 {
			return max(k-1, 0), n - 1 - max(k-1, 0)
		}
		term = term * float64(n-k) / float64(k+1)
		low = k
	}
	return low, n - 1 - low
}

func each(samples []sample, of func(sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return values
}

func median(values []float64) float64 {
	sorted := append([]float64(nil), values...)
	sort.Float64s(sorted)
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// measure runs f in this process.
func measure(ops int, f func() error) (sample, error) {
	cpu, start := processCPU(), time.Now()
	err := f()
	return sample{ops: float64(ops), wall: time.Since(start), cpu: processCPU() - cpu}, err
}

func processCPU() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}
