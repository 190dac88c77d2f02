package ringoprom

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ringo-io/ringo/go/ringo"
)

func TestCollector(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	for _, name := range []string{"a", "b"} {
		e, err := ringo.New(ringo.WithLoops(1))
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if err := registry.Register(NewCollector(e, prometheus.Labels{"engine": name})); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			done := make(chan struct{})
			if err := e.NopFunc(func(error) { close(done) }); err != nil {
				t.Fatal(err)
			}
			<-done
		}
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range families {
		seen[f.GetName()] = true
		if len(f.Metric) < 2 {
			t.Errorf("%s: %d metrics for two engines", f.GetName(), len(f.Metric))
		}
		switch m := f.Metric[0]; f.GetName() {
		case "ringo_operations_total":
			if m.GetCounter().GetValue() < 1 {
				t.Error(f)
			}
		case "ringo_operation_seconds":
			h := m.GetHistogram()
			if h.GetSampleCount() < 1 || h.GetSampleSum() <= 0 || h.Bucket[len(h.Bucket)-1].GetCumulativeCount() != h.GetSampleCount() {
				t.Error(f)
			}
		}
	}
	if len(seen) < len(counters)+len(histograms)+5 {
		t.Errorf("only %v", seen)
	}
}
