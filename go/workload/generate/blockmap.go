package generate

import "math/bits"

// A blockMap remembers which blocks were used. A bit in a level stands for a word of the level below that
// is full, so that the next free block is found in a few steps however large the file is.
type blockMap struct {
	levels [][]uint64
	blocks int64
	used   int64
}

func newBlockMap(blocks int64) *blockMap {
	m := &blockMap{blocks: blocks}
	for n := blocks; ; {
		words := (n + 63) / 64
		m.levels = append(m.levels, make([]uint64, words))
		if words <= 1 {
			break
		}
		n = words
	}
	m.fence()
	return m
}

// fence marks what lies behind the end as used.
func (m *blockMap) fence() {
	n := m.blocks
	for _, level := range m.levels {
		if rest := n & 63; rest != 0 {
			level[len(level)-1] |= ^uint64(0) << uint(rest)
		}
		n = int64(len(level))
	}
}

// clear makes all blocks free.
func (m *blockMap) clear() {
	for _, level := range m.levels {
		clear(level)
	}
	m.used = 0
	m.fence()
}

func (m *blockMap) full() bool { return m.used >= m.blocks }

func (m *blockMap) isUsed(block int64) bool { return m.levels[0][block>>6]>>uint(block&63)&1 != 0 }

func (m *blockMap) setOne(block int64) {
	m.used++
	for _, level := range m.levels {
		word := &level[block>>6]
		*word |= 1 << uint(block&63)
		if *word != ^uint64(0) {
			return
		}
		block >>= 6
	}
}

// set uses up to count blocks from block on, and stops in front of one that is in use. It returns how many
// were free.
func (m *blockMap) set(block, count int64) int64 {
	for i := range count {
		if block+i >= m.blocks || m.isUsed(block+i) {
			return i
		}
		m.setOne(block + i)
	}
	return count
}

// nextFree finds the first free block from block on, and goes on from the start. The map must not be full.
func (m *blockMap) nextFree(block int64) int64 {
	if found := m.freeFrom(0, block); found >= 0 {
		return found
	}
	return m.freeFrom(0, 0)
}

// freeFrom finds the first zero bit of a level from bit on, or -1.
func (m *blockMap) freeFrom(level int, bit int64) int64 {
	words := m.levels[level]
	word := bit >> 6
	if word >= int64(len(words)) {
		return -1
	}
	if free := ^words[word] & (^uint64(0) << uint(bit&63)); free != 0 {
		return word<<6 + int64(bits.TrailingZeros64(free))
	}
	if level+1 == len(m.levels) {
		return -1
	}
	if word = m.freeFrom(level+1, word+1); word < 0 {
		return -1
	}
	return word<<6 + int64(bits.TrailingZeros64(^words[word]))
}
