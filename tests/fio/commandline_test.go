// SPDX-License-Identifier: MIT

package fio

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// commandLines are taken or refused alike by fio and by ringo.
var commandLines = []string{
	"--name=a --ioengine=null --size=1m",
	"-name=a -ioengine=null -size=1m -rw=randread",
	"--name a --ioengine null --size 1m --bs 8k",
	"-name a -ioengine null -size 1m --iodepth 4",
	"--ioengine=null --size=1m --name=a --name=b --bs=8k",
	"--ioengine=null --size=1m --name=a --rw=write --name=global --bs=16k --name=b",
	"--name=a --ioengine=null --size=1m --time_based --runtime=3",
	"--name=a --ioengine=null --size=1m --time_based=1 --runtime=3",
	"--name=a --ioengine=null --size=1m --stonewall --name=b --stonewall --ioengine=null --size=2m",
	"--name=a --ioengine=null --size=1m --runti=5",
	"--name=a --ioeng=null --size=1m --rwmixr=30",
	"--name=a --ioengine=null --size=1m --iodepth_b=3",
	"--name=a --ioengine=null --size=1m --io=3",
	"--name=a --ioengine=null --size=1m --kb_base=1000 --bs=4k",
	"--name=a --ioengine=null --size=1m --bs=4k --kb_base=1000",
	"--name=a --ioengine=null --size=1m --bs=$pagesize",
	"--name=a --ioengine=null --size=1m --description=${HOME}",
	"--name=a --ioengine=null --size=1m --nonsense=1",
	"--name=a --ioengine=null --size=1m --rw=ranread",
	"--name=a --ioengine=null --size=1m --direct=yes",
	"--name=a --ioengine=null --size=1m --direct",
	"--name=a --ioengine=io_uring --size=1m --fixedbufs=0 --registerfiles=0",
	"--name=a --ioengine=psync --size=1m --fixedbufs",
	"--name=a --ioengine=libaio --size=1m --userspace_reap=0",
	"--name=a --ioengine=null --size=1k",
	"--name=a --ioengine=null --size=1m --readonly --rw=write",
	"--readonly --name=a --ioengine=null --size=1m --rw=write",
	"--readonly --name=a --ioengine=null --size=1m --rw=read",
	"--section=b --name=a --ioengine=null --size=1m",
	"--section=global --name=a --ioengine=null --size=1m",
	"--output-format=json,normal --name=a --ioengine=null --size=1m",
	"--output-format=xml --name=a --ioengine=null --size=1m",
	"--terse-version=4 --name=a --ioengine=null --size=1m",
	"--terse-version=6 --name=a --ioengine=null --size=1m",
	"--eta=never --eta-newline=1 --eta-interval=500ms --name=a --ioengine=null --size=1m",
	"--eta-interval=10ms --name=a --ioengine=null --size=1m",
	"--status-interval=5 --max-jobs=4 --alloc-size=1024 --name=a --ioengine=null --size=1m",
	"--status-interval=x --name=a --ioengine=null --size=1m",
	"--status-interval=1us --name=a --ioengine=null --size=1m",
	"--warnings-fatal --name=a --ioengine=null --size=1m --time_based",
	"--warnings-fatal --name=a --ioengine=null --size=1m",
	"--bandwidth-log --name=a --ioengine=null --size=1m",
	"--minimal --name=a --ioengine=null --size=1m",
	"--latency-log=x --name=a --ioengine=null --size=1m",
	"--name=a --ioengine=null --size=1m --write_bw_log=x --write_lat_log=y",
	"--name=a --ioengine=null --size=1m --rw=randrw --bssplit=4k/50:8k/50 --rwmixwrite=10",
	// As people measure disks of clouds, databases and desktops.
	"--rw=write --ioengine=sync --fdatasync=1 --directory=/tmp --size=22m --bs=2300 --name=etcd",
	"--name=write --directory=/tmp --numjobs=8 --size=10G --time_based --runtime=60s --ramp_time=2s --ioengine=libaio" +
		" --direct=1 --verify=0 --bs=1M --iodepth=64 --rw=write --group_reporting=1 --iodepth_batch_submit=64" +
		" --iodepth_batch_complete_max=64",
	"--directory=/tmp --ioengine=psync --name fio_test_file --direct=1 --rw=randwrite --bs=16k --size=1G --numjobs=16" +
		" --time_based --runtime=180 --group_reporting --norandommap",
	"--randrepeat=0 --verify=0 --ioengine=libaio --direct=1 --gtod_reduce=1 --name=test --filename=/tmp/f --bs=4K" +
		" --iodepth=64 --size=2G --readwrite=randrw --time_based --ramp_time=2s --runtime=15s --rwmixread=75",
	"--name TEST --eta-newline=5s --filename=/tmp/f --rw=randread --size=2g --io_size=10g --blocksize=4k --ioengine=libaio" +
		" --fsync=1 --iodepth=1 --direct=1 --numjobs=32 --runtime=60 --group_reporting",
	"-filename=/tmp/f -direct=1 -iodepth 1 -thread -rw=randwrite -ioengine=psync -bs=16k -size=1G -numjobs=30 -runtime=10" +
		" -group_reporting -name=mytest",
	"--loops=5 --size=1g --filename=/tmp/f --stonewall --ioengine=libaio --direct=1 --zero_buffers=0 --output-format=json" +
		" --name=SeqQ8T1read --bs=1m --iodepth=8 --numjobs=1 --rw=read --name=RndQ32T16write --bs=4k --iodepth=32" +
		" --numjobs=16 --rw=randwrite --refill_buffers --end_fsync=1",
}

