package verify

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"hash/crc64"

	"github.com/cespare/xxhash/v2"

	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// digests makes the checksums. Those that the Go library has not are crc16 and crc7, in this file.
var digests = map[jobfile.Checksum]func() hash.Hash{
	jobfile.VerifyCRC32C:   func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
	jobfile.VerifyCRC32:    func() hash.Hash { return crc32.NewIEEE() },
	jobfile.VerifyCRC64:    func() hash.Hash { return crc64.New(crc64.MakeTable(crc64.ECMA)) },
	jobfile.VerifyCRC16:    func() hash.Hash { return &crc16{} },
	jobfile.VerifyCRC7:     func() hash.Hash { return &crc7{} },
	jobfile.VerifyMD5:      md5.New,
	jobfile.VerifySHA1:     sha1.New,
	jobfile.VerifySHA256:   sha256.New,
	jobfile.VerifySHA512:   sha512.New,
	jobfile.VerifySHA3_224: func() hash.Hash { return sha3.New224() },
	jobfile.VerifySHA3_256: func() hash.Hash { return sha3.New256() },
	jobfile.VerifySHA3_384: func() hash.Hash { return sha3.New384() },
	jobfile.VerifySHA3_512: func() hash.Hash { return sha3.New512() },
	jobfile.VerifyXXHash:   func() hash.Hash { return xxhash.New() },
}

// crc16 is CRC-16/ARC: polynomial 0x8005, reflected.
type crc16 struct{ sum uint16 }

func (c *crc16) Write(data []byte) (int, error) {
	for _, b := range data {
		c.sum ^= uint16(b)
		for range 8 {
			c.sum = c.sum>>1 ^ 0xa001*(c.sum&1)
		}
	}
	return len(data), nil
}

func (c *crc16) Sum(b []byte) []byte { return binary.BigEndian.AppendUint16(b, c.sum) }
func (c *crc16) Reset()              { c.sum = 0 }
func (c *crc16) Size() int           { return 2 }
func (c *crc16) BlockSize() int      { return 1 }

// crc7 is CRC-7/MMC: polynomial 0x09.
type crc7 struct{ sum byte }

func (c *crc7) Write(data []byte) (int, error) {
	for _, b := range data {
		c.sum ^= b
		for range 8 {
			c.sum = c.sum<<1 ^ 0x12*(c.sum>>7)
		}
	}
	return len(data), nil
}

func (c *crc7) Sum(b []byte) []byte { return append(b, c.sum>>1) }
func (c *crc7) Reset()              { c.sum = 0 }
func (c *crc7) Size() int           { return 1 }
func (c *crc7) BlockSize() int      { return 1 }
