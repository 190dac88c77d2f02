package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// An Arm is one of several ways to run the same jobs, with the results of its repeats. Repeats of all arms
// are interleaved, so that the n-th of one arm stands beside the n-th of the others.
type Arm struct {
	Choices []stats.Option // what sets it apart
	Work    string         // those of the choices that say what is done, not how: what it has in common with others
	Results []*stats.Result
}

// Label names an arm by its choices.
func (a *Arm) Label() string {
	var parts []string
	for _, c := range a.Choices {
		if c.Name == "ioengine" {
			parts = append(parts, c.Value)
			continue
		}
		parts = append(parts, c.Name+"="+c.Value)
	}
	return strings.Join(parts, " ")
}

// A Figure is something measured of a whole result. Missing values are NaN.
type Figure struct {
	Name, Unit string
	// Better is 1 where more is better, -1 where less is.
	Better int
	of     func(*stats.Result) float64
	format string
}

// Figures are what arms and runs are compared by.
var Figures = []Figure{
	{"IOPS", "1/s", 1, func(r *stats.Result) float64 { return sumOf(r, (*stats.Flow).IOPerSecond) }, "%.0f"},
	{"bandwidth", "MiB/s", 1, func(r *stats.Result) float64 { return sumOf(r, (*stats.Flow).BytesPerSecond) / (1 << 20) }, "%.1f"},
	{"p50", "µs", -1, func(r *stats.Result) float64 { return percentileOf(r, 50) }, "%.1f"},
	{"p99", "µs", -1, func(r *stats.Result) float64 { return percentileOf(r, 99) }, "%.1f"},
	{"p99.9", "µs", -1, func(r *stats.Result) float64 { return percentileOf(r, 99.9) }, "%.1f"},
	{"CPU per I/O", "ns", -1, cpuOf, "%.0f"},
	{"syscalls per I/O", "", -1, syscallsOf, "%.3f"},
}

func sumOf(r *stats.Result, of func(*stats.Flow) float64) (sum float64) {
	for i := range r.Jobs {
		for d := range r.Jobs[i].Flows {
			sum += of(&r.Jobs[i].Flows[d])
		}
	}
	return sum
}

// percentileOf is of the completion latency over all jobs and directions, in µs.
func percentileOf(r *stats.Result, percent float64) float64 {
	h := new(stats.Histogram)
	for i := range r.Jobs {
		for d := range r.Jobs[i].Flows {
			if of := r.Jobs[i].Flows[d].Clat.Histogram; of != nil {
				h.Merge(of)
			}
		}
	}
	if h.Total() == 0 {
		return math.NaN()
	}
	return float64(h.Percentiles([]float64{percent})[0]) / 1000
}

func cpuOf(r *stats.Result) float64 {
	sum, weight := 0.0, 0.0
	for i := range r.Jobs {
		if m := &r.Jobs[i].Measured; m.CPUIOs > 0 {
			ios := float64(r.Jobs[i].IOs())
			sum += m.CPUPerIO() * ios
			weight += ios
		}
	}
	if weight == 0 {
		return math.NaN()
	}
	return sum / weight
}

func syscallsOf(r *stats.Result) float64 {
	sum, weight := 0.0, 0.0
	for i := range r.Jobs {
		if r.Jobs[i].Measured.Syscalls < 0 {
			return math.NaN()
		}
		ios := float64(r.Jobs[i].IOs())
		sum += r.Jobs[i].Measured.Syscalls * ios
		weight += ios
	}
	if weight == 0 {
		return math.NaN()
	}
	return sum / weight
}

// values are a figure's values over an arm's repeats.
func (f Figure) values(a *Arm) []float64 {
	values := make([]float64, len(a.Results))
	for i, r := range a.Results {
		values[i] = f.of(r)
	}
	return values
}

func (f Figure) text(value float64) string {
	if math.IsNaN(value) {
		return "n/a"
	}
	return fmt.Sprintf(f.format, value)
}

