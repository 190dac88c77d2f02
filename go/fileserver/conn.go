package fileserver

import (
	"net/netip"
	"time"

	"github.com/ringo-io/ringo/go/ringo"
)

// state is what a connection is doing. Requests on a connection are answered one after the other;
// answers that are complete in memory are gathered and sent together.
//
//	state      left by                          to
//	reading    a complete head                  skipping, opening, working, sending, reading
//	skipping   the end of the request's body    the same
//	opening    FileOpened                       statting, opening (another), working, sending, reading
//	statting   FileStatus                       opening (another), working, sending, reading
//	working    a directory's entries, a hash    opening, sending, reading
//	sending    Sent                             reading, lingering, or closed
//	lingering  the peer's end, or a timer       closed
//	closed     never
type state uint8

const (
	reading state = iota
	skipping
	opening
	statting
	working
	sending
	lingering
	closed
)

const (
	// inputMax is how much of pipelined requests waits here; more waits in the kernel.
	inputMax = 64 << 10
	// lingerTime and lingerMax bound how long the rest of a refused request is read, so that the
	// client sees the answer and not a reset (RFC 9112 section 9.6).
	lingerTime = 2 * time.Second
	lingerMax  = 1 << 20
	// A peer of which nothing is known but that it has taken all of a piece is sent what it must take
	// in one stall time, within these bounds.
	unmeasuredLeast, unmeasuredMost = 4 << 10, 64 << 10
	// baselineTime is how long an answer has been on its way when its progress begins to be measured:
	// most have ended by then, and cost no system call.
	baselineTime = time.Second
)

// A conn is one HTTP connection, stepped by its loop. It implements ringo.Handler. Most are idle, so it
// holds little by itself; *exchange is nil then.
type conn struct {
	*exchange
	service   *service
	responder *responder
	exchanges *exchanges // the loop's
	cache     *cache     // the loop's, or nil
	state     state
	ended     bool // the peer sends no more
	draining  bool // the server is stopping
	timing    bool // a request has begun to come in, and its time is running
	last      bool // the connection ends with what is being sent
	lingers   bool // and what the peer goes on sending is read for a while
	delayed   bool // the plan's answer is ready, and waits for what is being sent

	input []byte // received and not used up

	out       []byte   // in the connection's output memory: answers gathered
	file      openFile // the present answer's, or none
	probe     openFile // a file that may take its place, or none
	probing   bool     // what is being opened is only looked for
	answering bool     // the body of the present answer is not sent yet

	piece int64 // of the file, that is being sent

	lingered int
	acked    uint64 // when progress was last looked at

	moved int64      // of a piece that could not be sent whole
	peer  netip.Addr // once it was asked for
}

// An exchange is what a connection needs from the first byte of a request until its answer is sent.
type exchange struct {
	request request
	headLen int // bytes of the request's head
	body    bodySkipper
	plan    plan
	head    []byte // the request's, when it has to outlive its input
	rest    []byte // of a listing, what is still to be sent
	began   int64  // when the request was complete, ns since the epoch
	spare   []byte // memory for the connection's input
}

// exchanges are a loop's that no connection uses: as many as were once used at the same time.
type exchanges struct{ idle []*exchange }

func (x *exchanges) take() *exchange {
	last := len(x.idle) - 1
	if last < 0 {
		return new(exchange)
	}
	e := x.idle[last]
	x.idle = x.idle[:last]
	return e
}

// takeExchange is for a connection that has something to do.
func (c *conn) takeExchange() {
	if c.exchange == nil {
		c.exchange = c.exchanges.take()
		c.input = c.spare
	}
}

// giveExchange is for one that has nothing to do.
func (c *conn) giveExchange() {
	if c.exchange == nil {
		return
	}
	c.request.reset()
	c.spare, c.rest = c.input[:0], nil
	c.exchanges.idle = append(c.exchanges.idle, c.exchange)
	c.exchange, c.input = nil, nil
}

var _ ringo.FileHandler = (*conn)(nil)

// Opened implements ringo.Handler.
func (c *conn) Opened(rc *ringo.Conn) {
	c.service.lane(rc.Loop()).accepted.Add(1)
	rc.SetTimer(c.service.limits.header)
}

// Data implements ringo.Handler.
func (c *conn) Data(rc *ringo.Conn, p []byte) {
	switch {
	case len(p) == 0:
		c.peerEnded(rc)
	case c.state == lingering:
		if c.lingered += len(p); c.lingered > lingerMax {
			c.close(rc)
		}
	case c.state == reading || c.state == skipping:
		if len(c.input) > 0 {
			c.input = append(c.input, p...)
			p = c.input
		}
		c.process(rc, p)
	default:
		c.input = append(c.input, p...)
		if len(c.input) > inputMax {
			rc.Pause()
		}
	}
}

