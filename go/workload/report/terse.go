package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// Terse writes a line per job, its fields parted by semicolons, in one of fio's versions of that form: 2 to
// 5. Times are in µs.
func Terse(to io.Writer, result *stats.Result, version int) error {
	var out strings.Builder
	for i := range result.Jobs {
		line := &terseLine{version: version}
		line.job(&result.Jobs[i], result.Disks)
		out.WriteString(strings.Join(line.fields, ";"))
		out.WriteByte('\n')
	}
	_, err := io.WriteString(to, out.String())
	return err
}

type terseLine struct {
	version int
	fields  []string
}

func (l *terseLine) add(format string, args ...any) {
	l.fields = append(l.fields, fmt.Sprintf(format, args...))
}

// tersePercentiles is how many fields there are for percentiles, whatever the list's length.
const tersePercentiles = 20

func (l *terseLine) job(j *stats.Job, disks []stats.Disk) {
	l.add("%d", l.version)
	if l.version > 2 {
		l.add("fio-" + fioVersion)
	}
	l.add("%s", strings.ReplaceAll(j.Name, ";", "_"))
	l.add("%d", j.Group)
	l.add("%d", j.Error)
	directions := stats.Directions
	if l.version == 3 {
		directions-- // without trims
	}
	for d := range directions {
		l.flow(j, stats.NamedFlow{Flow: &j.Flows[d], GroupRate: j.GroupRate[d]})
	}
	u := &j.Usage
	l.add("%f%%", share(u.User, j.Runtime))
	l.add("%f%%", share(u.System, j.Runtime))
	l.add("%d", u.ContextSwitches)
	l.add("%d", u.MajorFaults)
	l.add("%d", u.MinorFaults)
	l.shares("%.1f%%", &j.Depths, len(stats.DepthLabels), j.Issued(), stats.DepthFloor)
	below := j.Spread.NS.Total() // Version 3 counts what is below 1 µs to its first class.
	micros := j.Spread.US
	micros[0] += below
	l.shares("%.2f%%", &micros, len(stats.LatencyLabels), j.IOs(), stats.LatencyFloor)
	l.shares("%.2f%%", &j.Spread.MS, len(stats.LatencyMSLabels), j.IOs(), stats.LatencyFloor)
	for i := range disks {
		d := &disks[i]
		l.add("%s;%d;%d;%d;%d;%d;%d;%d;%.2f%%", d.Name, d.IOs[0], d.IOs[1], d.Merges[0], d.Merges[1], d.Ticks[0], d.Ticks[1],
			d.InQueue, d.Utilisation)
	}
	if j.ContinueOnError {
		l.add("%d;%d", j.Errors, j.First)
	}
	if j.Description != "" {
		if l.version == 2 {
			l.fields[len(l.fields)-1] += "\n" // fio has it on a line of its own.
		}
		l.add("%s", j.Description)
	}
}

func (l *terseLine) flow(j *stats.Job, f stats.NamedFlow) {
	l.add("%d", f.Bytes>>10)
	l.add("%d", uint64(f.BytesPerSecond()/1024))
	l.add("%d", uint64(f.IOPerSecond()))
	l.add("%d", f.Duration.Milliseconds())
	l.latency(&f.Slat)
	l.latency(&f.Clat)
	var values []uint64
	if f.Clat.Histogram != nil && j.ClatPercentiles {
		values = f.Clat.Histogram.Percentiles(j.Percentiles)
	}
	for i := range tersePercentiles {
		switch {
		case i < len(values):
			l.add("%f%%=%d", j.Percentiles[i], values[i]/1000)
		case i < len(j.Percentiles) && j.ClatPercentiles:
			l.add("%f%%=0", j.Percentiles[i])
		default:
			l.add("0%%=0")
		}
	}
	l.latency(&f.Lat)
	l.add("%d", f.BW.Min)
	l.add("%d", f.BW.Max)
	l.add("%f%%", f.SharePercent())
	l.add("%f", f.BW.Mean)
	l.add("%f", f.BW.StdDev())
	if l.version < 5 {
		return
	}
	l.add("%d", f.BW.N)
	l.add("%d", f.IOPS.Min)
	l.add("%d", f.IOPS.Max)
	l.add("%f", f.IOPS.Mean)
	l.add("%f", f.IOPS.StdDev())
	l.add("%d", f.IOPS.N)
}

func (l *terseLine) latency(series *stats.Latency) {
	l.add("%d", series.Min/1000)
	l.add("%d", series.Max/1000)
	l.add("%f", series.Mean()/1000)
	l.add("%f", series.StdDev()/1000)
}

func (l *terseLine) shares(format string, c *stats.Counts, classes int, total uint64, floor float64) {
	for i := range classes {
		l.add(format, c.Percent(i, total, floor))
	}
}
