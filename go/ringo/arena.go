package ringo

// An arena is where what a loop's connections write is gathered: one chunk after the other, shared by
// all, so that what is written in one delivery lies together, and in the CPU's cache.
type arena struct {
	chunk *chunk
	used  int // of its data
}

// arenaRest is how much may be left unused of a chunk rather than cut a write in two.
const arenaRest = 2048

// take gives up to n bytes, which the caller counts among the chunk's shares; none if they would not
// lie behind those given last, unless they may begin a chunk.
func (a *arena) take(l *loop, n int, begin bool) []byte {
	if left := a.left(); left == 0 || left < min(n, arenaRest) {
		if !begin {
			return nil
		}
		// The old one is given back with its last share.
		if a.chunk == nil || a.chunk.shares > 0 {
			a.chunk = l.takeChunk()
		}
		a.used = 0
	}
	n = min(n, a.left())
	data := a.chunk.data()
	a.used += n
	return data[a.used-n : a.used]
}

func (a *arena) left() int {
	if a.chunk == nil {
		return 0
	}
	return dataSize - a.used
}

// isLast reports whether p was given last.
func (a *arena) isLast(p []byte) bool {
	return a.chunk != nil && addressOf(p)+uint64(len(p)) == addressOf(a.chunk.data())+uint64(a.used)
}

// give ends a share of c.
func (a *arena) give(l *loop, c *chunk) {
	c.shares--
	switch {
	case c.shares > 0:
	case c == a.chunk:
		a.used = 0
	default:
		l.giveChunk(c)
	}
}