// peerEnded closes when there is nothing left to answer: a client that shuts down its side may
// still be waiting for answers to what it sent.
func (c *conn) peerEnded(rc *ringo.Conn) {
	c.ended = true
	switch c.state {
	case reading, skipping, lingering:
		c.close(rc)
	}
}

// process answers the requests in buf, until one is incomplete or an answer has to wait. What is
// not used up is kept, what was gathered is sent.
func (c *conn) process(rc *ringo.Conn, buf []byte) {
	c.takeExchange()
	c.responder.setTime(rc.Now().UnixNano())
	for used, waiting := 0, false; !waiting && (c.state == reading || c.state == skipping); buf = buf[used:] {
		if c.state == reading {
			used, waiting = c.readHead(rc, buf)
		} else {
			used, waiting = c.skipBody(rc, buf)
		}
	}
	c.input = append(c.input[:0], buf...)
	if c.state == reading {
		c.flush(rc)
	}
	if c.state == reading || c.state == skipping {
		c.setReadTimer(rc)
	}
	if c.state == reading && len(c.input) == 0 {
		c.giveExchange()
	}
}

// setReadTimer gives a request its time from its first byte on, and a silent peer its.
func (c *conn) setReadTimer(rc *ringo.Conn) {
	coming := len(c.input) > 0 || c.state == skipping
	switch {
	case coming && !c.timing:
		rc.SetTimer(c.service.limits.header)
	case !coming:
		rc.SetTimer(c.service.limits.idle)
	}
	c.timing = coming
}

// readHead reads a request's head, and goes on with it when it is complete; used is how much of
// buf is done with.
func (c *conn) readHead(rc *ringo.Conn, buf []byte) (used int, waiting bool) {
	n, out := c.request.parse(buf)
	switch out {
	case more:
		return 0, true
	case closing:
		c.last = true
		if len(c.out) == 0 {
			c.close(rc)
		}
		return len(buf), true
	case failed:
		c.refuse(rc, c.request.status)
		return len(buf), true
	}
	c.headLen = n
	if c.service.server.falls(&c.request) {
		if len(c.out) > 0 { // The answers before come first; the request is read again then.
			c.flush(rc)
			return 0, true
		}
		c.leave(rc, buf)
		return len(buf), true
	}
	c.began = c.responder.clock.now
	if c.request.hasBody() && !c.request.expect {
		if len(c.out) > 0 {
			// The client may hold the body back until it has the answers before.
			c.flush(rc)
			return 0, true
		}
		c.body.start(&c.request)
		c.keepHead()
		c.state = skipping
		return n, false
	}
	c.lingers = c.request.hasBody()
	c.follow(rc, c.responder.route(&c.request, &c.plan))
	return n, false
}

func (c *conn) skipBody(rc *ringo.Conn, buf []byte) (used int, waiting bool) {
	n, out := c.body.skip(buf)
	switch out {
	case more:
		return n, true
	case failed:
		c.lingers = true
		c.follow(rc, c.responder.bodyFailed(&c.request, c.body.status, &c.plan))
		return len(buf), true
	}
	c.state = reading
	c.follow(rc, c.responder.route(&c.request, &c.plan))
	return n, false
}

// refuse answers input that cannot be trusted any further.
func (c *conn) refuse(rc *ringo.Conn, status int) {
	c.began = c.responder.clock.now
	c.headLen = 0 // the head may be incomplete, and nothing of it is needed any more
	c.lingers = true
	c.follow(rc, c.responder.failAndClose(&c.request, status, &c.plan))
}

// keepHead copies the request's head out of its input, for a request that has to wait.
func (c *conn) keepHead() {
	c.head = append(c.head[:0], c.request.buf[:c.headLen]...)
	c.request.buf = c.head
}

// Sending.

// gather gives the output memory with what is in it.
func (c *conn) gather(rc *ringo.Conn) []byte {
	if c.out == nil {
		c.out = rc.Out()
	}
	return c.out
}

// answer writes the plan. One that is complete in memory is gathered, with room for another, and
// the state stays or becomes reading.
func (c *conn) answer(rc *ringo.Conn) {
	if c.draining {
		c.plan.mustClose()
	}
	out := c.gather(rc)
	with := c.responder.appendHead(out, &c.plan)
	if cap(with) != cap(out) {
		c.delay(rc)
		return
	}
	c.out = with
	c.last = c.plan.close
	c.answering = true
	c.goOnAnswering(rc)
}

