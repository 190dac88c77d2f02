package fileserver

import (
	"bytes"
	"errors"
	"syscall"
)

// responder decides answers. It is the one place where that is done, for
// connections stepped by a loop and for http.Handler alike; it neither reads nor
// writes anything. It keeps the time of the answers, so each loop has its own.
type responder struct {
	options    Options
	cacheRules cacheRules
	sharing    sharing
	clock      clock
	told       Answer // what OnAnswer is given, so that it costs no memory each time
}

// newResponder makes a responder for a site whose options have been checked.
// setTime must be called before the first answer.
func newResponder(o Options) *responder {
	return &responder{options: o, cacheRules: newCacheRules(o.CacheControl), sharing: newSharing(o.CORS)}
}

// setTime tells the responder the time, in ns since the epoch: once per turn.
func (s *responder) setTime(now int64) { s.clock.set(now) }

// begin makes the plan ready for an answer to q.
func (s *responder) begin(q *request, p *plan) {
	p.reset(q)
	s.sharing.apply(q, p)
}

// route looks at a complete request before anything is opened. A request
// whose body the client holds back until it is told to go on (Expect) is
// answered without one, and the connection closed, because nobody can know
// whether the body still comes (RFC 9110 section 10.1.1). In any other case the
// caller has skipped the body before it calls.
func (s *responder) route(q *request, p *plan) step {
	s.begin(q, p)
	if q.expect {
		p.mustClose()
	}
	switch q.method {
	case methodUnknown:
		return s.refuse(501, p)
	case methodOther:
		return s.refuse(405, p)
	case methodOptions:
		p.status, p.allow = 204, true
		p.preflight = p.sharing != "" && isPreflight(q)
		return stepAnswer
	}
	name, slash, status := cleanPath(p.name, q.path(), s.options.Hidden)
	if status != 0 {
		return s.refuse(status, p)
	}
	p.name, p.slash = name, slash
	return stepOpen
}

// refuse makes the plan an error: the site's page for it, if it has one and
// that can be opened, else the built-in text.
func (s *responder) refuse(status int, p *plan) step {
	p.builtIn(status)
	page := s.options.ErrorPages[status]
	if page == "" || p.goal == goalErrorPage {
		return stepAnswer
	}
	p.goal, p.plain = goalErrorPage, 0
	p.name = append(p.name[:0], page...)
	return stepOpen
}

// fail answers with an error that leaves the connection usable: 404, say, or
// 500 for a file that cannot be read.
func (s *responder) fail(q *request, status int, p *plan) step {
	s.begin(q, p)
	return s.refuse(status, p)
}

// failAndClose answers with an error after which the input can no longer be
// trusted or waited for: what parse failed with, 408, 503.
func (s *responder) failAndClose(q *request, status int, p *plan) step {
	s.begin(q, p)
	p.mustClose()
	return s.refuse(status, p)
}

// bodyFailed answers when skip failed. To a method that is not for files, the
// size of the body is not what is wrong.
func (s *responder) bodyFailed(q *request, status int, p *plan) step {
	if status == 413 && (q.method == methodOther || q.method == methodUnknown) {
		next := s.route(q, p)
		p.mustClose()
		return next
	}
	return s.failAndClose(q, status, p)
}

// openFailed goes on when plan.name cannot be opened or read. Whatever the
// reason, the client learns only that there is nothing; but want of descriptors
// or memory is the server's own fault.
func (s *responder) openFailed(q *request, err error, p *plan) step {
	status := 0
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		status = 503
	case errors.Is(err, syscall.EIO):
		status = 500
	}
	if status != 0 && p.goal != goalErrorPage {
		return s.fail(q, status, p)
	}
	return s.missing(q, p)
}

// missing goes on when there is nothing to be had by plan.name: absent,
// forbidden and outside the root are one answer, so that it tells nothing.
func (s *responder) missing(q *request, p *plan) step {
	return s.answer(q, fileFacts{variants: allCodings}, p)
}

