package workload

import (
	"fmt"
	"os"
	"time"

	"github.com/ringo-io/ringo/go/workload/internal/host"
	"github.com/ringo-io/ringo/go/workload/jobfile"
	"github.com/ringo-io/ringo/go/workload/stats"
)

// result puts together what all clones have measured.
func (r *run) result(disks []diskWatch) *stats.Result {
	result := &stats.Result{Version: r.options.Version, Ended: time.Now(), Notes: r.notes, Terminated: r.terminated()}
	var singles []stats.Job
	for _, c := range r.clones {
		singles = append(singles, c.entry(result.Ended))
	}
	result.Groups = groupsOf(singles)
	for i, c := range r.clones {
		if !c.job.Stats || c.job.Engine.Engine == jobfile.EngineFio && c.index > 0 {
			continue
		}
		for d := range singles[i].GroupRate {
			singles[i].GroupRate[d] = result.Groups[groupIndex(result.Groups, c.job.Group)].Flows[d].Rate
		}
		last := len(result.Jobs) - 1
		if c.job.GroupReporting && last >= 0 && result.Jobs[last].Group == c.job.Group {
			result.Jobs[last].Merge(&singles[i])
			continue
		}
		result.Jobs = append(result.Jobs, singles[i])
	}
	for _, s := range r.clones[0].job.Globals {
		result.Globals = append(result.Globals, option(s))
	}
	for _, d := range disks {
		if now, ok := d.read(); ok {
			result.Disks = append(result.Disks, now.Since(d.before))
		}
	}
	return result
}

func groupsOf(jobs []stats.Job) (groups []stats.Group) {
	for i := range jobs {
		at := groupIndex(groups, jobs[i].Group)
		if at < 0 {
			groups = append(groups, stats.Group{Number: jobs[i].Group})
			at = len(groups) - 1
		}
		groups[at].Add(&jobs[i])
	}
	return groups
}

func groupIndex(groups []stats.Group, number int) int {
	for i := range groups {
		if groups[i].Number == number {
			return i
		}
	}
	return -1
}

// entry is the clone's own entry in the report.
func (c *clone) entry(ended time.Time) stats.Job {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.stats
	if !c.finished {
		e = c.soFar()
	}
	e.Setup = SetupOf(c.job)
	e.Merged, e.PID, e.Ended = 1, os.Getpid(), ended
	if c.job.Engine.Engine == jobfile.EngineFio {
		e.Merged = e.Clones
	}
	e.Error, e.Failure = c.error, c.reason
	e.Usage = c.usage
	m := &e.Measured
	if m.Engine == "" {
		m.Engine = c.job.Engine.Name
	}
	m.Kernel, m.Seed = c.kernel, c.job.RandSeed
	if c.job.Engine.Engine != jobfile.EngineFio {
		m.CPU, m.CPUIOs = time.Duration(c.phase.cpu.Load()), c.phase.ios.Load()
	}
	m.Cached = c.cached()
	return e
}

// SetupOf is what reports tell of a job.
func SetupOf(j *jobfile.Job) stats.Setup {
	s := stats.Setup{Name: j.Name, Description: j.Description, Group: j.Group, Engine: j.Engine.Name, RW: pattern(j),
		Depth: max(j.Depth.Limit, 1), Clones: max(j.NumJobs, 1), Percentiles: j.Percentiles,
		SlatPercentiles: j.Latencies.SlatPercentiles, ClatPercentiles: j.Latencies.ClatPercentiles,
		LatPercentiles: j.Latencies.LatPercentiles, ContinueOnError: j.ContinueOnError != 0, BytesPerKilo: j.KBBase,
		BitsNotBytes: j.UnitBase == 1, Figures: j.Significant, Mixed: j.UnifiedRW == jobfile.UnifiedMixed,
		MixedToo: j.UnifiedRW == jobfile.UnifiedBoth}
	if j.Engine.Engine == jobfile.EnginePsync {
		s.Depth = 1
	}
	for d := range s.BlockSizes {
		s.BlockSizes[d] = [2]uint64{uint64(j.BlockSize[d].Min), uint64(j.BlockSize[d].Max)}
	}
	for _, g := range j.Given {
		s.Options = append(s.Options, option(g))
	}
	return s
}

// option is a setting as reports list it: a bare flag is "1".
func option(s jobfile.Setting) stats.Option {
	if s.Bare {
		return stats.Option{Name: s.Name, Value: "1"}
	}
	return stats.Option{Name: s.Name, Value: s.Value}
}

// pattern is rw= in fio's words.
func pattern(j *jobfile.Job) string {
	p := &j.Pattern
	prefix := ""
	if p.Random {
		prefix = "rand"
	}
	switch {
	case p.Reads && p.Writes && p.Random:
		return "randrw"
	case p.Reads && p.Writes:
		return "rw"
	case p.Writes:
		return prefix + "write"
	case p.Trims:
		return prefix + "trim"
	}
	return prefix + "read"
}

// cached says why what was measured is not the device, or "".
func (c *clone) cached() string {
	if c.withoutFiles() {
		return "the null engine does no I/O"
	}
	for _, t := range c.files {
		if f, err := os.Open(t.path); err == nil {
			system := host.FileSystem(int(f.Fd()))
			_ = f.Close() // It was only read from.
			if system == "tmpfs" && !t.device {
				return t.path + " is in memory (tmpfs)"
			}
		}
	}
	j := c.job
	switch {
	case j.Direct:
		return ""
	case c.writes() && j.Sync == jobfile.SyncNone && !c.syncs() && !j.EndFsync:
		return "buffered: writes end in the page cache (direct=0, nothing syncs)"
	case j.Pattern.Reads && (j.PreRead || !j.Invalidate || j.TimeBased || j.Loops > 1 || j.NoRandomMap):
		return "buffered: reads may come from the page cache (direct=0)"
	case j.Pattern.Reads:
		return "buffered: reads come with the kernel's readahead (direct=0)"
	}
	return ""
}

// A diskWatch is a block device that the jobs' files are on.
type diskWatch struct {
	path   string
	before host.DiskReading
}

func (d diskWatch) read() (host.DiskReading, bool) {
	f, err := os.Open(d.path)
	if err != nil {
		return host.DiskReading{}, false
	}
	defer f.Close()
	return host.ReadDisk(int(f.Fd()))
}

// readDisks finds the devices of all files, each once.
func (r *run) readDisks() (disks []diskWatch) {
	seen := make(map[string]bool)
	for _, c := range r.clones {
		for _, t := range c.files {
			if c.withoutFiles() || !c.job.DiskUtil {
				continue
			}
			d := diskWatch{path: t.path}
			before, ok := d.read()
			if !ok || seen[before.Name] {
				continue
			}
			seen[before.Name] = true
			d.before = before
			disks = append(disks, d)
		}
	}
	return disks
}

// exec runs a command of the job's own; what it prints goes to a file, as fio has it.
func (c *clone) exec(when, command string) bool {
	name := fmt.Sprintf("%s.%s.txt", c.job.Name, when)
	out, err := os.Create(name)
	if err != nil {
		c.failWith(err)
		return false
	}
	defer out.Close()
	c.options.log("%s : Saving output of %s in %s", c.job.Name, when, name)
	if err := shell(command, out); err != nil {
		c.failWith(fmt.Errorf("exec_%s: %w", when, err))
		return false
	}
	return true
}
