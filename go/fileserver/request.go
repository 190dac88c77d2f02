package fileserver

import "bytes"

// Limits of a request's head, in bytes.
const (
	maxMethod      = 64
	maxTarget      = 8 << 10
	maxRequestLine = maxMethod + 1 + maxTarget + len(" HTTP/1.1\r\n")
	maxHeaders     = 16 << 10
	maxBlankLines  = 4 // empty lines skipped before a request line, RFC 9112 section 2.2
)

// outcome is how far a resumable parser came.
type outcome uint8

const (
	// more: the bytes so far are good, and there must be more of them.
	more outcome = iota
	// complete: what was looked for is there in full.
	complete
	// failed: answer with the parser's status and close.
	failed
	// closing: an HTTP/0.9 request. There is no way to answer it with a
	// status, so the connection is closed without a word.
	closing
)

// method is a request method, as far as a file server tells them apart.
type method uint8

const (
	methodUnknown method = iota // a token no registry knows: 501
	methodGet
	methodHead
	methodOptions
	methodOther // known, but not for files: 405
)

// stage is the part of the head the parser is in.
type stage uint8

const (
	stageBlank stage = iota
	stageLine
	stageHeaders
)

// span is a part of the input by offsets. Offsets, not slices, because the
// caller's buffer may move while a request is still coming in.
type span struct{ from, to uint32 }

// request is one HTTP/1.x request head. It refers to the caller's buffer and
// holds no bytes of its own, so it is good only while that buffer is; reset
// makes it ready for the next one without giving up memory.
type request struct {
	method        method
	minor         uint8 // of HTTP/1.minor; higher ones than 1 count as 1
	keepAlive     bool  // the client wants the connection kept
	star          bool  // the target is "*"
	chunked       bool
	expect        bool // Expect: 100-continue, and a body to be continued with
	contentLength int64
	status        int // why parse failed

	stage     stage
	closeSeen bool // Connection: close
	keepSeen  bool // Connection: keep-alive
	present   fieldSet
	repeated  fieldSet // list fields given more than once, joined in joined

	buf     []byte
	joined  []byte
	pos     int // where the current line starts
	scanned int // no LF is in buf[pos:scanned]
	headers int // where the header lines start

	methodSpan, targetSpan, pathSpan, querySpan, authority span
	fields                                                 [numFields]span
}

// reset forgets everything but the memory.
func (q *request) reset() {
	*q = request{joined: q.joined[:0]}
}

// parse reads a request head from buf. While it answers more, the caller calls
// again with the same bytes and new ones behind them; the buffer may have moved
// in between. Scanning goes on where it stopped, and every decision depends on
// the bytes alone, never on how they were cut into pieces. On complete, n bytes
// belong to the head. Other outcomes end the connection. A request that has been
// used before must be reset first.
func (q *request) parse(buf []byte) (n int, out outcome) {
	q.buf = buf
	if q.stage == stageBlank {
		if out := q.skipBlankLines(buf); out != complete {
			return 0, out
		}
		q.stage = stageLine
	}
	if q.stage == stageLine {
		if out := q.parseRequestLine(buf); out != complete {
			return 0, out
		}
		q.stage = stageHeaders
		q.headers = q.pos
	}
	return q.parseHeaders(buf)
}

// fail notes the status of an answer that ends the connection.
func (q *request) fail(status int) outcome {
	q.status = status
	return failed
}

// skipBlankLines passes over a few empty lines and looks at the first byte
// after them: what is no token there (TLS, say) is not worth waiting for.
func (q *request) skipBlankLines(buf []byte) outcome {
	for q.pos < len(buf) && buf[q.pos] == '\r' && q.pos < 2*maxBlankLines {
		if q.pos+1 == len(buf) {
			return more
		}
		if buf[q.pos+1] != '\n' {
			return q.fail(400)
		}
		q.pos += 2
	}
	if q.pos == len(buf) {
		return more
	}
	if !isToken(buf[q.pos]) {
		return q.fail(400)
	}
	q.scanned = q.pos
	return complete
}

// nextLine finds the line that starts at pos and must end before limit. The
// line comes without its CRLF; next is where the one after it starts.
func (q *request) nextLine(buf []byte, limit, tooLong int) (line []byte, next int, out outcome) {
	window := buf[:min(len(buf), limit)]
	i := bytes.IndexByte(window[q.scanned:], '\n')
	if i < 0 {
		q.scanned = len(window)
		if len(window) == limit {
			return nil, 0, q.fail(tooLong)
		}
		return nil, 0, more
	}
	end := q.scanned + i
	if end == q.pos || buf[end-1] != '\r' {
		return nil, 0, q.fail(400)
	}
	q.scanned = end + 1
	return buf[q.pos : end-1], end + 1, complete
}

// parseRequestLine reads method SP target SP version.
func (q *request) parseRequestLine(buf []byte) outcome {
	line, next, out := q.nextLine(buf, q.pos+maxRequestLine, 414)
	if out != complete {
		return q.lineTooLong(buf, out)
	}
	space := bytes.IndexByte(line, ' ')
	if space < 0 || !allOf(line[:space], classToken) {
		return q.fail(400)
	}
	q.methodSpan = q.spanAt(q.pos, space)
	q.method = methodOf(line[:space])
	rest := line[space+1:]
	target, out := q.cutVersion(rest)
	if out != complete {
		return out
	}
	if len(target) > maxTarget {
		return q.fail(414)
	}
	if len(target) == 0 || !allOf(target, classTarget) {
		return q.fail(400)
	}
	q.targetSpan = q.spanAt(q.pos+space+1, len(target))
	if !q.splitTarget(target, q.pos+space+1) {
		return q.fail(400)
	}
	q.pos = next
	return complete
}

