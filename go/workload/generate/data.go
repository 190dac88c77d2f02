package generate

import (
	"encoding/binary"

	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// Data fills the buffers of writes. It is for one goroutine.
type Data struct {
	buffers *jobfile.Buffers
	random  *Random
	state   uint64
	count   uint64
}

// NewData makes the data of one clone.
func NewData(buffers *jobfile.Buffers, seed uint64) *Data {
	return &Data{buffers: buffers, random: NewRandom(seed, ForData, false)}
}

// First fills a buffer that is then used again and again, as every buffer is at the start.
func (d *Data) First(buffer []byte) {
	switch b := d.buffers; {
	case b.Data.Bytes != nil:
		Repeat(buffer, &b.Data, 0)
	case b.Zero || b.Compress == 100:
		clear(buffer)
	default:
		d.fill(buffer)
	}
}

// Next makes a buffer ready for a write to offset: anew, or with small changes, or not at all.
func (d *Data) Next(buffer []byte, offset int64) {
	d.count++
	b := d.buffers
	switch {
	case b.Data.Bytes != nil:
		if len(b.Data.Offsets) > 0 {
			Repeat(buffer, &b.Data, offset)
		}
	case b.Zero || b.Compress == 100:
	case b.Refill || b.Compress > 0 || b.Dedupe > 0:
		d.fill(buffer)
	case b.Scramble:
		d.scramble(buffer, offset)
	}
}

// fill writes random bytes, of which a share of every chunk compresses away.
func (d *Data) fill(buffer []byte) {
	if d.state == 0 || d.buffers.Dedupe == 0 || !d.random.Percent(d.buffers.Dedupe) {
		d.state = d.random.Uint64() | 1
	}
	state := d.state
	if d.buffers.Compress == 0 {
		scatter(buffer, state)
		return
	}
	chunk := int(d.buffers.CompressChunk)
	if chunk <= 0 {
		chunk = 512
	}
	for len(buffer) > 0 {
		n := min(chunk, len(buffer))
		zeroes := n * d.buffers.Compress / 100
		state = scatter(buffer[:n-zeroes], state)
		clear(buffer[n-zeroes : n])
		buffer = buffer[n:]
	}
}

// scatter fills a buffer by xorshift64*: fast, and no compressor finds anything in it.
func scatter(buffer []byte, state uint64) uint64 {
	for len(buffer) >= 8 {
		state ^= state >> 12
		state ^= state << 25
		state ^= state >> 27
		binary.LittleEndian.PutUint64(buffer, state*0x2545f4914f6cdd1d)
		buffer = buffer[8:]
	}
	for i := range buffer {
		state ^= state << 13
		state ^= state >> 7
		buffer[i] = byte(state)
	}
	return state
}

// Scatter fills a buffer with random bytes that only seed decides.
func Scatter(buffer []byte, seed uint64) { scatter(buffer, seed|1) }

// scramble changes a word in each 512 bytes: no two writes are equal, and it costs little.
func (d *Data) scramble(buffer []byte, offset int64) {
	mark := uint64(offset) ^ d.count*0x9e3779b97f4a7c15
	for at := 0; at+16 <= len(buffer); at += 512 {
		binary.LittleEndian.PutUint64(buffer[at:], mark)
		mark += 0x9e3779b97f4a7c15
	}
}

// Repeat fills a buffer with a pattern, and puts offset where the pattern asks for it.
func Repeat(buffer []byte, p *jobfile.Payload, offset int64) {
	if len(p.Bytes) == 0 {
		return
	}
	filled := copy(buffer, p.Bytes)
	for filled < len(buffer) {
		filled += copy(buffer[filled:], buffer[:filled])
	}
	if len(p.Offsets) == 0 {
		return
	}
	var mark [8]byte
	binary.LittleEndian.PutUint64(mark[:], uint64(offset))
	for at := 0; at < len(buffer); at += len(p.Bytes) {
		for _, place := range p.Offsets {
			if at+place < len(buffer) {
				copy(buffer[at+place:min(at+len(p.Bytes), len(buffer))], mark[:])
			}
		}
	}
}
