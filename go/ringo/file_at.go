package ringo

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"syscall"

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
	switch f.volume.way(t, inFlight, f.engine.policy) {
	case wayPlain:
		n, err = plain(code, f.fd, p, off)
	case wayNowait:
		n, err = f.nowaitFirst(t, p, off)
	default:
		n, err = f.byLoop(code, t, p, off)
	}
	f.volume.end()
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

// nowaitFirst takes what the page cache has, and the rest by the loop. Where RWF_NOWAIT is refused,
// it learns that, and the call is plain.
func (f *File) nowaitFirst(t *traffic, p []byte, off int64) (n int, err error) {
	n, err = preadNowait(f.fd, p, off)
	if err == syscall.EOPNOTSUPP || err == syscall.ENOSYS {
		f.volume.refuseNowait(t.direct)
		return plain(csrc.Read, f.fd, p, off)
	}
	if known := &f.volume.nowait[side(t.direct)]; known.Load() == nowaitUnknown {
		known.Store(nowaitWorks)
	}
	if err == nil && (n == len(p) || n == 0) {
		t.hits.Add(1)
		t.noteHit(true)
		return n, nil
	}
	t.noteHit(false)
	rest, err := f.byLoop(csrc.Read, t, p[n:], off+int64(n))
	return n + rest, err
}

// byLoop hands the transfer to a loop, and waits. Calls are kept together: the more of them a loop
// has, the fewer wake-ups each costs.
func (f *File) byLoop(code csrc.Code, t *traffic, p []byte, off int64) (int, error) {
	op := csrc.Op{Code: code, FD: f.fd, Address: addressOf(p), Length: uint64(len(p)), Offset: off}
	loops := f.engine.loops
	l := loops[int(f.volume.state.Load()&0xffff)/loopCalls%len(loops)]
	c, err := l.doOp(context.Background(), &op, p, false)
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
