package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// JSONOptions choose what goes into the JSON report.
type JSONOptions struct {
	Bins bool // fio's json+: the histograms too
}

// JSON writes a result as fio does: the same keys, types and units, in the same order. Two things are
// added, which readers of fio's output ignore: the options in effect that plotters look for, and an
// object "ringo" in each job.
func JSON(to io.Writer, result *stats.Result, options JSONOptions) error {
	w := &jsonWriter{}
	w.open("", '{')
	w.text("fio version", "fio-"+fioVersion)
	w.integer("timestamp", uint64(result.Ended.Unix()))
	w.integer("timestamp_ms", uint64(result.Ended.UnixMilli()))
	w.text("time", result.Ended.Format(ctime))
	if len(result.Globals) > 0 {
		writeOptions(w, "global options", result.Globals)
	}
	w.open("jobs", '[')
	for i := range result.Jobs {
		writeJob(w, &result.Jobs[i], result.Globals, options)
	}
	w.close(']')
	if len(result.Disks) > 0 {
		w.open("disk_util", '[')
		for i := range result.Disks {
			writeDisk(w, &result.Disks[i])
		}
		w.close(']')
	}
	w.open("ringo", '{')
	w.text("version", result.Version)
	w.text("terminated", result.Terminated)
	w.open("notes", '[')
	for _, note := range result.Notes {
		w.text("", note)
	}
	w.close(']')
	w.close('}')
	w.close('}')
	w.out.WriteByte('\n')
	_, err := to.Write([]byte(w.out.String()))
	return err
}

// fioVersion is the version whose output is written: plotters ask for "fio version" to tell fio's JSON
// from other JSON, and some compare the number.
const fioVersion = "3.33"

const ctime = "Mon Jan _2 15:04:05 2006"

func writeOptions(w *jsonWriter, key string, options []stats.Option) {
	w.open(key, '{')
	for _, o := range lastOfEach(options) {
		w.text(o.Name, o.Value)
	}
	w.close('}')
}

// lastOfEach keeps the last value of every option: a JSON object must not have a key twice.
func lastOfEach(options []stats.Option) (kept []stats.Option) {
	last := make(map[string]int)
	for i, o := range options {
		last[o.Name] = i
	}
	for i, o := range options {
		if last[o.Name] == i {
			kept = append(kept, o)
		}
	}
	return kept
}

func writeJob(w *jsonWriter, j *stats.Job, globals []stats.Option, options JSONOptions) {
	w.open("", '{')
	w.text("jobname", j.Name)
	w.integer("groupid", uint64(j.Group))
	w.integer("error", uint64(j.Error))
	w.integer("eta", 0)
	w.integer("elapsed", uint64(j.Elapsed.Seconds()))
	writeOptions(w, "job options", append(effectiveOptions(j, globals), j.Options...))
	for _, f := range j.Reported() {
		writeFlow(w, j, f, options)
	}
	w.open("sync", '{')
	w.integer("total_ios", j.Sync.N)
	writeLatency(w, "lat_ns", &j.Sync, j.Percentiles, options)
	w.close('}')
	w.integer("job_runtime", uint64(j.Runtime.Milliseconds()))
	w.float("usr_cpu", share(j.Usage.User, j.Runtime))
	w.float("sys_cpu", share(j.Usage.System, j.Runtime))
	w.integer("ctx", j.Usage.ContextSwitches)
	w.integer("majf", j.Usage.MajorFaults)
	w.integer("minf", j.Usage.MinorFaults)
	writeCounts(w, "iodepth_level", stats.DepthLabels, &j.Depths, j.Issued(), stats.DepthFloor)
	writeCounts(w, "iodepth_submit", stats.BatchLabels, &j.Submits, j.Submits.Total(), stats.DepthFloor)
	writeCounts(w, "iodepth_complete", stats.BatchLabels, &j.Reaps, j.Reaps.Total(), stats.DepthFloor)
	writeCounts(w, "latency_ns", stats.LatencyLabels, &j.Spread.NS, j.IOs(), stats.LatencyFloor)
	writeCounts(w, "latency_us", stats.LatencyLabels, &j.Spread.US, j.IOs(), stats.LatencyFloor)
	writeCounts(w, "latency_ms", stats.LatencyMSLabels, &j.Spread.MS, j.IOs(), stats.LatencyFloor)
	if j.ContinueOnError {
		w.integer("total_err", j.Errors)
		w.integer("first_error", uint64(j.First))
	}
	w.integer("latency_depth", uint64(j.Depth))
	w.integer("latency_target", 0)
	w.float("latency_percentile", 100)
	w.integer("latency_window", 0)
	if j.Description != "" {
		w.text("desc", j.Description)
	}
	writeMeasured(w, j, options)
	w.close('}')
}

// effectiveOptions are those that plotters need and nobody gave: fio leaves them out, and then its own
// plotters refuse the file.
func effectiveOptions(j *stats.Job, globals []stats.Option) (options []stats.Option) {
	given := make(map[string]bool)
	for _, o := range append(append([]stats.Option(nil), globals...), j.Options...) {
		given[o.Name] = true
	}
	for _, o := range []stats.Option{
		{Name: "rw", Value: j.RW},
		{Name: "bs", Value: shortSize(blockSize(j))},
		{Name: "iodepth", Value: strconv.Itoa(max(j.Depth, 1))},
		{Name: "numjobs", Value: strconv.Itoa(max(j.Clones, 1))},
		{Name: "ioengine", Value: j.Engine},
	} {
		if !given[o.Name] && o.Value != "" {
			options = append(options, o)
		}
	}
	return options
}

