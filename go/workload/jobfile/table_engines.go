// SPDX-License-Identifier: MIT

package jobfile

var (
	onRingo       = []Engine{EngineRingo}
	onRingoLibaio = []Engine{EngineRingo, EngineLibaio}
	onLibaio      = []Engine{EngineLibaio}
)

func engineOptions() []*Option {
	return []*Option{
		{Name: "ioengine", Group: groupEngine, Kind: Text, Default: "psync", Form: "ENGINE", store: storeEngine,
			Help: "what does the I/O: ringo (or io_uring), threads, goread, psync (or sync), libaio, null, or" +
				" fio:ENGINE for the installed fio"},
		{Name: "batch", Group: groupEngine, Kind: Choice, Values: []string{"fio", "auto"}, Default: "fio",
			Engines: onRingo, Ours: true,
			Help:  "auto: batch as ringo works best, whatever the iodepth_batch options say; fio: as they say",
			store: toChoice(func(j *Job) *bool { return &j.Depth.Auto }, false, true)},
		{Name: "fixedbufs", Group: groupEngine, Kind: Flag, Engines: onRingo, Help: "register the buffers with the ring",
			store: toBool(func(j *Job) *bool { return &j.Engine.FixedBuffers })},
		{Name: "registerfiles", Group: groupEngine, Kind: Flag, Engines: onRingo,
			Help:  "register the files with the ring",
			store: toBool(func(j *Job) *bool { return &j.Engine.RegisterFiles })},
		{Name: "sqthread_poll", Group: groupEngine, Kind: Flag, Engines: onRingo,
			Help: "let a kernel thread submit (SQPOLL); implies registerfiles", store: storeSQPoll},
		{Name: "sqthread_poll_cpu", Group: groupEngine, Kind: Integer, Engines: onRingo,
			Help: "bind that thread to this processor; implies sqthread_poll", store: storeSQPollCPU},
		{Name: "hipri", Group: groupEngine, Kind: Flag, Engines: onRingo,
			Help:  "poll for completions (IOPOLL); needs direct=1 and a device that can",
			store: toBool(func(j *Job) *bool { return &j.Engine.HiPri })},
		{Name: "nonvectored", Group: groupEngine, Kind: Integer, Min: -1, Max: 1, Default: "-1", Engines: onRingo,
			Help:  "READ and WRITE instead of READV and WRITEV; -1: where the kernel has them",
			store: storeNonVectored},
		{Name: "force_async", Group: groupEngine, Kind: Integer, Engines: onRingo,
			Help:  "send every Nth I/O to a worker thread of the kernel at once",
			store: toInt(func(j *Job) *int { return &j.Engine.ForceAsync })},
		{Name: "uncached", Group: groupEngine, Kind: Integer, Max: 1, Engines: onRingo,
			Help:  "buffered I/O that leaves nothing in the page cache (RWF_DONTCACHE, Linux 6.14)",
			store: toBool(func(j *Job) *bool { return &j.Engine.Uncached })},
		{Name: "nowait", Group: groupEngine, Kind: Boolean, Engines: onRingoLibaio,
			Help:  "fail with EAGAIN instead of waiting (RWF_NOWAIT)",
			store: toBool(func(j *Job) *bool { return &j.Engine.NoWait })},
		{Name: "userspace_reap", Group: groupEngine, Kind: Flag, Engines: onLibaio,
			Help:  "take completions from memory, without a system call",
			store: toBool(func(j *Job) *bool { return &j.Engine.UserspaceReap })},
		{Name: "clocksource", Group: groupSystem, Kind: Choice, Values: []string{"gettimeofday", "clock_gettime", "cpu"},
			Class: Inert, Help: "the clock to measure with", Why: "the monotonic clock is always used"},
	}
}

