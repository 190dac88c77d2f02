package stats

import "time"

// A Result is everything a run has to tell. Reports are made of it alone.
type Result struct {
	Version    string // of ringo
	Ended      time.Time
	Globals    []Option
	Jobs       []Job // entries as reported: clones merged where group reporting was asked for
	Groups     []Group
	Disks      []Disk
	Notes      []string // what the reader must know: what was ignored, what was cached
	Terminated string   // the signal or cause that ended the run early, or ""
}

// Failed says whether any job ended in an error.
func (r *Result) Failed() bool {
	for i := range r.Jobs {
		if r.Jobs[i].Error != 0 {
			return true
		}
	}
	return false
}

// A Group sums up the jobs that ran in one reporting group.
type Group struct {
	Number int
	Flows  [Directions]GroupFlow
}

// A GroupFlow is one direction of a group. Rates are in bytes per second.
type GroupFlow struct {
	Bytes             uint64
	Rate              float64 // all bytes over the longest duration
	MinRate, MaxRate  float64 // of single jobs
	Shortest, Longest time.Duration
	any               bool
}

// Add takes one job, not one of several merged, into the group.
func (g *Group) Add(j *Job) {
	for d := range j.Flows {
		flow, sum := &j.Flows[d], &g.Flows[d]
		if flow.Duration == 0 {
			continue
		}
		rate := flow.BytesPerSecond()
		if !sum.any {
			*sum = GroupFlow{MinRate: rate, MaxRate: rate, Shortest: flow.Duration, Longest: flow.Duration, any: true}
		}
		sum.Bytes += flow.Bytes
		sum.MinRate, sum.MaxRate = min(sum.MinRate, rate), max(sum.MaxRate, rate)
		sum.Shortest, sum.Longest = min(sum.Shortest, flow.Duration), max(sum.Longest, flow.Duration)
		sum.Rate = perSecond(sum.Bytes, sum.Longest)
	}
}

// A Disk is what a block device did during the run, from /proc/diskstats.
type Disk struct {
	Name                 string
	IOs, Merges, Sectors [2]uint64 // reads, writes
	Ticks                [2]uint64 // ms
	InQueue              uint64    // ms
	Utilisation          float64   // percent
}
