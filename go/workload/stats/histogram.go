package stats

import (
	"iter"
	"math/big"
	"math/bits"
)

// The shape of fio's latency histogram: groups of 64 buckets each. The first two groups hold single
// nanoseconds; each further group covers twice the range of the one before it.
const (
	bucketBits   = 6
	bucketsEach  = 1 << bucketBits
	bucketGroups = 29
	// Buckets is how many buckets a [Histogram] has.
	Buckets = bucketGroups * bucketsEach
)

// A Histogram counts latencies in ns in fio's own buckets, so that percentiles and bins of both can
// be compared bucket for bucket. A bucket is at most 1/64 of its value wide and is reported by its
// middle. Values from 2^34 ns on land in the last bucket.
type Histogram [Buckets]uint64

// BucketOf gives the index of the bucket that a latency falls into.
func BucketOf(ns uint64) int {
	width := bits.Len64(ns >> bucketBits) // 0 or 1 in the first two groups
	if width <= 1 {
		return int(ns)
	}
	shift := uint(width - 1)
	return min(int(shift+1)<<bucketBits+int(ns>>shift)&(bucketsEach-1), Buckets-1)
}

// BucketValue is the latency in ns that stands for a bucket: its middle.
func BucketValue(bucket int) uint64 {
	if bucket < 2*bucketsEach {
		return uint64(bucket)
	}
	shift := uint(bucket>>bucketBits - 1)
	low := uint64(bucketsEach+bucket&(bucketsEach-1)) << shift
	return low + 1<<(shift-1)
}

// Add counts one latency.
func (h *Histogram) Add(ns uint64) { h[BucketOf(ns)]++ }

// Merge adds the counts of another histogram.
func (h *Histogram) Merge(other *Histogram) {
	for i, count := range other {
		h[i] += count
	}
}

// Total is how many latencies were counted.
func (h *Histogram) Total() (total uint64) {
	for _, count := range h {
		total += count
	}
	return total
}

// Percentiles gives, for each percentage of an ascending list, the latency in ns of the first bucket
// at which that share of all samples is reached. Without samples all are 0.
func (h *Histogram) Percentiles(percents []float64) []uint64 {
	values := make([]uint64, len(percents))
	total := h.Total()
	if total == 0 {
		return values
	}
	shares := make([]uint64, len(percents))
	for i, percent := range percents {
		shares[i] = shareOf(percent, total)
	}
	next, seen := 0, uint64(0)
	for bucket, count := range h {
		seen += count
		for next < len(percents) && count > 0 && seen >= shares[next] {
			values[next] = BucketValue(bucket)
			next++
		}
	}
	return values
}

// shareOf is how many samples make so many percent of the total, in fio's arithmetic: 99.9 is not a binary fraction,
// and where its share of the total comes out even a long double of 64 bits rounds otherwise than a float64.
func shareOf(percent float64, total uint64) uint64 {
	longDouble := func() *big.Float { return new(big.Float).SetPrec(64) }
	share := longDouble().SetFloat64(percent)
	share.Quo(share, longDouble().SetUint64(100))
	share.Mul(share, longDouble().SetUint64(total))
	whole, _ := share.Uint64()
	if !share.IsInt() {
		whole++
	}
	return whole
}

// Bins yields the buckets that counted something, by their value, in ascending order.
func (h *Histogram) Bins() iter.Seq2[uint64, uint64] {
	return func(yield func(ns, count uint64) bool) {
		for bucket, count := range h {
			if count > 0 && !yield(BucketValue(bucket), count) {
				return
			}
		}
	}
}
