package fileserver

// responder decides answers. It is the one place where that is done, for
// connections stepped by a loop and for http.Handler alike; it neither reads nor
// writes anything. It keeps the time of the answers, so each loop has its own.
type responder struct {
	options Options
	clock   clock
}

// newResponder makes a responder for a site. setTime must be called before the
// first answer.
func newResponder(o Options) *responder {
	return &responder{options: o}
}

// setTime tells the responder the time, in ns since the epoch: once per turn.
func (s *responder) setTime(now int64) { s.clock.set(now) }

// route looks at a complete request before anything is opened. A request
// whose body the client holds back until it is told to go on (Expect) is
// answered without one, and the connection closed, because nobody can know
// whether the body still comes (RFC 9110 section 10.1.1). In any other case the
// caller has skipped the body before it calls.
func (s *responder) route(q *request, p *plan) step {
	p.reset(q)
	if q.expect {
		p.mustClose()
	}
	switch q.method {
	case methodUnknown:
		p.builtIn(501)
		return stepAnswer
	case methodOther:
		p.builtIn(405)
		return stepAnswer
	case methodOptions:
		p.status, p.allow = 204, true
		return stepAnswer
	}
	name, slash, status := cleanPath(p.name, q.path(), s.options.Hidden)
	if status != 0 {
		p.builtIn(status)
		return stepAnswer
	}
	p.name, p.slash = name, slash
	return stepOpen
}

// fail answers with an error that leaves the connection usable: 404, say, or
// 500 for a file that cannot be read.
func (s *responder) fail(q *request, status int, p *plan) {
	p.reset(q)
	p.builtIn(status)
}

// failAndClose answers with an error after which the input can no longer be
// trusted or waited for: what parse failed with, 408, 503.
func (s *responder) failAndClose(q *request, status int, p *plan) {
	s.fail(q, status, p)
	p.mustClose()
}

// bodyFailed answers when skip failed. To a method that is not for files, the
// size of the body is not what is wrong.
func (s *responder) bodyFailed(q *request, status int, p *plan) {
	if status == 413 && (q.method == methodOther || q.method == methodUnknown) {
		s.route(q, p)
		p.mustClose()
		return
	}
	s.failAndClose(q, status, p)
}

// missing goes on when plan.name cannot be opened or read, whatever the reason:
// absent, forbidden, outside the root. All these are one answer, so that it
// tells nothing; only want of descriptors or memory is the server's own fault
// (fail with 503 or 500). A missing index leads to the directory's listing.
func (s *responder) missing(q *request, p *plan) step {
	if p.directory > 0 && !s.options.NoListing {
		p.name, p.directory = p.name[:p.directory], 0
		return stepList
	}
	s.fail(q, 404, p)
	return stepAnswer
}

// answer goes on when plan.name has been opened.
func (s *responder) answer(q *request, f fileFacts, p *plan) step {
	switch {
	case f.isRegular && (!p.slash || p.directory > 0):
		s.answerFile(q, &f, p)
		return stepAnswer
	case f.isDir && p.directory == 0 && !p.slash:
		redirect(q, p)
		return stepAnswer
	case f.isDir && p.directory == 0:
		p.directory = len(p.name)
		p.name = append(append(p.name, '/'), s.options.index()...)
		return stepOpen
	}
	return s.missing(q, p)
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

// answerFile answers with an opened file, or says why not.
func (s *responder) answerFile(q *request, f *fileFacts, p *plan) {
	p.validators.set(s.options.ETag, f, s.clock.now)
	switch p.validators.precondition(q, s.clock.unix) {
	case 304:
		p.status, p.tagged = 304, true
		return
	case 412:
		p.builtIn(412)
		return
	}
	switch s.rangeOf(q, f.size, p) {
	case rangeOK:
		p.status, p.part, p.partOf = 206, p.ranges.list[0], f.size
		p.fileOff, p.length = p.part.off, p.part.len
	case rangeUnsatisfiable:
		p.builtIn(416)
		p.ofFile, p.partOf = true, f.size
		return
	default:
		p.status, p.length = 200, f.size
	}
	p.ofFile, p.tagged = true, true
	p.contentType = contentType(p.name)
	if !p.noBody {
		p.fileLen = p.length
	}
}

// rangeOf decides which part of the file is sent. Range means nothing but with
// GET (RFC 9110 section 14.2). Several ranges come as the whole file, which the
// RFC leaves to the server.
func (s *responder) rangeOf(q *request, size int64, p *plan) rangeVerdict {
	if q.method != methodGet || !q.has(fieldRange) || !p.validators.rangeApplies(q, s.clock.unix) {
		return rangeIgnored
	}
	verdict := p.ranges.parse(q.field(fieldRange), size)
	if verdict == rangeOK && p.ranges.n > 1 {
		return rangeIgnored
	}
	return verdict
}

// list answers with the listing of the directory plan.name, whose body it
// appends to dst; for HEAD too, where appendHead's caller does not send it.
func (s *responder) list(q *request, p *plan, entries []listEntry, dst []byte) []byte {
	form := listFormOf(q.query(), q.field(fieldAccept))
	entries = s.visible(p.name, entries)
	form.sort(entries)
	start := len(dst)
	p.clearContent()
	if form.json {
		p.contentType = "application/json"
		dst = appendListingJSON(dst, entries)
	} else {
		p.contentType = "text/html; charset=utf-8"
		dst = appendListingHTML(dst, p.name, entries, form)
	}
	p.status, p.generated = 200, true
	p.length = int64(len(dst) - start)
	return dst
}