func depthOptions() []*Option {
	return []*Option{
		{Name: "iodepth", Group: groupDepth, Kind: Integer, Min: 1, Max: maxDepth, Default: "1",
			Help:  "I/Os in flight at most; psync has no more than 1",
			store: toInt(func(j *Job) *int { return &j.Depth.Limit })},
		{Name: "iodepth_batch", Aliases: []string{"iodepth_batch_submit"}, Group: groupDepth, Kind: Integer, Default: "1",
			Help:  "I/Os submitted in one go; 0: iodepth",
			store: toInt(func(j *Job) *int { return &j.Depth.Submit })},
		{Name: "iodepth_batch_complete_min", Aliases: []string{"iodepth_batch_complete"}, Group: groupDepth,
			Kind: Integer, Default: "1", Help: "completions waited for in one go; 0: take what is there",
			store: toInt(func(j *Job) *int { return &j.Depth.CompleteMin })},
		{Name: "iodepth_batch_complete_max", Group: groupDepth, Kind: Integer,
			Help:  "completions taken in one go; iodepth_batch_complete_min, if not given",
			store: toInt(func(j *Job) *int { return &j.Depth.CompleteMax })},
		{Name: "iodepth_low", Group: groupDepth, Kind: Integer,
			Help:  "once the depth is reached, submit again only when so few are in flight; iodepth, if not given",
			store: toInt(func(j *Job) *int { return &j.Depth.Low })},
		{Name: "io_submit_mode", Group: groupDepth, Kind: Choice, Values: []string{"inline", "offload"},
			Default: "inline", Help: "inline: the job itself submits", store: storeSubmitMode},
	}
}

// maxDepth is what an io_uring can have in flight: IORING_MAX_ENTRIES.
const maxDepth = 32768

func rateOptions() []*Option {
	return []*Option{
		{Name: "rate", Group: groupRate, Kind: Bytes, PerDirection: true, Help: "bytes per second at most",
			store: toEach(func(j *Job) *[Directions]int64 { return &j.Rate.Bytes })},
		{Name: "rate_min", Aliases: []string{"ratemin"}, Group: groupRate, Kind: Bytes, PerDirection: true,
			Help:  "end the job when it moves fewer bytes per second",
			store: toEach(func(j *Job) *[Directions]int64 { return &j.Rate.MinBytes })},
		{Name: "rate_iops", Group: groupRate, Kind: Integer, PerDirection: true, Help: "I/Os per second at most",
			store: toEach(func(j *Job) *[Directions]int64 { return &j.Rate.IOPS })},
		{Name: "rate_iops_min", Group: groupRate, Kind: Integer, PerDirection: true,
			Help:  "end the job when it does fewer I/Os per second",
			store: toEach(func(j *Job) *[Directions]int64 { return &j.Rate.MinIOPS })},
		{Name: "rate_process", Group: groupRate, Kind: Choice, Values: []string{"linear", "poisson"}, Default: "linear",
			Help:  "equal gaps between I/Os, or those of a Poisson process",
			store: toChoice(func(j *Job) *bool { return &j.Rate.Poisson }, false, true)},
		{Name: "rate_cycle", Aliases: []string{"ratecycle"}, Group: groupRate, Kind: Integer, Default: "1000",
			Form: "MSEC", Help: "time over which rate_min and rate_iops_min are judged", store: toMillis(rateCycleOf)},
		{Name: "rate_ignore_thinktime", Group: groupRate, Kind: Boolean,
			Help:  "make up for the time spent in thinktime",
			store: toBool(func(j *Job) *bool { return &j.Rate.IgnoreThink })},
		{Name: "thinktime", Group: groupRate, Kind: Micros, Default: "0",
			Help: "pause so long after thinktime_blocks I/Os", store: toInt(thinkTimeOf)},
		{Name: "thinktime_spin", Group: groupRate, Kind: Micros, Default: "0",
			Help: "keep the processor busy in so much of it", store: toInt(thinkSpinOf)},
		{Name: "thinktime_blocks", Group: groupRate, Kind: Integer, Default: "1", Help: "I/Os between two pauses",
			store: toInt(func(j *Job) *int { return &j.Think.Blocks })},
		{Name: "thinktime_blocks_type", Group: groupRate, Kind: Choice, Values: []string{"complete", "issue"},
			Default: "complete", Help: "count I/Os when they complete or when they are issued",
			store: toChoice(func(j *Job) *bool { return &j.Think.OnIssue }, false, true)},
		{Name: "thinktime_iotime", Group: groupRate, Kind: Seconds, Default: "0",
			Help: "pause after so long, or after thinktime_blocks I/Os where that is more than one", store: toInt(thinkIOTimeOf)},
		{Name: "max_latency", Group: groupRate, Kind: Micros, PerDirection: true,
			Help: "end the job at an I/O that takes longer", store: toEach(maxLatencyOf)},
	}
}
