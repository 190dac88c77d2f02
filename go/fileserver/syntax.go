package fileserver

import (
	"bytes"
	"encoding/binary"
	"math"
)

// Character classes of HTTP's grammar, one bit each.
const (
	classToken   uint8 = 1 << iota // tchar, RFC 9110 section 5.6.2
	classTarget                    // may stand in a request target
	classHost                      // reg-name or IPv4 address, RFC 3986 section 3.2.2
	classLiteral                   // inside the brackets of an IP literal
	classPlain                     // may stand unescaped in a path segment
)

// classes maps a byte to its classes.
var classes = makeClasses()

// makeClasses builds the table. A target may hold any visible byte but '#',
// which RFC 9112 leaves no place for; raw bytes from 0x80 up are not legal
// either, yet common clients send UTF-8 unescaped, and a name is only bytes.
// ':' is kept out of classPlain so that a first segment like "a:b" can never
// be read as a scheme when it starts a relative reference.
func makeClasses() (t [256]uint8) {
	for c := 0x21; c < 256; c++ {
		if c != 0x7f && c != '#' {
			t[c] |= classTarget
		}
	}
	for c := '0'; c <= 'z'; c++ {
		if c <= '9' || c >= 'a' || ('A' <= c && c <= 'Z') {
			t[c] |= classToken | classHost | classLiteral | classPlain
		}
	}
	add := func(chars string, class uint8) {
		for i := range len(chars) {
			t[chars[i]] |= class
		}
	}
	add("!#$%&'*+-.^_`|~", classToken)
	add("-._~!$&'()*+,;=%", classHost)
	add("-._~!$&'()*+,;=%:", classLiteral)
	add("-._~!$'()*,=@", classPlain)
	return t
}

// isToken reports whether c may stand in a method or a field name.
func isToken(c byte) bool { return classes[c]&classToken != 0 }

// allOf reports whether every byte of b is of the class.
func allOf(b []byte, class uint8) bool {
	for _, c := range b {
		if classes[c]&class == 0 {
			return false
		}
	}
	return true
}

// Each byte of a word set to 1, to 0x20, to DEL and to the high bit.
const (
	eachOne   = 0x0101010101010101
	eachSpace = 0x2020202020202020
	eachDEL   = 0x7f7f7f7f7f7f7f7f
	eachHigh  = 0x8080808080808080
)

// hasControl reports whether a field value holds a control character other
// than a tab. It tests eight bytes at a time because every byte of every
// header passes through it.
func hasControl(b []byte) bool {
	for len(b) >= 8 {
		x := binary.LittleEndian.Uint64(b)
		d := x ^ eachDEL
		odd := ((x-eachSpace)&^x | (d-eachOne)&^d) & eachHigh
		if odd != 0 && hasControlByte(b[:8]) {
			return true
		}
		b = b[8:]
	}
	return hasControlByte(b)
}

// hasControlByte is hasControl byte by byte: the tail, and words with a tab.
func hasControlByte(b []byte) bool {
	for _, c := range b {
		if (c < 0x20 && c != '\t') || c == 0x7f {
			return true
		}
	}
	return false
}

// equalFold compares ASCII without regard to case. lower must consist of
// lower-case letters, digits and '-', and b must be free of control
// characters: then setting bit 5 folds letters and maps nothing else onto lower.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c|0x20 != lower[i] {
			return false
		}
	}
	return true
}

// isBlank reports whether c is optional white space (RFC 9110 section 5.6.3).
func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// trim cuts optional white space from both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// cutItem takes the next element off a comma separated list. Empty elements
// come back as empty slices; callers skip them (RFC 9110 section 5.6.1.2).
func cutItem(list []byte) (item, rest []byte) {
	for i, c := range list {
		if c == ',' {
			return trim(list[:i]), list[i+1:]
		}
	}
	return trim(list), nil
}

// decimal reads 1*DIGIT. A number beyond int64 comes back as MaxInt64 with
// fits false, so that callers choose between clamping and refusing.
func decimal(b []byte) (n int64, ok, fits bool) {
	fits = true
	for _, c := range b {
		d := int64(c) - '0'
		if d < 0 || d > 9 {
			return 0, false, false
		}
		if n > (math.MaxInt64-d)/10 {
			n, fits = math.MaxInt64, false
			continue
		}
		n = n*10 + d
	}
	return n, len(b) > 0, fits
}

// hexValue gives the value of a hexadecimal digit, or -1.
func hexValue(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// validHost checks uri-host [":" port]. An empty host is refused: RFC 9110
// section 4.2.1 makes an http URI without one invalid.
func validHost(b []byte) bool {
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		return end > 1 && allOf(b[1:end], classLiteral) && validPort(b[end+1:])
	}
	end := bytes.IndexByte(b, ':')
	if end < 0 {
		end = len(b)
	}
	return end > 0 && allOf(b[:end], classHost) && validPort(b[end:])
}

// validPort checks what follows a host: nothing, or ":" *DIGIT.
func validPort(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if b[0] != ':' {
		return false
	}
	for _, c := range b[1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
