package workload

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringo-io/ringo/go/ringo"
	"github.com/ringo-io/ringo/go/workload/jobfile"
	"github.com/ringo-io/ringo/go/workload/stats"
)

// TestMain fails the run when a test has left a goroutine behind.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	for wait := time.Millisecond; runtime.NumGoroutine() > before && wait < 5*time.Second; wait *= 2 {
		time.Sleep(wait)
	}
	if left := runtime.NumGoroutine(); left > before {
		stacks := make([]byte, 1<<20)
		fmt.Fprintf(os.Stderr, "%d goroutines were left behind:\n%s\n", left-before, stacks[:runtime.Stack(stacks, true)])
		code = 1
	}
	os.Exit(code)
}

// parse makes jobs of a command line.
func parse(t testing.TB, words ...string) []*jobfile.Job {
	t.Helper()
	plan, err := jobfile.ParseCommandLine(words, jobfile.Environment{Lookup: os.LookupEnv})
	if err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	return plan.Arms[0].Jobs
}

// run runs a command line's jobs, none of which may fail.
func runJobs(t testing.TB, words ...string) *stats.Result {
	t.Helper()
	result := tryJobs(t, words...)
	for i := range result.Jobs {
		if j := &result.Jobs[i]; j.Error != 0 {
			t.Fatalf("%q: job %s: %d, %s", words, j.Name, j.Error, j.Failure)
		}
	}
	return result
}

func tryJobs(t testing.TB, words ...string) *stats.Result {
	t.Helper()
	result, err := Run(context.Background(), parse(t, words...), Options{Version: "test", Log: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	return result
}

// words splits a command line; nothing in it is quoted.
func words(line string, more ...string) []string { return append(strings.Fields(line), more...) }

// A done is an I/O of a log with offsets.
type done struct{ direction, size, offset int64 }

// trace reads what a job did from its latency log.
func trace(t testing.TB, prefix string) (all []done) {
	t.Helper()
	names, _ := filepath.Glob(prefix + "_clat.*.log")
	if len(names) == 0 {
		t.Fatalf("no log %s_clat.*.log", prefix)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Split(strings.TrimSpace(line), ", ")
			if len(fields) != 6 {
				t.Fatalf("%s: %q has %d fields, not 6", name, line, len(fields))
			}
			number := func(i int) int64 {
				n, err := strconv.ParseInt(fields[i], 0, 64)
				if err != nil {
					t.Fatalf("%s: %q: %v", name, line, err)
				}
				return n
			}
			all = append(all, done{number(2), number(3), number(4)})
		}
	}
	return all
}

// file makes a file of so many bytes that no compressor can shrink and no read finds empty.
func file(t testing.TB, size int) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func sortDone(all []done) {
	slices.SortFunc(all, func(a, b done) int {
		switch {
		case a.offset != b.offset:
			return int(a.offset - b.offset)
		case a.direction != b.direction:
			return int(a.direction - b.direction)
		}
		return int(a.size - b.size)
	})
}

func firstDifference(a, b []done) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("number %d is %v, fio's %v", i, a[i], b[i])
		}
	}
	return "one has more"
}

// Blocks of random sizes cover the region once, and as a whole.
func TestSizesCoverTheRegion(t *testing.T) {
	for _, line := range []string{"--rw=randread --bsrange=4k-64k", "--rw=randread --bssplit=4k/50:16k/30:64k/20"} {
		logs := t.TempDir()
		result := runJobs(t, words("--name=x --size=4m --log_offset=1 "+line, "--filename="+file(t, 4<<20), "--write_lat_log="+logs+"/x")...)
		if got := result.Jobs[0].Flows[0].Bytes; got != 4<<20 {
			t.Errorf("%s: %d bytes, not 4 MiB", line, got)
		}
		all := trace(t, logs+"/x")
		sortDone(all)
		next := int64(0)
		for _, d := range all {
			if d.offset != next {
				t.Fatalf("%s: a block at %d, the one before ended at %d", line, d.offset, next)
			}
			next = d.offset + d.size
		}
	}
}

// The mix is a coin tossed for each I/O: within five standard deviations.
func TestMix(t *testing.T) {
	result := runJobs(t, words("--name=x --rw=randrw --rwmixread=75 --ioengine=null --size=64m")...)
	reads, writes := float64(result.Jobs[0].Flows[0].IOs), float64(result.Jobs[0].Flows[1].IOs)
	n := reads + writes
	if n != 16384 || reads < 0.75*n-5*56 || reads > 0.75*n+5*56 { // sqrt(16384 * 0.75 * 0.25) = 55.4
		t.Errorf("%.0f reads of %.0f", reads, n)
	}
}

