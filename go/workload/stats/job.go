package stats

import "time"

// A Direction is what an I/O does.
type Direction int

// The directions, in the order of fio's reports. Syncs have no bytes and stand apart.
const (
	Read Direction = iota
	Write
	Trim
	Directions = 3
)

// DirectionNames are the names of the directions in reports.
var DirectionNames = [Directions]string{"read", "write", "trim"}

// A Point is a rate, in KiB/s or I/Os per second, in the time up to At.
type Point struct {
	At    time.Duration
	Value float64
}

// A Flow is what was done in one direction.
type Flow struct {
	Bytes    uint64
	IOs      uint64 // completed
	Issued   uint64 // handed to the engine, after the ramp
	Short    uint64 // ended before their last byte, and were continued
	Dropped  uint64
	Duration time.Duration // from the start to the last completion; the longest of merged jobs
	// Submission, completion and total latency; and, where a rate is kept, the latency since the moment the
	// I/O should have been started.
	Slat, Clat, Lat, Intended Latency
	// Samples over time, each of one window: KiB/s and I/Os per second.
	BW, IOPS Samples
	// The same over time, for charts.
	BWSeries, IOPSSeries []Point
}

// BytesPerSecond is the flow's bandwidth over its own duration.
func (f *Flow) BytesPerSecond() float64 { return perSecond(f.Bytes, f.Duration) }

// IOPerSecond is the flow's rate over its own duration.
func (f *Flow) IOPerSecond() float64 { return perSecond(f.IOs, f.Duration) }

func perSecond(count uint64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	// fio divides by whole milliseconds, and so do those who check its arithmetic.
	return float64(count) * 1000 / float64(max(d.Milliseconds(), 1))
}

func (f *Flow) merge(other *Flow) {
	f.Bytes += other.Bytes
	f.IOs += other.IOs
	f.Issued += other.Issued
	f.Short += other.Short
	f.Dropped += other.Dropped
	f.Duration = max(f.Duration, other.Duration)
	f.Slat.Merge(&other.Slat)
	f.Clat.Merge(&other.Clat)
	f.Lat.Merge(&other.Lat)
	f.Intended.Merge(&other.Intended)
	f.BW.Merge(&other.BW)
	f.IOPS.Merge(&other.IOPS)
	f.BWSeries = addSeries(f.BWSeries, other.BWSeries)
	f.IOPSSeries = addSeries(f.IOPSSeries, other.IOPSSeries)
}

// addSeries adds the rates of jobs that ran at the same time, point by point.
func addSeries(a, b []Point) []Point {
	sum := make([]Point, max(len(a), len(b)))
	copy(sum, a)
	for i, p := range b {
		sum[i].At = max(sum[i].At, p.At)
		sum[i].Value += p.Value
	}
	return sum
}

// A Usage is what a job's threads used of the machine.
type Usage struct {
	User, System    time.Duration
	ContextSwitches uint64
	MajorFaults     uint64
	MinorFaults     uint64
}

// Add adds the usage of another job, or of another part of it.
func (u *Usage) Add(other Usage) {
	u.User += other.User
	u.System += other.System
	u.ContextSwitches += other.ContextSwitches
	u.MajorFaults += other.MajorFaults
	u.MinorFaults += other.MinorFaults
}

// Since is the usage after an earlier moment.
func (u Usage) Since(earlier Usage) Usage {
	return Usage{u.User - earlier.User, u.System - earlier.System, u.ContextSwitches - earlier.ContextSwitches,
		u.MajorFaults - earlier.MajorFaults, u.MinorFaults - earlier.MinorFaults}
}

// An Option is an option of a job as it was given, or as it is in effect.
type Option struct{ Name, Value string }

// A Setup is what a job was asked to do, as far as reports tell.
type Setup struct {
	Name        string
	Description string
	Group       int
	Engine      string
	RW          string
	BlockSizes  [Directions][2]uint64 // from and to, per direction
	Depth       int
	Clones      int      // numjobs
	Options     []Option // in the order given, the job's own
	Percentiles []float64
	// Which latencies have percentiles in reports.
	SlatPercentiles, ClatPercentiles, LatPercentiles bool
	// What is not measured is absent from the human report and zero in JSON.
	NoSlat, NoClat, NoLat, NoBW bool
	// Synchronous engines have no submission latency.
	Synchronous bool
	// A failed I/O does not end the job, and is counted.
	ContinueOnError bool
	BytesPerKilo    int // 1024 or 1000, as kb_base says
	BitsNotBytes    bool
	Figures         int // significant figures of the human report
	// Directions put together in reports: instead of each by itself, or beside them.
	Mixed, MixedToo bool
}

