package fileserver

import (
	"strconv"
	"strings"
)

// allowed are the methods a file answers to.
const allowed = "GET, HEAD, OPTIONS"

// listingPolicy lets a listing use its own style and nothing else.
const listingPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

// statusText is how a status is said.
type statusText struct {
	line string // the status line
	text string // the built-in body
}

// statuses are all the answers this server gives.
var statuses = makeStatuses(map[int]string{
	200: "OK",
	204: "No Content",
	206: "Partial Content",
	301: "Moved Permanently",
	304: "Not Modified",
	400: "Bad Request",
	404: "Not Found",
	405: "Method Not Allowed",
	406: "Not Acceptable",
	408: "Request Timeout",
	412: "Precondition Failed",
	413: "Content Too Large",
	414: "URI Too Long",
	416: "Range Not Satisfiable",
	431: "Request Header Fields Too Large",
	500: "Internal Server Error",
	501: "Not Implemented",
	503: "Service Unavailable",
	505: "HTTP Version Not Supported",
})

// firstStatus and lastStatus bound the table.
const firstStatus, lastStatus = 200, 505

func makeStatuses(phrases map[int]string) (t [lastStatus - firstStatus + 1]statusText) {
	for status, phrase := range phrases {
		said := strconv.Itoa(status) + " " + phrase
		t[status-firstStatus] = statusText{"HTTP/1.1 " + said + "\r\n", said + "\n"}
	}
	return t
}

// statusOf gives the words for a status of the table.
func statusOf(status int) *statusText { return &statuses[status-firstStatus] }

// clock keeps the time, and the Date line made of it once a second.
type clock struct {
	now  int64 // ns since the epoch
	unix int64 // whole seconds of it
	date []byte
}

// set moves the clock.
func (c *clock) set(now int64) {
	unix := floorSecond(now)
	if unix != c.unix || len(c.date) == 0 {
		c.date = append(appendDate(append(c.date[:0], "Date: "...), unix), '\r', '\n')
	}
	c.now, c.unix = now, unix
}

// errorStatuses lists the errors of the table.
func errorStatuses() string {
	var list []string
	for i := range statuses {
		if status := firstStatus + i; status >= 400 && statuses[i].line != "" {
			list = append(list, strconv.Itoa(status))
		}
	}
	return strings.Join(list, ", ")
}

// appendHead appends the answer of a plan to dst: status line, header, empty
// line and, where there is one, the built-in body. A listing's or a file's
// bytes go behind it.
func (s *responder) appendHead(dst []byte, p *plan) []byte {
	dst = s.appendHeader(dst, p)
	if p.noBody {
		return dst
	}
	return append(dst, p.text...)
}

// appendHeader is appendHead without a body.
func (s *responder) appendHeader(dst []byte, p *plan) []byte {
	dst = append(dst, statusOf(p.status).line...)
	dst = append(dst, s.clock.date...)
	dst = appendContent(dst, p)
	if p.ofFile {
		dst = append(dst, "Accept-Ranges: bytes\r\n"...)
	}
	if p.tagged {
		dst = s.appendValidators(dst, &p.validators)
		dst = append(dst, p.cacheLine...)
	}
	if (p.status == 206 && p.parts == 0) || p.status == 416 {
		dst = append(dst, "Content-Range: "...)
		dst = appendContentRange(dst, p.part, p.partOf)
		dst = append(dst, '\r', '\n')
	}
	if p.varies != 0 {
		dst = append(dst, varyLines[p.varies]...)
	}
	if p.allow || p.generated || p.preflight || p.sharing != "" || len(p.location) > 0 {
		dst = appendRare(dst, p)
	}
	if p.close {
		dst = append(dst, "Connection: close\r\n"...)
	} else if p.keepAlive {
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	return append(dst, '\r', '\n')
}

// appendContent appends what says how the body is to be read.
func appendContent(dst []byte, p *plan) []byte {
	if p.contentType != "" {
		dst = append(dst, "Content-Type: "...)
		if p.parts > 0 {
			dst = append(dst, "multipart/byteranges; boundary="...)
			dst = append(dst, p.boundary[:]...)
		} else {
			dst = append(dst, p.contentType...)
		}
		dst = append(dst, "\r\nX-Content-Type-Options: nosniff\r\n"...)
		if p.coding != identity {
			dst = append(dst, "Content-Encoding: "...)
			dst = append(dst, codings[p.coding].name...)
			dst = append(dst, '\r', '\n')
		}
	}
	if p.length >= 0 {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, p.length, 10)
		dst = append(dst, '\r', '\n')
	}
	return dst
}

// appendRare appends what few answers have.
func appendRare(dst []byte, p *plan) []byte {
	if p.allow {
		dst = append(dst, "Allow: "+allowed+"\r\n"...)
	}
	if p.generated {
		dst = append(dst, "Content-Security-Policy: "+listingPolicy+"\r\n"...)
	}
	dst = append(dst, p.sharing...)
	if p.preflight {
		dst = append(dst, preflightLines...)
	}
	if len(p.location) > 0 {
		dst = append(dst, "Location: "...)
		dst = append(dst, p.location...)
		dst = append(dst, '\r', '\n')
	}
	return dst
}

// varyLines are the Vary lines, by what the answer depends on.
var varyLines = makeVaryLines()

func makeVaryLines() (lines [8]string) {
	for v := range lines {
		var names []string
		for i, name := range []string{"Accept-Encoding", "Accept", "Origin"} {
			if v>>i&1 != 0 {
				names = append(names, name)
			}
		}
		lines[v] = "Vary: " + strings.Join(names, ", ") + "\r\n"
	}
	return lines
}

// appendValidators appends ETag and Last-Modified. RFC 9110 section 8.8.2.1
// does not let a server date a file later than the answer.
func (s *responder) appendValidators(dst []byte, v *validators) []byte {
	if len(v.etag) > 0 {
		dst = append(dst, "ETag: "...)
		dst = append(dst, v.etag...)
		dst = append(dst, '\r', '\n')
	}
	if v.dated {
		dst = append(dst, "Last-Modified: "...)
		dst = appendDate(dst, min(v.modified, s.clock.unix))
		dst = append(dst, '\r', '\n')
	}
	return dst
}