// A seed gives the same I/Os on every engine.
func TestEnginesDoTheSame(t *testing.T) {
	var first []done
	for _, engine := range []string{"psync", "goread", "libaio", "io_uring", "threads"} {
		for _, depth := range []string{"1", "8"} {
			logs := t.TempDir()
			result := runJobs(t, words("--name=x --rw=randrw --bsrange=4k-16k --size=1m --log_offset=1 --randseed=7 --ioengine="+engine+" --iodepth="+depth,
				"--filename="+file(t, 1<<20), "--write_lat_log="+logs+"/x")...)
			all := trace(t, logs+"/x")
			sortDone(all)
			if first == nil {
				first = all
			}
			if !slices.Equal(all, first) {
				t.Errorf("%s at depth %s does other I/Os than psync: %s", engine, depth, firstDifference(all, first))
			}
			checkCounts(t, engine+" at depth "+depth, &result.Jobs[0])
		}
	}
}

// A ring set up or used in another way moves the same bytes; the engine counts its system calls.
func TestRingOptions(t *testing.T) {
	onRing := onRing(t)
	for _, options := range []string{"", "--fixedbufs", "--registerfiles", "--sqthread_poll", "--sqthread_poll_cpu=0", "--nonvectored=0",
		"--force_async=3", "--nowait=0", "--fixedbufs --registerfiles --sqthread_poll --force_async=1", "--fixedbufs --nonvectored=0",
		"--batch=auto --fixedbufs"} {
		name := t.TempDir() + "/file"
		line := words("--name=x --rw=randrw --bsrange=4k-16k --size=512k --iodepth=8 --ioengine=io_uring --verify=crc32c --nrfiles=1 "+options,
			"--filename="+name)
		j := &runJobs(t, line...).Jobs[0]
		checkCounts(t, options, j)
		if known := j.Measured.Syscalls > 0; known != onRing {
			t.Errorf("%s: %f system calls per I/O", options, j.Measured.Syscalls)
		}
	}
}

// onRing says whether engine io_uring has a ring here.
func onRing(t testing.TB) bool {
	t.Helper()
	e, err := ringo.New()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return e.Backend() == "uring"
}

// What the kernel, the file system or the device may refuse ends well, or with the reason.
func TestRefusedTransfers(t *testing.T) {
	for options, reason := range map[string]string{
		"--ioengine=io_uring --hipri --direct=1":   "hipri=1 needs",
		"--ioengine=io_uring --uncached=1":         "uncached=1 needs",
		"--ioengine=io_uring --nowait=1":           "nowait=1 forbids",
		"--ioengine=libaio --nowait=1 --iodepth=4": "nowait=1 forbids",
	} {
		j := tryJobs(t, words("--name=x --rw=randread --bs=4k --size=1m "+options, "--filename="+file(t, 1<<20))...).Jobs[0]
		switch {
		case j.Error == 0 && j.Flows[0].Bytes == 1<<20:
		case j.Error == int(syscall.EINVAL) && strings.Contains(options, "direct=1"): // No O_DIRECT here.
		case !strings.Contains(j.Failure, reason):
			t.Errorf("%s: error %d, %q", options, j.Error, j.Failure)
		}
	}
}

// Completions taken from memory are as good as those that the kernel hands over.
func TestUserspaceReap(t *testing.T) {
	for _, more := range []string{"", " --iodepth_batch_complete_min=0", " --iodepth_batch_complete_min=0 --iodepth_batch_complete_max=8"} {
		j := &runJobs(t, words("--name=x --rw=randrw --bs=4k --size=512k --iodepth=8 --ioengine=libaio --userspace_reap --verify=md5"+more,
			"--filename="+t.TempDir()+"/file")...).Jobs[0]
		checkCounts(t, more, j)
	}
}

// checkCounts checks what must hold of every job's statistics.
func checkCounts(t *testing.T, what string, j *stats.Job) {
	t.Helper()
	for d := range j.Flows {
		f := &j.Flows[d]
		if f.Clat.N != f.IOs || f.Lat.N != f.IOs {
			t.Errorf("%s: %d I/Os, %d completion latencies, %d total ones", what, f.IOs, f.Clat.N, f.Lat.N)
		}
		if f.Slat.N != 0 && f.Slat.N != f.IOs {
			t.Errorf("%s: %d I/Os, %d submission latencies", what, f.IOs, f.Slat.N)
		}
		if f.Slat.N > 0 {
			if off := f.Slat.Mean() + f.Clat.Mean() - f.Lat.Mean(); off > 1 || off < -1 {
				t.Errorf("%s: mean of slat %f and of clat %f do not add up to that of lat %f", what, f.Slat.Mean(), f.Clat.Mean(), f.Lat.Mean())
			}
		}
		if f.IOs > 0 && f.Clat.Histogram.Total() != f.IOs {
			t.Errorf("%s: %d I/Os, %d in the histogram", what, f.IOs, f.Clat.Histogram.Total())
		}
	}
	if got := j.Depths.Total(); got != j.Issued() {
		t.Errorf("%s: depths of %d I/Os, %d were issued", what, got, j.Issued())
	}
}