// lineTooLong sharpens the answer to an endless request line: RFC 9112 section
// 3 wants 501 when it is the method that has no end.
func (q *request) lineTooLong(buf []byte, out outcome) outcome {
	if out == failed && q.status == 414 && bytes.IndexByte(buf[q.pos:q.pos+maxMethod+1], ' ') < 0 {
		return q.fail(501)
	}
	return out
}

// spanAt makes a span of length bytes.
func (q *request) spanAt(from, length int) span {
	return span{uint32(from), uint32(from + length)}
}

// cutVersion takes the version off the end of the request line.
func (q *request) cutVersion(rest []byte) (target []byte, out outcome) {
	cut := len(rest) - len(" HTTP/1.1")
	if cut < 0 || rest[cut] != ' ' || string(rest[cut+1:cut+6]) != "HTTP/" {
		if q.method == methodGet && len(rest) > 0 && allOf(rest, classTarget) {
			return nil, closing
		}
		return nil, q.fail(400)
	}
	major, dot, minor := rest[cut+6]-'0', rest[cut+7], rest[cut+8]-'0'
	if major > 9 || dot != '.' || minor > 9 {
		return nil, q.fail(400)
	}
	if major == 2 && string(q.methodName()) == "PRI" {
		return nil, q.fail(400) // an HTTP/2 preface: it comes from a program that would not read 505
	}
	if major != 1 {
		return nil, q.fail(505)
	}
	q.minor = min(minor, 1)
	return rest[:cut], complete
}

// splitTarget tells the forms of RFC 9112 section 3.2 apart and notes path,
// query and authority. at is where the target starts in the buffer.
func (q *request) splitTarget(target []byte, at int) bool {
	switch {
	case q.method == methodOther && string(q.methodName()) == "CONNECT":
		return validHost(target)
	case target[0] == '/':
	case len(target) == 1 && target[0] == '*':
		q.star = true
		return q.method == methodOptions
	default:
		skip := q.splitAuthority(target, at)
		if skip == 0 {
			return false
		}
		target, at = target[skip:], at+skip
	}
	path := len(target)
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		path = i
		q.querySpan = q.spanAt(at+i, len(target)-i)
	}
	q.pathSpan = q.spanAt(at, path)
	return true
}

// splitAuthority reads scheme and authority of an absolute-form target and
// gives their length, or 0 when they are not those of an http URI. User
// information is refused, as RFC 9110 section 4.2.4 advises.
func (q *request) splitAuthority(target []byte, at int) int {
	scheme := bytes.Index(target, []byte("://"))
	if scheme < 0 || !(equalFold(target[:scheme], "http") || equalFold(target[:scheme], "https")) {
		return 0
	}
	start := scheme + len("://")
	end := start
	for end < len(target) && target[end] != '/' && target[end] != '?' {
		end++
	}
	if !validHost(target[start:end]) {
		return 0
	}
	q.authority = q.spanAt(at+start, end-start)
	// RFC 9112 section 3.2.4: the "*" form as a proxy would write it.
	q.star = q.method == methodOptions && end == len(target)
	return end
}

// bytes gives the input under a span.
func (q *request) bytes(s span) []byte { return q.buf[s.from:s.to] }

// target is the request target as it came, for logs.
func (q *request) target() []byte { return q.bytes(q.targetSpan) }

// methodName is the method as it came, for logs.
func (q *request) methodName() []byte { return q.bytes(q.methodSpan) }

// rootPath stands in for the empty path of "http://host".
var rootPath = []byte("/")

// path is the target's path, still escaped, never empty.
func (q *request) path() []byte {
	if q.pathSpan.from == q.pathSpan.to {
		return rootPath
	}
	return q.bytes(q.pathSpan)
}

// query is the target's query with its '?', or empty when there is none.
func (q *request) query() []byte { return q.bytes(q.querySpan) }

// host is the authority asked for: that of the target if it names one, which
// RFC 9112 section 3.2.2 puts above the Host field.
func (q *request) host() []byte {
	if q.authority.to > 0 {
		return q.bytes(q.authority)
	}
	return q.field(fieldHost)
}

// hasBody reports whether body bytes follow the head.
func (q *request) hasBody() bool { return q.chunked || q.contentLength > 0 }

// methodOf recognises a method. Methods are case-sensitive.
func methodOf(name []byte) method {
	switch string(name) {
	case "GET":
		return methodGet
	case "HEAD":
		return methodHead
	case "OPTIONS":
		return methodOptions
	case "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "QUERY",
		"ACL", "BASELINE-CONTROL", "BIND", "CHECKIN", "CHECKOUT", "COPY", "LABEL", "LINK", "LOCK", "MERGE",
		"MKACTIVITY", "MKCALENDAR", "MKCOL", "MKREDIRECTREF", "MKWORKSPACE", "MOVE", "ORDERPATCH", "PRI",
		"PROPFIND", "PROPPATCH", "REBIND", "REPORT", "SEARCH", "UNBIND", "UNCHECKOUT", "UNLINK", "UNLOCK",
		"UPDATE", "UPDATEREDIRECTREF", "VERSION-CONTROL":
		return methodOther // the IANA registry
	}
	return methodUnknown
}
