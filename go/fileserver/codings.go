package fileserver

import "bytes"

// coding is a content coding a file may lie precompressed in, beside the plain one.
type coding uint8

// The codings, the one preferred among equals first.
const (
	zstd coding = iota
	brotli
	gzip
	numCodings
	identity = numCodings
)

// codings says how each is called in a header, and what its files' names end in.
var codings = [numCodings]struct{ name, suffix string }{
	zstd: {"zstd", ".zst"}, brotli: {"br", ".br"}, gzip: {"gzip", ".gz"},
}

// codingSet is a set of codings, one bit each.
type codingSet uint8

// allCodings is what may lie beside a file nothing is known about.
const allCodings = codingSet(1<<numCodings - 1)

func (c coding) set() codingSet { return 1 << c }

// isCompressed reports whether a name is that of a compressed file, which has no variants.
func isCompressed(name []byte) bool {
	for i := range codings {
		if bytes.HasSuffix(name, []byte(codings[i].suffix)) {
			return true
		}
	}
	return false
}

// negotiation is what Accept-Encoding asks for (RFC 9110 section 12.5.3).
type negotiation struct {
	// order holds the codings from the most wanted to the least.
	order [numCodings]coding
	// wanted is how many of order are wanted more than the plain file, usable how many can be
	// used at all.
	wanted, usable int
	// plain reports whether the plain file may be sent.
	plain bool
}

// unset marks a coding the field does not name.
const unset = -1

// set reads the field. The plain file is always good unless it is ruled out by name or by "*", and
// is what is sent when nothing else is asked for; without a weight of its own it is wanted least.
func (n *negotiation) set(field []byte) {
	weights := [numCodings + 1]int{unset, unset, unset, unset}
	others := unset
	for len(field) > 0 {
		var item []byte
		item, field = cutItem(field)
		name, parameters := cutParameters(item)
		if string(name) == "*" {
			others = weight(parameters)
		} else if c, known := codingOf(name); known {
			weights[c] = weight(parameters)
		}
	}
	plainWeight := weights[identity]
	n.plain = plainWeight != 0 && (plainWeight != unset || others != 0)
	for c := range numCodings {
		if weights[c] == unset {
			weights[c] = max(others, 0)
		}
	}
	n.rank(weights[:numCodings], plainWeight)
}

// rank orders the codings by weight; among equals the order of the constants stands.
func (n *negotiation) rank(weights []int, plainWeight int) {
	n.wanted, n.usable = 0, 0
	for c := range numCodings {
		at := int(c)
		for at > 0 && weights[n.order[at-1]] < weights[c] {
			n.order[at] = n.order[at-1]
			at--
		}
		n.order[at] = c
		if weights[c] > 0 {
			n.usable++
		}
		if weights[c] > 0 && weights[c] >= plainWeight {
			n.wanted++
		}
	}
}

// codingOf recognises a coding by name, old names too.
func codingOf(name []byte) (c coding, known bool) {
	switch {
	case equalFold(name, "gzip"), equalFold(name, "x-gzip"):
		return gzip, true
	case equalFold(name, "br"):
		return brotli, true
	case equalFold(name, "zstd"):
		return zstd, true
	case equalFold(name, "identity"):
		return identity, true
	}
	return 0, false
}

// cutParameters takes what stands before the first semicolon.
func cutParameters(item []byte) (value, parameters []byte) {
	if i := bytes.IndexByte(item, ';'); i >= 0 {
		return trim(item[:i]), item[i+1:]
	}
	return item, nil
}

// weight reads the q parameter in thousandths (RFC 9110 section 12.4.2); without one, or with a
// broken one, the weight is full.
func weight(parameters []byte) int {
	for len(parameters) > 0 {
		var p []byte
		p, parameters = cutParameters(parameters)
		p = trim(p)
		if len(p) > 2 && p[0]|0x20 == 'q' && p[1] == '=' {
			return thousandths(p[2:])
		}
	}
	return 1000
}

// thousandths reads "0", "1", or either with up to three digits behind a point.
func thousandths(b []byte) int {
	if len(b) > 5 || b[0] != '0' && b[0] != '1' || len(b) > 1 && b[1] != '.' {
		return 1000
	}
	n := int(b[0]-'0') * 1000
	for i, unit := 2, 100; i < len(b); i, unit = i+1, unit/10 {
		if b[i] < '0' || b[i] > '9' {
			return 1000
		}
		n += int(b[i]-'0') * unit
	}
	return min(n, 1000)
}
