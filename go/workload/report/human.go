package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"syscall"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// Human writes a result as fio prints it: line for line, since scripts read this form too. The lines
// that only ringo has come last in each job and begin with "ringo".
func Human(to io.Writer, result *stats.Result) error {
	w := &humanWriter{}
	for i := range result.Jobs {
		w.job(&result.Jobs[i])
	}
	for i := range result.Groups {
		w.group(&result.Groups[i], result.Jobs)
	}
	if len(result.Disks) > 0 {
		w.line("\nDisk stats (read/write):")
	}
	for i := range result.Disks {
		d := &result.Disks[i]
		w.line("  %s: ios=%d/%d, merge=%d/%d, ticks=%d/%d, in_queue=%d, util=%.2f%%", d.Name, d.IOs[0], d.IOs[1],
			d.Merges[0], d.Merges[1], d.Ticks[0], d.Ticks[1], d.InQueue, d.Utilisation)
	}
	_, err := io.WriteString(to, w.out.String())
	return err
}

type humanWriter struct{ out strings.Builder }

func (w *humanWriter) line(format string, args ...any) {
	fmt.Fprintf(&w.out, format+"\n", args...)
}

func (w *humanWriter) job(j *stats.Job) {
	failure := ""
	if j.Error != 0 {
		failure = fmt.Sprintf(" (%s)", reason(j))
	}
	w.line("%s: (groupid=%d, jobs=%d): err=%2d%s: pid=%d: %s", j.Name, j.Group, max(j.Merged, 1), j.Error, failure, j.PID,
		j.Ended.Format(ctime))
	if j.Description != "" {
		w.line("  Description  : [%s]", j.Description)
	}
	for _, f := range j.Reported() {
		if f.Duration > 0 && f.Issued > 0 {
			w.flow(j, f)
		}
	}
	w.spread("nsec", stats.LatencyLabels, &j.Spread.NS, j.IOs())
	w.spread("usec", stats.LatencyLabels, &j.Spread.US, j.IOs())
	w.spread("msec", stats.LatencyMSLabels, &j.Spread.MS, j.IOs())
	if j.Sync.N > 0 {
		w.line("  fsync/fdatasync/sync_file_range:")
		w.latency("sync", &j.Sync)
		w.percentiles("sync", &j.Sync, j.Percentiles)
	}
	u := &j.Usage
	w.line("  cpu          : usr=%3.2f%%, sys=%3.2f%%, ctx=%d, majf=%d, minf=%d", share(u.User, j.Runtime),
		share(u.System, j.Runtime), u.ContextSwitches, u.MajorFaults, u.MinorFaults)
	w.shares("  IO depths    : ", stats.DepthLabels, &j.Depths, j.Issued())
	w.shares("     submit    : ", stats.BatchLabels, &j.Submits, j.Submits.Total())
	w.shares("     complete  : ", stats.BatchLabels, &j.Reaps, j.Reaps.Total())
	f := &j.Flows
	w.line("     issued rwts: total=%d,%d,%d,%d short=%d,%d,%d,0 dropped=%d,%d,%d,0", f[0].Issued, f[1].Issued, f[2].Issued,
		j.Sync.N, f[0].Short, f[1].Short, f[2].Short, f[0].Dropped, f[1].Dropped, f[2].Dropped)
	if j.ContinueOnError {
		first := "Success"
		if j.First != 0 {
			first = errnoText(j.First)
		}
		w.line("     errors    : total=%d, first_error=%d/<%s>", j.Errors, j.First, first)
	}
	w.line("     latency   : target=0, window=0, percentile=100.00%%, depth=%d", max(j.Depth, 1))
	w.measured(j)
}

// reason says why a job failed: what happened, else what errno means.
func reason(j *stats.Job) string {
	if j.Failure != "" {
		return j.Failure
	}
	return errnoText(j.Error)
}

