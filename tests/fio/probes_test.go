// SPDX-License-Identifier: MIT

package fio

import (
	"slices"
	"strings"

	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// optionProbes asks about every option of the table: values that its kind allows, and values that it does not.
func optionProbes() (probes []probe) {
	for i, option := range jobfile.Options() {
		if option.Ours || unaskable[option.Name] {
			continue
		}
		for _, setting := range settingsFor(option, i) {
			p := probe{text: aroundOption(option, setting), differs: meant[setting]}
			if option.Class == jobfile.Refused && !fioRefusesToo[option.Name] {
				p.differs = option.Why
			}
			if option.Kind == jobfile.Integer && strings.HasSuffix(setting, "=-7") && option.Class != jobfile.Refused && option.Min < 40 {
				p.differs = "a negative number where it makes no sense; fio takes it for a very large one"
			}
			probes = append(probes, p)
		}
	}
	return probes
}

// meant are differences about single values: fio takes them, ringo refuses.
var meant = map[string]string{
	"zonemode=zbd":           "zoned block devices are not supported",
	"mem=mmapshared":         "it needs a file behind a colon, and such buffers are not supported",
	"io_submit_mode=offload": "not supported",
	"openfiles=7":            "all files are open",
	"openfiles=2k":           "all files are open",
	"openfiles=0x20":         "all files are open",
	"verify=pattern":         "it needs verify_pattern; without one fio has nothing to verify",
}

// fioRefusesToo are options that Debian's fio does not know, has removed, or dies of.
var fioRefusesToo = map[string]bool{"gpu_dev_id": true, "percentage_sequential": true, "rwmixcycle": true,
	"merge_blktrace_file": true}

// unaskable are options of which fio takes no value of ours, or which would have an effect at once.
var unaskable = map[string]bool{"ioscheduler": true}

// settingsFor are lines for an option: all good values, and for some options a bad one, in turns.
func settingsFor(o *jobfile.Option, turn int) []string {
	values := map[jobfile.Kind][]string{
		jobfile.Text:    {"some"},
		jobfile.Boolean: {"0", "1"},
		jobfile.Flag:    {"0", "1"},
		jobfile.Integer: {"7", "2k", "0x20"},
		jobfile.Bytes:   {"8192", "64k", "1mb", "2MiB", "0x4000"},
		jobfile.Share:   {"67108864", "64m", "1g", "50%"},
		jobfile.Seconds: {"9", "9s", "2m", "1h", "3000ms", "2000000us"},
		jobfile.Micros:  {"9", "9us", "3ms", "1s"},
		jobfile.Choice:  slices.Clone(o.Values),
		jobfile.Floats:  {"50", "10:99.5"},
	}[o.Kind]
	bad := map[jobfile.Kind][]string{jobfile.Text: {""}, jobfile.Boolean: {"2", "yes", ""}, jobfile.Flag: {"yes"}, jobfile.Integer: {"none", "", "-7"},
		jobfile.Bytes: {"none", ""}, jobfile.Share: {"none", ""}, jobfile.Seconds: {"none", ""}, jobfile.Micros: {"none", ""}, jobfile.Choice: {"nonsense", ""},
		jobfile.Floats: {"101", "none"}}[o.Kind]
	if bad != nil && turn%6 == 0 { // Each refusal costs a process of fio's.
		values = append(values, bad[turn/6%len(bad)])
	}
	if custom := customValues[o.Name]; custom != nil {
		values = custom
	}
	if o.Class == jobfile.Refused {
		values = []string{"1"}
		if given := refusedValues[o.Name]; given != "" {
			values = []string{given}
		}
	}
	if o.PerDirection && o.Class == jobfile.Done {
		values = append(values, "16k,32k", "16k,,64k", "16k,32k,")
		if o.Kind == jobfile.Micros || o.Max == 100 {
			values = append(values[:len(values)-3], "16,32", "16,,64", "16,32,")
		}
	}
	lines := make([]string, 0, len(values)+1)
	for _, value := range values {
		lines = append(lines, o.Name+"="+value)
	}
	if o.Class != jobfile.Refused && (o.Kind == jobfile.Flag || turn%9 == 0 || o.Bare) {
		lines = append(lines, o.Name)
	}
	if o.Class == jobfile.Done {
		for _, alias := range o.Aliases {
			lines = append(lines, alias+"="+values[0])
		}
	}
	return lines
}

// aroundOption makes a whole job text around a setting, with what it needs beside it.
func aroundOption(o *jobfile.Option, setting string) string {
	engine := "null"
	if slices.Contains(o.Engines, jobfile.EngineLibaio) {
		engine = "libaio"
	}
	if slices.Contains(o.Engines, jobfile.EngineRingo) {
		engine = "io_uring"
	}
	lines := []string{"[job]", "size=64m"}
	if o.Name != "ioengine" {
		lines = append(lines, "ioengine="+engine)
	}
	return strings.Join(append(append(lines, beside[o.Name]...), setting), "\n") + "\n"
}

// beside is what an option needs not to be changed by a rule.
var beside = map[string][]string{
	"openfiles": {"nrfiles=8192"}, "zonesize": {"zonemode=strided"}, "zonerange": {"zonemode=strided", "zonesize=4k"},
	"zoneskip": {"zonemode=strided", "zonesize=4k"}, "zonemode": {"zonesize=0"}, "ba": {"rw=randread"},
	"iodepth_batch": {"iodepth=4096"}, "iodepth_batch_complete_min": {"iodepth=4096"},
	"iodepth_batch_complete_max": {"iodepth=4096"}, "iodepth_low": {"iodepth=4096"}, "thinktime_spin": {"thinktime=10s"},
	"time_based": {"runtime=1"}, "hipri": {"direct=1"}, "wait_for": {"[x]", "ioengine=null", "size=1m"},
	"verify_interval": {"bs=1m"}, "verify_offset": {"bs=1m"},
}

// customValues are values of options whose form is their own, and of options whose kind's values would not do.
var customValues = map[string][]string{
	"ioengine":        {"null", "psync", "sync", "libaio", "io_uring", "nonsense"},
	"filename":        {"/tmp/a", "/tmp/a:/tmp/b", `/tmp/a\:b`, ""},
	"directory":       {"/tmp", "/tmp:/usr"},
	"filename_format": {"f.$jobnum"},
	"name":            {"other"}, "wait_for": {"nobody"},
	"exec_prerun": {"true"}, "exec_postrun": {"true"}, "description": {"some words"},
	"numjobs":    {"1", "3", "none"},
	"nrfiles":    {"1", "7", "2k", "none"},
	"rw":         {"read", "write", "randread", "randwrite", "rw", "readwrite", "randrw", "randread:8", "read:4k", "write:-8k", "READ"},
	"bs":         {"4096", "64k", "1mb", "2MiB", "0x4000", "4k,8k", "4k,,16k", "4k,8k,", ",8k", "none", "0", ""},
	"bsrange":    {"4k-8k", "8k-4k", "4k:8k", "4k-8k,16k-32k", "4k-8k,16k-32k,1k-2k", "4k", "none", ""},
	"bssplit":    {"4k/50:8k/50", "4k/10:8k/:16k/", "4k:8k", "4k/20:8k/80,16k/100", "4k/1,8k/1,16k/1", "none/50"},
	"randseed":   {"7", "0x10", "none"},
	"number_ios": {"7", "2k", "none"},
	"filesize":   {"1m", "1m-2m", "1m:2m", "1m,2m", "none", "0"},
	"startdelay": {"9", "5-9", "5s,9s", "2m", "none"},
	"random_distribution": {"random", "zipf", "zipf:1.2", "zipf:1.2:0.5", "pareto:0.3", "normal:20", "zipf:1", "pareto:1",
		"normal:100", "normal:20:2", "zipf:x", "nonsense"},
	"file_service_type": {"random", "random:5", "roundrobin:3", "sequential", "zipf:1.2", "pareto", "normal:10", "gauss",
		"nonsense", "pareto:2"},
	"percentage_random": {"0", "50", "100", "101", "50,60", "50,,60", "50,60,"},
	"buffer_pattern":    {`0xdeadbeef`, `"abc"`, `-1024`, `66`, `"123"0xFFeeCC`, `0xff0x14`, `%o`, `"abc`, ``},
	"verify_pattern":    {`0xdeadbeef`, `"abc"%o-12`, `%o0xdeadbeef%o`, `"abc`, ``},
	"mem":               {"malloc", "shm", "mmap", "mmapshared", "nonsense"},
	"ignore_error":      {"EIO", "EIO:ENOSPC,5", ",ENOSPC", "5:28", "EWHAT"},
	"cpus_allowed":      {"0", "0-1", "0,1", "9999"},
	"cpumask":           {"1", "3"},
	"write_bw_log":      {"log"}, "write_lat_log": {"log"}, "write_iops_log": {"log"}, "write_hist_log": {"log"},
	"iodepth":     {"1", "7", "2k", "0x20", "0", "-7"},
	"nonvectored": {"-1", "0", "1"}, "uncached": {"0", "1"}, "sqthread_poll_cpu": {"0", "1"},
	"log_hist_coarseness": {"0", "6"}, "significant_figures": {"1", "10", "11"},
	"log_entries":     {"1024", "1m", "1023"},
	"verify_interval": {"80", "4k", "512", "79"}, "verify_offset": {"40", "128", "39"},
	"hugepage-size": {"2m"}, "gtod_cpu": {"0"},
	"fsync": {"0", "32", "1k"}, "fdatasync": {"0", "32", "1k"},
	"buffer_compress_percentage": {"0", "50", "100", "101"}, "dedupe_percentage": {"0", "50", "100", "101"},
	"rwmixread": {"0", "75", "100", "101"}, "rwmixwrite": {"0", "75", "100", "101"},
	"thinktime": {"0", "10", "10us", "3ms", "1s", "none"},
	"size":      {"67108864", "64m", "1g", "50%", "1%", "100%", "none", "", "1k"},
	"threads":   {"4"},
}

// refusedValues are values that fio takes for options that ringo refuses.
var refusedValues = map[string]string{
	"sync_file_range": "write:8", "steadystate": "iops:2%", "latency_percentile": "99", "merge_blktrace_scalars": "50",
	"merge_blktrace_iters": "1", "cgroup_weight": "500", "log_compression": "64k", "log_compression_cpus": "0",
	"verify_async_cpus": "0", "numa_cpu_nodes": "0", "numa_mem_policy": "local", "lockfile": "none", "dedupe_mode": "repeat",
	"opendir": "/usr/share/doc/fio", "write_hint": "short", "replay_skip": "trim", "cmd_type": "nvme",
	"cmdprio_class": "1", "cmdprio_bssplit": "4k/50", "zone_reset_threshold": "0.5", "zone_reset_frequency": "0.5",
}
