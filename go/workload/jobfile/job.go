// SPDX-License-Identifier: MIT

package jobfile

import (
	"syscall"
	"time"
)

// A Direction is what an I/O does. It indexes the arrays of a [Job] that hold a value per direction.
type Direction int

// The directions, in the order of fio's lists (bs=READ,WRITE,TRIM). Trims are refused; their values are kept, because
// reports have a column for them.
const (
	Read Direction = iota
	Write
	Trim
	Directions // how many there are
)

// A Job is one section of a job file with all that applies to it: its own options, those of the global sections above
// it, and fio's defaults, with fio's own rules between options applied. NumJobs clones of it run; what differs between
// clones (files, seeds, offsets) is derived by whoever runs them.
//
// Sizes and offsets are in bytes. A zero means "not given" wherever zero would be of no use as a value.
type Job struct {
	// Who it is.

	Name        string   // display name: name=, or the section's
	Section     string   // the section's own name
	Description string   //
	Source      Position // where the section begins

	// Given are the section's own options in the order given, with their canonical names, as fio's JSON lists them
	// under "job options". Globals are the options of the global sections above it.
	Given, Globals []Setting

	// When it runs, beside other jobs.

	NumJobs        int           // clones
	Group          int           // reporting group, from 0: a new one begins at stonewall and new_group
	Stonewall      bool          // wait for every job before this one to end
	NewGroup       bool          //
	GroupReporting bool          // one report for the whole group
	WaitFor        string        // name of the job whose clones must all have ended first, or ""
	StartDelay     DurationRange // drawn anew for each clone
	Runtime        time.Duration // at most; 0: until the work is done. RampTime is not part of it
	TimeBased      bool          // go on until Runtime, again from the start when the work is done
	RampTime       time.Duration // run so long before statistics begin
	Loops          int           // times the whole workload is run, at least 1
	ExitAll        bool          // when this job ends, others do, by ExitWhat
	ExitWhat       ExitScope     //
	ExitAllOnError bool          //
	ExecPrerun     string        // shell command before, its output in NAME.prerun.txt
	ExecPostrun    string        // shell command after, its output in NAME.postrun.txt
	CPUsAllowed    []int         // nil: all
	CPUsPolicy     CPUPolicy     // how the clones share CPUsAllowed

	// What it does.

	Pattern          Pattern               //
	Sequencer        Sequencer             // with Pattern.Every
	BlockSize        [Directions]Range     // smallest and largest; equal for a fixed size
	BlockSplit       [Directions][]SizeMix // bssplit; nil: sizes as in BlockSize. Percents sum to 100
	BlockAlign       [Directions]int64     // of random offsets; never 0
	BlockUnaligned   bool                  // sizes drawn from a range need not be multiples of its smallest
	BlockIsSeqRand   bool                  // BlockSize[Read] is for sequential, [Write] for random I/O
	RWMixRead        int                   // percent of I/Os that read, where both directions are
	PercentageRandom [Directions]int       // percent of I/Os at random offsets, in random patterns
	Distribution     Distribution          // of random offsets
	NoRandomMap      bool                  // offsets may repeat before all were used
	RandomGenerator  Generator             //
	RandRepeat       bool                  // the same sequence in every run, from RandSeed; false: another one each time
	RandSeed         uint64                //
	Size             Amount                // of the job's region over all its files, and how much I/O by default
	IOSize           Amount                // how much I/O, where it is not Size
	FillDevice       bool                  // write until the device is full
	Offset           Amount                // where the region starts
	OffsetIncrement  Amount                // and how much farther for each clone
	OffsetAlign      int64                 // of offsets given in percent; 0: the smallest block size
	NumberIOs        int64                 // at most so many I/Os; 0: no limit
	Zone             Zone                  // zonemode=strided
	Depth            Depth                 //
	Rate             Rate                  //
	Think            Think                 //
	MaxLatency       [Directions]time.Duration
	ContinueOnError  ErrorScope                  // which errors do not end the job
	IgnoreError      [ErrorKinds][]syscall.Errno // errors that are none, by what fails

	// On which files.

	Directories     []string    // of the files, in turn for the clones; nil: the working directory
	Filenames       []string    // nil: made from FilenameFormat
	FilenameFormat  string      // with $jobname, $jobnum, $filenum, $clientuid
	NumFiles        int         //
	OpenFiles       int         // open at a time, at most NumFiles
	FileService     FileService // which file is next
	FileSize        Range       // of each; zero: Size over NumFiles
	Direct          bool        // O_DIRECT
	Sync            SyncMode    // O_SYNC or O_DSYNC
	FsyncEvery      int64       // fsync after so many writes; 0: never
	FdatasyncEvery  int64       // fdatasync after so many writes
	EndFsync        bool        // fsync at the end, within the measured time
	FsyncOnClose    bool        //
	Fallocate       Fallocate   // how space is reserved before writing
	Fadvise         Fadvise     // what the kernel is told of the pattern
	Invalidate      bool        // drop the region from the page cache before the job
	Overwrite       bool        // lay the files out before writing
	PreRead         bool        // read the files into the page cache before the job
	Unlink          bool        // remove the files at the end
	CreateFsync     bool        // fsync files that were laid out
	CreateOnOpen    bool        // create files when the job opens them
	CreateOnly      bool        // lay out, then end
	AllowCreate     bool        // otherwise a missing file is an error
	AllowMountWrite bool        // write to block devices that are mounted

	// With which data.

	Verify  Verify
	Buffers Buffers

	// By which engine.

	Engine EngineOptions

	// What is measured and reported.

	Latencies   Latencies
	Logs        Logs
	Percentiles []float64     // ascending
	UnifiedRW   Unified       //
	Stats       bool          // this job is in the report
	KBBase      int           // 1024 or 1000: what k, m, ... in the job file mean
	UnitBase    int           // 8: bytes, 1: bits, in the human report
	DiskUtil    bool          //
	Significant int           // figures in the human report
	BWAverage   time.Duration // over which bandwidth is sampled, for bw_min, bw_max and the log
	IOPSAverage time.Duration // the same for IOPS
}

