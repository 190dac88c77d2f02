package generate

import "math/bits"

// taps are the exponents between the highest and 0 of a primitive polynomial of each degree from 3 on: found
// by trying the fewest terms first and checking that x has the full order.
var taps = [...][]uint{
	3: {1}, 4: {1}, 5: {2}, 6: {1}, 7: {1}, 8: {7, 2, 1}, 9: {4}, 10: {3}, 11: {2}, 12: {8, 2, 1}, 13: {5, 2, 1},
	14: {5, 3, 1}, 15: {1}, 16: {6, 4, 1}, 17: {3}, 18: {7}, 19: {5, 2, 1}, 20: {3}, 21: {2}, 22: {1}, 23: {5},
	24: {7, 2, 1}, 25: {3}, 26: {6, 2, 1}, 27: {5, 2, 1}, 28: {3}, 29: {2}, 30: {6, 4, 1}, 31: {3}, 32: {9, 3, 2},
	33: {13}, 34: {9, 5, 1}, 35: {2}, 36: {11}, 37: {9, 2, 1}, 38: {6, 5, 1}, 39: {4}, 40: {9, 3, 1}, 41: {3},
	42: {7, 5, 2}, 43: {6, 5, 1}, 44: {7, 3, 2}, 45: {4}, 46: {9, 3, 1}, 47: {5}, 48: {11, 5, 1},
}

// An lfsr visits every number below a limit once, in an order that looks random, and keeps no map: a linear
// feedback shift register of maximal length, whose values beyond the limit are passed over.
type lfsr struct {
	limit      uint64
	state      uint64
	polynomial uint64
	degree     uint
	left       uint64
}

func newLFSR(limit, seed uint64) *lfsr {
	degree := uint(max(bits.Len64(limit), 3))
	l := &lfsr{limit: limit, degree: degree, left: limit, polynomial: 1<<degree | 1}
	for _, tap := range taps[degree] {
		l.polynomial |= 1 << tap
	}
	l.state = seed%(1<<degree-1) + 1 // all values but 0
	return l
}

// next gives false when every number was given.
func (l *lfsr) next() (uint64, bool) {
	if l.left == 0 {
		return 0, false
	}
	l.left--
	for {
		l.state <<= 1
		if l.state>>l.degree&1 != 0 {
			l.state ^= l.polynomial
		}
		if l.state <= l.limit {
			return l.state - 1, true
		}
	}
}

// restart begins another round.
func (l *lfsr) restart() { l.left = l.limit }
