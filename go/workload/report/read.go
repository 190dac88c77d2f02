package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// ReadJSON reads a result back from JSON: ringo's, or fio's own. Notes that fio prints in front of it are
// passed over; of several documents, as --status-interval writes them, the last one counts.
func ReadJSON(from io.Reader) (*stats.Result, error) {
	text, err := io.ReadAll(from)
	if err != nil {
		return nil, err
	}
	start := bytes.Index(text, []byte("{"))
	if start < 0 {
		return nil, errors.New("no JSON in it")
	}
	var last *jsonRun
	for decoder := json.NewDecoder(bytes.NewReader(text[start:])); ; {
		run := new(jsonRun)
		err := decoder.Decode(run)
		if err == nil {
			last = run
			continue
		}
		if last == nil {
			return nil, fmt.Errorf("not fio's JSON: %w", err)
		}
		break // The end, or what fio prints behind it.
	}
	if last.Version == "" || last.Jobs == nil {
		return nil, errors.New(`not fio's JSON: no "fio version" or no "jobs"`)
	}
	return last.result(), nil
}

// What is read of a document. Absent keys leave zeroes.
type (
	jsonRun struct {
		Version     string            `json:"fio version"`
		TimestampMS int64             `json:"timestamp_ms"`
		Globals     map[string]string `json:"global options"`
		Jobs        []jsonJob         `json:"jobs"`
		Ringo       struct {
			Version    string   `json:"version"`
			Terminated string   `json:"terminated"`
			Notes      []string `json:"notes"`
		} `json:"ringo"`
	}
	jsonJob struct {
		Name         string             `json:"jobname"`
		Group        int                `json:"groupid"`
		Error        int                `json:"error"`
		Elapsed      float64            `json:"elapsed"`
		Options      map[string]string  `json:"job options"`
		Read         jsonFlow           `json:"read"`
		Write        jsonFlow           `json:"write"`
		Trim         jsonFlow           `json:"trim"`
		Sync         jsonSync           `json:"sync"`
		Runtime      int64              `json:"job_runtime"`
		User         float64            `json:"usr_cpu"`
		System       float64            `json:"sys_cpu"`
		Contexts     uint64             `json:"ctx"`
		MajorFaults  uint64             `json:"majf"`
		MinorFaults  uint64             `json:"minf"`
		Depths       map[string]float64 `json:"iodepth_level"`
		Submits      map[string]float64 `json:"iodepth_submit"`
		Reaps        map[string]float64 `json:"iodepth_complete"`
		NS           map[string]float64 `json:"latency_ns"`
		US           map[string]float64 `json:"latency_us"`
		MS           map[string]float64 `json:"latency_ms"`
		Errors       uint64             `json:"total_err"`
		First        int                `json:"first_error"`
		LatencyDepth int                `json:"latency_depth"`
		Description  string             `json:"desc"`
		Ringo        *struct {
			Engine   string   `json:"engine"`
			Kernel   string   `json:"kernel"`
			Seed     uint64   `json:"seed"`
			CPU      float64  `json:"cpu_ns_per_io"`
			Syscalls *float64 `json:"syscalls_per_io"`
			Cached   string   `json:"cached"`
			Failure  string   `json:"failure"`
		} `json:"ringo"`
	}
	jsonFlow struct {
		Bytes       uint64      `json:"io_bytes"`
		IOs         uint64      `json:"total_ios"`
		Short       uint64      `json:"short_ios"`
		Dropped     uint64      `json:"drop_ios"`
		Runtime     int64       `json:"runtime"`
		Slat        jsonLatency `json:"slat_ns"`
		Clat        jsonLatency `json:"clat_ns"`
		Lat         jsonLatency `json:"lat_ns"`
		BWMin       uint64      `json:"bw_min"`
		BWMax       uint64      `json:"bw_max"`
		BWMean      float64     `json:"bw_mean"`
		BWDev       float64     `json:"bw_dev"`
		BWSamples   uint64      `json:"bw_samples"`
		IOPSMin     uint64      `json:"iops_min"`
		IOPSMax     uint64      `json:"iops_max"`
		IOPSMean    float64     `json:"iops_mean"`
		IOPSDev     float64     `json:"iops_stddev"`
		IOPSSamples uint64      `json:"iops_samples"`
	}
	jsonSync struct {
		IOs uint64      `json:"total_ios"`
		Lat jsonLatency `json:"lat_ns"`
	}
	jsonLatency struct {
		Min        uint64            `json:"min"`
		Max        uint64            `json:"max"`
		Mean       float64           `json:"mean"`
		StdDev     float64           `json:"stddev"`
		N          uint64            `json:"N"`
		Percentile map[string]uint64 `json:"percentile"`
		Bins       map[string]uint64 `json:"bins"`
	}
)

func (r *jsonRun) result() *stats.Result {
	result := &stats.Result{Version: r.Ringo.Version, Ended: time.UnixMilli(r.TimestampMS), Notes: r.Ringo.Notes,
		Terminated: r.Ringo.Terminated, Globals: optionsOf(r.Globals)}
	for i := range r.Jobs {
		result.Jobs = append(result.Jobs, r.Jobs[i].job(r.Version, r.Globals))
	}
	return result
}

