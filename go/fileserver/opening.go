package fileserver

import (
	"errors"
	"syscall"

	"github.com/ringo-io/ringo/go/ringo"
)

// How a connection comes by the file of an answer: at once where that needs no disk, else by the
// ring, or on another goroutine for directories.

// follow does what the responder says comes next, until there is an answer or something to wait
// for.
func (c *conn) follow(rc *ringo.Conn, next step) {
	for {
		switch next {
		case stepAnswer:
			c.answer(rc)
			return
		case stepList:
			c.list(rc)
			return
		}
		var waiting bool
		if next, waiting = c.open(rc); waiting {
			return
		}
	}
}

// open opens the plan's file.
func (c *conn) open(rc *ringo.Conn) (next step, waiting bool) {
	c.closeFile(rc)
	if !c.service.server.RingOnly {
		fd, err := openContained(c.service.root, c.plan.name)
		if err != syscall.EAGAIN {
			return c.opened(rc, fd, err), false
		}
	}
	c.wait(opening)
	if err := rc.OpenFile(c.service.root, string(c.plan.name), openHow); err != nil {
		c.state = reading
		return c.openFailed(err), false
	}
	return 0, true
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
	c.file = fd
	var st syscall.Stat_t
	if err := fstat(fd, &st); err != nil {
		return c.openFailed(err)
	}
	return c.known(&st)
}

// known asks the responder about an open file.
func (c *conn) known(st *syscall.Stat_t) step {
	kind := st.Mode & syscall.S_IFMT
	return c.responder.answer(&c.request, fileFacts{size: st.Size, mtime: st.Mtim.Nano(), inode: st.Ino,
		isDir: kind == syscall.S_IFDIR, isRegular: kind == syscall.S_IFREG}, &c.plan)
}

// openFailed: whatever the reason, the client learns only that there is nothing; but want of
// descriptors or memory is the server's.
func (c *conn) openFailed(err error) step {
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		c.responder.fail(&c.request, 503, &c.plan)
		return stepAnswer
	case errors.Is(err, syscall.EIO):
		c.responder.fail(&c.request, 500, &c.plan)
		return stepAnswer
	}
	return c.responder.missing(&c.request, &c.plan)
}

// FileOpened implements ringo.Handler.
func (c *conn) FileOpened(rc *ringo.Conn, fd int, err error) {
	c.responder.setTime(rc.Now().UnixNano())
	if err == nil && c.service.server.RingOnly {
		c.file = fd
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
		c.goOn(rc, c.openFailed(err))
		return
	}
	st := syscall.Stat_t{Mode: s.Mode, Size: s.Size, Ino: s.Inode, Mtim: syscall.NsecToTimespec(s.ModTime)}
	c.goOn(rc, c.known(&st))
}

// goOn is follow for a request that had to wait: what came in behind it is looked at afterwards.
func (c *conn) goOn(rc *ringo.Conn, next step) {
	c.follow(rc, next)
	if c.state == reading && len(c.out) > 0 {
		c.proceed(rc)
	}
}

// list reads a directory on another goroutine, since that may block, and answers with its listing.
func (c *conn) list(rc *ringo.Conn) {
	c.closeFile(rc)
	c.wait(listing)
	name := string(c.plan.name)
	var entries []listEntry
	var err error
	rc.Work(func() { entries, err = readDirectory(c.service.root, name) }, func() {
		c.responder.setTime(rc.Now().UnixNano())
		c.state = reading
		if err != nil {
			c.goOn(rc, c.openFailed(err))
			return
		}
		c.rest = c.responder.list(&c.request, &c.plan, entries, nil)
		if c.plan.noBody {
			c.rest = nil
		}
		c.goOn(rc, stepAnswer)
	})
}

// closeFile closes the present answer's file, if there is one.
func (c *conn) closeFile(rc *ringo.Conn) {
	if c.file < 0 {
		return
	}
	if c.service.server.RingOnly {
		rc.CloseFile(c.file)
	} else {
		closeFile(c.file)
	}
	c.file = -1
}
