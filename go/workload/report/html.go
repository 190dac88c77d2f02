package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"

	"github.com/ringo-io/ringo/go/workload/stats"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// HTML writes one page that stands alone: what ran, on what, and charts of latencies, rates over time and, of
// several arms, how they compare. It has no script and loads nothing.
func HTML(to io.Writer, arms []Arm) error {
	view := pageView{Title: "ringo bench"}
	series := seriesOf(arms)
	if len(series) == 0 {
		return fmt.Errorf("nothing was measured: there is nothing to show")
	}
	first := arms[0].Results
	if len(first) > 0 {
		r := first[0]
		view.Version, view.Ended, view.Notes, view.Terminated = r.Version, r.Ended.Format("2006-01-02 15:04:05 MST"), r.Notes, r.Terminated
		view.Kernel = series[0].job.Measured.Kernel
	}
	if len(arms) > 1 || len(first) > 1 {
		view.Comparison = comparisonOf(arms)
		view.Footnote = footnote(arms)
	}
	view.Figures = append(view.Figures, figureView{"Completion latency by percentile", "The last repeat of each. Steep ends are rare, slow I/Os.",
		percentileChart(series)})
	for _, group := range chunks(series, 8) {
		view.Figures = append(view.Figures, figureView{"Completion latency", "Share of I/Os in each class of latency.", histogramChart(group)})
	}
	for _, what := range []struct {
		title, unit string
		points      func(*stats.Flow) []stats.Point
		scale       float64
	}{
		{"Bandwidth over time", "bandwidth (MiB/s)", func(f *stats.Flow) []stats.Point { return f.BWSeries }, 1.0 / 1024},
		{"I/Os over time", "I/Os per second", func(f *stats.Flow) []stats.Point { return f.IOPSSeries }, 1},
	} {
		if c := timeChart(series, what.title, what.unit, what.points, what.scale); c != "" {
			view.Figures = append(view.Figures, figureView{what.title, "", c})
		}
	}
	for _, s := range series {
		view.Jobs = append(view.Jobs, jobViewOf(s))
	}
	return page.Execute(to, view)
}

type pageView struct {
	Title, Version, Kernel, Ended, Terminated, Footnote string
	Notes                                               []string
	Comparison                                          []figureView
	Figures                                             []figureView
	Jobs                                                []jobView
}

type figureView struct {
	Title, Text string
	Chart       template.HTML
}

type jobView struct {
	Name, Engine, Pattern, Blocks, Failure, Cached    string
	Depth, Jobs                                       int
	IOPS, Bandwidth, Mean, P50, P99, P999, CPU, Calls string
}

// A drawn is one direction of one job of one arm: a line in a chart.
type drawn struct {
	name string
	job  *stats.Job
	flow *stats.Flow
	d    int
}

// seriesOf takes the last repeat of each arm.
func seriesOf(arms []Arm) (series []drawn) {
	for i := range arms {
		a := &arms[i]
		if len(a.Results) == 0 {
			continue
		}
		last := a.Results[len(a.Results)-1]
		for k := range last.Jobs {
			j := &last.Jobs[k]
			for d := range j.Flows {
				if j.Flows[d].IOs == 0 {
					continue
				}
				name := a.Label()
				if name == "" || len(last.Jobs) > 1 {
					name += " " + j.Name
				}
				series = append(series, drawn{name + " " + stats.DirectionNames[d], j, &j.Flows[d], d})
			}
		}
	}
	return series
}

func chunks(series []drawn, size int) (groups [][]drawn) {
	for c := range slices.Chunk(series, size) {
		groups = append(groups, c)
	}
	return groups
}

// nines are the percentiles of the axis: each step leaves a tenth of what the one before left.
var nines = []float64{0, 50, 90, 99, 99.9, 99.99, 99.999}

// rarity places a percentile on the axis.
func rarity(percent float64) float64 { return -math.Log10(1 - min(percent, 99.9999)/100) }

func percentileChart(series []drawn) template.HTML {
	x := scale{high: rarity(99.999)}
	for _, p := range nines {
		x.marks = append(x.marks, mark{rarity(p), trimPercent(p)})
	}
	low, high := math.Inf(1), 0.0
	curves := make([][][2]float64, len(series))
	for i, s := range series {
		h := s.flow.Clat.Histogram
		if h == nil {
			continue
		}
		total := float64(h.Total())
		seen := uint64(0)
		for ns, count := range h.Bins() {
			seen += count
			percent := 100 * float64(seen) / total
			if seen == h.Total() {
				percent = 100 * (1 - 0.5/total) // The largest of N stands for the last half of an Nth.
			}
			if percent > 99.999 {
				continue
			}
			curves[i] = append(curves[i], [2]float64{rarity(percent), float64(ns)})
			low, high = min(low, max(float64(ns), 1)), max(high, float64(ns))
		}
	}
	c := newChart("Completion latency by percentile", "percentile of I/Os (%)", "completion latency", x, logarithmic(low, high, span))
	for i, s := range series {
		c.curve(s.name, i, curves[i])
	}
	return c.svg()
}

func trimPercent(p float64) string { return fmt.Sprintf("%g", p) }

// binsPerDecade is how finely the histogram is drawn.
const binsPerDecade = 12

