package fileserver

import "math/rand/v2"

// boundaryLen is the length of a multipart boundary: 128 random bits, which no file is expected to
// hold, and no client can choose.
const boundaryLen = 32

// partRoom is more than the head of any part takes, or the end of the last.
const partRoom = 512

// setParts makes the answer one of several ranges, multipart/byteranges (RFC 9110 section 14.6).
func (p *plan) setParts(size int64) {
	p.parts, p.nextPart, p.partOf = p.ranges.n, 0, size
	for i := 0; i < boundaryLen; i += 16 {
		appendHex16(p.boundary[:i], rand.Uint64())
	}
	// Every part's head is written once to be counted.
	var scratch [partRoom]byte
	p.length = int64(len(p.appendPartEnd(scratch[:0])))
	for i := range p.parts {
		p.nextPart = i
		p.length += int64(len(p.appendPartHead(scratch[:0]))) + p.ranges.list[i].len
	}
	p.nextPart = 0
}

// morePart reports whether something of the body comes behind the present part of the file.
func (p *plan) morePart() bool { return p.nextPart <= p.parts && p.parts > 0 && !p.noBody }

// appendPart goes on to the body's next part: it appends the part's head and makes the part the
// plan's part of the file; behind the last one it appends the end.
func (p *plan) appendPart(dst []byte) []byte {
	if p.nextPart == p.parts {
		p.nextPart++
		return p.appendPartEnd(dst)
	}
	dst = p.appendPartHead(dst)
	r := p.ranges.list[p.nextPart]
	p.fileOff, p.fileLen = r.off, r.len
	p.nextPart++
	return dst
}

func (p *plan) appendPartHead(dst []byte) []byte {
	if p.nextPart > 0 {
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, "--"...)
	dst = append(dst, p.boundary[:]...)
	dst = append(dst, "\r\nContent-Type: "...)
	dst = append(dst, p.contentType...)
	dst = append(dst, "\r\nContent-Range: "...)
	dst = appendContentRange(dst, p.ranges.list[p.nextPart], p.partOf)
	return append(dst, "\r\n\r\n"...)
}

func (p *plan) appendPartEnd(dst []byte) []byte {
	dst = append(dst, "\r\n--"...)
	dst = append(dst, p.boundary[:]...)
	return append(dst, "--\r\n"...)
}

// appendHex16 appends 16 hexadecimal digits.
func appendHex16(dst []byte, n uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, "0123456789abcdef"[n>>shift&15])
	}
	return dst
}