func optionsOf(given map[string]string) (options []stats.Option) {
	for name, value := range given {
		options = append(options, stats.Option{Name: name, Value: value})
	}
	slices.SortFunc(options, func(a, b stats.Option) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return options
}

func (j *jsonJob) job(version string, globals map[string]string) stats.Job {
	option := func(name, otherwise string) string {
		if value, ok := j.Options[name]; ok {
			return value
		}
		if value, ok := globals[name]; ok {
			return value
		}
		return otherwise
	}
	job := stats.Job{Setup: stats.Setup{Name: j.Name, Description: j.Description, Group: j.Group, Options: optionsOf(j.Options),
		Engine: option("ioengine", "psync"), RW: option("rw", "read"), Depth: max(j.LatencyDepth, 1), BytesPerKilo: 1024,
		ClatPercentiles: true}}
	job.Clones, _ = strconv.Atoi(option("numjobs", "1"))
	job.Error, job.Merged, job.Errors, job.First = j.Error, 1, j.Errors, j.First
	job.Elapsed, job.Runtime = time.Duration(j.Elapsed*float64(time.Second)), time.Duration(j.Runtime)*time.Millisecond
	for d, f := range []*jsonFlow{&j.Read, &j.Write, &j.Trim} {
		job.Flows[d] = f.flow()
		for _, p := range f.Clat.percents() {
			if !slices.Contains(job.Percentiles, p) {
				job.Percentiles = append(job.Percentiles, p)
			}
		}
	}
	slices.Sort(job.Percentiles)
	job.Sync = j.Sync.Lat.latency()
	job.Usage = stats.Usage{User: partOf(job.Runtime, j.User), System: partOf(job.Runtime, j.System),
		ContextSwitches: j.Contexts, MajorFaults: j.MajorFaults, MinorFaults: j.MinorFaults}
	j.distributions(&job)
	job.Measured = stats.Measured{Engine: version + " " + job.Engine, Syscalls: -1}
	if m := j.Ringo; m != nil {
		job.Failure = m.Failure
		job.Measured = stats.Measured{Engine: m.Engine, Kernel: m.Kernel, Seed: m.Seed, Cached: m.Cached, Syscalls: -1,
			CPU: time.Duration(m.CPU * float64(job.IOs())), CPUIOs: job.IOs()}
		if m.Syscalls != nil {
			job.Measured.Syscalls = *m.Syscalls
		}
	}
	return job
}

func partOf(d time.Duration, percent float64) time.Duration {
	return time.Duration(float64(d) * percent / 100)
}

// distributions turns percentages back into counts.
func (j *jsonJob) distributions(job *stats.Job) {
	fill := func(c *stats.Counts, labels []string, percents map[string]float64, total uint64) {
		for i, label := range labels {
			c[i] = uint64(percents[label]*float64(total)/100 + 0.5)
		}
	}
	ios := job.IOs()
	fill(&job.Depths, stats.DepthLabels, j.Depths, ios)
	fill(&job.Submits, stats.BatchLabels, j.Submits, ios)
	fill(&job.Reaps, stats.BatchLabels, j.Reaps, ios)
	fill(&job.Spread.NS, stats.LatencyLabels, j.NS, ios)
	fill(&job.Spread.US, stats.LatencyLabels, j.US, ios)
	fill(&job.Spread.MS, stats.LatencyMSLabels, j.MS, ios)
}

func (f *jsonFlow) flow() stats.Flow {
	return stats.Flow{Bytes: f.Bytes, IOs: f.IOs, Issued: f.IOs, Short: f.Short, Dropped: f.Dropped,
		Duration: time.Duration(f.Runtime) * time.Millisecond, Slat: f.Slat.latency(), Clat: f.Clat.latency(),
		Lat:  f.Lat.latency(),
		BW:   stats.SamplesOf(f.BWSamples, f.BWMin, f.BWMax, f.BWMean, f.BWDev),
		IOPS: stats.SamplesOf(f.IOPSSamples, f.IOPSMin, f.IOPSMax, f.IOPSMean, f.IOPSDev)}
}

func (l *jsonLatency) percents() (percents []float64) {
	for key := range l.Percentile {
		if p, err := strconv.ParseFloat(key, 64); err == nil {
			percents = append(percents, p)
		}
	}
	slices.Sort(percents)
	return percents
}

// latency rebuilds a series; without bins, its histogram is as coarse as the percentiles.
func (l *jsonLatency) latency() stats.Latency {
	latency := stats.Latency{Summary: stats.SummaryOf(l.N, l.Min, l.Max, l.Mean, l.StdDev)}
	if len(l.Bins) > 0 {
		latency.Histogram = new(stats.Histogram)
		for key, count := range l.Bins {
			if ns, err := strconv.ParseUint(key, 10, 64); err == nil {
				latency.Histogram[stats.BucketOf(ns)] += count
			}
		}
		return latency
	}
	if percents := l.percents(); len(percents) > 0 {
		latency.Histogram = new(stats.Histogram)
		seen := uint64(0)
		for _, p := range percents {
			upTo := uint64(p / 100 * float64(l.N))
			latency.Histogram[stats.BucketOf(l.Percentile[fmt.Sprintf("%f", p)])] += max(upTo, seen) - seen
			seen = max(upTo, seen)
		}
		latency.Histogram[stats.BucketOf(l.Max)] += l.N - min(seen, l.N)
	}
	return latency
}
