// SPDX-License-Identifier: MIT

package accesslog

import (
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ringo-io/ringo/go/fileserver"
)

// A Format is how a line looks.
type Format uint8

const (
	Common   Format = iota // the Common Log Format
	Combined               // the same with referer and user agent, as Apache and nginx have it
	JSON                   // an object a line
)

// Formats are the formats by their names.
var Formats = map[string]Format{"common": Common, "combined": Combined, "json": JSON}

// A stamp is the time of a line, formatted once a second.
type stamp struct {
	second int64
	text   []byte // without what is below a second
	zone   []byte // JSON only: what comes behind that
}

const (
	commonTime = "02/Jan/2006:15:04:05 -0700"
	jsonTime   = "2006-01-02T15:04:05"
	jsonZone   = "Z07:00"
)

func (s *stamp) set(t time.Time, f Format) {
	if second := t.Unix(); second == s.second && len(s.text) > 0 {
		return
	}
	s.second = t.Unix()
	if f == JSON {
		s.text, s.zone = t.AppendFormat(s.text[:0], jsonTime), t.AppendFormat(s.zone[:0], jsonZone)
		return
	}
	s.text = t.AppendFormat(s.text[:0], commonTime)
}

// appendLine appends the line of an answer.
func appendLine(b []byte, f Format, s *stamp, a *fileserver.Answer) []byte {
	s.set(a.Began, f)
	if f == JSON {
		return appendJSON(b, s, a)
	}
	b = append(appendPeer(b, a), " - - ["...)
	b = append(append(b, s.text...), "] \""...)
	if len(a.Method) == 0 {
		b = append(b, '-')
	} else {
		b = append(appendEscaped(b, a.Method), ' ')
		b = append(appendEscaped(b, a.Target), " HTTP/1."...)
		b = strconv.AppendInt(b, int64(a.Minor), 10)
	}
	b = strconv.AppendInt(append(b, "\" "...), int64(a.Status), 10)
	b = strconv.AppendInt(append(b, ' '), a.Bytes, 10)
	if f == Combined {
		b = appendQuoted(append(b, ' '), a.Referer)
		b = appendQuoted(append(b, ' '), a.UserAgent)
	}
	return append(b, '\n')
}

// appendPeer: a Unix socket's peer has no address.
func appendPeer(b []byte, a *fileserver.Answer) []byte {
	if !a.Peer.IsValid() {
		return append(b, '-')
	}
	return a.Peer.AppendTo(b)
}

func appendQuoted(b, text []byte) []byte {
	if len(text) == 0 {
		return append(b, `"-"`...)
	}
	return append(appendEscaped(append(b, '"'), text), '"')
}

const hexDigits = "0123456789abcdef"

// plain tells the bytes that a line and a JSON string hold as they are.
var plain = func() (is [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		is[c] = c != '"' && c != '\\'
	}
	return is
}()

// plainPrefix is how much of text is plain.
func plainPrefix(text []byte) int {
	for i, c := range text {
		if !plain[c] {
			return i
		}
	}
	return len(text)
}

// appendEscaped keeps what a client sent on its line, inside its quotes and out of a terminal's controls, as Apache and
// nginx do it.
func appendEscaped(b, text []byte) []byte {
	for {
		n := plainPrefix(text)
		b = append(b, text[:n]...)
		if n == len(text) {
			return b
		}
		b = append(b, '\\', 'x', hexDigits[text[n]>>4], hexDigits[text[n]&15])
		text = text[n+1:]
	}
}

func appendJSON(b []byte, s *stamp, a *fileserver.Answer) []byte {
	b = append(append(b, `{"time":"`...), s.text...)
	b = appendFraction(b, a.Began.Nanosecond()/1e6, 3)
	b = append(append(b, s.zone...), `","remote":"`...)
	b = append(appendPeer(b, a), `","method":`...)
	b = append(appendString(b, a.Method), `,"target":`...)
	b = append(appendString(b, a.Target), `,"protocol":"HTTP/1.`...)
	b = strconv.AppendInt(b, int64(a.Minor), 10)
	b = append(appendString(append(b, `","host":`...), a.Host), `,"status":`...)
	b = append(strconv.AppendInt(b, int64(a.Status), 10), `,"bytes":`...)
	b = append(strconv.AppendInt(b, a.Bytes, 10), `,"seconds":`...)
	b = strconv.AppendInt(b, int64(a.Took/time.Second), 10)
	b = appendFraction(b, int(a.Took%time.Second/time.Microsecond), 6)
	b = append(appendString(append(b, `,"referer":`...), a.Referer), `,"user_agent":`...)
	b = append(appendString(b, a.UserAgent), `,"complete":`...)
	return append(strconv.AppendBool(b, a.Whole), "}\n"...)
}

// appendFraction appends a point and so many digits.
func appendFraction(b []byte, n, digits int) []byte {
	b = append(b, ".000000"[:digits+1]...)
	for i := len(b) - 1; n > 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}

// appendString appends a JSON string. What is no UTF-8 becomes U+FFFD, for JSON cannot say it.
func appendString(b, text []byte) []byte {
	b = append(b, '"')
	for {
		n := plainPrefix(text)
		b = append(b, text[:n]...)
		if n == len(text) {
			return append(b, '"')
		}
		r, size := utf8.DecodeRune(text[n:])
		text = text[n+size:]
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < 0x10000 && !unicode.IsPrint(r) || r == utf8.RuneError:
			b = append(b, '\\', 'u', hexDigits[r>>12], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
}
