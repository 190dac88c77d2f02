// SPDX-License-Identifier: MIT

package jobfile

// Reasons that several options share.
const (
	whyNoTrim     = "trims are for devices whose contents may be lost; only reads and writes are supported"
	whyNoZBD      = "zoned block devices are not supported"
	whyNoReplay   = "replaying a trace is not supported"
	whyNoPriority = "I/O priorities are not supported; start ringo under ionice(1)"
	whyNoCgroup   = "start ringo inside the cgroup instead"
	whyNoFlow     = "jobs cannot be balanced against each other; use rate_iops"
	whyNoSearch   = "searching for the depth that keeps a latency is not supported; use --matrix iodepth=1,2,4,..."
	whyNoSteady   = "waiting for a steady state is not supported; use ramp_time and runtime"
	whyProfile    = "it belongs to a profile of fio's, and those are not supported"
	whyDeprecated = "fio has removed it"
)

// refusedOptions are what fio knows and ringo refuses.
func refusedOptions() []*Option {
	refused := func(group, why string, names ...string) (rows []*Option) {
		for _, name := range names {
			rows = append(rows, &Option{Name: name, Group: group, Kind: Text, Class: Refused, Help: refusedHelp[name], Why: why})
		}
		return rows
	}
	onlyWith := func(engines []Engine, rows []*Option) []*Option {
		for _, row := range rows {
			row.Engines = engines
		}
		return rows
	}
	alias := func(alias string, rows []*Option) []*Option {
		rows[0].Aliases = append(rows[0].Aliases, alias)
		return rows
	}
	var rows []*Option
	for _, more := range [][]*Option{
		refused(groupVerify, whyNoTrim, "trim_percentage", "trim_verify_zero", "trim_backlog", "trim_backlog_batch"),
		refused(groupErrors, whyNoTrim, "block_error_percentiles"),
		refused(groupZones, whyNoZBD, "zonecapacity", "read_beyond_wp", "max_open_zones", "job_max_open_zones",
			"ignore_zone_limits", "zone_reset_threshold", "zone_reset_frequency"),
		refused(groupReplay, whyNoReplay, "write_iolog", "read_iolog", "read_iolog_chunked", "replay_no_stall",
			"replay_redirect", "replay_scale", "replay_align", "replay_time_scale", "replay_skip", "merge_blktrace_file",
			"merge_blktrace_scalars", "merge_blktrace_iters"),
		refused(groupSystem, whyNoPriority, "prio", "prioclass"),
		onlyWith(onRingoLibaio, refused(groupEngine, whyNoPriority, "cmdprio_percentage", "cmdprio_class", "cmdprio",
			"cmdprio_bssplit")),
		onlyWith(onRingo, refused(groupEngine, "NVMe commands are not supported", "cmd_type")),
		refused(groupSystem, whyNoCgroup, "cgroup", "cgroup_nodelete", "cgroup_weight"),
		refused(groupSystem, "start ringo as that user instead", "uid", "gid"),
		refused(groupSystem, "start ringo under nice(1) instead", "nice"),
		refused(groupSystem, "start ringo under numactl(8) instead", "numa_cpu_nodes", "numa_mem_policy"),
		refused(groupSystem, "memory cannot be held back from the kernel here; use a memory cgroup", "lockmem"),
		refused(groupSystem, "the scheduler of a device is not changed; write to its queue/scheduler in sysfs",
			"ioscheduler"),
		refused(groupBuffers, "buffers on a GPU are not supported", "gpu_dev_id"),
		refused(groupRate, whyNoFlow, "flow_id", "flow", "flow_sleep", "flow_watermark"),
		refused(groupDepth, whyNoSearch, "latency_target", "latency_window", "latency_percentile", "latency_run"),
		alias("ss", refused(groupTime, whyNoSteady, "steadystate")),
		alias("ss_dur", refused(groupTime, whyNoSteady, "steadystate_duration")),
		alias("ss_ramp", refused(groupTime, whyNoSteady, "steadystate_ramp_time")),
		refused(groupDepth, "overlapping I/Os are not told apart; use norandommap=0, whose offsets do not repeat",
			"serialize_overlap"),
		refused(groupSync, "sync_file_range(2) gives no durability; use fdatasync", "sync_file_range"),
		refused(groupSync, "the kernel has had no write barriers since 2.6.37", "write_barrier"),
		refused(groupSync, "O_ATOMIC was never merged into the kernel", "atomic"),
		refused(groupSync, "write life times are not passed on", "write_hint"),
		refused(groupFiles, "jobs do not lock files against each other", "lockfile"),
		refused(groupFiles, "name the files with filename", "opendir"),
		refused(groupFiles, "give offset=100% and io_size", "file_append"),
		refused(groupBuffers, "repeats are drawn from the blocks just written", "dedupe_mode",
			"dedupe_working_set_percentage", "dedupe_global"),
		refused(groupVerify, "blocks are checked by what they carry", "experimental_verify", "verify_state_load"),
		refused(groupVerify, "the checking threads run where the job does; use cpus_allowed", "verify_async_cpus"),
		refused(groupVerify, "blocks are checked by the job itself", "verify_async"),
		refused(groupReports, "histograms are in the JSON of --output-format=json+", "write_hist_log", "log_hist_msec",
			"log_hist_coarseness"),
		refused(groupFiles, "use unlink", "unlink_each_loop"),
		refused(groupVerify, whyDeprecated, "verifysort", "verifysort_nr"),
		refused(groupPattern, whyDeprecated, "percentage_sequential", "rwmixcycle"),
		refused(groupReports, "logs are written as they are; compress them afterwards", "log_compression",
			"log_compression_cpus", "log_store_compressed"),
		refused(groupReports, "use log_unix_epoch", "log_alternate_epoch", "log_alternate_epoch_clock_id"),
		refused(groupJob, whyProfile, "profile", "block", "numruns", "dir", "device-names", "load", "test-duration",
			"threads-per-queue", "read-req-num-512-blocks", "large-block-op-kbytes", "prep"),
	} {
		rows = append(rows, more...)
	}
	return rows
}

