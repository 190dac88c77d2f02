// Package ringoprom gives the counters of an engine to Prometheus.
//
//	prometheus.MustRegister(ringoprom.NewCollector(engine, nil))
package ringoprom

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringo-io/ringo/go/ringo"
)

// NewCollector gives a collector of e's counters, all with the given labels; several engines in a
// registry need different ones. It reads Stats once for each scrape.
func NewCollector(e *ringo.Engine, labels prometheus.Labels) prometheus.Collector {
	c := &collector{engine: e}
	describe := func(name, help string, variable ...string) *prometheus.Desc {
		return prometheus.NewDesc("ringo_"+name, help, variable, labels)
	}
	c.ops = describe("operations_total", "Operations ended on loops, by kind.", "op")
	c.ways = describe("file_calls_total", "Calls of ReadAt and WriteAt, by the way they went: plain, cached or loop.", "way")
	for _, m := range counters {
		c.counters = append(c.counters, describe(m.name, m.help))
	}
	c.inFlight = describe("in_flight", "Operations in flight on loops.")
	c.longest = describe("longest_turn_seconds", "The longest a loop stayed out of the kernel.")
	c.longestCPU = describe("longest_turn_cpu_seconds", "The most CPU time a loop used while it stayed out of the kernel once.")
	for _, m := range histograms {
		c.histograms = append(c.histograms, describe(m.name, m.help))
	}
	return c
}

type collector struct {
	engine               *ringo.Engine
	ops, ways            *prometheus.Desc
	counters, histograms []*prometheus.Desc // in the order of the tables below
	inFlight             *prometheus.Desc
	longest, longestCPU  *prometheus.Desc
}

var counters = []struct {
	name, help string
	value      func(*ringo.Stats) uint64
}{
	{"batched_operations_total", "Operations run by batch rings.", func(s *ringo.Stats) uint64 { return s.Batched }},
	{"policy_switches_total", "Times a file system was taken for crowded, or no longer.", func(s *ringo.Stats) uint64 { return s.Switches }},
	{"turns_total", "Kernel entries of the loops.", func(s *ringo.Stats) uint64 { return s.Turns }},
	{"submitted_total", "Requests submitted to the kernel.", func(s *ringo.Stats) uint64 { return s.Submitted }},
	{"completions_total", "Completions delivered.", func(s *ringo.Stats) uint64 { return s.Completions }},
	{"doorbells_total", "Times a post had to wake a sleeping loop.", func(s *ringo.Stats) uint64 { return s.Doorbells }},
	{"overflows_total", "Times a completion queue was found overflowed.", func(s *ringo.Stats) uint64 { return s.Overflows }},
	{"starved_receives_total", "Times a receive found no buffer.", func(s *ringo.Stats) uint64 { return s.Starved }},
	{"accept_backoffs_total", "Times accepting paused for want of descriptors or memory.", func(s *ringo.Stats) uint64 { return s.Backoffs }},
	{"sendfile_calls_total", "Chunks sent by sendfile(2).", func(s *ringo.Stats) uint64 { return s.SendfileCalls }},
	{"sendfile_misses_total", "Chunks of files spliced because they were not cached.", func(s *ringo.Stats) uint64 { return s.SendfileMisses }},
	{"slow_deliveries_total", "Deliveries whose callbacks took too long.", func(s *ringo.Stats) uint64 { return s.Slow }},
}

var histograms = []struct {
	name, help  string
	unit        float64 // of a value
	first, last int     // the buckets shown by themselves
	value       func(*ringo.Stats) *ringo.Histogram
}{
	{"operation_seconds", "Time from taken in by a loop to ended; not of what waits for others.", 1e-9, 8, 34,
		func(s *ringo.Stats) *ringo.Histogram { return &s.Latency }},
	{"turn_seconds", "Time that loops stayed out of the kernel.", 1e-9, 8, 34,
		func(s *ringo.Stats) *ringo.Histogram { return &s.TurnTime }},
	{"delivery_completions", "Completions in a delivery.", 1, 0, 12,
		func(s *ringo.Stats) *ringo.Histogram { return &s.Delivered }},
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range slices.Concat([]*prometheus.Desc{c.ops, c.ways, c.inFlight, c.longest, c.longestCPU}, c.counters, c.histograms) {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	s := c.engine.Stats()
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for op, n := range s.Ops {
		count(c.ops, n, op)
	}
	count(c.ways, s.Plain, "plain")
	count(c.ways, s.Cached, "cached")
	count(c.ways, s.Looped, "loop")
	for i, m := range counters {
		count(c.counters[i], m.value(&s))
	}
	to <- prometheus.MustNewConstMetric(c.inFlight, prometheus.GaugeValue, float64(s.InFlight))
	to <- prometheus.MustNewConstMetric(c.longest, prometheus.GaugeValue, s.LongestTurn.Seconds())
	to <- prometheus.MustNewConstMetric(c.longestCPU, prometheus.GaugeValue, s.LongestTurnCPU.Seconds())
	for i, m := range histograms {
		h := m.value(&s)
		to <- prometheus.MustNewConstHistogram(c.histograms[i], h.Count(), float64(h.Sum)*m.unit, buckets(h, m.first, m.last, m.unit))
	}
}

// buckets gives the cumulative counts that Prometheus wants, of values up to each bound.
func buckets(h *ringo.Histogram, first, last int, unit float64) map[float64]uint64 {
	upTo := map[float64]uint64{}
	var n uint64
	for i, b := range h.Buckets {
		if n += b; i >= first && i <= last {
			upTo[float64(h.Bound(i))*unit] = n
		}
	}
	return upTo
}
