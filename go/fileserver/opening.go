package fileserver

import (
	"syscall"

	"github.com/ringo-io/ringo/go/ringo"
)

// How a connection comes by the file of an answer: at once where that needs no disk, else by the
// ring, or on another goroutine for directories.

// follow does what the responder says comes next, until there is an answer or something to wait
// for.
func (c *conn) follow(rc *ringo.Conn, next step) {
	for waiting := false; !waiting; {
		switch next {
		case stepAnswer:
			c.answer(rc)
			return
		case stepList:
			c.list(rc)
			return
		case stepHash:
			next, waiting = c.hash(rc)
		default:
			next, waiting = c.open(rc, next == stepProbe)
		}
	}
}

// open opens the plan's file; a probe leaves the one that is open.
func (c *conn) open(rc *ringo.Conn, probing bool) (next step, waiting bool) {
	c.probing = probing
	if !probing {
		c.closeFile(rc)
	}
	if c.cache != nil {
		e := c.cache.find(c.plan.name, rc.Turn(), c.responder.clock.now)
		if e != nil && (e.fd < 0 || e.st.Size <= sharedMost || c.plan.asksLittle(&c.request, e.st.Size)) {
			c.service.lane(rc.Loop()).known.Add(1)
			return c.found(rc, e), false
		}
	}
	c.service.lane(rc.Loop()).opened.Add(1)
	if !c.service.server.RingOnly {
		fd, err := openCached(c.service.root, c.plan.name, c.service.how)
		if err == syscall.EMFILE && c.cache != nil {
			c.cache.clear()
			fd, err = openCached(c.service.root, c.plan.name, c.service.how)
		}
		if err != syscall.EAGAIN {
			return c.opened(rc, fd, err), false
		}
	}
	c.wait(opening)
	if err := rc.OpenFile(c.service.root, string(c.plan.name), c.service.how); err != nil {
		c.state = reading
		return c.openFailed(err), false
	}
	return 0, true
}

// sharedMost is how much is sent from a file that the cache keeps open: to open one is nothing beside sending
// more, and downloads that share an open file would share its readahead.
const sharedMost = 1 << 20

// asksLittle reports whether the request asks for ranges that are no more than that together, of a file
// of some size.
func (p *plan) asksLittle(q *request, size int64) bool {
	if !q.has(fieldRange) || p.ranges.parse(q.field(fieldRange), size) == rangeIgnored {
		return false
	}
	sum := int64(0)
	for _, r := range p.ranges.list[:p.ranges.n] {
		sum += r.len
	}
	return sum <= sharedMost
}

// wait leaves the reading of requests; the present one has to outlive its input.
func (c *conn) wait(s state) {
	if c.state == reading {
		c.keepHead()
	}
	c.state = s
}

func (c *conn) opened(rc *ringo.Conn, fd int, err error) step {
	if err != nil {
		return c.openFailed(err)
	}
	c.hold(openFile{fd: fd})
	var st syscall.Stat_t
	if err := fstat(fd, &st); err != nil {
		c.closeProbe(rc)
		return c.openFailed(err)
	}
	return c.learned(rc, factsOf(&st))
}

// found goes on with what the cache knows.
func (c *conn) found(rc *ringo.Conn, e *entry) step {
	if e.fd < 0 {
		return c.learned(rc, fileFacts{variants: e.variants})
	}
	e.hold()
	c.hold(openFile{e.fd, e})
	facts := factsOf(&e.st)
	facts.variants = e.variants
	return c.learned(rc, facts)
}

// hold keeps what was opened.
func (c *conn) hold(f openFile) {
	if c.probing {
		c.probe = f
	} else {
		c.file = f
	}
}

// learned tells the responder about what was opened, or that there is nothing.
func (c *conn) learned(rc *ringo.Conn, facts fileFacts) (next step) {
	if !c.probing {
		return c.responder.answer(&c.request, facts, &c.plan)
	}
	next, take := c.responder.probed(&c.request, facts, &c.plan)
	if take {
		c.closeFile(rc)
		c.file, c.probe = c.probe, noFile
	}
	c.closeProbe(rc)
	return next
}