// refusedHelp says what the less known of them do.
var refusedHelp = map[string]string{
	"trim_percentage": "percent of verified blocks to trim", "trim_verify_zero": "check that trimmed blocks read as zero",
	"trim_backlog": "trim after so many writes", "trim_backlog_batch": "trim so many blocks at a time",
	"block_error_percentiles": "percentiles of trim errors per block",
	"zonecapacity":            "capacity of each zone", "read_beyond_wp": "read behind a zone's write pointer",
	"max_open_zones": "zones open at a time", "job_max_open_zones": "zones open at a time, per clone",
	"ignore_zone_limits": "ignore the device's limits", "zone_reset_threshold": "when to reset zones",
	"zone_reset_frequency": "how often to reset zones",
	"write_iolog":          "write a trace of all I/O", "read_iolog": "do the I/O of a trace",
	"read_iolog_chunked": "read the trace in pieces", "replay_no_stall": "replay as fast as possible",
	"replay_redirect": "replay on this device", "replay_scale": "divide offsets by this",
	"replay_align": "align offsets to this", "replay_time_scale": "replay slower or faster",
	"replay_skip": "leave out kinds of I/O", "merge_blktrace_file": "merge traces into this file",
	"merge_blktrace_scalars": "how to scale each trace", "merge_blktrace_iters": "how often to run each trace",
	"verify_async":   "check with threads of their own",
	"write_hist_log": "log histograms of latency", "log_hist_msec": "time between two of them",
	"log_hist_coarseness": "put buckets together", "unlink_each_loop": "remove the files after each loop",
	"prio": "I/O priority", "prioclass": "class of I/O priority", "cmdprio_percentage": "percent of I/Os with a priority",
	"cmdprio_class": "their class", "cmdprio": "their priority", "cmdprio_bssplit": "their share by block size",
	"cmd_type": "kind of NVMe command", "cgroup": "put the job into a cgroup",
	"cgroup_nodelete": "keep the cgroup", "cgroup_weight": "weight of the cgroup",
	"uid": "run as this user", "gid": "run as this group", "nice": "scheduling priority",
	"numa_cpu_nodes": "run on these NUMA nodes", "numa_mem_policy": "take memory from these NUMA nodes",
	"lockmem": "keep so much memory away from the page cache", "ioscheduler": "set the device's I/O scheduler",
	"gpu_dev_id": "the GPU whose memory to use", "flow_id": "the flow that the job belongs to",
	"flow": "weight of the job in its flow", "flow_sleep": "pause when the flow holds the job back",
	"flow_watermark": "how far jobs of a flow may drift apart", "latency_target": "find the depth that keeps this latency",
	"latency_window": "for so long", "latency_percentile": "in so many percent of I/Os",
	"latency_run": "go on when the depth is found", "steadystate": "end when a measure has settled",
	"steadystate_duration": "for so long", "steadystate_ramp_time": "look only after this time",
	"serialize_overlap": "keep I/Os to the same block apart", "sync_file_range": "call sync_file_range(2) after writes",
	"write_barrier": "make every Nth write a barrier", "atomic": "atomic writes",
	"write_hint": "expected life time of what is written", "lockfile": "lock files during I/O",
	"opendir": "use all files below a directory", "file_append": "start at the end of files",
	"dedupe_mode": "where repeats come from", "dedupe_working_set_percentage": "share of the file that is repeated",
	"dedupe_global": "repeat across jobs", "experimental_verify": "verify in another way",
	"verify_state_load": "verify up to a saved state", "verify_async_cpus": "processors for checking",
	"verifysort": "sort blocks before verifying", "verifysort_nr": "how many to sort",
	"percentage_sequential": "the opposite of percentage_random", "rwmixcycle": "length of a cycle of the mix",
	"log_compression": "compress logs in pieces of this size", "log_compression_cpus": "on these processors",
	"log_store_compressed": "write logs compressed", "log_alternate_epoch": "log times by another clock",
	"log_alternate_epoch_clock_id": "by this one", "profile": "run a profile of fio's",
	"block": "of tiobench", "numruns": "of tiobench", "dir": "of tiobench", "device-names": "of act", "load": "of act",
	"test-duration": "of act", "threads-per-queue": "of act", "read-req-num-512-blocks": "of act",
	"large-block-op-kbytes": "of act", "prep": "of act",
}
