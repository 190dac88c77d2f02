package report

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// Compare writes how a run stands to an earlier one, job by job: the difference of each figure, how noisy it
// is, and a verdict. The noise is that of the samples over time within each run: with one run each, a
// difference within it means nothing.
func Compare(to io.Writer, before, after *stats.Result) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	matched := 0
	for i := range after.Jobs {
		a := &after.Jobs[i]
		b := jobLike(before, a, i)
		if b == nil {
			fmt.Fprintf(w, "%s: only in the second\n", a.Name)
			continue
		}
		matched++
		fmt.Fprintf(w, "%s\tbefore\tafter\tdifference\tnoise\tverdict\n", a.Name)
		for _, row := range compareJobs(b, a) {
			fmt.Fprintln(w, row)
		}
	}
	if matched == 0 {
		fmt.Fprintln(w, "no job of one is in the other")
	}
	return w.Flush()
}

// jobLike finds the job of the same name, the one at the same place first.
func jobLike(in *stats.Result, like *stats.Job, place int) *stats.Job {
	if place < len(in.Jobs) && in.Jobs[place].Name == like.Name {
		return &in.Jobs[place]
	}
	for i := range in.Jobs {
		if in.Jobs[i].Name == like.Name {
			return &in.Jobs[i]
		}
	}
	return nil
}

func compareJobs(before, after *stats.Job) (rows []string) {
	alone := func(j *stats.Job) *stats.Result { return &stats.Result{Jobs: []stats.Job{*j}} }
	noise := max(noiseOf(before), noiseOf(after))
	for _, f := range Figures {
		old, new := f.of(alone(before)), f.of(alone(after))
		if math.IsNaN(old) || math.IsNaN(new) || old == 0 && new == 0 {
			continue
		}
		change := 100 * (new - old) / old
		rows = append(rows, fmt.Sprintf("  %s\t%s %s\t%s %s\t%+.1f %%\t%s\t%s", f.Name, f.text(old), f.Unit, f.text(new), f.Unit,
			change, noiseText(noise), verdict(change*float64(f.Better), noise)))
	}
	return rows
}

// noiseOf is the standard error of the mean of a job's samples over time, doubled, in percent; NaN where there
// are too few.
func noiseOf(j *stats.Job) float64 {
	noise := math.NaN()
	for d := range j.Flows {
		s := &j.Flows[d].IOPS
		if s.N < 3 || s.Mean == 0 {
			continue
		}
		own := 200 * s.StdDev() / math.Sqrt(float64(s.N)) / s.Mean
		if math.IsNaN(noise) || own > noise {
			noise = own
		}
	}
	return noise
}

func noiseText(noise float64) string {
	if math.IsNaN(noise) {
		return "unknown"
	}
	return fmt.Sprintf("±%.1f %%", noise)
}

// least is the difference in percent that is worth a word at all.
const least = 2

func verdict(gain, noise float64) string {
	switch {
	case math.Abs(gain) < least:
		return "same"
	case math.IsNaN(noise):
		return "too short to tell"
	case math.Abs(gain) <= noise:
		return "within noise"
	case gain > 0:
		return "better"
	}
	return "WORSE"
}