// answer goes on when plan.name has been opened.
func (s *responder) answer(q *request, f fileFacts, p *plan) step {
	switch {
	case p.goal == goalErrorPage:
		if f.isRegular {
			p.sendErrorPage(&f)
		}
		return stepAnswer
	case f.isRegular && (!p.slash || p.goal != goalPath):
		return s.negotiate(q, &f, p)
	case f.isDir && p.goal == goalPath && !p.slash:
		redirect(q, p)
		return stepAnswer
	case f.isDir && p.goal == goalPath:
		p.goal, p.directory = goalIndex, len(p.name)
		p.name = append(append(p.name, '/'), s.options.index()...)
		return stepOpen
	case f.isDir || p.slash && p.goal == goalPath:
		return s.nothing(q, p)
	}
	f.isRegular = false // a special file is as good as none
	return s.negotiate(q, &f, p)
}

// nothing goes on when there is no file: with the directory's listing, or the
// site's file for paths that lead nowhere, or 404.
func (s *responder) nothing(q *request, p *plan) step {
	if p.goal == goalIndex {
		p.name, p.goal, p.plain = p.name[:p.directory], goalPath, 0
		if !s.options.NoListing {
			return stepList
		}
	}
	return s.nowhere(q, p)
}

// nowhere answers a path that leads to nothing that can be shown.
func (s *responder) nowhere(q *request, p *plan) step {
	if s.options.SPA != "" && p.goal == goalPath && bytes.IndexByte(lastComponent(p.plainNameOrRoot()), '.') < 0 {
		p.goal, p.plain = goalSPA, 0
		p.name = append(p.name[:0], s.options.SPA...)
		return stepOpen
	}
	varies := p.varies
	next := s.fail(q, 404, p)
	p.varies |= varies
	return next
}

// plainNameOrRoot is plainName, but empty for the root, whose name is a dot.
func (p *plan) plainNameOrRoot() []byte {
	if name := p.plainName(); string(name) != "." {
		return name
	}
	return nil
}

// sendErrorPage makes an opened file the body of the error.
func (p *plan) sendErrorPage(f *fileFacts) {
	p.text, p.length = "", f.size
	p.contentType = contentType(p.name)
	if !p.noBody {
		p.fileLen = f.size
	}
}

// redirect sends the client to the directory's name with a slash. The target
// is relative and one segment long: it cannot lead to another host, and it is
// right behind any proxy that serves the tree under a prefix. The target's path
// ends in a name here, for all other endings count as a slash, so the segment
// replaces just that name.
func redirect(q *request, p *plan) {
	p.location = append(appendEscaped(p.location[:0], lastComponent(p.name)), '/')
	for _, c := range q.query() {
		if c >= 0x80 { // raw bytes the request should not have had
			p.location = append(p.location, '%', hexDigits[c>>4], hexDigits[c&15])
			continue
		}
		p.location = append(p.location, c)
	}
	p.builtIn(301)
}

// negotiate chooses between a file and its precompressed forms. The file may
// be missing: then its forms alone are the resource.
func (s *responder) negotiate(q *request, f *fileFacts, p *plan) step {
	p.facts, p.plain, p.probe = *f, len(p.name), -1
	if isCompressed(p.name) {
		p.facts.variants = 0
	}
	if p.facts.variants != 0 || q.has(fieldAcceptEncoding) {
		p.wish.set(q.field(fieldAcceptEncoding))
		return s.probeNext(q, p)
	}
	p.wish.plain = true
	return s.settle(q, p)
}

// probeNext looks for the next form: first for those that are wanted more than
// the plain file, then for any other, because caches must learn that there is one.
func (s *responder) probeNext(q *request, p *plan) step {
	for p.probe++; p.probe < len(p.wish.order); p.probe++ {
		c := p.wish.order[p.probe]
		if p.facts.variants&c.set() == 0 || (p.varies&varyEncoding != 0 && !p.probeUsable()) {
			continue
		}
		p.name = append(p.name[:p.plain], codings[c].suffix...)
		return stepProbe
	}
	return s.settle(q, p)
}

