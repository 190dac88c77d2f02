package ringo

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

var errNegativeOffset = errors.New("negative offset")

// ReadAt implements [io.ReaderAt] as [os.File.ReadAt] does. Safe for concurrent use, and made for
// it: see [File].
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if !f.ringable {
		return f.file.ReadAt(p, off)
	}
	if off < 0 {
		return 0, pathError("readat", f.Name(), errNegativeOffset)
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.transfer(csrc.Read, f.reads, p, off)
	switch {
	case err != nil:
		return n, f.explain("read", p, off, err)
	case n < len(p):
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements [io.WriterAt] as [os.File.WriteAt] does. On a file opened with O_APPEND the
// kernel appends whatever the offset, so it is refused, as os.File does. Safe for concurrent use.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	if !f.ringable || f.noWriteAt != nil {
		return f.file.WriteAt(p, off)
	}
	if off < 0 {
		return 0, pathError("writeat", f.Name(), errNegativeOffset)
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.transfer(csrc.Write, f.writes, p, off)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return n, f.explain("write", p, off, err)
	}
	return n, nil
}

// transfer reads or writes until p is done or the file ends, in the way that the volume thinks
// best. The descriptor stays open until it has ended.
func (f *File) transfer(code csrc.Code, t *traffic, p []byte, off int64) (n int, err error) {
	defer f.end()
	if !f.users.take() {
		return 0, os.ErrClosed
	}
	if err := f.engine.mayBlock(); err != nil {
		return 0, err
	}
	inFlight := f.volume.begin()
	switch w := f.volume.way(t, inFlight, f.engine.policy); w {
	case wayPlain:
		n, err = plain(code, f.fd, p, off)
	case wayPlainTimed, wayLoopTimed:
		n, err = f.timed(code, t, p, off, w)
	case wayNowait:
		n, err = f.nowaitFirst(t, p, off)
	default:
		n, err = f.byLoop(code, t, p, off)
	}
	f.volume.end()
	return n, err
}

// timed is for the few calls whose duration is looked at.
func (f *File) timed(code csrc.Code, t *traffic, p []byte, off int64, w way) (n int, err error) {
	begin := time.Now()
	if w == wayPlainTimed {
		n, err = plain(code, f.fd, p, off)
		t.plainCost.note(time.Since(begin))
		return n, err
	}
	n, err = f.byLoop(code, t, p, off)
	t.loopCost.note(time.Since(begin))
	t.compare()
	return n, err
}

// plain is pread or pwrite on the caller's own thread, repeated for what a short one leaves.
func plain(code csrc.Code, fd int32, p []byte, off int64) (n int, err error) {
	for n < len(p) {
		var m int
		part := p[n:min(len(p), n+hopLengthMax)]
		if code == csrc.Read {
			m, err = syscall.Pread(int(fd), part, off+int64(n))
		} else {
			m, err = syscall.Pwrite(int(fd), part, off+int64(n))
		}
		if err == syscall.EINTR {
			continue
		}
		if err != nil || m <= 0 {
			return n, err
		}
		n += m
	}
	return n, nil
}

// hopLengthMax is the most that one read or write moves, as package os has it: 1 GiB.
const hopLengthMax = 1 << 30

// nowaitFirst takes what the page cache has, and the rest by the loop.
func (f *File) nowaitFirst(t *traffic, p []byte, off int64) (n int, err error) {
	n, err = preadNowait(f.fd, p, off)
	switch {
	case err == nil && (n == len(p) || n == 0):
		t.hits.Add(1)
		t.noteHit(true)
		return n, nil
	case err == syscall.EOPNOTSUPP || err == syscall.ENOSYS:
		t.nowait.Store(nowaitRefused)
		return plain(csrc.Read, f.fd, p, off)
	}
	t.nowait.Store(nowaitWorks)
	t.noteHit(false)
	n = max(n, 0)
	rest, err := f.byLoop(csrc.Read, t, p[n:], off+int64(n))
	return n + rest, err
}

// byLoop hands the transfer to a loop, and waits.
func (f *File) byLoop(code csrc.Code, t *traffic, p []byte, off int64) (int, error) {
	op := csrc.Op{Code: code, FD: f.fd, Address: addressOf(p), Length: uint64(len(p)), Offset: off}
	c, err := f.engine.doOp(context.Background(), &op, p, false)
	if err != nil {
		return 0, err
	}
	t.looped.Add(1)
	runtime.KeepAlive(f)
	err = errorOf(c.Result)
	if c.Extra != 0 {
		err = syscall.Errno(c.Extra)
	}
	return int(max(c.Result, 0)), err
}

// one tells whether the caller is the one of n calls that is looked at more closely.
func one(n uint32) bool { return rand.Uint32N(n) == 0 }