func writeFlow(w *jsonWriter, j *stats.Job, f stats.NamedFlow, options JSONOptions) {
	w.open(f.Name, '{')
	w.integer("io_bytes", f.Bytes)
	w.integer("io_kbytes", f.Bytes>>10)
	w.integer("bw_bytes", uint64(f.BytesPerSecond()))
	w.integer("bw", uint64(f.BytesPerSecond()/1024))
	w.float("iops", f.IOPerSecond())
	w.integer("runtime", uint64(f.Duration.Milliseconds()))
	w.integer("total_ios", f.Issued)
	w.integer("short_ios", f.Short)
	w.integer("drop_ios", f.Dropped)
	writeLatency(w, "slat_ns", &f.Slat, when(j.SlatPercentiles, j.Percentiles), options)
	writeLatency(w, "clat_ns", &f.Clat, when(j.ClatPercentiles, j.Percentiles), options)
	writeLatency(w, "lat_ns", &f.Lat, when(j.LatPercentiles, j.Percentiles), options)
	w.integer("bw_min", f.BW.Min)
	w.integer("bw_max", f.BW.Max)
	w.float("bw_agg", f.SharePercent())
	w.float("bw_mean", f.BW.Mean)
	w.float("bw_dev", f.BW.StdDev())
	w.integer("bw_samples", f.BW.N)
	w.integer("iops_min", f.IOPS.Min)
	w.integer("iops_max", f.IOPS.Max)
	w.float("iops_mean", f.IOPS.Mean)
	w.float("iops_stddev", f.IOPS.StdDev())
	w.integer("iops_samples", f.IOPS.N)
	w.close('}')
}

func when(enabled bool, percentiles []float64) []float64 {
	if !enabled {
		return nil
	}
	return percentiles
}

func writeLatency(w *jsonWriter, key string, l *stats.Latency, percentiles []float64, options JSONOptions) {
	w.open(key, '{')
	w.integer("min", l.Min)
	w.integer("max", l.Max)
	w.float("mean", l.Mean())
	w.float("stddev", l.StdDev())
	w.integer("N", l.N)
	if l.N > 0 && l.Histogram != nil && len(percentiles) > 0 {
		w.open("percentile", '{')
		for i, value := range l.Histogram.Percentiles(percentiles) {
			w.integer(fmt.Sprintf("%f", percentiles[i]), value)
		}
		w.close('}')
		if options.Bins {
			w.open("bins", '{')
			for ns, count := range l.Histogram.Bins() {
				w.integer(strconv.FormatUint(ns, 10), count)
			}
			w.close('}')
		}
	}
	w.close('}')
}

func writeCounts(w *jsonWriter, key string, labels []string, c *stats.Counts, total uint64, floor float64) {
	w.open(key, '{')
	for i, label := range labels {
		w.float(label, c.Percent(i, total, floor))
	}
	w.close('}')
}

func writeMeasured(w *jsonWriter, j *stats.Job, options JSONOptions) {
	m := &j.Measured
	w.open("ringo", '{')
	w.text("engine", m.Engine)
	w.text("kernel", m.Kernel)
	w.integer("seed", m.Seed)
	w.float("cpu_ns_per_io", m.CPUPerIO())
	if m.Syscalls >= 0 {
		w.float("syscalls_per_io", m.Syscalls)
	} else {
		w.raw("syscalls_per_io", "null")
	}
	w.text("cached", m.Cached)
	w.text("failure", j.Failure)
	w.open("intended_lat_ns", '{')
	for d := range j.Flows {
		if l := &j.Flows[d].Intended; l.N > 0 {
			writeLatency(w, stats.DirectionNames[d], l, j.Percentiles, options)
		}
	}
	w.close('}')
	w.close('}')
}

func writeDisk(w *jsonWriter, d *stats.Disk) {
	w.open("", '{')
	w.text("name", d.Name)
	w.integer("read_ios", d.IOs[0])
	w.integer("write_ios", d.IOs[1])
	w.integer("read_merges", d.Merges[0])
	w.integer("write_merges", d.Merges[1])
	w.integer("read_ticks", d.Ticks[0])
	w.integer("write_ticks", d.Ticks[1])
	w.integer("in_queue", d.InQueue)
	w.float("util", d.Utilisation)
	w.close('}')
}

// A jsonWriter writes in fio's own layout, since scripts read it by lines as well. Floats have a point
// always: readers that tell ints from floats depend on it.
type jsonWriter struct {
	out    strings.Builder
	indent int
	comma  bool
}

func (w *jsonWriter) begin(key string) {
	if w.comma {
		w.out.WriteByte(',')
	}
	if w.out.Len() > 0 {
		w.out.WriteByte('\n')
	}
	for range w.indent {
		w.out.WriteString("  ")
	}
	if key != "" {
		w.out.WriteString(quote(key) + " : ")
	}
}

func (w *jsonWriter) open(key string, bracket byte) {
	w.begin(key)
	w.out.WriteByte(bracket)
	w.indent++
	w.comma = false
}

func (w *jsonWriter) close(bracket byte) {
	w.indent--
	empty := !w.comma
	w.comma = false
	if empty {
		w.out.WriteByte(bracket)
	} else {
		w.begin("")
		w.out.WriteByte(bracket)
	}
	w.comma = true
}

func (w *jsonWriter) raw(key, value string) {
	w.begin(key)
	w.out.WriteString(value)
	w.comma = true
}

func (w *jsonWriter) integer(key string, value uint64) { w.raw(key, strconv.FormatUint(value, 10)) }
func (w *jsonWriter) float(key string, value float64)  { w.raw(key, fmt.Sprintf("%f", value)) }
func (w *jsonWriter) text(key, value string)           { w.raw(key, quote(value)) }

// quote is a JSON string; bytes that are no UTF-8, as in the names of files, become U+FFFD.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