func histogramChart(series []drawn) template.HTML {
	low, high, most := math.Inf(1), 0.0, 0.0
	shares := make([]map[int]float64, len(series))
	for i, s := range series {
		shares[i] = make(map[int]float64)
		h := s.flow.Clat.Histogram
		if h == nil {
			continue
		}
		for ns, count := range h.Bins() {
			value := max(float64(ns), 1)
			low, high = min(low, value), max(high, value)
			bin := int(math.Floor(math.Log10(value) * binsPerDecade))
			shares[i][bin] += 100 * float64(count) / float64(h.Total())
			most = max(most, shares[i][bin])
		}
	}
	c := newChart("Completion latency histogram", "completion latency", "share of I/Os (%)", logarithmic(low, high, span), linear(most, plain))
	for i, s := range series {
		var bins [][3]float64
		for bin, share := range shares[i] {
			bins = append(bins, [3]float64{math.Pow(10, float64(bin)/binsPerDecade), math.Pow(10, float64(bin+1)/binsPerDecade), share})
		}
		slices.SortFunc(bins, func(a, b [3]float64) int { return int(math.Copysign(1, a[0]-b[0])) })
		c.steps(s.name, i, bins)
	}
	return c.svg()
}

// mostPoints is how many points of a curve over time are drawn; more are averaged.
const mostPoints = 300

func timeChart(series []drawn, title, unit string, points func(*stats.Flow) []stats.Point, factor float64) template.HTML {
	end, most, any := 0.0, 0.0, false
	curves := make([][][2]float64, len(series))
	for i, s := range series {
		all := points(s.flow)
		step := (len(all) + mostPoints - 1) / mostPoints
		for at := 0; at < len(all); at += step {
			part := all[at:min(at+step, len(all))]
			sum := 0.0
			for _, p := range part {
				sum += p.Value
			}
			seconds, value := part[len(part)-1].At.Seconds(), factor*sum/float64(len(part))
			curves[i] = append(curves[i], [2]float64{seconds, value})
			end, most, any = max(end, seconds), max(most, value), true
		}
	}
	if !any {
		return ""
	}
	c := newChart(title, "time (s)", unit, linear(end, plain), linear(most, plain))
	for i, s := range series {
		c.curve(s.name, i, curves[i])
	}
	return c.svg()
}

// comparisonOf draws each figure of all arms as bars, with the range over the repeats.
func comparisonOf(arms []Arm) (views []figureView) {
	colours := make(map[string]int)
	for _, f := range Figures {
		var values []bar
		known := false
		previous := ""
		for n, i := range besideEachOther(arms) {
			a := &arms[i]
			if len(a.Results) == 0 || len(a.Results[0].Jobs) == 0 {
				continue
			}
			engine := a.Results[0].Jobs[0].Engine
			if _, seen := colours[engine]; !seen {
				colours[engine] = len(colours)
			}
			all := f.values(a)
			b := bar{name: a.Label(), series: colours[engine], value: median(all), text: f.text(median(all))}
			if len(all) > 1 {
				b.low, b.high = slices.Min(all), slices.Max(all)
			}
			b.startsNewGroup = n > 0 && a.Work != previous
			previous = a.Work
			known = known || !math.IsNaN(b.value)
			values = append(values, b)
		}
		if !known {
			continue
		}
		unit := f.Unit
		if unit == "" {
			unit = "per I/O"
		}
		direction := "more is better"
		if f.Better < 0 {
			direction = "less is better"
		}
		views = append(views, figureView{f.Name, direction, bars(f.Name, f.Name+" ("+unit+")", values)})
	}
	return views
}

// besideEachOther orders arms so that those which do the same work follow each other.
func besideEachOther(arms []Arm) (order []int) {
	for i := range arms {
		if firstLike(arms, i) != i {
			continue
		}
		for k := i; k < len(arms); k++ {
			if arms[k].Work == arms[i].Work {
				order = append(order, k)
			}
		}
	}
	return order
}

func jobViewOf(s drawn) jobView {
	j, f := s.job, s.flow
	v := jobView{Name: s.name, Engine: j.Measured.Engine, Pattern: j.RW, Depth: max(j.Depth, 1), Jobs: max(j.Clones, 1),
		Blocks: shortSize(j.BlockSizes[s.d][0]), Cached: j.Measured.Cached,
		IOPS: short(f.IOPerSecond(), 4, 1000, ""), Bandwidth: short(f.BytesPerSecond(), 4, 1024, "B/s"),
		Mean: span(f.Clat.Mean()), P50: "n/a", P99: "n/a", P999: "n/a", CPU: "n/a", Calls: "n/a"}
	if high := shortSize(j.BlockSizes[s.d][1]); high != v.Blocks {
		v.Blocks += "–" + high
	}
	if j.Error != 0 {
		v.Failure = reason(j)
	}
	if h := f.Clat.Histogram; h != nil && f.Clat.N > 0 {
		p := h.Percentiles([]float64{50, 99, 99.9})
		v.P50, v.P99, v.P999 = span(float64(p[0])), span(float64(p[1])), span(float64(p[2]))
	}
	if cpu := j.Measured.CPUPerIO(); cpu > 0 {
		v.CPU = span(cpu)
	}
	if j.Measured.Syscalls >= 0 {
		v.Calls = fmt.Sprintf("%.3f", j.Measured.Syscalls)
	}
	return v
}