// goOnAnswering gathers or sends what is left of the answer's body, and then sees to what comes
// after it.
func (c *conn) goOnAnswering(rc *ringo.Conn) {
	if !c.gatherBody(rc) {
		c.keepToTell(rc)
		return
	}
	c.answering = false
	c.observed(rc, 0, true)
	c.closeFile(rc)
	c.state = reading
	c.request.reset()
	if c.last || cap(c.out)-len(c.out) < answerRoom {
		c.flush(rc)
	}
}

// gatherBody reports whether all that was left of the body is gathered; otherwise something is
// being sent, and the rest has to wait for it.
func (c *conn) gatherBody(rc *ringo.Conn) bool {
	for {
		if c.plan.fileLen > 0 && !c.appendFile(rc) {
			c.sendFile(rc)
			return false
		}
		if len(c.rest) == 0 && !c.plan.morePart() {
			return true
		}
		out := c.gather(rc)
		if cap(out)-len(out) < partRoom {
			c.flush(rc)
			return false
		}
		if len(c.rest) > 0 {
			n := copy(out[len(out):cap(out)], c.rest)
			c.out, c.rest = out[:len(out)+n], c.rest[n:]
		} else {
			c.out = c.plan.appendPart(out)
		}
	}
}

// delay sends what was gathered first: a redirect may be too long to be put behind it. No head is
// longer than the whole output memory.
func (c *conn) delay(rc *ringo.Conn) {
	if len(c.out) == 0 {
		c.close(rc)
		return
	}
	c.delayed = true
	c.flush(rc)
}

const (
	// smallFile is the largest file that is read into the output memory, and smallWarmFile the largest of
	// those that are warm: of more, sendfile(2) costs less than two copies, as long as the page cache need
	// not be asked first.
	smallFile     = 16 << 10
	smallWarmFile = 4 << 10
	// answerRoom is what must be free for another answer to be gathered: any head but the most
	// absurd redirect, and a small file is sent by itself when it does not fit.
	answerRoom = 4 << 10
)

// appendFile reads a small body that is in the page cache behind its head.
func (c *conn) appendFile(rc *ringo.Conn) bool {
	n := c.plan.fileLen
	have := len(c.out)
	if c.service.server.RingOnly || n > smallFile || int64(cap(c.out)-have) < n || n > smallWarmFile && c.isWarm() {
		return false
	}
	got, err := readCached(c.file.fd, c.out[have:have+int(n)], c.plan.fileOff)
	if err != nil || int64(got) < n {
		return false
	}
	c.warm(rc, n)
	c.out = c.out[:have+int(n)]
	c.plan.fileLen = 0
	c.service.lane(rc.Loop()).read.Add(1)
	return true
}

// sendFile sends what was gathered and then the file's part of the plan, or the next piece of it.
func (c *conn) sendFile(rc *ringo.Conn) {
	if c.alignFile() {
		c.service.lane(rc.Loop()).read.Add(1)
	}
	c.piece = c.plan.fileLen
	if c.service.unmeasured {
		c.piece = min(c.piece, min(max(c.service.limits.stallBytes, unmeasuredLeast), unmeasuredMost))
	}
	c.service.lane(rc.Loop()).sent.Add(1)
	c.startSending(rc)
	_ = rc.SendfileFD(c.out, c.file.fd, c.plan.fileOff, c.piece, c.strategy())
}

const (
	filePage = 4 << 10
	// sendfilePages is how many pages sendfile(2) moves at a time: what a pipe holds.
	sendfilePages = 16
)

// alignFile reads what lies before the file's next page behind what was gathered, if the part is longer than
// sendfile(2) moves at a time. Else 64 KiB that begin within a page would go out in two pieces, and wake the client
// twice. It reports whether there was something to read.
func (c *conn) alignFile() bool {
	within := c.plan.fileOff % filePage
	if within == 0 || within+c.plan.fileLen <= sendfilePages*filePage || c.service.server.RingOnly {
		return false
	}
	n, have := int(filePage-within), len(c.out)
	if cap(c.out)-have < n {
		return false
	}
	if got, err := readCached(c.file.fd, c.out[have:have+n], c.plan.fileOff); err != nil || got < n {
		return false
	}
	c.out = c.out[:have+n]
	c.plan.fileOff += int64(n)
	c.plan.fileLen -= int64(n)
	return true
}

// strategy is the server's, but the page cache need not be asked for what it is known to have.
func (c *conn) strategy() ringo.SendfileStrategy {
	if c.isWarm() {
		return ringo.SendfileSyscall
	}
	return c.service.server.Sendfile
}

