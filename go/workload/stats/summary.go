package stats

import (
	"math"
	"math/big"
	"math/bits"
)

// A Summary holds what can be said of a series without keeping it. Sums are exact: merging in any
// order gives the same figures, and adding needs no division.
type Summary struct {
	N        uint64
	Min, Max uint64 // 0 while N is 0
	// The sum and the sum of squares, 128 bits each.
	sumHigh, sumLow         uint64
	squaresHigh, squaresLow uint64
}

// Add takes one sample.
func (s *Summary) Add(value uint64) {
	if s.N == 0 || value < s.Min {
		s.Min = value
	}
	if value > s.Max {
		s.Max = value
	}
	s.N++
	var carry uint64
	s.sumLow, carry = bits.Add64(s.sumLow, value, 0)
	s.sumHigh += carry
	high, low := bits.Mul64(value, value)
	s.squaresLow, carry = bits.Add64(s.squaresLow, low, 0)
	s.squaresHigh += high + carry
}

// Merge takes the samples of another series.
func (s *Summary) Merge(other *Summary) {
	if other.N == 0 {
		return
	}
	if s.N == 0 || other.Min < s.Min {
		s.Min = other.Min
	}
	s.Max = max(s.Max, other.Max)
	s.N += other.N
	var carry uint64
	s.sumLow, carry = bits.Add64(s.sumLow, other.sumLow, 0)
	s.sumHigh += other.sumHigh + carry
	s.squaresLow, carry = bits.Add64(s.squaresLow, other.squaresLow, 0)
	s.squaresHigh += other.squaresHigh + carry
}

// Mean is 0 without samples.
func (s *Summary) Mean() float64 {
	if s.N == 0 {
		return 0
	}
	if s.sumHigh == 0 {
		return float64(s.sumLow) / float64(s.N)
	}
	mean, _ := new(big.Rat).SetFrac(wide(s.sumHigh, s.sumLow), new(big.Int).SetUint64(s.N)).Float64()
	return mean
}

// StdDev is the standard deviation of a sample: with N-1, and 0 for fewer than two.
func (s *Summary) StdDev() float64 {
	if s.N < 2 {
		return 0
	}
	// (N * squares - sum^2) / (N * (N-1)), in integers: the difference of two large floats would be noise.
	n := new(big.Int).SetUint64(s.N)
	sum := wide(s.sumHigh, s.sumLow)
	spread := new(big.Int).Mul(n, wide(s.squaresHigh, s.squaresLow))
	spread.Sub(spread, sum.Mul(sum, sum))
	n.Mul(n, new(big.Int).SetUint64(s.N-1))
	variance, _ := new(big.Rat).SetFrac(spread, n).Float64()
	return math.Sqrt(variance)
}

func wide(high, low uint64) *big.Int {
	value := new(big.Int).SetUint64(high)
	return value.Lsh(value, 64).Or(value, new(big.Int).SetUint64(low))
}

// Samples are rates taken over time, one per window.
type Samples struct {
	N        uint64
	Min, Max uint64
	Mean     float64
	squares  float64 // the sum of squared distances from the mean
}

// Add takes the rate of one window.
func (s *Samples) Add(rate uint64) {
	if s.N == 0 || rate < s.Min {
		s.Min = rate
	}
	s.Max = max(s.Max, rate)
	s.N++
	distance := float64(rate) - s.Mean
	s.Mean += distance / float64(s.N)
	s.squares += distance * (float64(rate) - s.Mean)
}

// StdDev is the standard deviation of a sample.
func (s *Samples) StdDev() float64 {
	if s.N < 2 {
		return 0
	}
	return math.Sqrt(s.squares / float64(s.N-1))
}

// Merge adds the rates of another job that ran at the same time: rates of jobs add up, so their bounds
// and means do, as in fio.
func (s *Samples) Merge(other *Samples) {
	s.N += other.N
	s.Min += other.Min
	s.Max += other.Max
	s.Mean += other.Mean
	s.squares += other.squares
}

// SummaryOf makes a summary of what another program has summed up.
func SummaryOf(n, low, high uint64, mean, deviation float64) Summary {
	s := Summary{N: n, Min: low, Max: high}
	sum, _ := big.NewFloat(mean * float64(n)).Int(nil)
	squares, _ := big.NewFloat(deviation*deviation*max(float64(n)-1, 0) + mean*mean*float64(n)).Int(nil)
	s.sumHigh, s.sumLow = halves(sum)
	s.squaresHigh, s.squaresLow = halves(squares)
	return s
}

func halves(value *big.Int) (high, low uint64) {
	low = new(big.Int).And(value, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
	return new(big.Int).Rsh(value, 64).Uint64(), low
}

// SamplesOf makes samples of what another program has summed up.
func SamplesOf(n, low, high uint64, mean, deviation float64) Samples {
	return Samples{N: n, Min: low, Max: high, Mean: mean, squares: deviation * deviation * max(float64(n)-1, 0)}
}

// A Latency is a series of latencies in ns. Histogram is nil where nobody asked for percentiles.
type Latency struct {
	Summary
	Histogram *Histogram
}

// Add takes one latency in ns.
func (l *Latency) Add(ns uint64) {
	l.Summary.Add(ns)
	if l.Histogram != nil {
		l.Histogram.Add(ns)
	}
}

// Merge takes the samples of another series.
func (l *Latency) Merge(other *Latency) {
	l.Summary.Merge(&other.Summary)
	if other.Histogram == nil {
		return
	}
	if l.Histogram == nil {
		l.Histogram = new(Histogram)
	}
	l.Histogram.Merge(other.Histogram)
}

// Reset forgets all samples and keeps the histogram, empty.
func (l *Latency) Reset() {
	l.Summary = Summary{}
	if l.Histogram != nil {
		clear(l.Histogram[:])
	}
}
