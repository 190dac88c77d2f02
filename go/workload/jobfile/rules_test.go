// SPDX-License-Identifier: MIT

package jobfile

import (
	"fmt"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRules is about what becomes of values that fio changes after reading them, by its rules (fixup_options in fio's
// init.c), and about values that are no numbers.
func TestRules(t *testing.T) {
	millis := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	for _, c := range []struct {
		text string
		got  func(*Job) any
		want any
	}{
		{"", func(j *Job) any { return j.BlockSize }, [3]Range{{4096, 4096}, {4096, 4096}, {4096, 4096}}},
		{"rw=read\nba=8k", func(j *Job) any { return j.BlockAlign }, [3]int64{4096, 4096, 4096}},
		{"rw=randread\nba=8k", func(j *Job) any { return fmt.Sprint(j.BlockAlign, j.NoRandomMap) }, "[8192 8192 8192] true"},
		{"loops=0", func(j *Job) any { return j.Loops }, 1},
		{"rwmixread=30\nrwmixwrite=10", func(j *Job) any { return j.RWMixRead }, 90},
		{"direct=1\nbuffered=1", func(j *Job) any { return j.Direct }, false},
		{"iodepth=32\niodepth_batch=64", func(j *Job) any { return j.Depth.Submit }, 32},
		{"iodepth=32\niodepth_batch=0", func(j *Job) any { return j.Depth.Submit }, 32},
		{"iodepth=32", func(j *Job) any { return j.Depth }, Depth{Limit: 32, Low: 32, Submit: 1, CompleteMin: 1, CompleteMax: 1}},
		{"iodepth=8\niodepth_low=9", func(j *Job) any { return j.Depth.Low }, 8},
		{"iodepth_batch_complete_min=4", func(j *Job) any { return j.Depth.CompleteMax }, 4},
		{"gtod_reduce=1\ndisable_lat=0", func(j *Job) any { return j.Latencies }, Latencies{DisableSlat: true, DisableClat: true, DisableBW: true}},
		{"gtod_reduce=1\nclat_percentiles=1", func(j *Job) any { return j.Latencies.ClatPercentiles }, false},
		{"filename=/a:/b\nnrfiles=1", func(j *Job) any { return j.NumFiles }, 2},
		{`filename=/a\:b:/c`, func(j *Job) any { return j.Filenames }, []string{"/a:b", "/c"}},
		{"nrfiles=4\nopenfiles=8", func(j *Job) any { return j.OpenFiles }, 4},
		{"rw=randrw", func(j *Job) any { return j.Overwrite }, true},
		{"rw=write", func(j *Job) any { return j.Overwrite }, false},
		{"pre_read=1", func(j *Job) any { return j.Invalidate }, false},
		{"thinktime=1s\nthinktime_spin=2s", func(j *Job) any { return j.Think.Spin }, time.Second},
		{"time_based", func(j *Job) any { return j.TimeBased }, false},
		{"runtime=5\nramp_time=500ms", func(j *Job) any { return []time.Duration{j.Runtime, j.RampTime} }, []time.Duration{5e9, 5e8}},
		{"startdelay=5s-9s", func(j *Job) any { return j.StartDelay }, DurationRange{5 * time.Second, 9 * time.Second}},
		{"startdelay=2", func(j *Job) any { return j.StartDelay }, DurationRange{2 * time.Second, 2 * time.Second}},
		{"filesize=1m-4m", func(j *Job) any { return j.FileSize }, Range{1 << 20, 4 << 20}},
		{"filesize=1m", func(j *Job) any { return j.FileSize }, Range{1 << 20, 1 << 20}},
		{"random_distribution=zipf", func(j *Job) any { return j.Distribution }, Distribution{Zipf, 1.1, -1}},
		{"random_distribution=pareto:0.3:0.5", func(j *Job) any { return j.Distribution }, Distribution{Pareto, 0.3, 0.5}},
		{"random_distribution=normal:20", func(j *Job) any { return fmt.Sprint(j.Distribution, j.NoRandomMap) }, "{3 20 -1} true"},
		{"file_service_type=random:5", func(j *Job) any { return fmt.Sprint(j.FileService.Order, j.FileService.Every) }, "1 5"},
		{"file_service_type=zipf:1.3", func(j *Job) any { return j.FileService }, FileService{ServiceDistributed, 1, Distribution{Zipf, 1.3, -1}}},
		{"randseed=7\nrandrepeat=0", func(j *Job) any { return fmt.Sprint(j.RandSeed, j.RandRepeat) }, "7 true"},
		{"rw=randread:8", func(j *Job) any { return j.Pattern }, Pattern{Reads: true, Random: true, Every: 8}},
		{"rw=read:-8k", func(j *Job) any { return j.Pattern }, Pattern{Reads: true, Every: 1, Skip: -8192}},
		{"rw=rw", func(j *Job) any { return j.Pattern }, Pattern{Reads: true, Writes: true, Every: 1}},
		{"zonemode=strided\nzonesize=1m", func(j *Job) any { return j.Zone }, Zone{Size: 1 << 20, Range: 1 << 20}},
		{"buffer_compress_percentage=100", func(j *Job) any { return fmt.Sprint(j.Buffers.Zero, j.Buffers.Compress) }, "true 0"},
		{"buffer_compress_percentage=50", func(j *Job) any { return j.Buffers.Refill }, true},
		{"dedupe_percentage=50", func(j *Job) any { return j.Buffers.Refill }, true},
		{"rw=write\nbuffer_pattern=0xabc", func(j *Job) any { return fmt.Sprint(j.Buffers.Data.Bytes, j.Buffers.Refill, j.Buffers.Scramble) }, "[10 188] false false"},
		{"rw=read\nbuffer_pattern=-1024", func(j *Job) any { return fmt.Sprint(j.Buffers.Data.Bytes, j.Buffers.Refill) }, "[0 252 255 255] true"},
		{"verify_pattern=\"ab\"%o0", func(j *Job) any { return j.Verify.Data }, Payload{append([]byte("ab"), make([]byte, 9)...), []int{2}}},
		{"verify_pattern=0xff0x14", func(j *Job) any { return fmt.Sprint(j.Verify.Checksum == VerifyPatternHeader, j.Verify.Data.Bytes) }, "true [255 20]"},
		{"verify=0\nverify_pattern=1", func(j *Job) any { return j.Verify.Checksum }, VerifyNone},
		{"verify=md5", func(j *Job) any { return fmt.Sprint(j.Verify.Interval, j.Buffers.Refill) }, "4096 true"},
		{"verify=md5\nverify_interval=64k", func(j *Job) any { return j.Verify.Interval }, int64(4096)},
		{"verify=md5\nbsrange=4k-12k", func(j *Job) any { return j.Verify.Interval }, int64(4096)},
		{"verify=md5\nbsrange=4k-10k", func(j *Job) any { return j.Verify.Interval }, int64(2048)},
		{"bssplit=64k/30:4k/:8k/", func(j *Job) any { return j.BlockSplit[Write] }, []SizeMix{{65536, 30}, {4096, 35}, {8192, 35}}},
		{"bssplit=4k/10:8k/20", func(j *Job) any { return j.BlockSplit[Read] }, []SizeMix{{4096, 10}, {8192, 90}}},
		{"bssplit=4k,8k/50:16k/50", func(j *Job) any { return j.BlockSize }, [3]Range{{4096, 4096}, {8192, 16384}, {8192, 16384}}},
		{"percentile_list=99.9:50", func(j *Job) any { return j.Percentiles }, []float64{50, 99.9}},
		{"ignore_error=EIO:28,,EILSEQ", func(j *Job) any { return j.IgnoreError }, [3][]syscall.Errno{{syscall.EIO, syscall.ENOSPC}, nil, {syscall.EILSEQ}}},
		{"ignore_error=EIO", func(j *Job) any { return j.ContinueOnError }, ContinueRead},
		{"continue_on_error=io", func(j *Job) any { return j.ContinueOnError }, ContinueRead | ContinueWrite},
		{"cpus_allowed=0,0-0", func(j *Job) any { return j.CPUsAllowed }, []int{0}},
		{"cpumask=1", func(j *Job) any { return j.CPUsAllowed }, []int{0}},
		{"fallocate=1", func(j *Job) any { return j.Fallocate }, FallocatePosix},
		{"sync=dsync", func(j *Job) any { return j.Sync }, SyncData},
		{"write_bw_log\nlog_avg_msec=100", func(j *Job) any { return fmt.Sprint(j.Logs.Bandwidth, j.BWAverage) }, "job100ms"},
		{"write_iops_log=x\niopsavgtime=100\nlog_avg_msec=250", func(j *Job) any { return j.IOPSAverage }, millis(100)},
		{"write_iops_log=x", func(j *Job) any { return fmt.Sprint(j.Logs.IOPS, j.IOPSAverage) }, "x500ms"},
		{"unit_base=1\nkb_base=1000", func(j *Job) any { return fmt.Sprint(j.UnitBase, j.KBBase) }, "1 1000"},
		{"ioengine=fio:io_uring\nsqthread_poll\nsqthread_poll_cpu=0", func(j *Job) any { return j.Engine }, EngineOptions{Engine: EngineFio, Name: "fio:io_uring", Fio: "io_uring", SQPoll: true, NonVectored: true}},
		{"ioengine=fio:posixaio", func(j *Job) any { return j.Engine }, EngineOptions{Engine: EngineFio, Name: "fio:posixaio", Fio: "posixaio", SQPollCPU: -1, NonVectored: true}},
		{"size=50%\noffset=25%\nio_size=2g", func(j *Job) any { return []Amount{j.Size, j.Offset, j.IOSize} }, []Amount{{0, 50}, {0, 25}, {2 << 30, 0}}},
		{"rate=1m,2m\nrate_iops_min=,5", func(j *Job) any { return j.Rate }, Rate{Bytes: [3]int64{1 << 20, 2 << 20, 2 << 20}, MinIOPS: [3]int64{0, 5, 5}, Cycle: time.Second}},
	} {
		plan, err := parseText("[job]\n" + c.text + "\n")
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if got := c.got(plan.Arms[0].Jobs[0]); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %+v, want %+v", c.text, got, c.want)
		}
	}
}

// TestInheritance is about what a section has from the global ones above it.
func TestInheritance(t *testing.T) {
	plan, err := parseText(strings.Join([]string{
		"[global]", "bs=8k", "ioengine=fio:io_uring", "fixedbufs",
		"[a]", "filename=/a", "exitall",
		"[global]", "filename=/g", "iodepth=4",
		"[b]", "bs=16k", "filename=/b",
		"[c]", "ioengine=fio:libaio",
		"[d]", "ioengine=fio:io_uring", "stonewall",
	}, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, j := range plan.Arms[0].Jobs {
		got = append(got, fmt.Sprint(j.Name, j.Group, j.BlockSize[Read].Min, j.Depth.Limit, j.Filenames, j.Engine.Name,
			j.Engine.FixedBuffers, j.ExitAll, len(j.Globals), len(j.Given)))
	}
	want := []string{
		"a0 8192 1 [/a]fio:io_uringtrue true 3 2",
		"b0 16384 4 [/g /b]fio:io_uringtrue true 5 2",
		"c0 8192 4 [/g]fio:libaiofalse true 5 1",
		"d1 8192 4 [/g]fio:io_uringtrue true 5 2",
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s\nwant %s", got[i], want[i])
		}
	}
}
