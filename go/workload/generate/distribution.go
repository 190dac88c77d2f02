package generate

import (
	"math"

	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// A distribution draws the numbers of blocks, some more often than others.
type distribution struct {
	shape  jobfile.Shape
	random *Random
	ranges uint64
	spread bool   // ranks are spread over all blocks; otherwise the most frequent are about the centre
	centre uint64 // added to every rank
	// Zipf, by the method of Gray and others ("Quickly generating billion-record synthetic databases", 1994).
	theta, zetaN, second, eta, alpha float64
	exponent                         float64 // Pareto
	deviation                        uint64  // Normal: width of the noise, in blocks
}

// newDistribution makes the shapes other than uniform over a number of blocks.
func newDistribution(d jobfile.Distribution, ranges uint64, seed uint64) *distribution {
	n := &distribution{shape: d.Shape, ranges: ranges, random: NewRandom(seed, ForDistribution, false)}
	n.spread = d.Center < 0
	if n.spread {
		n.centre = uint64(n.random.Uint32())
	} else {
		n.centre = uint64(float64(ranges) * d.Center)
	}
	switch d.Shape {
	case jobfile.Zipf:
		n.theta = d.Parameter
		n.second = 1 + math.Pow(0.5, n.theta)
		n.zetaN = zeta(ranges, n.theta)
		n.alpha = 1 / (1 - n.theta)
		n.eta = (1 - math.Pow(2/float64(ranges), 1-n.theta)) / (1 - n.second/n.zetaN)
	case jobfile.Pareto:
		n.exponent = math.Log(d.Parameter) / math.Log(1-d.Parameter)
	case jobfile.Normal:
		n.deviation = uint64(math.Ceil(float64(ranges) * d.Parameter / 100))
	}
	return n
}

// zeta is the sum of i^-theta for i from 1 to n: exactly for the first terms, the rest by Euler and Maclaurin.
func zeta(n uint64, theta float64) float64 {
	const exact = 1 << 16
	sum := 0.0
	for i := uint64(1); i <= min(n, exact); i++ {
		sum += math.Pow(float64(i), -theta)
	}
	if n <= exact {
		return sum
	}
	from, to := float64(exact), float64(n)
	integral := (math.Pow(to, 1-theta) - math.Pow(from, 1-theta)) / (1 - theta)
	return sum + integral + (math.Pow(to, -theta)-math.Pow(from, -theta))/2
}

func (n *distribution) next() int64 {
	var rank uint64
	switch n.shape {
	case jobfile.Zipf:
		rank = n.zipf()
	case jobfile.Pareto:
		rank = uint64(float64(n.ranges-1) * math.Pow(n.random.Float(), n.exponent))
	default:
		return n.normal()
	}
	if n.spread {
		rank *= fibonacci
	}
	return int64((rank + n.centre) % n.ranges)
}

// fibonacci spreads neighbours far apart: 2^64 over the golden ratio, Knuth's multiplier, negated as in fio,
// so that the hot blocks of both are equally many.
const fibonacci = 0x61c8864680b583eb

func (n *distribution) zipf() uint64 {
	u := n.random.Float()
	switch z := u * n.zetaN; {
	case z < 1:
		return 0
	case z < n.second:
		return 1
	}
	return uint64(float64(n.ranges) * math.Pow(n.eta*u-n.eta+1, n.alpha))
}

// normal takes the mean of twelve uniform numbers and adds uniform noise of the deviation's width.
func (n *distribution) normal() int64 {
	const draws = 12
	sum := uint64(draws - 1)
	for range draws {
		sum += n.random.Below(n.ranges)
	}
	value := int64(sum / draws)
	if n.deviation > 0 {
		noise := int64(n.random.Below(n.deviation)) - int64(n.deviation/2)
		for value+noise >= int64(n.ranges) || value+noise < 0 {
			noise /= 2
		}
		value += noise
	}
	if n.spread {
		return int64(uint64(value) * fibonacci % n.ranges)
	}
	return int64((uint64(value) + n.centre) % n.ranges)
}