// isWarm reports whether the page cache had what is to be sent a moment ago, where that is asked for.
func (c *conn) isWarm() bool {
	return c.service.server.Sendfile == ringo.SendfileAuto && c.file.entry != nil &&
		c.file.entry.isWarm(byteRange{c.plan.fileOff, c.plan.fileLen}, c.responder.clock.now)
}

// warm notes that n bytes have come from the page cache.
func (c *conn) warm(rc *ringo.Conn, n int64) {
	if c.file.entry != nil {
		c.file.entry.warm(byteRange{c.plan.fileOff, n}, rc.Now().UnixNano())
	}
}

func (c *conn) startSending(rc *ringo.Conn) {
	c.state = sending
	c.timing = false
	c.acked = 0
	first := c.service.limits.stall
	if !c.service.unmeasured {
		first = min(first, baselineTime)
	}
	rc.SetTimer(first)
}

// flush sends what was gathered, if anything was.
func (c *conn) flush(rc *ringo.Conn) {
	if len(c.out) == 0 {
		return
	}
	c.piece = 0
	c.startSending(rc)
	_ = rc.Send(c.out) // It fails only when the connection is gone.
}

// Sent implements ringo.Handler.
func (c *conn) Sent(rc *ringo.Conn, n int64, err error) {
	c.out = nil
	if err != nil || n < c.piece {
		c.moved = n
		// A file that became shorter than announced cannot be mended: never pad, never go on.
		c.close(rc)
		return
	}
	if c.answering {
		c.warm(rc, c.piece)
		c.plan.fileOff += c.piece
		c.plan.fileLen -= c.piece
		if c.goOnAnswering(rc); c.state == sending {
			return
		}
	}
	switch {
	case c.delayed:
		c.delayed = false
		c.goOn(rc, stepAnswer)
	case c.last:
		c.end(rc)
	default:
		c.request.reset()
		c.proceed(rc)
	}
}

// proceed goes on with the input after an answer.
func (c *conn) proceed(rc *ringo.Conn) {
	c.state = reading
	c.process(rc, c.input)
	if c.draining && c.state == reading && len(c.input) == 0 {
		c.end(rc)
		return
	}
	if c.state == reading || c.state == skipping {
		rc.Resume()
	}
	if c.ended && (c.state == reading || c.state == skipping) {
		c.close(rc)
	}
}

// end is the end of a connection whose last answer is sent. A stopping server lingers as well: the
// client may be sending another request, and the reset that would follow could cost it this answer.
func (c *conn) end(rc *ringo.Conn) {
	if c.ended || !c.lingers && !c.draining && len(c.input) == 0 {
		c.close(rc)
		return
	}
	c.state = lingering
	c.input = nil
	rc.CloseWrite()
	rc.SetTimer(lingerTime)
	rc.Resume()
}

// close ends the connection at once; nothing of the input is looked at any more.
func (c *conn) close(rc *ringo.Conn) {
	c.state = closed
	rc.Close()
}

// Timer implements ringo.Handler.
func (c *conn) Timer(rc *ringo.Conn) {
	switch c.state {
	case reading, skipping:
		if c.timing {
			c.responder.setTime(rc.Now().UnixNano())
			c.refuse(rc, 408)
			return
		}
		c.close(rc)
	case sending:
		c.judgeProgress(rc)
	case lingering:
		c.close(rc)
	default:
		rc.SetTimer(c.service.limits.stall)
	}
}

// judgeProgress closes a connection whose peer takes less than the least rate.
func (c *conn) judgeProgress(rc *ringo.Conn) {
	acked, known := rc.Acked()
	baseline := c.acked == 0 && !c.service.unmeasured
	if !baseline && (!known || int64(acked-c.acked) < c.service.limits.stallBytes) {
		c.state = closed
		rc.Abort()
		return
	}
	c.acked = max(acked, 1)
	rc.SetTimer(c.service.limits.stall)
}

// Drain implements ringo.Handler.
func (c *conn) Drain(rc *ringo.Conn) {
	c.draining = true
	if c.state == reading && len(c.input) == 0 {
		c.close(rc)
	}
}

// Closed implements ringo.Handler.
func (c *conn) Closed(rc *ringo.Conn, _ error) {
	if c.answering {
		c.observed(rc, c.moved+rc.Cut(), false)
	}
	c.service.lane(rc.Loop()).ended.Add(1)
	c.closeProbe(rc)
	c.closeFile(rc)
	c.giveExchange()
}
