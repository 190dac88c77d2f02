package fileserver

// Limits of a body that is read only to be dropped, in bytes.
const (
	maxSkip    = 64 << 10 // of payload
	maxFraming = 16 << 10 // of chunk sizes, chunk extensions and trailers
)

// chunkStage is the place in a chunked body, RFC 9112 section 7.1.
type chunkStage uint8

const (
	chunkSize    chunkStage = iota // before the first digit
	chunkDigits                    // after at least one digit
	chunkBlank                     // blanks that only an extension may follow
	chunkExt                       // in an extension
	chunkSizeLF                    // after the CR of the size line
	chunkData                      // left bytes of data are to come
	chunkDataCR                    // the CR after the data
	chunkDataLF                    // and its LF
	trailerStart                   // at the start of a trailer line
	trailerName                    // in a trailer's name
	trailerValue                   // in its value
	trailerLF                      // after the CR of a trailer
	trailerEndLF                   // after the CR of the empty line
	chunkDone
)

// bodySkipper reads a request body and drops it, checking the framing, so that
// the next request on the connection is found where it really starts. It can be
// fed pieces of any size. The zero value is a body of no bytes.
type bodySkipper struct {
	chunked bool
	stage   chunkStage
	left    int64 // bytes of data to come, of this chunk or of all
	payload int64 // bytes of data announced so far
	framing int   // bytes of framing read so far
	status  int   // why skip failed
}

// start makes the skipper ready for q's body.
func (b *bodySkipper) start(q *request) {
	*b = bodySkipper{chunked: q.chunked, left: q.contentLength}
}

// skip reads from buf and gives how much of it belongs to the body. With more
// it has used all of buf; on complete, what follows n is the next request.
func (b *bodySkipper) skip(buf []byte) (n int, out outcome) {
	if !b.chunked {
		if b.left > maxSkip {
			return 0, b.fail(413)
		}
		n = b.take(buf)
		if b.left > 0 {
			return n, more
		}
		return n, complete
	}
	for n < len(buf) && b.stage != chunkDone {
		if b.stage == chunkData {
			n += b.take(buf[n:])
			if b.left == 0 {
				b.stage = chunkDataCR
			}
			continue
		}
		if !b.step(buf[n]) {
			return n, b.fail(max(b.status, 400))
		}
		n++
	}
	if b.stage == chunkDone {
		return n, complete
	}
	return n, more
}

// fail notes the status of the answer.
func (b *bodySkipper) fail(status int) outcome {
	b.status = status
	return failed
}

// take drops data bytes.
func (b *bodySkipper) take(buf []byte) int {
	n := min(int64(len(buf)), b.left)
	b.left -= n
	return int(n)
}

// step takes one byte of framing and reports whether it may stand there. It
// sets a status only where that is not 400.
func (b *bodySkipper) step(c byte) bool {
	b.framing++
	if b.framing > maxFraming {
		b.status = 413
		return false
	}
	if b.stage < trailerStart {
		return b.stepChunk(c)
	}
	return b.stepTrailer(c)
}

// stepChunk takes a byte of a size line or of a chunk's end.
func (b *bodySkipper) stepChunk(c byte) bool {
	switch b.stage {
	case chunkSize:
		b.stage = chunkDigits
		return b.digit(c)
	case chunkDigits:
		if hexValue(c) >= 0 {
			return b.digit(c)
		}
		return b.afterSize(c)
	case chunkBlank:
		return c != '\r' && b.afterSize(c)
	case chunkExt:
		return b.toCR(c, chunkSizeLF)
	case chunkSizeLF:
		b.stage = chunkData
		if b.left == 0 {
			b.stage = trailerStart
		}
		return c == '\n'
	case chunkDataCR:
		b.stage = chunkDataLF
		return c == '\r'
	default: // chunkDataLF
		b.stage = chunkSize
		return c == '\n'
	}
}

// digit adds a digit to the chunk's size. The limit is far below any
// overflow, and is checked digit by digit.
func (b *bodySkipper) digit(c byte) bool {
	v := hexValue(c)
	if v < 0 {
		return false
	}
	size := b.left*16 + int64(v)
	b.payload += size - b.left
	b.left = size
	if b.payload > maxSkip {
		b.status = 413
		return false
	}
	return true
}

// afterSize takes the byte behind the last digit, or behind blanks there.
func (b *bodySkipper) afterSize(c byte) bool {
	switch c {
	case '\r':
		b.stage = chunkSizeLF
	case ';':
		b.stage = chunkExt
	case ' ', '\t':
		b.stage = chunkBlank
	default:
		return false
	}
	return true
}

// toCR takes a byte of free text that a CR ends.
func (b *bodySkipper) toCR(c byte, next chunkStage) bool {
	if c == '\r' {
		b.stage = next
		return true
	}
	return c == '\t' || (c >= 0x20 && c != 0x7f)
}

// stepTrailer takes a byte of the trailer section. Trailers are checked like
// header lines, and dropped: merging them into the headers is how servers have
// been tricked.
func (b *bodySkipper) stepTrailer(c byte) bool {
	switch b.stage {
	case trailerStart:
		b.stage = trailerName
		if c == '\r' {
			b.stage = trailerEndLF
			return true
		}
		return isToken(c)
	case trailerName:
		if c == ':' {
			b.stage = trailerValue
			return true
		}
		return isToken(c)
	case trailerValue:
		return b.toCR(c, trailerLF)
	case trailerLF:
		b.stage = trailerStart
		return c == '\n'
	default: // trailerEndLF
		b.stage = chunkDone
		return c == '\n'
	}
}