// A Measured is what only ringo measures, beside what fio reports.
type Measured struct {
	Engine   string // what ran it, with its version and backend
	Kernel   string
	CPU      time.Duration // user + system of the whole process while the job's phase ran, io-wq workers included
	CPUIOs   uint64        // the I/Os that CPU was used for: those of every job of the phase
	Syscalls float64       // per I/O; negative where it cannot be known
	Cached   string        // why this is no run on the device, or ""
	Seed     uint64
}

// CPUPerIO is in ns; 0 where unknown.
func (m *Measured) CPUPerIO() float64 {
	if m.CPUIOs == 0 {
		return 0
	}
	return float64(m.CPU.Nanoseconds()) / float64(m.CPUIOs)
}

// A Job is the outcome of one job, or of several merged into one entry.
type Job struct {
	Setup
	Merged   int // how many jobs this entry stands for
	PID      int
	Error    int // errno, 0 for none
	Failure  string
	Ended    time.Time
	Flows    [Directions]Flow
	Sync     Latency // of fsync, fdatasync and sync_file_range
	Runtime  time.Duration
	Elapsed  time.Duration
	Usage    Usage
	Spread   LatencySpread
	Depths   Counts
	Submits  Counts
	Reaps    Counts
	Errors   uint64
	First    int // errno of the first of Errors
	Measured Measured
	// Bytes per second of the whole group: bandwidth samples are shown in percent of it.
	GroupRate [Directions]float64
}

// A NamedFlow is a flow as reports show it.
type NamedFlow struct {
	Name string
	*Flow
	GroupRate float64
}

// Reported gives the flows that reports show: one per direction, or all of them put together.
func (j *Job) Reported() (flows []NamedFlow) {
	mixed, rate := new(Flow), 0.0
	for d := range j.Flows {
		if !j.Mixed {
			flows = append(flows, NamedFlow{DirectionNames[d], &j.Flows[d], j.GroupRate[d]})
		}
		mixed.merge(&j.Flows[d])
		rate += j.GroupRate[d]
	}
	if j.Mixed || j.MixedToo {
		flows = append(flows, NamedFlow{"mixed", mixed, rate})
	}
	return flows
}

// SharePercent is the mean of the bandwidth samples in percent of the group's bandwidth.
func (f NamedFlow) SharePercent() float64 {
	if f.GroupRate <= 0 {
		return 0
	}
	return min(100*1024*f.BW.Mean/f.GroupRate, 100)
}

// Issued is how many I/Os and syncs were handed to the engine.
func (j *Job) Issued() uint64 {
	issued := j.Sync.N
	for i := range j.Flows {
		issued += j.Flows[i].Issued
	}
	return issued
}

// IOs is how many reads, writes and trims have completed.
func (j *Job) IOs() (total uint64) {
	for i := range j.Flows {
		total += j.Flows[i].IOs
	}
	return total
}

// Merge adds another job of the same group to an entry that stands for several.
func (j *Job) Merge(other *Job) {
	for i := range j.Flows {
		j.Flows[i].merge(&other.Flows[i])
	}
	j.Merged += other.Merged
	j.Sync.Merge(&other.Sync)
	j.Runtime += other.Runtime // fio's usr and sys are shares of the sum
	j.Elapsed = max(j.Elapsed, other.Elapsed)
	j.Usage.Add(other.Usage)
	j.Spread.Merge(&other.Spread)
	j.Depths.Merge(&other.Depths)
	j.Submits.Merge(&other.Submits)
	j.Reaps.Merge(&other.Reaps)
	j.Errors += other.Errors
	if j.First == 0 {
		j.First = other.First
	}
	if j.Error == 0 {
		j.Error, j.Failure = other.Error, other.Failure
	}
	if j.Measured.Cached == "" {
		j.Measured.Cached = other.Measured.Cached
	}
}