func errnoText(errno int) string {
	text := syscall.Errno(errno).Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

func (w *humanWriter) flow(j *stats.Job, f stats.NamedFlow) {
	first, second := bandwidth(j, f.BytesPerSecond())
	zones := ""
	if f.Name == "write" {
		zones = "; 0 zone resets"
	}
	w.line("  %s: IOPS=%s, BW=%s (%s)(%s/%dmsec)%s", f.Name, short(f.IOPerSecond(), figures(j), 1000, ""),
		first, second, amount(j, f.Bytes, j.BytesPerKilo), f.Duration.Milliseconds(), zones)
	w.latency("slat", &f.Slat)
	w.latency("clat", &f.Clat)
	w.latency(" lat", &f.Lat)
	for _, l := range []struct {
		name    string
		latency *stats.Latency
		wanted  bool
	}{{"slat", &f.Slat, j.SlatPercentiles}, {"clat", &f.Clat, j.ClatPercentiles}, {"lat", &f.Lat, j.LatPercentiles}} {
		if l.wanted {
			w.percentiles(l.name, l.latency, j.Percentiles)
		}
	}
	if f.Intended.N > 0 {
		w.latency("ilat", &f.Intended)
		w.percentiles("ilat (from the intended start)", &f.Intended, j.Percentiles)
	}
	w.samples(f)
}

func (w *humanWriter) latency(name string, l *stats.Latency) {
	if l.N == 0 {
		return
	}
	scale := scaleFor(l.Min, l.Max, l.StdDev())
	value := func(ns uint64) string { return short(float64(ns)/scale.divisor, 6, 1000, "") }
	w.line("    %s (%s): min=%s, max=%s, avg=%5.2f, stdev=%5.2f", name, scale.name, value(l.Min), value(l.Max),
		l.Mean()/scale.divisor, l.StdDev()/scale.divisor)
}

func (w *humanWriter) percentiles(name string, l *stats.Latency, percents []float64) {
	if l.N == 0 || l.Histogram == nil || len(percents) == 0 {
		return
	}
	values := l.Histogram.Percentiles(percents)
	low, high := values[0], values[len(values)-1]
	scale := scaleFor(low, high, math.Inf(1))
	width := max(5, digits(math.Floor(float64(high)/scale.divisor)))
	decimals := decimalsOf(percents)
	perLine := max((80-7)/(decimals+10+width), 1)
	w.line("    %s percentiles (%s):", name, scale.name)
	for i, value := range values {
		if i%perLine == 0 {
			w.out.WriteString("     |")
		}
		fmt.Fprintf(&w.out, " %*.*fth=[%*d]", 3+decimals, decimals, percents[i], width,
			uint64(math.Ceil(float64(value)/scale.divisor)))
		switch {
		case i == len(values)-1:
			w.out.WriteByte('\n')
		case i%perLine == perLine-1:
			w.out.WriteString(",\n")
		default:
			w.out.WriteByte(',')
		}
	}
}

// decimalsOf is how many decimals tell all the percentages apart, at least two.
func decimalsOf(percents []float64) int {
	decimals := 2
	for _, p := range percents {
		for decimals < 6 && math.Abs(p*math.Pow10(decimals)-math.Round(p*math.Pow10(decimals))) > 1e-6 {
			decimals++
		}
	}
	return decimals
}

func (w *humanWriter) samples(f stats.NamedFlow) {
	if f.BW.N > 0 {
		unit, divisor := "KiB", 1.0
		for _, larger := range []string{"MiB", "GiB"} {
			if f.BW.Mean/divisor <= 1024*1024 {
				break
			}
			unit, divisor = larger, divisor*1024
		}
		w.line("   bw (%5s/s): min=%5.0f, max=%5.0f, per=%3.2f%%, avg=%5.2f, stdev=%5.2f, samples=%d", unit,
			math.Floor(float64(f.BW.Min)/divisor), math.Floor(float64(f.BW.Max)/divisor), f.SharePercent(),
			f.BW.Mean/divisor, f.BW.StdDev()/divisor, f.BW.N)
	}
	if f.IOPS.N > 0 {
		w.line("   iops        : min=%5d, max=%5d, avg=%5.2f, stdev=%5.2f, samples=%d", f.IOPS.Min, f.IOPS.Max,
			f.IOPS.Mean, f.IOPS.StdDev(), f.IOPS.N)
	}
}

func (w *humanWriter) spread(unit string, labels []string, c *stats.Counts, total uint64) {
	written := 0
	for i, label := range labels {
		percent := c.Percent(i, total, stats.LatencyFloor)
		if percent == 0 {
			continue
		}
		switch {
		case written%5 != 0:
			w.out.WriteString(", ")
		case written > 0:
			w.out.WriteByte('\n')
			fallthrough
		default:
			fmt.Fprintf(&w.out, "  lat (%s)   : ", unit)
		}
		fmt.Fprintf(&w.out, "%s=%3.2f%%", label, percent)
		written++
	}
	if written > 0 {
		w.out.WriteByte('\n')
	}
}

func (w *humanWriter) shares(name string, labels []string, c *stats.Counts, total uint64) {
	w.out.WriteString(name)
	for i, label := range labels {
		if i > 0 {
			w.out.WriteString(", ")
		}
		fmt.Fprintf(&w.out, "%s=%3.1f%%", label, c.Percent(i, total, stats.DepthFloor))
	}
	w.out.WriteByte('\n')
}

func (w *humanWriter) measured(j *stats.Job) {
	m := &j.Measured
	if m.Engine == "" {
		return
	}
	syscalls := "n/a"
	if m.Syscalls >= 0 {
		syscalls = fmt.Sprintf("%.3f", m.Syscalls)
	}
	w.line("     ringo     : engine=%s, cpu=%.0f ns/IO, syscalls=%s/IO, seed=%d", m.Engine, m.CPUPerIO(), syscalls, m.Seed)
	if m.Cached != "" {
		w.line("     ringo     : not a measurement of the device: %s", m.Cached)
	}
}

func (w *humanWriter) group(g *stats.Group, jobs []stats.Job) {
	w.line("\nRun status group %d (all jobs):", g.Number)
	j := &stats.Job{Setup: stats.Setup{BytesPerKilo: 1024}}
	for i := range jobs {
		if jobs[i].Group == g.Number {
			j = &jobs[i]
			break
		}
	}
	for d := range g.Flows {
		f := &g.Flows[d]
		if f.Longest == 0 {
			continue
		}
		first, second := bandwidth(j, f.Rate)
		low, lowSecond := bandwidth(j, f.MinRate)
		high, highSecond := bandwidth(j, f.MaxRate)
		w.line("%7s: bw=%s (%s), %s-%s (%s-%s), io=%s (%s), run=%d-%dmsec", strings.ToUpper(stats.DirectionNames[d]),
			first, second, low, high, lowSecond, highSecond, amount(j, f.Bytes, j.BytesPerKilo),
			amount(j, f.Bytes, 2024-j.BytesPerKilo), f.Shortest.Milliseconds(), f.Longest.Milliseconds())
	}
}