// probeUsable reports whether the form that is looked for would be sent.
func (p *plan) probeUsable() bool {
	if p.wish.plain && p.facts.isRegular {
		return p.probe < p.wish.wanted
	}
	return p.probe < p.wish.usable
}

// probed goes on when the form has been looked for. take reports whether the
// open file is now the form's; otherwise that is let go of.
func (s *responder) probed(q *request, f fileFacts, p *plan) (next step, take bool) {
	if !f.isRegular {
		return s.probeNext(q, p), false
	}
	p.varies |= varyEncoding
	if !p.probeUsable() {
		return s.probeNext(q, p), false
	}
	p.facts, p.coding = f, p.wish.order[p.probe]
	return s.answerFile(q, p), true
}

// settle answers with the plain file, when none of its forms is to be sent.
func (s *responder) settle(q *request, p *plan) step {
	p.name = p.name[:p.plain]
	switch {
	case !p.facts.isRegular:
		return s.nothing(q, p)
	case !p.wish.plain:
		p.varies |= varyEncoding
		return s.refuse(406, p)
	}
	return s.answerFile(q, p)
}

// answerFile answers with the opened file of plan.facts, or says why not.
func (s *responder) answerFile(q *request, p *plan) step {
	if s.options.ETag == ETagHash {
		return stepHash
	}
	p.validators.set(s.options.ETag, &p.facts, p.coding, s.clock.now)
	return s.answerTagged(q, p)
}

// hashed goes on when the open file has been read; sum is empty when it
// changed meanwhile, and then the answer has no tag.
func (s *responder) hashed(q *request, sum []byte, p *plan) step {
	p.validators.setHash(sum, &p.facts, p.coding, s.clock.now)
	return s.answerTagged(q, p)
}

// answerTagged answers with a file whose validators are known.
func (s *responder) answerTagged(q *request, p *plan) step {
	p.cacheLine = s.cacheRules.lineFor(p.plainName())
	switch p.validators.precondition(q, s.clock.unix) {
	case 304:
		p.status, p.tagged = 304, true
		return stepAnswer
	case 412:
		return s.refuse(412, p)
	}
	size := p.facts.size
	switch s.rangeOf(q, size, p) {
	case rangeOK:
		p.status, p.partOf = 206, size
		p.contentType = contentType(p.plainName())
		if p.ranges.n > 1 {
			p.setParts(size)
			break
		}
		p.part = p.ranges.list[0]
		p.fileOff, p.length = p.part.off, p.part.len
	case rangeUnsatisfiable:
		next := s.refuse(416, p)
		p.ofFile, p.partOf = true, size
		return next
	default:
		p.status, p.length = 200, size
		p.contentType = contentType(p.plainName())
	}
	p.ofFile, p.tagged = true, true
	if !p.noBody && p.parts == 0 {
		p.fileLen = p.length
	}
	return stepAnswer
}

// rangeOf decides which parts of the file are sent. Range means nothing but with
// GET (RFC 9110 section 14.2).
func (s *responder) rangeOf(q *request, size int64, p *plan) rangeVerdict {
	if q.method != methodGet || !q.has(fieldRange) || !p.validators.rangeApplies(q, s.clock.unix) {
		return rangeIgnored
	}
	return p.ranges.parse(q.field(fieldRange), size)
}

// listing is what the request is to see of the directory plan.name.
func (s *responder) listing(q *request, p *plan) listing {
	return listing{listFormOf(q.query(), q.field(fieldAccept)), string(p.name), s.options.Hidden}
}

// listed answers with a listing; for HEAD too, where appendHead's caller does not send the body.
func (s *responder) listed(l listing, body []byte, p *plan) {
	p.clearContent()
	p.contentType = l.contentType()
	p.status, p.generated = 200, true
	p.varies |= varyAccept
	p.length = int64(len(body))
}