// median ignores what is missing.
func median(values []float64) float64 {
	sorted := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	if len(sorted) == 0 {
		return math.NaN()
	}
	slices.Sort(sorted)
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// interval gives the values that enclose the true median with 95 % probability, by the signs of the samples:
// the second and the second to last of nine. It is the whole range of fewer than six, which cannot promise as much.
func interval(values []float64) (low, high float64) {
	sorted := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	if len(sorted) == 0 {
		return math.NaN(), math.NaN()
	}
	slices.Sort(sorted)
	n := len(sorted)
	below, term := 0.0, math.Pow(0.5, float64(n))
	outside := 0
	for k := 0; k < n/2; k++ {
		if below += term; 2*below > 0.05 {
			break
		}
		outside = k + 1
		term = term * float64(n-k) / float64(k+1)
	}
	at := max(outside-1, 0)
	return sorted[at], sorted[n-1-at]
}

// ratios are one arm's values over another's, repeat by repeat.
func ratios(a, b []float64) []float64 {
	r := make([]float64, min(len(a), len(b)))
	for i := range r {
		r[i] = a[i] / b[i]
	}
	return r
}

// Table writes the arms side by side: medians over the repeats with their range, and how the IOPS and the CPU
// time per I/O of each stand to those of the first arm that does the same work.
func Table(to io.Writer, arms []Arm) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	header := []string{"arm"}
	for _, f := range Figures {
		if f.Unit != "" && f.Unit != "1/s" {
			header = append(header, f.Name+" ("+f.Unit+")")
		} else {
			header = append(header, f.Name)
		}
	}
	fmt.Fprintln(w, strings.Join(append(header, "IOPS ratio", "CPU ratio", ""), "\t"))
	for i := range arms {
		fmt.Fprintln(w, strings.Join(tableRow(arms, i), "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(to, footnote(arms))
	return err
}

func tableRow(arms []Arm, index int) []string {
	a := &arms[index]
	row := []string{a.Label()}
	for _, f := range Figures {
		values := f.values(a)
		text := f.text(median(values))
		if f.Name == "IOPS" && len(values) > 1 {
			text += fmt.Sprintf(" (%.0f-%.0f)", slices.Min(values), slices.Max(values))
		}
		row = append(row, text)
	}
	first := firstLike(arms, index)
	for _, name := range []string{"IOPS", "CPU per I/O"} {
		if first == index {
			row = append(row, "1")
			continue
		}
		f := figureNamed(name)
		r := ratios(f.values(a), f.values(&arms[first]))
		text := f2(median(r))
		if low, high := interval(r); len(r) > 1 && !math.IsNaN(low) {
			text += fmt.Sprintf(" (%s-%s)", f2(low), f2(high))
		}
		row = append(row, text)
	}
	return append(row, remarks(a))
}

func f2(value float64) string {
	if math.IsNaN(value) {
		return "n/a"
	}
	return fmt.Sprintf("%.2f", value)
}

func figureNamed(name string) Figure {
	for _, f := range Figures {
		if f.Name == name {
			return f
		}
	}
	return Figure{}
}

// firstLike is the first arm that does the same work.
func firstLike(arms []Arm, index int) int {
	for i := range arms[:index] {
		if arms[i].Work == arms[index].Work {
			return i
		}
	}
	return index
}

func remarks(a *Arm) string {
	for _, r := range a.Results {
		for i := range r.Jobs {
			if r.Jobs[i].Error != 0 {
				return "failed: " + reason(&r.Jobs[i])
			}
		}
	}
	for _, r := range a.Results {
		for i := range r.Jobs {
			if r.Jobs[i].Measured.Cached != "" {
				return "cached"
			}
		}
	}
	return ""
}

func footnote(arms []Arm) string {
	repeats := 0
	for i := range arms {
		repeats = max(repeats, len(arms[i].Results))
	}
	note := fmt.Sprintf("medians of %d interleaved repeats", repeats)
	switch {
	case repeats == 1:
		note = "one run each: no ranges"
	case repeats < 6:
		note += "; in brackets the whole range"
	default:
		note += "; IOPS with their range, ratios with the interval that holds the true median with 95 % probability"
	}
	return note + ". CPU is user + system of the whole process, the kernel's workers for it included."
}
