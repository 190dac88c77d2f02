package fileserver

import "slices"

// What pages of other origins may do: read the answers, with these headers too. Credentials are
// never asked for, so "*" stands for itself.
const (
	preflightLines = "Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n" +
		"Access-Control-Allow-Headers: *\r\nAccess-Control-Max-Age: 86400\r\n"
	exposeLine = "Access-Control-Expose-Headers: Accept-Ranges, Content-Encoding, Content-Range, ETag\r\n"
)

// A sharing is an Options' CORS, as header lines.
type sharing struct {
	everyone bool
	origins  []string
	lines    []string // by origin; one for everyone
}

func newSharing(origins []string) sharing {
	if slices.Contains(origins, "*") {
		return sharing{everyone: true, lines: []string{sharingLine("*")}}
	}
	s := sharing{origins: origins}
	for _, origin := range origins {
		s.lines = append(s.lines, sharingLine(origin))
	}
	return s
}

func sharingLine(origin string) string {
	return "Access-Control-Allow-Origin: " + origin + "\r\n" + exposeLine
}

// apply puts into the plan what the request's origin is told. Where the answer depends on the
// origin, caches must know.
func (s *sharing) apply(q *request, p *plan) {
	if s.everyone {
		p.sharing = s.lines[0]
		return
	}
	if len(s.origins) == 0 {
		return
	}
	p.varies |= varyOrigin
	origin := q.field(fieldOrigin)
	for i := range s.origins {
		if string(origin) == s.origins[i] {
			p.sharing = s.lines[i]
			return
		}
	}
}

// isPreflight reports whether a browser asks what it may ask (the Fetch standard, section 3.2).
func isPreflight(q *request) bool {
	return q.method == methodOptions && q.has(fieldOrigin) && q.has(fieldAccessControlRequestMethod)
}
