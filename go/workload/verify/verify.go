// Package verify makes written data recognisable, and recognises it: each interval of a block carries a
// header that says what it is, and a digest of the rest. The form is ringo's own; fio's has changed between
// its versions, which refuse each other's.
package verify

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"

	"github.com/ringo-io/ringo/go/workload/generate"
	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// The header, little endian: what stands where.
const (
	atMagic    = 0  // 4 bytes
	atVersion  = 4  // 2
	atChecksum = 6  // 2: jobfile.Checksum
	atLength   = 8  // 4: of the interval
	atCRC      = 12 // 4: CRC-32C of the header, these four bytes taken as zero
	atOffset   = 16 // 8: of the interval in its file
	atNumber   = 24 // 8: of the I/O in its job
	atSeed     = 32 // 8: of the data
	headerSize = 40 // the digest follows

	magic   = 0x676e6972 // "ring"
	version = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Block is what was, or is to be, written by one I/O.
type Block struct {
	Offset int64
	Number uint64
	Seed   uint64
}

// A Codec seals and checks the blocks of one job. It is for one goroutine.
type Codec struct {
	verify *jobfile.Verify
	digest hash.Hash // nil where there is none
	sum    []byte
	scrap  []byte
}

// New makes a codec, or says why a block size or interval is too small.
func New(v *jobfile.Verify, smallestBlock int64) (*Codec, error) {
	c := &Codec{verify: v}
	if make := digests[v.Checksum]; make != nil {
		c.digest = make()
	}
	interval := smallestBlock
	if v.Interval > 0 {
		interval = min(v.Interval, smallestBlock)
	}
	if need := c.headerLength(); c.hasHeader() && v.HeaderOffset+int64(need) > interval {
		return nil, fmt.Errorf("verify: an interval of %d bytes has no room for a header of %d at %d", interval, need, v.HeaderOffset)
	}
	return c, nil
}

func (c *Codec) hasHeader() bool {
	return c.verify.Checksum != jobfile.VerifyPattern && c.verify.Checksum != jobfile.VerifyNone
}

func (c *Codec) headerLength() int {
	if c.digest == nil {
		return headerSize
	}
	return headerSize + c.digest.Size()
}

// intervals calls do with each interval of a buffer.
func (c *Codec) intervals(buffer []byte, b Block, do func(part []byte, b Block) *Mismatch) *Mismatch {
	step := len(buffer)
	if c.verify.Interval > 0 {
		step = int(c.verify.Interval)
	}
	for at := 0; at < len(buffer); at += step {
		part := buffer[at:min(at+step, len(buffer))]
		if c.hasHeader() && len(part) < int(c.verify.HeaderOffset)+c.headerLength() {
			break // A rest without room for a header is not verified.
		}
		if m := do(part, Block{b.Offset + int64(at), b.Number, b.Seed + uint64(at)}); m != nil {
			return m
		}
	}
	return nil
}

// Seal fills a buffer with data, headers and digests.
func (c *Codec) Seal(buffer []byte, b Block) {
	c.intervals(buffer, b, func(part []byte, b Block) *Mismatch {
		c.seal(part, b)
		return nil
	})
}

func (c *Codec) seal(part []byte, b Block) {
	if data := &c.verify.Data; data.Bytes != nil {
		generate.Repeat(part, data, b.Offset)
	} else {
		generate.Scatter(part, b.Seed)
	}
	if !c.hasHeader() {
		return
	}
	header := c.header(part)
	binary.LittleEndian.PutUint32(header[atMagic:], magic)
	binary.LittleEndian.PutUint16(header[atVersion:], version)
	binary.LittleEndian.PutUint16(header[atChecksum:], uint16(c.verify.Checksum))
	binary.LittleEndian.PutUint32(header[atLength:], uint32(len(part)))
	binary.LittleEndian.PutUint64(header[atOffset:], uint64(b.Offset))
	binary.LittleEndian.PutUint64(header[atNumber:], b.Number)
	binary.LittleEndian.PutUint64(header[atSeed:], b.Seed)
	binary.LittleEndian.PutUint32(header[atCRC:], headerCRC(header))
	copy(header[headerSize:], c.sumOf(part))
}

func (c *Codec) header(part []byte) []byte {
	return part[c.verify.HeaderOffset:][:c.headerLength()]
}

func headerCRC(header []byte) uint32 {
	crc := crc32.Update(0, castagnoli, header[:atCRC])
	crc = crc32.Update(crc, castagnoli, []byte{0, 0, 0, 0})
	return crc32.Update(crc, castagnoli, header[atCRC+4:headerSize])
}

// sumOf is the digest of what is around the header.
func (c *Codec) sumOf(part []byte) []byte {
	if c.digest == nil {
		return nil
	}
	c.digest.Reset()
	c.digest.Write(part[:c.verify.HeaderOffset])
	c.digest.Write(part[int(c.verify.HeaderOffset)+c.headerLength():])
	c.sum = c.digest.Sum(c.sum[:0])
	return c.sum
}

// A Mismatch is where data is not what was written. Offset is in the file; Expected and Found begin there.
type Mismatch struct {
	Offset          int64
	What            string
	Expected, Found []byte
	// The interval that it was found in, as it should be, if that is known, and as it is.
	Whole, Received []byte
	Interval        int64
}

func (m *Mismatch) Error() string {
	if m.Expected == nil {
		return fmt.Sprintf("%s at offset %d: found % x", m.What, m.Offset, m.Found)
	}
	return fmt.Sprintf("%s at offset %d: expected % x, found % x", m.What, m.Offset, m.Expected, m.Found)
}

// Check looks at what was read from an offset. Where the block that was written is known its header must say
// the same; where it is nil, the header alone says what there should be.
func (c *Codec) Check(buffer []byte, offset int64, written *Block) *Mismatch {
	if c.verify.Checksum == jobfile.VerifyNull || c.verify.Checksum == jobfile.VerifyNone {
		return nil
	}
	b := Block{Offset: offset}
	if written != nil {
		b = *written
	}
	return c.intervals(buffer, b, func(part []byte, b Block) *Mismatch {
		if c.intact(part, b, written != nil) {
			return nil
		}
		return c.diagnose(part, b, written != nil)
	})
}

// intact is the quick way: the header is whole and says what it should, and the digest fits.
func (c *Codec) intact(part []byte, b Block, known bool) bool {
	if !c.hasHeader() {
		c.scrap = grown(c.scrap, len(part))
		generate.Repeat(c.scrap, &c.verify.Data, b.Offset)
		return bytes.Equal(part, c.scrap)
	}
	header := c.header(part)
	if binary.LittleEndian.Uint32(header[atCRC:]) != headerCRC(header) || !c.saysTheSame(header, len(part), b) {
		return false
	}
	if known && (binary.LittleEndian.Uint64(header[atNumber:]) != b.Number ||
		binary.LittleEndian.Uint64(header[atSeed:]) != b.Seed) {
		return false
	}
	switch c.verify.Checksum {
	case jobfile.VerifyMeta:
		return true
	case jobfile.VerifyPatternHeader:
		return bytes.Equal(part, c.expected(part, Block{b.Offset, binary.LittleEndian.Uint64(header[atNumber:]),
			binary.LittleEndian.Uint64(header[atSeed:])}))
	}
	return bytes.Equal(header[headerSize:], c.sumOf(part))
}

func (c *Codec) saysTheSame(header []byte, length int, b Block) bool {
	return binary.LittleEndian.Uint32(header[atMagic:]) == magic &&
		binary.LittleEndian.Uint16(header[atVersion:]) == version &&
		binary.LittleEndian.Uint16(header[atChecksum:]) == uint16(c.verify.Checksum) &&
		binary.LittleEndian.Uint32(header[atLength:]) == uint32(length) &&
		binary.LittleEndian.Uint64(header[atOffset:]) == uint64(b.Offset)
}

// expected is the interval as it was written.
func (c *Codec) expected(part []byte, b Block) []byte {
	c.scrap = grown(c.scrap, len(part))
	c.seal(c.scrap, b)
	return c.scrap
}

func grown(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// diagnose finds the first byte that differs from what was written.
func (c *Codec) diagnose(part []byte, b Block, known bool) *Mismatch {
	if !c.hasHeader() {
		generate.Repeat(c.scrap, &c.verify.Data, b.Offset)
		return differ("data", part, c.scrap, b.Offset)
	}
	if !known {
		header := bytes.Clone(c.header(part))
		if !c.repair(header) || !c.saysTheSame(header, len(part), b) {
			return &Mismatch{Offset: b.Offset + c.verify.HeaderOffset, What: c.foreign(header, len(part), b),
				Found: bytes.Clone(c.header(part)), Received: bytes.Clone(part), Interval: b.Offset}
		}
		b.Number = binary.LittleEndian.Uint64(header[atNumber:])
		b.Seed = binary.LittleEndian.Uint64(header[atSeed:])
	}
	m := differ("data", part, c.expected(part, b), b.Offset)
	if m == nil {
		return nil
	}
	if at := m.Offset - b.Offset - c.verify.HeaderOffset; at >= 0 && at < int64(c.headerLength()) {
		m.What = "header"
	}
	return m
}

// repair finds the one byte of a header that must be changed for its CRC to fit.
func (c *Codec) repair(header []byte) bool {
	fits := func() bool { return binary.LittleEndian.Uint32(header[atCRC:]) == headerCRC(header) }
	if fits() {
		return true
	}
	for i := range headerSize {
		was := header[i]
		for change := 1; change < 256; change++ {
			header[i] = was ^ byte(change)
			if fits() && binary.LittleEndian.Uint32(header[atMagic:]) == magic {
				return true
			}
		}
		header[i] = was
	}
	return false
}

// foreign says what is wrong with a header that is not one of the block's.
func (c *Codec) foreign(header []byte, length int, b Block) string {
	switch {
	case binary.LittleEndian.Uint32(header[atMagic:]) != magic:
		return "no header"
	case binary.LittleEndian.Uint64(header[atOffset:]) != uint64(b.Offset):
		return fmt.Sprintf("header of offset %d", binary.LittleEndian.Uint64(header[atOffset:]))
	case binary.LittleEndian.Uint32(header[atLength:]) != uint32(length):
		return fmt.Sprintf("header of a block of %d bytes", binary.LittleEndian.Uint32(header[atLength:]))
	case binary.LittleEndian.Uint16(header[atChecksum:]) != uint16(c.verify.Checksum):
		return "header with another checksum"
	}
	return "damaged header"
}

// differ makes a mismatch of the first difference.
func differ(what string, found, expected []byte, offset int64) *Mismatch {
	const shown = 16
	for i := range found {
		if found[i] != expected[i] {
			end := min(i+shown, len(found))
			return &Mismatch{Offset: offset + int64(i), What: what, Expected: bytes.Clone(expected[i:end]),
				Found: bytes.Clone(found[i:end]), Whole: bytes.Clone(expected), Received: bytes.Clone(found), Interval: offset}
		}
	}
	return nil
}
