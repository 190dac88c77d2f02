package generate

import (
	"math"
	"sort"
	"testing"

	"github.com/ringo-io/ringo/go/workload/jobfile"
)

const (
	draws = 100_000
	// The seeds are fixed, so the tests say the same each time. A right distribution passes 99.9999 % of seeds.
	chiSquare9 = 45.1 // with 9 degrees of freedom
	chiSquare4 = 33.4 // with 4
)

func draw(d jobfile.Distribution, ranges uint64) *distribution {
	n := newDistribution(d, ranges, 1234)
	n.spread, n.centre = false, 0 // Ranks are drawn; where they lie is another matter.
	return n
}

// chi is the chi-square of what was counted against what is to be expected of each share.
func chi(counts []int, shares []float64) (sum float64) {
	for i, count := range counts {
		expected := shares[i] * draws
		sum += (float64(count) - expected) * (float64(count) - expected) / expected
	}
	return sum
}

// The first two ranks of zipf have their exact shares; the further ones those of the method's curve, whose quantiles are
// known as well.
func TestZipf(t *testing.T) {
	for _, theta := range []float64{0.5, 0.8, 1.2} {
		const ranges = 100_000
		n := draw(jobfile.Distribution{Shape: jobfile.Zipf, Parameter: theta, Center: -1}, ranges)
		zeta := 0.0
		for i := 1; i <= ranges; i++ {
			zeta += math.Pow(float64(i), -theta)
		}
		if off := math.Abs(n.zetaN/zeta - 1); off > 1e-9 {
			t.Errorf("theta %g: zeta is %g, not %g", theta, n.zetaN, zeta)
		}
		first, second := 1/zeta, math.Pow(2, -theta)/zeta
		rest := 1 - first - second
		shares := []float64{first, second, rest / 3, rest / 3, rest / 3}
		// Above them u is uniform, and the rank rises with it.
		var limits [2]uint64
		for i := range limits {
			u := first + second + rest*float64(i+1)/3
			limits[i] = uint64(ranges * math.Pow(n.eta*u-n.eta+1, n.alpha))
		}
		counts := make([]int, 5)
		for range draws {
			switch rank := n.zipf(); {
			case rank < 2:
				counts[rank]++
			case rank <= limits[0]:
				counts[2]++
			case rank <= limits[1]:
				counts[3]++
			default:
				counts[4]++
			}
		}
		if theta > 1 {
			// The limits are a few ranks, too coarse for thirds: they are taken together.
			counts, shares = []int{counts[0], counts[1], counts[2] + counts[3] + counts[4]}, []float64{first, second, rest}
		}
		if c := chi(counts, shares); c > chiSquare4 {
			t.Errorf("theta %g: chi-square %.1f of %d, expected are shares of %.4f", theta, c, counts, shares)
		}
	}
}

// A share of x of the blocks gets x^(1/e) of the I/Os: with h = 0.2, a fifth gets four fifths.
func TestPareto(t *testing.T) {
	for _, h := range []float64{0.2, 0.3, 0.5} {
		const ranges = 1 << 24
		n := draw(jobfile.Distribution{Shape: jobfile.Pareto, Parameter: h, Center: -1}, ranges)
		exponent := math.Log(h) / math.Log(1-h)
		// Limits of about ten equal shares, in whole ranks.
		limits, shares, below := make([]float64, 10), make([]float64, 10), 0.0
		for i := range limits {
			limits[i] = math.Ceil((ranges - 1) * math.Pow(float64(i+1)/10, exponent))
			upTo := math.Pow(limits[i]/(ranges-1), 1/exponent)
			shares[i], below = upTo-below, upTo
		}
		counts, hot := make([]int, 10), 0
		for range draws {
			rank := float64(n.next())
			counts[sort.Search(9, func(i int) bool { return rank < limits[i] })]++
			if rank < h*ranges {
				hot++
			}
		}
		if c := chi(counts, shares); c > chiSquare9 {
			t.Errorf("h %g: chi-square %.1f of %d", h, c, counts)
		}
		if share := float64(hot) / draws; math.Abs(share-(1-h)) > 5*math.Sqrt(h*(1-h)/draws) {
			t.Errorf("h %g: the first %g of the blocks get %.4f, not %g of the I/Os", h, h, share, 1-h)
		}
	}
}

// The blocks of normal are about the middle, with the deviation of twelve uniform numbers and of the noise.
func TestNormal(t *testing.T) {
	for _, percent := range []float64{0, 20, 60} {
		const ranges = 1 << 20
		n := draw(jobfile.Distribution{Shape: jobfile.Normal, Parameter: percent, Center: 0}, ranges)
		deviation := ranges * math.Sqrt(1.0/144+percent*percent/1e4/12)
		counts, shares := make([]int, 10), make([]float64, 10)
		sum, squares := 0.0, 0.0
		for range draws {
			value := float64(n.next())
			sum += value
			squares += value * value
			z := (value - ranges/2) / deviation
			counts[min(int(10*(1+math.Erf(z/math.Sqrt2))/2), 9)]++
		}
		mean := sum / draws
		if math.Abs(mean-ranges/2) > 5*deviation/math.Sqrt(draws) {
			t.Errorf("%g %%: the mean is %.0f, not %d", percent, mean, ranges/2)
		}
		if got := math.Sqrt(squares/draws - mean*mean); math.Abs(got/deviation-1) > 0.02 {
			t.Errorf("%g %%: the deviation is %.0f, not %.0f", percent, got, deviation)
		}
		for i := range shares {
			shares[i] = 0.1
		}
		// With much noise it is flatter than a bell.
		if c := chi(counts, shares); percent == 0 && c > chiSquare9 {
			t.Errorf("%g %%: chi-square %.1f of %d", percent, c, counts)
		}
	}
}
