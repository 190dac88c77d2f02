package workload

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// fio's own bins and percentiles are the judge.
func TestBucketsAreFios(t *testing.T) {
	needFio(t)
	out, err := exec.Command("fio", "--name=x", "--ioengine=null", "--size=1m", "--bs=512", "--rw=randrw", "--loops=20",
		"--output-format=json+", "--percentile_list=1:10:50:90:99:99.9:99.99:100", "--lat_percentiles=1").Output()
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Jobs []map[string]json.RawMessage
	}
	if err := json.Unmarshal(out, &parsed); err != nil {
		t.Fatal(err)
	}
	for _, direction := range []string{"read", "write"} {
		var flow map[string]json.RawMessage
		if err := json.Unmarshal(parsed.Jobs[0][direction], &flow); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"clat_ns", "lat_ns"} {
			compareWithFio(t, direction+" "+kind, flow[kind])
		}
	}
}

func compareWithFio(t *testing.T, what string, latency json.RawMessage) {
	t.Helper()
	var fio struct{ Percentile, Bins map[string]uint64 }
	if err := json.Unmarshal(latency, &fio); err != nil {
		t.Fatal(err)
	}
	if len(fio.Bins) < 5 || len(fio.Percentile) != 8 {
		t.Fatalf("%s: fio printed %d bins and %d percentiles", what, len(fio.Bins), len(fio.Percentile))
	}
	var h stats.Histogram
	for key, count := range fio.Bins {
		ns, _ := strconv.ParseUint(key, 10, 64)
		h[stats.BucketOf(ns)] += count
		if stats.BucketValue(stats.BucketOf(ns)) != ns {
			t.Errorf("%s: fio's bin %d is our bin %d", what, ns, stats.BucketValue(stats.BucketOf(ns)))
		}
	}
	var percents []float64
	for key := range fio.Percentile {
		p, _ := strconv.ParseFloat(key, 64)
		percents = append(percents, p)
	}
	slices.Sort(percents)
	for i, value := range h.Percentiles(percents) {
		if want := fio.Percentile[strconv.FormatFloat(percents[i], 'f', 6, 64)]; value != want {
			t.Errorf("%s: the %gth percentile is %d, fio says %d", what, percents[i], value, want)
		}
	}
}
