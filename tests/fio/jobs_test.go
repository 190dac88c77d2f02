// SPDX-License-Identifier: MIT

package fio

import "strings"

// jobWith is a job of the null engine with more lines.
func jobWith(lines ...string) string {
	return "[job]\nioengine=null\nsize=64m\n" + strings.Join(lines, "\n") + "\n"
}

// agreed makes probes of jobs that fio and ringo take or refuse alike.
func agreed(texts ...string) (probes []probe) {
	for _, text := range texts {
		probes = append(probes, probe{text: text})
	}
	return probes
}

// jobProbes are whole jobs: the grammar, options together, and the rules between them.
var jobProbes = agreed(
	// Sections and globals.
	"[global]\nioengine=null\nsize=1m\nbs=8k\n[a]\nrw=write\n[b]\nrw=randread\nbs=16k\n",
	"[global]\nioengine=null\nsize=1m\n[a]\n[global]\nbs=64k\n[b]\n[global]\niodepth=4\n[c]\nbs=512\n",
	"[globalish]\nioengine=null\nsize=2m\niodepth=3\n[x]\n",
	"[a b c]\nioengine=null\nsize=1m\n[a b c]\nioengine=null\nsize=2m\n",
	"[a]\nname=other\nioengine=null\nsize=1m\n",
	"[a] \nioengine=null\nsize=1m\n",
	"  [a]\n\tioengine=null  \n  size=1m\t\n",
	"[]]\nioengine=null\nsize=1m\n",
	"[a]\r\nioengine=null\r\nsize=1m\r\n",
	"# comment\n; comment\n\n[a]\n  # comment\n  ; comment\nioengine=null\nsize=1m ; comment\nbs=8k # comment\n",
	"[a]\nioengine=null\nsize=1m\nbs=4k\nbs=8k\nbs=16k\n",
	"size=1m\n[a]\nioengine=null\n",
	"[a]\nioengine=null\nsize=1m\n[b]\nioengine=null\nsize=1m\nnonsense\n",
	"",
	"\n\n; nothing\n",
	"[global]\nioengine=null\nsize=1m\n",
	"[a]\nioengine=null\nsize =1m\n",
	"[a]\nioengine=null\nsize\t=1m\n",
	"[a]\nIOENGINE=null\nsize=1m\n",
	"[a]\nioengine=NULL\nsize=1m\n",
	"[a]\nioengine=null\nsize=1m\nfilename=/tmp/with space\n",
	"[a]\nioengine=null\nsize=1m\nfilename=/tmp/x=y\n",
	// Groups.
	"[global]\nioengine=null\nsize=1m\n[a]\n[b]\nstonewall\n[c]\nnew_group\n[d]\n[e]\nwait_for_previous=1\n",
	"[global]\nioengine=null\nsize=1m\nstonewall\n[a]\n[b]\n[c]\nstonewall=0\n",
	"[global]\nioengine=null\nsize=1m\nnumjobs=3\ngroup_reporting\n[a]\n[b]\nnew_group\n",
	"[w1]\nioengine=null\nsize=1m\n[b]\nioengine=null\nsize=1m\nwait_for=w1\n",
	"[a]\nioengine=null\nsize=1m\nwait_for=w2\n[w2]\nioengine=null\nsize=1m\n",
	"[w3]\nioengine=null\nsize=1m\nwait_for=w3\n",
	"[w4]\nioengine=null\nsize=1m\n[w4]\nioengine=null\nsize=1m\n[b]\nioengine=null\nsize=1m\nwait_for=w4\n",
	"[w5]\nioengine=null\nsize=1m\nnumjobs=4\n[b]\nioengine=null\nsize=1m\nwait_for=w5\n",
	"[global]\nioengine=null\nsize=1m\ngroup_reporting\n[a]\nlat_percentiles=1\n[b]\nlat_percentiles=0\n",
	"[global]\nioengine=null\nsize=1m\ngroup_reporting\n[a]\nlat_percentiles=1\n[b]\nlat_percentiles=0\nnew_group\n",
	// Variables and keywords.
	"[a]\nioengine=null\nsize=${RINGO_TEST_SIZE}\n",
	"[a]\nioengine=null\nsize=1${RINGO_TEST_UNSET}m\n",
	"[a]\nioengine=null\nsize=${RINGO_TEST_UNSET}\n",
	"[a]\nioengine=null\n${RINGO_TEST_UNSET}size=1m\n",
	"[a]\nioengine=null\nsize=1m\ndescription=${RINGO_TEST_SIZE\n",
	"[a]\nioengine=null\nsize=8*$mb_memory\nbs=1\n",
	"[a]\nioengine=null\nsize=5*1024*1024*$mb_memory/8\n",
	"[a]\nioengine=null\nsize=$mb_memory\nbs=1\n",
	"[a]\nioengine=null\nsize=1m\nbs=$pagesize\n",
	"[a]\nioengine=null\nsize=1m\nbs=2*$pagesize\n",
	"[a]\nioengine=null\nsize=1m\nbs=($pagesize+512)*2-24\n",
	"[a]\nioengine=null\nsize=1m\nnumjobs=$ncpus\n",
	"[a]\nioengine=null\nsize=1m\niodepth=$ncpus*4-1\n",
	// Numbers.
	jobWith("bs=4K"), jobWith("bs=4KB"), jobWith("bs=4kb"), jobWith("bs=4kib"), jobWith("bs=4KiB"), jobWith("bs=1MB"),
	jobWith("bs=1mib"), jobWith("bs=0x1000"), jobWith("bs=0X1000"), jobWith("bs=512b"), jobWith("bs=512B"),
	jobWith("bs=+4k"), jobWith("bs=00004096"),
	"[job]\nioengine=null\nsize=1t\n", "[job]\nioengine=null\nsize=1p\n", "[job]\nioengine=null\nsize=1tib\n",
	"[job]\nioengine=null\nsize=1pib\n", "[job]\nioengine=null\nsize=1gib\n", "[job]\nioengine=null\nsize=1GB\n",
	jobWith("bs=4k", "kb_base=1000"), jobWith("kb_base=1000", "bs=4k"), jobWith("bs=4KiB", "kb_base=1000"),
	jobWith("bs=4m", "kb_base=1000"), jobWith("bs=4k", "kb_base=1024"), jobWith("kb_base=1001"), jobWith("unit_base=1"),
	"[global]\nkb_base=1000\n[job]\nioengine=null\nsize=1m\nbs=4k\n",
	"[global]\nbs=4k\n[job]\nkb_base=1000\nioengine=null\nsize=1m\n",
	jobWith("runtime=90"), jobWith("runtime=1d"), jobWith("runtime=1D"), jobWith("runtime=2H"), jobWith("runtime=10msec"),
	jobWith("runtime=10usec"), jobWith("runtime=0"), jobWith("timeout=3"),
	jobWith("thinktime=10", "thinktime_spin=5"), jobWith("thinktime=1s"), jobWith("thinktime=5ms"),
	// Sizes and blocks.
	jobWith("bs=4k,8k"), jobWith("bs=4k,8k,16k"), jobWith("bs=,8k"), jobWith("bs=,,8k"), jobWith("bs=4k,"),
	jobWith("bs=4k,8k,"), jobWith("bsrange=1k-4k,8k-16k"), jobWith("bsrange=16k-4k"), jobWith("bsrange=4k:16k"),
	jobWith("bs=64k", "bsrange=1k-2k"), jobWith("bsrange=1k-2k", "bs=64k"), jobWith("bssplit=4k/50:64k/50", "bs=1k"),
	jobWith("bssplit=4k/50:64k/50,8k/100"), jobWith("bssplit=4k/50:64k/50,8k/100,16k/100"), jobWith("bssplit=4k/:8k/"),
	jobWith("bssplit=,8k/100"), jobWith("bssplit=4k"), jobWith("bs_unaligned", "bsrange=1k-4k"),
	jobWith("bs_unaligned", "direct=1"), jobWith("rw=randrw", "ba=8k", "bs=4k"),
	"[global]\nbsrange=1k-2k\n[job]\nioengine=null\nsize=1m\nbs=64k\n",
	"[job]\nioengine=null\nsize=2k\n", "[job]\nioengine=null\nsize=2k\nbs=2k\n", "[job]\nioengine=null\nsize=2k\nbs=4k,1k\n",
	"[job]\nioengine=null\nsize=4095\nbs=4k\n", "[job]\nioengine=null\nsize=100%\n", "[job]\nioengine=null\nsize=1%\n",
	jobWith("io_size=10g"), jobWith("io_limit=50%"), jobWith("offset=25%"), jobWith("offset=1m", "offset_increment=64k"),
	jobWith("offset_increment=10%", "numjobs=2"), jobWith("offset_align=4k", "offset=33%"), jobWith("filesize=1m-4m", "nrfiles=4"),
	jobWith("number_ios=1k"), jobWith("fill_device=1"), jobWith("fill_fs=1"), jobWith("loops=5"),
	// Patterns.
	jobWith("rw=randrw:4"), jobWith("rw=write:112k"), jobWith("rw=readwrite"), jobWith("rw=read:-8k"),
	jobWith("rw=randread:8", "rw_sequencer=identical"), jobWith("rwmixread=75", "rw=randrw"),
	jobWith("rwmixwrite=100"), jobWith("percentage_random=50,0"),
	jobWith("rw=randread", "random_distribution=zipf:1.2"), jobWith("random_distribution=zipf:0.5:0.2"),
	jobWith("random_distribution=pareto:0.9"), jobWith("random_distribution=pareto:1.5"),
	jobWith("random_distribution=normal:99:0.9"), jobWith("random_distribution=zipf:1.2:1.5"),
	jobWith("norandommap", "random_generator=lfsr"), jobWith("randseed=1234", "randrepeat=0", "allrandrepeat=1"),
	jobWith("buffered=0"), jobWith("direct=0"),
	// Depth.

	jobWith("iodepth=32", "iodepth_batch_submit=16", "iodepth_batch_complete_min=4", "iodepth_batch_complete_max=16"),
	jobWith("iodepth=32", "iodepth_low=8"), jobWith("iodepth_batch_complete=0"), jobWith("iodepth=4k"),
	"[job]\nioengine=psync\nsize=1m\niodepth=32\n", "[job]\nioengine=sync\nsize=1m\n", "[job]\nioengine=pvsync2\nsize=1m\n",
	"[job]\nioengine=vsync\nsize=1m\n", "[job]\nioengine=pvsync\nsize=1m\n", "[job]\nsize=1m\n",
	// Rates.
	jobWith("rate=1m"), jobWith("rate=1m,500k"), jobWith("rate=,500k"), jobWith("rate=1m,"), jobWith("rate_iops=100,200"),
	jobWith("rate=1m", "rate_iops=100"), jobWith("rate=1m", "rate_min=2m"), jobWith("rate_iops=10", "rate_iops_min=20"),
	jobWith("rate_min=1m", "rate_iops_min=10"), jobWith("rate=2m", "rate_min=1m"), jobWith("rate_process=poisson", "rate_iops=10"),
	jobWith("rate=4k,8k,16k"), jobWith("ratecycle=500"),
	// Verification and buffers.
	jobWith("rw=write", "verify=crc32c", "verify_interval=4k", "bs=4k"),
	jobWith("rw=write", "verify=sha256", "bs=4k", "verify_interval=512"), jobWith("verify=crc32c-intel"),
	jobWith("rw=write", "verify_pattern=0xff"), jobWith("rw=write", "verify=meta", "verify_pattern=%o"),
	jobWith("rw=write", "verify=pattern", "verify_pattern=\"abc\""), jobWith("verify=0", "verify_pattern=0xff"),
	jobWith("rw=randwrite", "verify=md5", "numjobs=2", "filename=/tmp/x"),
	jobWith("rw=randwrite", "verify=md5", "runtime=5", "time_based"), jobWith("verify=xxhash", "do_verify=0"),
	jobWith("rw=randwrite", "verify=md5", "verify_backlog=1024", "verify_backlog_batch=512"),
	jobWith("verify=crc32", "norandommap", "bsrange=4k-8k"),
	jobWith("buffer_pattern=0xdeadbeef", "rw=write"), jobWith("rw=write", "buffer_pattern=0xdeadbeef"),
	jobWith("rw=write", "buffer_pattern=0xab", "zero_buffers"), jobWith("buffer_pattern=0xab", "scramble_buffers=1"),
	jobWith("buffer_compress_percentage=50", "buffer_compress_chunk=4k"), jobWith("buffer_compress_percentage=100"),
	jobWith("dedupe_percentage=30"), jobWith("dedupe_percentage=30", "refill_buffers=0"), jobWith("zero_buffers"),
	jobWith("refill_buffers", "scramble_buffers=0"),
	// Time.
	jobWith("time_based"), jobWith("time_based", "runtime=10"), jobWith("time_based=1", "runtime=10"), jobWith("ramp_time=5"),
	jobWith("startdelay=5"), jobWith("startdelay=5,10"), jobWith("time_based=0"),
	// Zones.
	jobWith("zonemode=strided"), jobWith("zonesize=1m"), jobWith("zonemode=strided", "zonesize=1m"),
	jobWith("zonemode=strided", "zonesize=1m", "zonerange=4m", "zoneskip=2m"), jobWith("zonemode=none", "zonesize=1m"),
	// Reports.
	jobWith("gtod_reduce=1"), jobWith("disable_lat=1", "lat_percentiles=0"),
	jobWith("disable_clat=1"), jobWith("percentile_list=99.5:99.9:50"), jobWith("percentile_list=50"),
	jobWith("percentile_list=1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19:20"),
	jobWith("write_bw_log", "log_avg_msec=1000"), jobWith("write_lat_log=x", "per_job_logs=0"),
	jobWith("write_iops_log=x", "log_avg_msec=500", "iopsavgtime=250"), jobWith("unified_rw_reporting=1"),
	jobWith("continue_on_error=all"), jobWith("ignore_error=EAGAIN,ENOSPC:125"), jobWith("exitall", "exit_what=all"),
	// Engines and their options.
	"[job]\nsize=1m\nfixedbufs\n", "[job]\nsize=1m\nioengine=psync\nhipri\n",
	"[job]\nsize=1m\nioengine=libaio\nfixedbufs\n",
	"[global]\nfixedbufs\n[job]\nioengine=io_uring\nsize=1m\n",
	"[global]\nioengine=io_uring\nfixedbufs\n[job]\nioengine=null\nsize=1m\n",
	"[job]\nsize=1m\nioengine=nonsense\n",
	"[job]\nsize=1m\nioengine=nonsense\nfixedbufs\n",
	// Files.
	jobWith("filename=/tmp/a:/tmp/b:/tmp/c"),
	"[global]\nfilename=/tmp/a\n[job]\nioengine=null\nsize=1m\nfilename=/tmp/b\n",
	jobWith("directory=/nowhere/at/all"), jobWith("nr_files=3"),
	// Misspelt.
	jobWith("iodepth=50%"), jobWith("bs=50%"), jobWith("include"), "[job]\nioengine=null\nsize=(1m)\n",
	jobWith("rwmix=75"), jobWith("iodpeth=4"), jobWith("block_size=4k"), jobWith("rw=ranread"), jobWith("direct=true"),
	jobWith("invalidate=no"), jobWith("thread=on"), jobWith("=4k"), jobWith("bs"), jobWith("[job"[1:]),
)

// changed are jobs in which fio corrects a number after reading it, so that only being taken is compared here. What
// becomes of the numbers is in TestRules.
var changed = []probe{
	{text: jobWith("rw=read", "ba=8k"), corrected: "ba"},
	{text: jobWith("loops=0"), corrected: "loops"},
	{text: jobWith("rwmixread=30", "rwmixwrite=30"), corrected: "rwmixread"},
	{text: jobWith("direct=1", "buffered=1"), corrected: "direct"},
	{text: jobWith("iodepth=32", "iodepth_batch=64"), corrected: "iodepth_batch"},
	{text: jobWith("iodepth=32", "iodepth_batch=0"), corrected: "iodepth_batch"},
	{text: jobWith("gtod_reduce=1", "disable_lat=0"), corrected: "gtod_reduce"},
	{text: jobWith("filename=/tmp/a:/tmp/b", "nrfiles=1"), corrected: "nrfiles"},
	{text: jobWith("nrfiles=4", "openfiles=8"), corrected: "openfiles"},
}