// A Setting is an option as it was given.
type Setting struct {
	Name   string // canonical, whatever alias was used
	Value  string // after ${VAR} and keywords; "" for a bare option
	Bare   bool   // given without "="
	Source Position
}

// A Range is two sizes in bytes, Min <= Max.
type Range struct{ Min, Max int64 }

// A DurationRange is two times, Min <= Max.
type DurationRange struct{ Min, Max time.Duration }

// An Amount is a size in bytes or in percent of the file, device or region it speaks of. At most one is not 0.
type Amount struct {
	Bytes   int64
	Percent int
}

// A Pattern is rw= with its modifier.
type Pattern struct {
	Reads, Writes, Trims bool
	Random               bool
	Every                int   // rw=rand…:N: a new offset after so many I/Os; 1 by default
	Skip                 int64 // rw=read:N: added to the offset after each I/O, may be negative
}

// Mixed says that the job reads and writes.
func (p Pattern) Mixed() bool { return p.Reads && p.Writes }

// A Sequencer says what the I/Os between two random offsets do.
type Sequencer int

// The values of rw_sequencer.
const (
	SequencerSequential Sequencer = iota // go on behind the last
	SequencerIdentical                   // repeat the same offset
)

// SizeMix is one part of bssplit.
type SizeMix struct {
	Size    int64
	Percent int
}

// A Shape is a family of random distributions.
type Shape int

// The values of random_distribution.
const (
	Uniform Shape = iota
	Zipf          // Parameter is theta, not 1
	Pareto        // Parameter is h, between 0 and 1
	Normal        // Parameter is the deviation in percent
)

// A Distribution says how random offsets, or files, are drawn.
type Distribution struct {
	Shape     Shape
	Parameter float64
	Center    float64 // of zipf, pareto and normal, 0 to 1 of the region; -1: ranks are spread over the region
}

// A Generator is what offsets are drawn with.
type Generator int

// The values of random_generator.
const (
	Tausworthe Generator = iota
	LFSR                 // visits each block once, without a map
	Tausworthe64
)

