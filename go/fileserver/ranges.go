package fileserver

import (
	"bytes"
	"strconv"
)

// maxRanges is how many ranges one request may ask for.
const maxRanges = 16

// byteRange is a part of a file.
type byteRange struct{ off, len int64 }

// rangeVerdict is what a Range field asks for.
type rangeVerdict uint8

const (
	// rangeIgnored: send the whole file with 200, as if there were no Range.
	rangeIgnored rangeVerdict = iota
	// rangeOK: the set's ranges can be sent.
	rangeOK
	// rangeUnsatisfiable: 416.
	rangeUnsatisfiable
)

// rangeSet holds the ranges of one request that lie within the file.
type rangeSet struct {
	n    int
	list [maxRanges]byteRange
}

// parse reads a Range field against a file's size (RFC 9110 section 14). It
// looks at every byte once and never sorts or merges, so that no field can make
// it slow; more than maxRanges ranges, or ranges that together are longer than
// the file, are ignored as abuse.
func (s *rangeSet) parse(value []byte, size int64) rangeVerdict {
	s.n = 0
	eq := bytes.IndexByte(value, '=')
	if eq < 0 || !equalFold(value[:eq], "bytes") || size == 0 {
		return rangeIgnored
	}
	asked, room, abuse := 0, size, false
	for list := value[eq+1:]; len(list) > 0; {
		var item []byte
		item, list = cutItem(list)
		if len(item) == 0 {
			continue
		}
		r, ok := parseRange(item, size)
		if !ok {
			return rangeUnsatisfiable
		}
		asked++
		if abuse = abuse || asked > maxRanges || r.len > room; abuse || r.len == 0 {
			continue
		}
		s.list[s.n] = r
		s.n++
		room -= r.len
	}
	if abuse {
		return rangeIgnored
	}
	if s.n == 0 {
		return rangeUnsatisfiable
	}
	return rangeOK
}

// parseRange reads first-last, first- or -suffix. A range outside the file
// comes back with length 0. Numbers beyond 64 bits are clamped by decimal,
// which puts them behind the end of any file.
func parseRange(item []byte, size int64) (r byteRange, ok bool) {
	dash := bytes.IndexByte(item, '-')
	if dash < 0 {
		return r, false
	}
	last := size - 1
	if dash+1 < len(item) {
		if last, ok, _ = decimal(item[dash+1:]); !ok {
			return r, false
		}
		if dash == 0 {
			n := min(last, size)
			return byteRange{size - n, n}, true
		}
	}
	first, ok, _ := decimal(item[:dash])
	if !ok || (first > last && dash+1 < len(item)) {
		return r, false
	}
	if first >= size {
		return r, true
	}
	return byteRange{first, min(last, size-1) - first + 1}, true
}

// appendContentRange appends the value of Content-Range. An empty range makes
// the form that goes with 416.
func appendContentRange(dst []byte, r byteRange, size int64) []byte {
	dst = append(dst, "bytes "...)
	if r.len == 0 {
		dst = append(dst, '*')
	} else {
		dst = strconv.AppendInt(dst, r.off, 10)
		dst = append(dst, '-')
		dst = strconv.AppendInt(dst, r.off+r.len-1, 10)
	}
	dst = append(dst, '/')
	return strconv.AppendInt(dst, size, 10)
}