func TestCommandLinesAsFio(t *testing.T) {
	needFio(t)
	for _, line := range commandLines {
		words := strings.Fields(line)
		stdout, stderr, _ := fio(t, append(slices.Clone(words), "--name=stop", "--ringo_stops_here")...)
		accepted := strings.Contains(stderr, "unrecognized option '--ringo_stops_here'")
		plan, err := jobfile.ParseCommandLine(words, jobfile.Environment{Lookup: os.LookupEnv, Stdin: strings.NewReader("")})
		if errors.Is(err, jobfile.ErrNoJobs) {
			err = nil
		}
		if accepted != (err == nil) {
			t.Errorf("%s\nfio: %s\nringo: %v", line, stderr, err)
			continue
		}
		if err != nil {
			continue
		}
		preambles := regexp.MustCompile(`(?m)^(.*): \(g=(\d+)\): (rw=.*)$`).FindAllStringSubmatch(stdout, -1)
		jobs := plan.Arms[0].Jobs
		if len(preambles) != len(jobs) && slices.Contains(plan.Report.Formats, jobfile.FormatNormal) {
			t.Errorf("%s\nfio has %d jobs, ringo %d:\n%s", line, len(preambles), len(jobs), stdout)
			continue
		}
		for i, m := range preambles {
			if m[1] != jobs[i].Name || m[2] != fmt.Sprint(jobs[i].Group) {
				t.Errorf("%s\nfio: %s\nringo: %s in group %d", line, m[0], jobs[i].Name, jobs[i].Group)
			}
			if difference := comparePreamble(fioSection{preamble: m[3]}, jobs[i]); difference != "" {
				t.Errorf("%s\n%s", line, difference)
			}
		}
	}
}

// TestFioArgs gives fio a job with its globals written out, and fio takes it.
func TestFioArgs(t *testing.T) {
	needFio(t)
	const text = "[global]\nbs=8k\nioengine=ringo\nbatch=auto\nfixedbufs\n" +
		"[job]\nsize = 1m\nrw=randread\nstonewall\nwrite_bw_log\nkb_base=1000\ntime_based\nruntime=5\n"
	plan, err := jobfile.ParseCommandLine([]string{"-", "--engine=fio:io_uring,fio:psync", "--set", "description=a#b"},
		jobfile.Environment{Stdin: strings.NewReader(text)})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"--name=job --ioengine=io_uring --thread=1 --group_reporting=1 --kb_base=1000 --bs=8k --fixedbufs --size=1m" +
			" --rw=randread --write_bw_log=job --time_based --runtime=5 --description=a#b",
		"--name=job --ioengine=psync --thread=1 --group_reporting=1 --kb_base=1000 --bs=8k --size=1m" +
			" --rw=randread --write_bw_log=job --time_based --runtime=5 --description=a#b",
	} {
		args := plan.Arms[i].Jobs[0].FioArgs()
		if got := strings.Join(args, " "); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		if _, stderr, ok := fio(t, append(args, "--parse-only")...); !ok {
			t.Error(stderr)
		}
	}
}
