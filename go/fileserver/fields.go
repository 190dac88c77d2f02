package fileserver

import "bytes"

// field is a header field the server acts on or writes to its log.
type field uint8

const (
	fieldHost field = iota
	fieldRange
	fieldAccept
	fieldExpect
	fieldOrigin
	fieldReferer
	fieldIfMatch
	fieldIfRange
	fieldUserAgent
	fieldConnection
	fieldIfNoneMatch
	fieldContentLength
	fieldAcceptEncoding
	fieldIfModifiedSince
	fieldTransferEncoding
	fieldIfUnmodifiedSince
	fieldAccessControlRequestMethod
	numFields
)

// fieldSet is a set of fields, one bit each.
type fieldSet uint32

// set is the set of one field.
func (f field) set() fieldSet { return 1 << f }

// listFields are those whose repetition means one longer list (RFC 9110
// section 5.3). Of any other field the first one counts.
const listFields = fieldSet(1<<fieldAccept | 1<<fieldAcceptEncoding | 1<<fieldIfMatch | 1<<fieldIfNoneMatch)

// fieldNames holds the lower-case names, by field.
var fieldNames = [numFields]string{
	"host", "range", "accept", "expect", "origin", "referer", "if-match", "if-range", "user-agent", "connection",
	"if-none-match", "content-length", "accept-encoding", "if-modified-since", "transfer-encoding",
	"if-unmodified-since", "access-control-request-method",
}

// fieldsByLength gives, for a name's length, the fields [first, end) that have
// it; the constants above are in that order so that a name which is no field
// of ours costs one look into this table.
var fieldsByLength = makeFieldsByLength()

// longestField is the length of access-control-request-method.
const longestField = 29

func makeFieldsByLength() (t [longestField + 1]struct{ first, end field }) {
	for f, name := range fieldNames {
		e := &t[len(name)]
		if e.end == 0 {
			e.first = field(f)
		}
		e.end = field(f) + 1
	}
	return t
}

// fieldOf recognises a field name; numFields when it is none of ours.
func fieldOf(name []byte) field {
	if len(name) > longestField {
		return numFields
	}
	e := fieldsByLength[len(name)]
	for f := e.first; f < e.end; f++ {
		if equalFold(name, fieldNames[f]) {
			return f
		}
	}
	return numFields
}

// has reports whether the request carried the field, be it empty.
func (q *request) has(f field) bool { return q.present&f.set() != 0 }

// field is the value of a field, nil when it was not given. A repeated list
// field comes as one list.
func (q *request) field(f field) []byte {
	if q.repeated&f.set() != 0 {
		return q.joined[q.fields[f].from:q.fields[f].to]
	}
	if !q.has(f) {
		return nil
	}
	return q.bytes(q.fields[f])
}

// parseHeaders reads header lines up to the empty one.
func (q *request) parseHeaders(buf []byte) (n int, out outcome) {
	for {
		line, next, out := q.nextLine(buf, q.headers+maxHeaders, 431)
		if out != complete {
			return 0, out
		}
		if len(line) == 0 {
			q.pos = next
			return next, q.finish()
		}
		if !q.parseHeader(line) {
			return 0, q.fail(400)
		}
		q.pos = next
	}
}

// splitHeader finds the end of the name and the value's place in a line. It
// fails for a name that is no token, which covers a blank before the colon and
// the leading blank of a folded line, and for control characters in the value.
func splitHeader(line []byte) (name []byte, from, to int, ok bool) {
	colon := 0
	for colon < len(line) && isToken(line[colon]) {
		colon++
	}
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return nil, 0, 0, false
	}
	from, to = colon+1, len(line)
	for from < to && isBlank(line[from]) {
		from++
	}
	for from < to && isBlank(line[to-1]) {
		to--
	}
	return line[:colon], from, to, !hasControl(line[from:to])
}

// parseHeader reads the header line at pos.
func (q *request) parseHeader(line []byte) bool {
	name, from, to, ok := splitHeader(line)
	if !ok {
		return false
	}
	f := fieldOf(name)
	if f == numFields {
		return true
	}
	value, first := line[from:to], !q.has(f)
	if first {
		q.present |= f.set()
		q.fields[f] = q.spanAt(q.pos+from, to-from)
	} else {
		q.repeated |= f.set() & listFields
	}
	switch f {
	case fieldHost:
		return first && validHost(value)
	case fieldConnection:
		q.parseConnection(value)
	case fieldContentLength:
		length, ok, fits := decimal(value)
		same := first || length == q.contentLength
		q.contentLength = length
		return ok && fits && same
	case fieldTransferEncoding:
		q.chunked = true
		return first && equalFold(value, "chunked")
	}
	return true
}

// parseConnection notes the options that matter here.
func (q *request) parseConnection(list []byte) {
	for len(list) > 0 {
		var item []byte
		item, list = cutItem(list)
		q.closeSeen = q.closeSeen || equalFold(item, "close")
		q.keepSeen = q.keepSeen || equalFold(item, "keep-alive")
	}
}

// finish checks what can only be judged with all headers at hand, and draws
// the conclusions. A transfer coding beside a length, or in HTTP/1.0, is how
// requests are smuggled: RFC 9112 section 6.1.
func (q *request) finish() outcome {
	if q.minor > 0 && !q.has(fieldHost) {
		return q.fail(400)
	}
	if q.chunked && (q.has(fieldContentLength) || q.minor == 0) {
		return q.fail(400)
	}
	q.keepAlive = !q.closeSeen && (q.minor > 0 || q.keepSeen)
	q.expect = q.minor > 0 && q.hasBody() && equalFold(q.field(fieldExpect), "100-continue")
	if q.repeated != 0 {
		q.joinRepeated()
	}
	return complete
}

// joinRepeated walks the header lines once more for every list field that was
// given in pieces, and joins the pieces by commas.
func (q *request) joinRepeated() {
	for f := range numFields {
		if q.repeated&f.set() == 0 {
			continue
		}
		start := len(q.joined)
		for block := q.buf[q.headers:q.pos]; len(block) > 0; {
			end := bytes.IndexByte(block, '\n')
			name, from, to, ok := splitHeader(block[:end-1])
			if ok && fieldOf(name) == f {
				q.joined = append(append(q.joined, block[from:to]...), ',')
			}
			block = block[end+1:]
		}
		q.fields[f] = q.spanAt(start, len(q.joined)-1-start)
	}
}
