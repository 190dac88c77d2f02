package fileserver

import (
	"bytes"
	"strconv"
)

// nanosecond counts of what validators are made of.
const (
	second = int64(1e9)

	// clockGrain is the longest time in which two writes may be given the same
	// time stamp: a tick of a kernel with HZ=100, twice for safety.
	clockGrain = 20 * second / 1000

	// coarseGrain is the same on file systems that keep whole or even seconds,
	// which shows in a time stamp without a fraction.
	coarseGrain = 2 * second
)

// validators are what a response says about the version of its file.
type validators struct {
	// etag as it goes into the header, with quotes and W/; empty for none.
	etag []byte
	// modified is the modification time in Unix seconds; dated reports whether
	// it may be shown and compared. Trees built reproducibly carry time 0 or 1
	// on every file, and such a time says nothing about a version.
	modified int64
	dated    bool
	// settled reports that no later write can have got the same time in
	// seconds, which makes the date a strong validator.
	settled bool
}

// set fills the validators from a file's facts at the time now, in ns. Each
// coding of a file has tags of its own.
func (v *validators) set(mode ETagMode, f *fileFacts, c coding, now int64) {
	v.setDate(f, now)
	v.etag = v.etag[:0]
	if !v.dated || mode == ETagOff {
		return
	}
	v.openTag(f, now)
	v.etag = strconv.AppendUint(v.etag, uint64(f.mtime), 16)
	v.etag = append(v.etag, '-')
	v.etag = strconv.AppendUint(v.etag, uint64(f.size), 16)
	if mode == ETagInode {
		v.etag = append(v.etag, '-')
		v.etag = strconv.AppendUint(v.etag, f.inode, 16)
	}
	v.closeTag(c)
}

// setHash is set with a tag made of the contents' hash, or none without one.
func (v *validators) setHash(sum []byte, f *fileFacts, c coding, now int64) {
	v.setDate(f, now)
	v.etag = v.etag[:0]
	if len(sum) == 0 {
		return
	}
	v.openTag(f, now)
	for _, b := range sum {
		v.etag = append(v.etag, "0123456789abcdef"[b>>4], "0123456789abcdef"[b&15])
	}
	v.closeTag(c)
}

// setDate judges the modification time. A file whose time lies ahead of the
// clock may still be written within that time, so it is never taken for settled.
func (v *validators) setDate(f *fileFacts, now int64) {
	v.modified = floorSecond(f.mtime)
	v.dated = f.mtime > second
	v.settled = v.modified < floorSecond(now)
}

// isYoung reports whether a later write may be given the same time stamp.
func isYoung(mtime, now int64) bool {
	grain := clockGrain
	if mtime%second == 0 {
		grain = coarseGrain
	}
	return now-mtime < grain
}

// openTag begins a tag, a weak one while the file is young.
func (v *validators) openTag(f *fileFacts, now int64) {
	if isYoung(f.mtime, now) {
		v.etag = append(v.etag, "W/"...)
	}
	v.etag = append(v.etag, '"')
}

func (v *validators) closeTag(c coding) {
	if c != identity {
		v.etag = append(append(v.etag, '-'), codings[c].name...)
	}
	v.etag = append(v.etag, '"')
}

// floorSecond turns nanoseconds into whole seconds, rounding down.
func floorSecond(ns int64) int64 {
	s := ns / second
	if ns%second < 0 {
		s--
	}
	return s
}

// precondition evaluates the conditional fields of q in the order of RFC 9110
// section 13.2.2, without If-Range. It gives 0 to go on, 304 or 412. now is in
// Unix seconds.
func (v *validators) precondition(q *request, now int64) int {
	if q.has(fieldIfMatch) {
		if !v.matches(q.field(fieldIfMatch), true) {
			return 412
		}
	} else if date, ok := parseDate(q.field(fieldIfUnmodifiedSince), now); ok && v.dated && v.modified > date {
		return 412
	}
	if q.has(fieldIfNoneMatch) {
		if v.matches(q.field(fieldIfNoneMatch), false) {
			return 304
		}
	} else if date, ok := parseDate(q.field(fieldIfModifiedSince), now); ok && v.dated && v.modified <= date {
		return 304
	}
	return 0
}

// rangeApplies evaluates If-Range: without it, or when it names the version at
// hand by a strong validator, the Range field counts.
func (v *validators) rangeApplies(q *request, now int64) bool {
	if !q.has(fieldIfRange) {
		return true
	}
	value := q.field(fieldIfRange)
	if len(value) > 0 && (value[0] == '"' || value[0] == 'W') && bytes.IndexByte(value, '"') >= 0 {
		return isStrong(v.etag) && bytes.Equal(value, v.etag)
	}
	date, ok := parseDate(value, now)
	return ok && v.dated && v.settled && date == v.modified
}

// isStrong reports whether an entity tag is there and not weak.
func isStrong(etag []byte) bool { return len(etag) > 0 && etag[0] == '"' }

// matches looks for the file's tag in a list of tags, or for "*". strong asks
// for strong comparison (RFC 9110 section 8.8.3.2). Tags are taken by their
// quotes, because a comma may stand within them; the first thing that is no tag
// ends the search.
func (v *validators) matches(list []byte, strong bool) bool {
	if list = trim(list); string(list) == "*" {
		return true
	}
	if len(v.etag) == 0 || (strong && !isStrong(v.etag)) {
		return false
	}
	own := opaque(v.etag)
	for {
		for len(list) > 0 && (isBlank(list[0]) || list[0] == ',') {
			list = list[1:]
		}
		tag := opaque(list)
		end := -1
		if len(tag) > 0 && tag[0] == '"' {
			end = bytes.IndexByte(tag[1:], '"')
		}
		if end < 0 {
			return false
		}
		weak := len(tag) < len(list)
		if bytes.Equal(tag[:end+2], own) && !(strong && weak) {
			return true
		}
		list = tag[end+2:]
	}
}

// opaque cuts the mark of weakness off a tag.
func opaque(tag []byte) []byte {
	return bytes.TrimPrefix(tag, []byte("W/"))
}
