package workload

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// A run that is ended early says so, and keeps what it has measured.
func TestCancelKeepsWhatWasMeasured(t *testing.T) {
	for _, engine := range []string{"psync", "goread", "io_uring"} {
		ctx, cancel := context.WithCancelCause(context.Background())
		jobs := parse(t, words("--name=x --rw=randread --size=1m --time_based --runtime=1h --iodepth=4 --ioengine="+engine, "--filename="+file(t, 1<<20))...)
		result, err := Run(ctx, jobs, Options{StatusEvery: time.Millisecond, Status: func(s stats.Status) {
			if s.IOs[stats.Read] > 100 {
				cancel(errors.New("enough"))
			}
		}})
		cancel(nil)
		if err != nil {
			t.Fatal(err)
		}
		if j := &result.Jobs[0]; result.Terminated != "enough" || j.Flows[0].IOs <= 100 || j.Error != 0 || j.Flows[0].Duration == 0 {
			t.Errorf("%s: terminated %q, %d I/Os in %v, error %d", engine, result.Terminated, j.Flows[0].IOs, j.Flows[0].Duration, j.Error)
		}
	}
}

// A snapshot of a run that goes on has latencies too, and more of them later.
func TestSnapshots(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var seen []uint64
	jobs := parse(t, words("--name=x --rw=randread --size=1m --time_based --runtime=1h --iodepth=4 --ioengine=io_uring", "--filename="+file(t, 1<<20))...)
	_, err := Run(ctx, jobs, Options{SnapshotEvery: 5 * time.Millisecond, Snapshot: func(r *stats.Result) {
		j := &r.Jobs[0]
		if f := &j.Flows[0]; f.IOs > 0 && f.Clat.Histogram.Total() == f.IOs {
			seen = append(seen, f.IOs)
		}
		if len(seen) > 3 {
			cancel()
		}
	}})
	cancel()
	if err != nil || len(seen) < 4 || seen[0] >= seen[3] {
		t.Errorf("%v: snapshots of %v I/Os", err, seen)
	}
}

// Behind a stonewall everything in front of it has ended: what it wrote can be verified.
func TestStonewall(t *testing.T) {
	name := "--filename=" + t.TempDir() + "/file"
	result := runJobs(t, append(words("--bs=4k --size=1m --verify=crc32c --do_verify=0"), name, "--name=w", "--rw=randwrite", "--name=r", "--stonewall", "--rw=read")...)
	if len(result.Jobs) != 2 || result.Jobs[1].Flows[0].IOs != 256 || len(result.Groups) != 2 {
		t.Errorf("%d jobs in %d groups", len(result.Jobs), len(result.Groups))
	}
}

// A rate is never passed, and the latency is also counted from when an I/O should have started.
func TestRate(t *testing.T) {
	for _, line := range []string{"--ioengine=psync", "--ioengine=io_uring --iodepth=4", "--ioengine=goread --iodepth=4"} {
		result := runJobs(t, words("--name=x --rw=randread --size=1m --rate_iops=500 --time_based --runtime=200ms "+line, "--filename="+file(t, 1<<20))...)
		f := &result.Jobs[0].Flows[0]
		if most := uint64(f.Duration.Seconds()*500) + 5; f.IOs == 0 || f.IOs > most {
			t.Errorf("%s: %d I/Os in %v", line, f.IOs, f.Duration)
		}
		if f.Intended.N != f.IOs || f.Intended.Max < f.Clat.Max {
			t.Errorf("%s: %d latencies from the intended start, the longest %d ns; the longest clat is %d ns", line, f.Intended.N, f.Intended.Max, f.Clat.Max)
		}
	}
}

// A full disk is reported with the file and the place.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("only root can mount a small file system: %v", err)
	}
	defer unix.Unmount(dir, 0)
	name := dir + "/file"
	if _, err := Run(context.Background(), parse(t, words("--name=x --rw=read --size=4m", "--filename="+name)...), Options{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("laying out more than fits: %v", err)
	}
	if _, err := os.Stat(name); err == nil {
		t.Error("half a file was left behind")
	}
	for _, engine := range []string{"psync", "io_uring"} {
		j := tryJobs(t, words("--name=x --rw=write --bs=64k --size=4m --fallocate=none --ioengine="+engine, "--filename="+name)...).Jobs[0]
		if j.Error != int(syscall.ENOSPC) || !strings.Contains(j.Failure, name) || !strings.Contains(j.Failure, "at offset 1048576") {
			t.Errorf("%s: error %d, %q", engine, j.Error, j.Failure)
		}
		if j.Flows[1].Bytes != 1<<20 {
			t.Errorf("%s: %d bytes were written", engine, j.Flows[1].Bytes)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// What cannot be run is refused before anything is touched.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	for line, want := range map[string]string{
		"--filename=" + dir + "/none/file --size=1m --rw=write": "no such file or directory",
		"--filename=" + dir + " --size=1m --rw=read":            "is a directory",
		"--filename=" + dir + "/file --rw=read":                 "no size",
	} {
		result, err := Run(context.Background(), parse(t, words("--name=x "+line)...), Options{})
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, %v", line, result, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v was made", left)
	}
}
