package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestBucketsHoldTheirValue(t *testing.T) {
	previous := -1
	for ns := uint64(0); ns < 1<<34; ns += 1 + ns/517 {
		bucket := BucketOf(ns)
		if bucket < previous || bucket >= Buckets {
			t.Fatalf("%d ns falls into bucket %d behind %d", ns, bucket, previous)
		}
		previous = bucket
		middle := BucketValue(bucket)
		if off := math.Abs(float64(middle) - float64(ns)); off > float64(ns)/127 {
			t.Fatalf("%d ns is reported as %d", ns, middle)
		}
		if BucketOf(middle) != bucket {
			t.Fatalf("the middle %d of bucket %d is in bucket %d", middle, bucket, BucketOf(middle))
		}
	}
	for _, ns := range []uint64{1 << 34, 1 << 40, math.MaxUint64} {
		if got := BucketOf(ns); got != Buckets-1 {
			t.Errorf("%d ns falls into bucket %d, not the last", ns, got)
		}
	}
}

// The shares are those of a C program with fio's expression, (long double)percent / 100.0 * total.
func TestSharesAreFios(t *testing.T) {
	for _, c := range []struct {
		percent      float64
		total, share uint64
	}{
		{99.95, 10_000, 9_996}, {99.95, 1_000_000, 999_501}, {0.1, 1_000, 2}, {0.1, 3_000, 4}, // a float64 gives one less
		{99.9, 20_000, 19_981}, {99, 1_000, 990}, {33.3, 3_000, 999}, {50, 7, 4}, {100, 7, 7}, {100, 1, 1}, {5, 7, 1},
	} {
		if got := shareOf(c.percent, c.total); got != c.share {
			t.Errorf("%g %% of %d are %d, not %d", c.percent, c.total, got, c.share)
		}
	}
}

func TestSummaryIsExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var whole, left, right Summary
	var values []float64
	for i := range 10000 {
		value := random.Uint64N(1 << uint(random.IntN(36)))
		whole.Add(value)
		if i%3 == 0 {
			left.Add(value)
		} else {
			right.Add(value)
		}
		values = append(values, float64(value))
	}
	left.Merge(&right)
	if left != whole {
		t.Errorf("merged: %+v, added one by one: %+v", left, whole)
	}
	mean, deviation := textbook(values)
	if math.Abs(whole.Mean()-mean) > mean*1e-9 || math.Abs(whole.StdDev()-deviation) > deviation*1e-9 {
		t.Errorf("mean %f, deviation %f; want %f and %f", whole.Mean(), whole.StdDev(), mean, deviation)
	}
	if whole.Min != uint64(slices.Min(values)) || whole.Max != uint64(slices.Max(values)) {
		t.Errorf("bounds %d and %d; want %f and %f", whole.Min, whole.Max, slices.Min(values), slices.Max(values))
	}
}

func textbook(values []float64) (mean, deviation float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		deviation += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(deviation / float64(len(values)-1))
}

func TestSummaryOfLongLatencies(t *testing.T) {
	var s Summary
	for range 1000 {
		s.Add(1 << 60) // the sum passes 64 bits
		s.Add(1<<60 + 2)
	}
	if s.Mean() != float64(uint64(1<<60+1)) || math.Abs(s.StdDev()-1) > 0.001 {
		t.Errorf("mean %f, deviation %f", s.Mean(), s.StdDev())
	}
	var none Summary
	if none.Mean() != 0 || none.StdDev() != 0 {
		t.Error("a series without samples has a mean")
	}
}

func TestDepthsAndBatches(t *testing.T) {
	for depth, class := range map[int]int{1: 0, 2: 1, 3: 1, 4: 2, 7: 2, 8: 3, 16: 4, 31: 4, 32: 5, 63: 5, 64: 6, 5000: 6} {
		var c Counts
		c.AddDepth(depth, 1)
		if c[class] != 1 {
			t.Errorf("depth %d is counted in %v, not as %s", depth, c, DepthLabels[class])
		}
	}
	for n, class := range map[int]int{0: 0, 1: 1, 4: 1, 5: 2, 8: 2, 9: 3, 16: 3, 17: 4, 32: 4, 33: 5, 64: 5, 65: 6} {
		var c Counts
		c.AddBatch(n)
		if c[class] != 1 {
			t.Errorf("a batch of %d is counted in %v, not as %s", n, c, BatchLabels[class])
		}
	}
}

func TestLatencySpread(t *testing.T) {
	for ns, label := range map[uint64]string{0: "ns 2", 1: "ns 2", 2: "ns 4", 9: "ns 10", 49: "ns 50", 50: "ns 100",
		749: "ns 750", 750: "ns 1000", 999: "ns 1000", 1000: "us 2", 1999: "us 2", 2000: "us 4", 999_999: "us 1000",
		1_000_000: "ms 2", 999_999_999: "ms 1000", 1_000_000_000: "ms 2000", 2_000_000_000: "ms >=2000"} {
		var l LatencySpread
		l.Add(ns)
		got := ""
		for i, name := range LatencyLabels {
			if l.NS[i] == 1 {
				got += "ns " + name
			}
			if l.US[i] == 1 {
				got += "us " + name
			}
		}
		for i, name := range LatencyMSLabels {
			if l.MS[i] == 1 {
				got += "ms " + name
			}
		}
		if got != label {
			t.Errorf("%d ns is counted as %q, not as %q", ns, got, label)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	b.ReportAllocs()
	l := Latency{Histogram: new(Histogram)}
	var spread LatencySpread
	for i := range b.N {
		ns := uint64(i) * 7919 % 1_000_000
		l.Add(ns)
		spread.Add(ns)
	}
}