// factsOf are an open file's facts; of what lies beside it nothing is known.
func factsOf(st *syscall.Stat_t) fileFacts {
	kind := st.Mode & syscall.S_IFMT
	return fileFacts{size: st.Size, mtime: st.Mtim.Nano(), inode: st.Ino, variants: allCodings,
		isDir: kind == syscall.S_IFDIR, isRegular: kind == syscall.S_IFREG}
}

func (c *conn) openFailed(err error) step {
	if c.probing {
		next, _ := c.responder.probed(&c.request, fileFacts{}, &c.plan)
		return next
	}
	return c.responder.openFailed(&c.request, err, &c.plan)
}

// FileOpened implements ringo.Handler.
func (c *conn) FileOpened(rc *ringo.Conn, fd int, err error) {
	c.responder.setTime(rc.Now().UnixNano())
	if err == nil && c.service.server.RingOnly {
		c.hold(openFile{fd: fd})
		c.state = statting
		rc.StatFile(fd)
		return
	}
	c.state = reading
	c.goOn(rc, c.opened(rc, fd, err))
}

// FileStatus implements ringo.Handler.
func (c *conn) FileStatus(rc *ringo.Conn, s ringo.FileStatus, err error) {
	c.responder.setTime(rc.Now().UnixNano())
	c.state = reading
	if err != nil {
		c.closeProbe(rc)
		c.goOn(rc, c.openFailed(err))
		return
	}
	st := syscall.Stat_t{Mode: s.Mode, Size: s.Size, Ino: s.Inode, Mtim: syscall.NsecToTimespec(s.ModTime)}
	c.goOn(rc, c.learned(rc, factsOf(&st)))
}

// goOn is follow for a request that had to wait: what came in behind it is looked at afterwards.
func (c *conn) goOn(rc *ringo.Conn, next step) {
	c.follow(rc, next)
	if c.state == reading && len(c.out) > 0 {
		c.proceed(rc)
	}
}

// list reads a directory and makes its listing on another goroutine, since that may block and takes long, and
// answers with it.
func (c *conn) list(rc *ringo.Conn) {
	c.closeFile(rc)
	c.wait(working)
	l := c.responder.listing(&c.request, &c.plan)
	var body []byte
	var err error
	rc.Work(func() { body, err = readListing(l, c.service.root, c.service.how) }, func() {
		c.responder.setTime(rc.Now().UnixNano())
		c.state = reading
		if err != nil {
			c.probing = false
			c.goOn(rc, c.openFailed(err))
			return
		}
		c.responder.listed(l, body, &c.plan)
		c.rest = body
		if c.plan.noBody {
			c.rest = nil
		}
		c.goOn(rc, stepAnswer)
	})
}

// hash finds the hash of the open file: from what is known of it, or by reading it on another
// goroutine.
func (c *conn) hash(rc *ringo.Conn) (next step, waiting bool) {
	if sum, known := c.service.hashes.known(c.file.fd); known {
		return c.responder.hashed(&c.request, sum, &c.plan), false
	}
	c.wait(working)
	var sum []byte
	rc.Work(func() { sum = c.service.hashes.compute(c.file.fd) }, func() {
		c.responder.setTime(rc.Now().UnixNano())
		c.state = reading
		c.goOn(rc, c.responder.hashed(&c.request, sum, &c.plan))
	})
	return 0, true
}

// An openFile is a file of one answer, or of the cache as well.
type openFile struct {
	fd    int    // -1: none
	entry *entry // nil: the answer's own
}

var noFile = openFile{fd: -1}

// closeFile lets go of the present answer's file, if there is one.
func (c *conn) closeFile(rc *ringo.Conn) {
	c.letGo(rc, c.file)
	c.file = noFile
}

// closeProbe lets go of a file that was only looked for.
func (c *conn) closeProbe(rc *ringo.Conn) {
	c.letGo(rc, c.probe)
	c.probe = noFile
}

func (c *conn) letGo(rc *ringo.Conn, f openFile) {
	switch {
	case f.fd < 0:
	case f.entry != nil:
		f.entry.release()
	case c.service.server.RingOnly:
		rc.CloseFile(f.fd)
	default:
		closeFile(f.fd)
	}
}
