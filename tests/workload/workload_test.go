// Package workload holds the proofs of the workload engine that take fio, a browser or seconds of I/O. They run once,
// where the tests beside the code run in many ways.
package workload

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ringo-io/ringo/go/ringo"
	"github.com/ringo-io/ringo/go/workload"
	"github.com/ringo-io/ringo/go/workload/jobfile"
	"github.com/ringo-io/ringo/go/workload/stats"
)

// TestMain is also the program that a test kills.
func TestMain(m *testing.M) {
	if words := os.Getenv("RINGO_TEST_RUN"); words != "" {
		os.Exit(runAsProgram(strings.Split(words, "\n")))
	}
	os.Exit(m.Run())
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
	result, err := workload.Run(context.Background(), parse(t, words...), workload.Options{Version: "test", Log: func(line string) { t.Log(line) }})
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

func needFio(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("fio"); err != nil {
		t.Skip("fio is not installed: nothing to compare with")
	}
}

// fio runs fio and gives its JSON.
func fio(t testing.TB, words ...string) []byte {
	t.Helper()
	var out, errors bytes.Buffer
	cmd := exec.Command("fio", append(words, "--output-format=json", "--thread")...)
	cmd.Dir = t.TempDir() // It leaves the state of verifies where it runs.
	cmd.Stdout, cmd.Stderr = &out, &errors
	if err := cmd.Run(); err != nil {
		t.Fatalf("fio %q: %v\n%s%s", words, err, out.String(), errors.String())
	}
	text := out.Bytes()
	return text[bytes.IndexByte(text, '{'):]
}

// sameWork are jobs that fio and ringo must do alike: as many bytes in as many I/Os, over the same blocks.
var sameWork = []string{
	"rw=read bs=16k size=1m",
	"rw=write bs=4k size=256k",
	"rw=randread bs=4k size=1m",
	"rw=randread bs=4k size=256k io_size=1m",
	"rw=randread bs=4k size=256k loops=3",
	"rw=randread bs=4k size=1m random_generator=lfsr",
	"rw=randread bs=4k size=1m random_generator=tausworthe64",
	"rw=randwrite bs=4k size=512k offset=256k",
	"rw=read bs=64k size=1m offset=50%",
	"rw=read bs=4k size=25%",
	"rw=read:4k bs=4k size=512k",
	"rw=read:-8k bs=4k size=256k",
	"rw=read bs=96k size=1m",
	"rw=randread bs=4k size=512k number_ios=37",
	"rw=read zonemode=strided zonesize=64k zoneskip=64k bs=16k size=512k",
	"rw=write bs=4k size=128k fsync=8",
	"rw=write bs=4k size=128k fdatasync=5 end_fsync=1",
	"rw=read bs=4k size=256k ioengine=libaio iodepth=8",
	"rw=read bs=4k size=256k ioengine=io_uring iodepth=8 iodepth_batch=4 iodepth_batch_complete_max=8",
	"rw=write bs=4k size=256k verify=crc32c",
	"rw=randwrite bs=4k size=128k verify=md5 verify_backlog=8",
	"rw=read bs=4k size=128k thinktime=10 thinktime_blocks=8",
	"stonewall rw=read bs=4k size=256k numjobs=3 offset_increment=256k group_reporting=1",
}

// jobFile writes a job file with a section for each line, each with a file and a log of its own.
func jobFile(t *testing.T, logs string, lines []string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("[global]\nlog_offset=1\nthread\n")
	for i, line := range lines {
		fmt.Fprintf(&b, "[j%d]\nfilename=%s\nwrite_lat_log=%s/j%d\n%s\n", i, file(t, 2<<20), logs, i,
			strings.ReplaceAll(line, " ", "\n"))
	}
	name := filepath.Join(t.TempDir(), "same.fio")
	if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

type fioFlow struct {
	Bytes uint64 `json:"io_bytes"`
	IOs   uint64 `json:"total_ios"`
}

func TestFioDoesTheSameWork(t *testing.T) {
	needFio(t)
	var theirs struct {
		Jobs []struct {
			Name        string `json:"jobname"`
			Read, Write fioFlow
			Sync        struct {
				Lat struct{ N uint64 } `json:"lat_ns"`
			}
		}
	}
	theirLogs, ourLogs := t.TempDir(), t.TempDir()
	sameWork := sameWork
	if f, err := ringo.Probe(); err != nil || f.Backend != "uring" {
		t.Logf("fio's io_uring cannot run here (%v %s): libaio takes its place", err, f.Why)
		sameWork = slices.Clone(sameWork)
		for i, line := range sameWork {
			sameWork[i] = strings.ReplaceAll(line, "ioengine=io_uring", "ioengine=libaio")
		}
	}
	if err := json.Unmarshal(fio(t, jobFile(t, theirLogs, sameWork)), &theirs); err != nil {
		t.Fatal(err)
	}
	ours := runJobs(t, jobFile(t, ourLogs, sameWork))
	if len(ours.Jobs) != len(sameWork) || len(theirs.Jobs) != len(sameWork) {
		t.Fatalf("%d entries, fio has %d, of %d jobs", len(ours.Jobs), len(theirs.Jobs), len(sameWork))
	}
	for i, line := range sameWork {
		j, fios := &ours.Jobs[i], &theirs.Jobs[i]
		for d, flow := range []fioFlow{fios.Read, fios.Write} {
			if f := j.Flows[d]; f.Bytes != flow.Bytes || f.IOs != flow.IOs {
				t.Errorf("%s: %s: %d bytes in %d I/Os; fio did %d in %d", line, stats.DirectionNames[d], f.Bytes, f.IOs, flow.Bytes, flow.IOs)
			}
		}
		if j.Sync.N != fios.Sync.Lat.N {
			t.Errorf("%s: %d syncs; fio made %d", line, j.Sync.N, fios.Sync.Lat.N)
		}
		checkCounts(t, line, j)
		if strings.Contains(line, "io_size") || strings.Contains(line, "number_ios") {
			continue // Which blocks come twice, or at all, is random.
		}
		a, b := trace(t, fmt.Sprintf("%s/j%d", ourLogs, i)), trace(t, fmt.Sprintf("%s/j%d", theirLogs, i))
		sortDone(a)
		sortDone(b)
		if !slices.Equal(a, b) {
			t.Errorf("%s: other blocks: %d I/Os, fio's %d: %v", line, len(a), len(b), firstDifference(a, b))
		}
	}
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

// The installed fio does a job of several clones, and its failure is the job's.
func TestFioAsAnEngine(t *testing.T) {
	needFio(t)
	j := &runJobs(t, words("--name=x --rw=randread --bs=4k --size=256k --numjobs=3 --ioengine=fio:psync", "--filename="+file(t, 1<<20))...).Jobs[0]
	if f := &j.Flows[stats.Read]; f.IOs != 3*64 || f.Bytes != 3*256<<10 || j.Merged != 3 || !strings.HasSuffix(j.Measured.Engine, "psync") {
		t.Errorf("%d I/Os, %d bytes, of %d clones, by %s", f.IOs, f.Bytes, j.Merged, j.Measured.Engine)
	}
	failing := &tryJobs(t, words("--name=x --rw=randread --size=256k --ioengine=fio:libhdfs", "--filename="+file(t, 1<<20))...).Jobs[0]
	if failing.Error == 0 || !strings.Contains(failing.Failure, "fio:") {
		t.Errorf("error %d, %q", failing.Error, failing.Failure)
	}
}