// Depth is how I/Os are put in flight.
type Depth struct {
	Limit       int  // iodepth: in flight at most
	Low         int  // iodepth_low: refill once so few are left
	Submit      int  // iodepth_batch: submitted in one go, 1 to Limit
	CompleteMin int  // iodepth_batch_complete_min: waited for in one go; 0: what is there
	CompleteMax int  // iodepth_batch_complete_max: taken in one go, at least CompleteMin
	Auto        bool // batch=auto: the engine batches as it works best; the others are not used
}

// Rate limits a job. A zero is no limit.
type Rate struct {
	Bytes       [Directions]int64 // per second
	MinBytes    [Directions]int64 // per second; falling below ends the job
	IOPS        [Directions]int64
	MinIOPS     [Directions]int64
	Poisson     bool          // exponential gaps instead of equal ones
	Cycle       time.Duration // over which the minimum is judged
	IgnoreThink bool          // make up for time spent thinking
}

// Think is time between I/Os.
type Think struct {
	Time    time.Duration // 0: none
	Spin    time.Duration // of Time, busy
	Blocks  int           // I/Os between two pauses
	OnIssue bool          // count I/Os when issued, not when completed
	IOTime  time.Duration // or time between two pauses
}

// Zone is zonemode=strided. Size is 0 with zonemode=none.
type Zone struct {
	Size  int64 // I/O in one zone before going on to the next
	Range int64 // length of a zone, at least Size or 0
	Skip  int64 // gap between zones
}

// An ExitScope says which jobs exitall ends.
type ExitScope int

// The values of exit_what.
const (
	ExitGroup ExitScope = iota
	ExitStonewall
	ExitEverything
)

// A CPUPolicy says how clones share cpus_allowed.
type CPUPolicy int

// The values of cpus_allowed_policy.
const (
	CPUsShared CPUPolicy = iota // all clones on all of them
	CPUsSplit                   // each clone on one, in turn
)

// A ServiceOrder says which file is next.
type ServiceOrder int

// The values of file_service_type.
const (
	ServiceRoundRobin ServiceOrder = iota
	ServiceRandom
	ServiceSequential // finish a file before the next
	ServiceDistributed
)

// FileService chooses the file of the next I/O.
type FileService struct {
	Order        ServiceOrder
	Every        int          // I/Os on a file before another is chosen; 0: as fio's default for Order
	Distribution Distribution // with ServiceDistributed
}

// SyncMode is the file's synchronous mode.
type SyncMode int

// The values of sync.
const (
	SyncNone SyncMode = iota
	SyncFile          // O_SYNC
	SyncData          // O_DSYNC
)

// Fallocate is how space for a file is reserved.
type Fallocate int

// The values of fallocate.
const (
	FallocateNative Fallocate = iota // fallocate(2), silently not where unsupported
	FallocateNone
	FallocatePosix    // posix_fallocate(3)
	FallocateKeep     // FALLOC_FL_KEEP_SIZE
	FallocateTruncate // ftruncate(2)
)

// Fadvise is what posix_fadvise(2) is told.
type Fadvise int

// The values of fadvise_hint.
const (
	FadvisePattern    Fadvise = iota // RANDOM or SEQUENTIAL, by the pattern
	FadviseNone                      //
	FadviseRandom                    //
	FadviseSequential                //
)

// ErrorScope is a set of errors that do not end a job.
type ErrorScope int

// The bits of continue_on_error.
const (
	ContinueRead ErrorScope = 1 << iota
	ContinueWrite
	ContinueVerify
)

// ErrorKind indexes Job.IgnoreError.
type ErrorKind int

// The kinds, in the order of ignore_error's lists.
const (
	ReadErrors ErrorKind = iota
	WriteErrors
	VerifyErrors
	ErrorKinds
)

// A Checksum is what verify= computes. The zero value is no verification.
type Checksum int

