package generate

import "math/bits"

// A Random is a combined Tausworthe generator after L'Ecuyer: taus88 ("Maximally equidistributed combined
// Tausworthe generators", 1996) or, wide, LFSR258 ("Tables of maximally equidistributed combined LFSR
// generators", 1999).
type Random struct {
	wide bool
	s    [5]uint64
}

// A Purpose is what a stream of random numbers is for. Each has its own, so that, for one, the sizes of
// blocks do not change where they are.
type Purpose uint64

// The purposes.
const (
	ForOffsets Purpose = iota + 1
	ForSizes
	ForMix
	ForFiles
	ForData
	ForSequential // is this I/O of a random job a sequential one?
	ForVerify
	ForRate
	ForDelay
	ForDistribution
)

// NewRandom derives a stream from a seed.
func NewRandom(seed uint64, purpose Purpose, wide bool) *Random {
	r := &Random{wide: wide}
	state := seed ^ uint64(purpose)*0x9e3779b97f4a7c15
	for i := range r.s {
		// The components' low bits are shifted out: they must not be all that is set.
		r.s[i] = splitMix(&state) | 1<<20
		if !wide {
			r.s[i] = r.s[i]&0xffffffff | 1<<20
		}
	}
	return r
}

// splitMix is Steele's, Lea's and Flood's generator: it makes unlike states of like seeds.
func splitMix(state *uint64) uint64 {
	*state += 0x9e3779b97f4a7c15
	z := *state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// SeedOf mixes a job's seed with the number of a clone, or with anything else that must give another sequence.
func SeedOf(seed uint64, number int) uint64 {
	state := seed + uint64(number)*0xd1342543de82ef95
	return splitMix(&state)
}

func component(s uint64, q, keep, shift uint, mask uint64) uint64 {
	return (s&mask)<<shift ^ (s<<q^s)>>keep
}

// Uint32 gives 32 random bits.
func (r *Random) Uint32() uint32 {
	if r.wide {
		return uint32(r.Uint64() >> 32)
	}
	a, b, c := uint32(r.s[0]), uint32(r.s[1]), uint32(r.s[2])
	a = a&0xfffffffe<<12 ^ (a<<13^a)>>19
	b = b&0xfffffff8<<4 ^ (b<<2^b)>>25
	c = c&0xfffffff0<<17 ^ (c<<3^c)>>11
	r.s[0], r.s[1], r.s[2] = uint64(a), uint64(b), uint64(c)
	return a ^ b ^ c
}

// Uint64 gives 64 random bits.
func (r *Random) Uint64() uint64 {
	if !r.wide {
		high := r.Uint32()
		return uint64(high)<<32 | uint64(r.Uint32())
	}
	s := &r.s
	s[0] = component(s[0], 1, 53, 10, ^uint64(1<<1-1))
	s[1] = component(s[1], 24, 50, 5, ^uint64(1<<9-1))
	s[2] = component(s[2], 3, 23, 29, ^uint64(1<<12-1))
	s[3] = component(s[3], 5, 24, 23, ^uint64(1<<17-1))
	s[4] = component(s[4], 3, 33, 8, ^uint64(1<<23-1))
	return s[0] ^ s[1] ^ s[2] ^ s[3] ^ s[4]
}

// Below gives a number from 0 to n-1; n must not be 0.
func (r *Random) Below(n uint64) uint64 {
	if n <= 1<<16 { // The bias is below 2^-16 of a share.
		return uint64(r.Uint32()) * n >> 32
	}
	high, _ := bits.Mul64(r.Uint64(), n)
	return high
}

// Percent says yes in p of 100 cases.
func (r *Random) Percent(p int) bool { return r.Below(100) < uint64(p) }

// Float gives a number from 0 to 1, both included.
func (r *Random) Float() float64 { return float64(r.Uint32()) / (1<<32 - 1) }
