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
	for _, line := range []string{"--rw=read --size=4m --filename=" + name, "--rw=write --size=4m --filename=" + name,
		"--rw=read --size=512k --numjobs=3 --directory=" + dir} {
		_, err := Run(context.Background(), parse(t, words("--name=x "+line)...), Options{})
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "bytes more than its file system has free") {
			t.Errorf("%s: %v", line, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%s was begun before it was refused", left[0].Name())
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

// What thinktime asks for is waited, whether I/Os are counted when they are issued or when they complete.
func TestThinkTime(t *testing.T) {
	for _, line := range []string{"", "--thinktime_blocks_type=issue", "--thinktime_blocks_type=issue --ioengine=io_uring --iodepth=4",
		"--thinktime_spin=5ms", "--thinktime_iotime=1us"} {
		j := &runJobs(t, words("--name=x --rw=read --bs=4k --size=32k --thinktime=10ms --thinktime_blocks=2 "+line, "--filename="+file(t, 1<<20))...).Jobs[0]
		if f := &j.Flows[0]; f.IOs != 8 || f.Duration < 30*time.Millisecond { // After the second, fourth and sixth, at least.
			t.Errorf("%s: %d I/Os in %v", line, f.IOs, f.Duration)
		}
	}
}

// A job with exitall ends those that exit_what says, when it ends or when it fails.
func TestExitAll(t *testing.T) {
	const endless = " --ioengine=null --size=1g --time_based --runtime=1h"
	for _, c := range []struct {
		line  string
		ended bool // the job that was not at its end is ended by the other
	}{
		{"--name=short --ioengine=null --size=4k --exitall --name=long" + endless, true},
		{"--name=short --ioengine=null --size=4k --exitall --exit_what=stonewall --name=long --new_group" + endless, true},
		{"--name=short --ioengine=null --size=4k --exitall --exit_what=all --name=long --new_group" + endless, true},
		{"--name=short --ioengine=null --size=4k --exitall --exit_what=group --name=long --new_group --ioengine=null --size=64k", false},
		{"--name=short --size=64k --rw=read --max_latency=1us --bs=64k --exitall_on_error --filename=" + file(t, 1<<20) + " --name=long" + endless, true},
	} {
		result := tryJobs(t, words(c.line)...)
		long := &result.Jobs[len(result.Jobs)-1]
		if whole := long.Flows[0].Bytes == 64<<10; whole == c.ended || long.Error != 0 {
			t.Errorf("%s: %d bytes, error %d", c.line, long.Flows[0].Bytes, long.Error)
		}
	}
}

// A job that waits for another by name finds all that the other wrote.
func TestWaitFor(t *testing.T) {
	dir := t.TempDir()
	result := runJobs(t, words("--bs=4k --size=1m --verify=crc32c --do_verify=0 --filename="+dir+"/file --name=w --rw=randwrite --startdelay=20ms --name=r --wait_for=w --rw=read")...)
	if len(result.Jobs) != 2 || result.Jobs[1].Flows[0].IOs != 256 {
		t.Errorf("%d jobs, the second read %d blocks", len(result.Jobs), result.Jobs[1].Flows[0].IOs)
	}
}

// An I/O that takes longer than max_latency ends the job, and is told of.
func TestMaxLatency(t *testing.T) {
	for _, engine := range []string{"psync", "io_uring", "goread"} {
		j := &tryJobs(t, words("--name=x --rw=read --bs=1m --size=16m --max_latency=1us --ioengine="+engine, "--filename="+file(t, 16<<20))...).Jobs[0]
		if j.Error != int(syscall.ETIMEDOUT) || !strings.Contains(j.Failure, "above max_latency of 1000 ns") || j.Flows[0].IOs >= 16 {
			t.Errorf("%s: error %d, %q, %d I/Os", engine, j.Error, j.Failure, j.Flows[0].IOs)
		}
	}
}

// A device with a mounted file system is not written to. Only the check is made: nothing is ever run here.
func TestMountedDeviceIsNotWrittenTo(t *testing.T) {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	device := ""
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, " ")
		if info, err := os.Stat(name); err == nil && strings.HasPrefix(name, "/dev/") && info.Mode()&os.ModeDevice != 0 {
			device = name
		}
	}
	if device == "" {
		t.Skip("no block device is mounted here")
	}
	for line, refused := range map[string]bool{"--rw=write": true, "--rw=randrw": true, "--rw=read": false, "--rw=write --allow_mounted_write=1": false} {
		job := parse(t, words("--name=x --size=4k "+line+" --filename="+device)...)[0]
		c, err := newClone(&run{phases: make(map[int]*phase)}, job, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		err = c.check() // It may also fail because nobody may open the device here.
		if got := err != nil && strings.Contains(err.Error(), "refusing to write to a device that is mounted"); got != refused {
			t.Errorf("%s: %v", line, err)
		}
	}
}