// The values of verify.
const (
	VerifyNone          Checksum = iota
	VerifyCRC32C                 // also crc32c-intel
	VerifyCRC32                  //
	VerifyCRC64                  //
	VerifyCRC16                  //
	VerifyCRC7                   //
	VerifyMD5                    //
	VerifySHA1                   //
	VerifySHA256                 //
	VerifySHA512                 //
	VerifySHA3_224               //
	VerifySHA3_256               //
	VerifySHA3_384               //
	VerifySHA3_512               //
	VerifyXXHash                 //
	VerifyMeta                   // the header alone
	VerifyPattern                // verify=pattern: the pattern and nothing else
	VerifyPatternHeader          // verify_pattern without verify: the pattern behind a header
	VerifyNull                   // everything but the checking
)

// Verify is how written data is checked.
type Verify struct {
	Checksum     Checksum
	After        bool    // do_verify: read everything back behind the writes
	Only         bool    // verify_only: check what an earlier run of the job wrote, and write nothing
	Interval     int64   // a header every so many bytes; 0: one per block
	HeaderOffset int64   // where in an interval the header is
	Data         Payload // verify_pattern
	Fatal        bool    // the first mismatch ends the job
	Dump         bool    // write what was expected and received into files
	Backlog      int64   // check after so many writes; 0: only behind the writes
	BacklogBatch int64   // and so many at a time; 0: Backlog
}

// Payload is a repeated pattern of bytes.
type Payload struct {
	Bytes   []byte // nil: random data
	Offsets []int  // where in Bytes the I/O's offset goes, 8 bytes little endian (%o)
}

// Buffers is what is written where nothing is verified.
type Buffers struct {
	Zero          bool    // all zeroes
	Refill        bool    // fresh random data for each I/O
	Scramble      bool    // small changes for each I/O, against deduplication
	Data          Payload // buffer_pattern
	Compress      int     // percent that compresses away
	CompressChunk int64   // in pieces of so many bytes; 0: of 512
	Dedupe        int     // percent of buffers that repeat an earlier one
	Align         int64   // iomem_align
}

// Latencies says which latencies are measured (submission, completion, total), and which have percentiles.
type Latencies struct {
	DisableSlat, DisableClat, DisableLat, DisableBW  bool
	SlatPercentiles, ClatPercentiles, LatPercentiles bool
}

// Unified says how directions are put together in reports.
type Unified int

// The values of unified_rw_reporting.
const (
	UnifiedNone  Unified = iota
	UnifiedMixed         // one "mixed" direction instead of three
	UnifiedBoth          // both
)

// Logs are the log files. An empty name is no log.
type Logs struct {
	Bandwidth, Latency, IOPS string        // prefixes of the files' names
	PerJob                   bool          // the job's number in the files' names
	Every                    time.Duration // average over; 0: each I/O
	MaxValue                 bool          // the window's largest instead of its average
	Offset                   bool          // the I/O's offset in each line
	UnixEpoch                bool          // times count from 1970, not from the start
}

// An Engine does the I/O.
type Engine int

// The engines. Names of fio's that mean one of these are aliases of it.
const (
	EnginePsync Engine = iota // pread(2), pwrite(2): also sync, vsync, pvsync, pvsync2
	EngineRingo               // also io_uring
	EngineThreads
	EngineGoRead // iodepth goroutines with ReadAt and WriteAt
	EngineLibaio
	EngineNull
	EngineFio // the installed fio's; which one is EngineOptions.Fio
)

// EngineOptions are the engine and its own options.
type EngineOptions struct {
	Engine        Engine
	Name          string // as given
	Fio           string // with EngineFio, fio's name of the engine
	FixedBuffers  bool   // fixedbufs
	RegisterFiles bool   //
	SQPoll        bool   // sqthread_poll
	SQPollCPU     int    // -1: any
	HiPri         bool   // polled completions
	NonVectored   bool   // READ and WRITE instead of READV and WRITEV
	ForceAsync    int    // IOSQE_ASYNC on every so manieth I/O; 0: none
	NoWait        bool   // RWF_NOWAIT
	Uncached      bool   // RWF_DONTCACHE
	UserspaceReap bool   // libaio: take completions without a system call
}
