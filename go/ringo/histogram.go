package ringo

import (
	"math"

	"github.com/ringo-io/ringo/csrc"
)

// A Histogram counts values by powers of two: Buckets[0] counts zeros, Buckets[i] values from
// 2^(i-1) to 2^i - 1, the last one all that are larger. Durations are in nanoseconds.
type Histogram struct {
	Sum     uint64 // of the values
	Buckets [csrc.Buckets]uint64
}

// Count is the number of values.
func (h *Histogram) Count() (n uint64) {
	for _, b := range h.Buckets {
		n += b
	}
	return n
}

// Bound is the largest value that bucket i counts; of the last one it is the largest there is.
func (h *Histogram) Bound(i int) uint64 {
	if i == len(h.Buckets)-1 {
		return math.MaxUint64
	}
	return 1<<i - 1
}

// Quantile is a value that at least the fraction q of all values are not above: the bound of its
// bucket, so at most twice the true one. It is 0 when there are no values.
func (h *Histogram) Quantile(q float64) uint64 {
	least := uint64(math.Ceil(q * float64(h.Count())))
	var n uint64
	for i, b := range h.Buckets {
		if n += b; n >= least && b > 0 {
			return h.Bound(i)
		}
	}
	return 0
}

func (h *Histogram) add(c *csrc.Histogram) {
	h.Sum += c.Sum
	for i, b := range c.Buckets {
		h.Buckets[i] += b
	}
}
