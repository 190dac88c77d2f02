package stats

import "math/bits"

// Labels of the distributions, as fio prints them. A label of a latency is the value below which its
// samples lie; a depth's is the lowest depth that it counts; that of a batch the highest.
var (
	DepthLabels     = []string{"1", "2", "4", "8", "16", "32", ">=64"}
	BatchLabels     = []string{"0", "4", "8", "16", "32", "64", ">=64"}
	LatencyLabels   = []string{"2", "4", "10", "20", "50", "100", "250", "500", "750", "1000"}
	LatencyMSLabels = append(append([]string(nil), LatencyLabels...), "2000", ">=2000")
)

// A Counts is how often each class of a distribution was seen; only as many are used as there are labels.
type Counts [12]uint64

// Total is the sum of all classes.
func (c *Counts) Total() (total uint64) {
	for _, count := range c {
		total += count
	}
	return total
}

// Merge adds the counts of another distribution.
func (c *Counts) Merge(other *Counts) {
	for i, count := range other {
		c[i] += count
	}
}

// Floors of what was seen at all, in percent, as fio reports them.
const (
	LatencyFloor = 0.01
	DepthFloor   = 0.1
)

// Percent gives the share of a class of total, in percent; what was seen at all is at least floor.
func (c *Counts) Percent(class int, total uint64, floor float64) float64 {
	if c[class] == 0 || total == 0 {
		return 0
	}
	return max(100*float64(c[class])/float64(total), floor)
}

// AddDepth counts n requests that were submitted when depth requests were in flight, they included.
func (c *Counts) AddDepth(depth, n int) { c[min(bits.Len(uint(depth|1))-1, 6)] += uint64(n) }

// AddBatch counts one call that submitted, or reaped, n requests.
func (c *Counts) AddBatch(n int) {
	switch {
	case n == 0:
		c[0]++
	case n <= 4:
		c[1]++
	default:
		c[min(bits.Len(uint(n-1))-1, 6)]++
	}
}

// A LatencySpread is the distribution of completion latencies over three scales.
type LatencySpread struct {
	NS, US, MS Counts
}

// Add counts one latency in ns.
func (l *LatencySpread) Add(ns uint64) {
	switch {
	case ns < 1000:
		l.NS[latencyClass(ns)]++
	case ns < 1000_000:
		l.US[latencyClass(ns/1000)]++
	case ns < 1000_000_000:
		l.MS[latencyClass(ns/1000_000)]++
	case ns < 2000_000_000:
		l.MS[10]++
	default:
		l.MS[11]++
	}
}

// latencyClass is the class of a value below 1000.
func latencyClass(value uint64) int {
	bounds := [...]uint64{2, 4, 10, 20, 50, 100, 250, 500, 750}
	class := 0
	if value >= bounds[4] {
		class = 5
	}
	for class < len(bounds) && value >= bounds[class] {
		class++
	}
	return class
}

// Merge adds the counts of another spread.
func (l *LatencySpread) Merge(other *LatencySpread) {
	l.NS.Merge(&other.NS)
	l.US.Merge(&other.US)
	l.MS.Merge(&other.MS)
}
