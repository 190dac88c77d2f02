// Package ringoexpvar shows the counters of an engine at /debug/vars (package expvar).
package ringoexpvar

import (
	"expvar"
	"time"

	"github.com/ringo-io/ringo/go/ringo"
)

// Publish makes the Stats of e, and its backend, the variable of that name. Like expvar.Publish it
// panics if the name is taken. Histograms are shown as their count, sum and quantiles.
func Publish(name string, e *ringo.Engine) {
	expvar.Publish(name, expvar.Func(func() any {
		s := e.Stats()
		return struct {
			Backend string
			ringo.Stats
			Latency, TurnTime, Delivered summary
			LongestTurn                  time.Duration
		}{e.Backend(), s, summaryOf(&s.Latency), summaryOf(&s.TurnTime), summaryOf(&s.Delivered), s.LongestTurn}
	}))
}

type summary struct{ Count, Sum, P50, P99, P999 uint64 }

func summaryOf(h *ringo.Histogram) summary {
	return summary{h.Count(), h.Sum, h.Quantile(0.5), h.Quantile(0.99), h.Quantile(0.999)}
}
