package fileserver

import (
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/ringo-io/ringo/go/ringo"
)

// What can be seen of a server from outside: each answer as it ends, and counters.

// An Answer is what there is to say of an answer that has ended. Its slices are what the client
// sent, whatever bytes that may be, and are good until OnAnswer returns.
type Answer struct {
	Loop  int        // on which it was given, from 0
	Peer  netip.Addr // not valid for a Unix socket
	Began time.Time  // when its request was complete, as the loop saw it
	Took  time.Duration

	Method, Target           []byte // empty when there was no request that could be read
	Minor                    int    // of HTTP/1.Minor
	Host, Referer, UserAgent []byte

	Status int
	Bytes  int64 // of the body, handed to the kernel
	Whole  bool  // false: the connection ended before all of it was
}

// Counters count what servers do. The zero value is ready; they may be read at any time.
type Counters struct {
	lanes [counterLanes]counterLane
}

// counterLanes is how many loops count without sharing a cache line.
const counterLanes = 64

type counterLane struct {
	answers         [6]atomic.Uint64 // by the first digit of the status
	bytes           atomic.Uint64
	cut             atomic.Uint64
	read, sent      atomic.Uint64
	known, opened   atomic.Uint64
	accepted, ended atomic.Uint64
	_               [16]byte
}

// Counts are the values of counters: each but Open only grows.
type Counts struct {
	Answers   [6]uint64 // by the first digit of the status
	BodyBytes uint64    // of answers that have ended
	Cut       uint64    // answers that their connection did not outlive
	FilesRead uint64    // parts of files that went out in the answer's own memory; of a range also the rest of its first page
	FilesSent uint64    // parts of files that went out by Sendfile
	Known     uint64    // names of which the cache knew what they are
	Opened    uint64    // names that had to be opened
	Accepted  uint64    // connections
	Open      uint64    // connections now
}

// Counts reads the counters; they belong to slightly different moments.
func (c *Counters) Counts() Counts {
	var n Counts
	for i := range c.lanes {
		l := &c.lanes[i]
		for class := range l.answers {
			n.Answers[class] += l.answers[class].Load()
		}
		n.BodyBytes += l.bytes.Load()
		n.Cut += l.cut.Load()
		n.FilesRead += l.read.Load()
		n.FilesSent += l.sent.Load()
		n.Known += l.known.Load()
		n.Opened += l.opened.Load()
		ended := l.ended.Load() // Before accepted, or there could be fewer than none.
		accepted := l.accepted.Load()
		n.Accepted += accepted
		n.Open += accepted - ended
	}
	return n
}

func (s *service) lane(loop int) *counterLane { return &s.counters.lanes[loop%counterLanes] }

// observed says that an answer has ended; moved is how much of the part of the file that was being
// sent has gone.
func (c *conn) observed(rc *ringo.Conn, moved int64, whole bool) {
	bytes := max(c.plan.bodyLen()-c.plan.fileLen-int64(len(c.rest))+moved, 0)
	lane := c.service.lane(rc.Loop())
	lane.answers[c.plan.status/100].Add(1)
	lane.bytes.Add(uint64(bytes))
	if !whole {
		lane.cut.Add(1)
	}
	if c.service.server.OnAnswer != nil {
		c.tell(rc, bytes, whole)
	}
}

// keepToTell keeps what OnAnswer will want to know for an answer that has to wait: by then the
// request's input is another's, and the connection may be gone.
func (c *conn) keepToTell(rc *ringo.Conn) {
	if c.service.server.OnAnswer != nil {
		c.keepHead()
		c.learnPeer(rc)
	}
}

func (c *conn) tell(rc *ringo.Conn, bytes int64, whole bool) {
	c.learnPeer(rc)
	began := time.Unix(0, c.began)
	a := &c.responder.told
	*a = Answer{Loop: rc.Loop(), Peer: c.peer, Began: began, Took: rc.Now().Sub(began),
		Status: c.plan.status, Bytes: bytes, Whole: whole}
	if c.headLen > 0 {
		q := &c.request
		a.Method, a.Target, a.Minor = q.bytes(q.methodSpan), q.bytes(q.targetSpan), int(q.minor)
		a.Host, a.Referer, a.UserAgent = q.field(fieldHost), q.field(fieldReferer), q.field(fieldUserAgent)
	}
	c.service.server.OnAnswer(a)
}

// learnPeer asks for the peer's address once; that of a Unix socket has none.
func (c *conn) learnPeer(rc *ringo.Conn) {
	if c.peer.IsValid() || c.service.unmeasured {
		return
	}
	if tcp, ok := rc.RemoteAddr().(*net.TCPAddr); ok {
		c.peer = tcp.AddrPort().Addr().Unmap()
	}
}

// bodyLen is how long the body is that goes out.
func (p *plan) bodyLen() int64 {
	if p.noBody || p.length < 0 || p.status == 304 {
		return 0
	}
	return p.length
}
