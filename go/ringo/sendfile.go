package ringo

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// Sendfile is [Engine.Sendfile] on the default engine.
func Sendfile(ctx context.Context, dst net.Conn, src *os.File, off, n int64) (int64, error) {
	e, err := Default()
	if err != nil {
		return 0, err
	}
	return e.Sendfile(ctx, dst, src, off, n)
}

// Sendfile sends n bytes of src from offset off to dst, or all to the end of the file when n is
// negative, and returns how many went; fewer than n without an error means that the file ended.
// src's own offset does not change.
//
// A net.Conn is the property of Go's network poller, so this is sendfile(2) under that poller:
// deadlines and Close of dst work as ever. When ctx ends, dst's write deadline is used to stop
// the transfer, and cleared. A connection without a descriptor (TLS) gets the bytes by Write.
func (e *Engine) Sendfile(ctx context.Context, dst net.Conn, src *os.File, off, n int64) (int64, error) {
	if e.onSomeLoop() {
		return 0, opError(dst, ErrWouldDeadlock)
	}
	if isClosed(e.closed) {
		return 0, opError(dst, ErrClosed)
	}
	n, err := sendfileLength(src, off, n)
	if err != nil {
		return 0, err
	}
	if ctx.Err() != nil {
		return 0, opError(dst, context.Cause(ctx))
	}
	var sent int64
	expired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		dst.SetWriteDeadline(time.Unix(1, 0))
		close(expired)
	})
	if conn, ok := dst.(syscall.Conn); ok {
		sent, err = sendfilePolled(conn, src, off, n)
	} else {
		sent, err = io.Copy(dst, io.NewSectionReader(src, off, n))
	}
	if !stop() {
		<-expired // Else the deadline might be set after it was cleared.
		dst.SetWriteDeadline(time.Time{})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = context.Cause(ctx)
		}
	}
	return sent, opError(dst, err)
}

// opError wraps err unless net has done so already.
func opError(dst net.Conn, err error) error {
	var wrapped *net.OpError
	if err == nil || errors.As(err, &wrapped) {
		return err
	}
	return &net.OpError{Op: "sendfile", Net: dst.LocalAddr().Network(), Source: dst.LocalAddr(),
		Addr: dst.RemoteAddr(), Err: err}
}

func sendfileLength(src FileSource, off, n int64) (int64, error) {
	if off < 0 {
		return 0, pathError("sendfile", src.Name(), errors.New("negative offset"))
	}
	info, err := src.Stat()
	if err != nil {
		return 0, err
	}
	left := int64(math.MaxInt64) - off
	if info.Mode().IsRegular() && info.Size() > 0 {
		left = max(info.Size()-off, 0)
	}
	// A file in /proc says that it has no size: its end is where it ends.
	if n < 0 || n > left {
		n = left
	}
	return n, nil
}

// sendfileChunk bounds one sendfile(2), which cannot be interrupted while it waits for the disk.
const sendfileChunk = 1 << 20

// sendfilePolled gives the one error that ended it as it is, so that its Timeout can be asked for.
func sendfilePolled(dst syscall.Conn, src *os.File, off, n int64) (sent int64, err error) {
	raw, err := dst.SyscallConn()
	if err != nil {
		return 0, err
	}
	srcRaw, err := src.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed, blocked error
	closed := srcRaw.Control(func(from uintptr) {
		blocked = raw.Write(func(to uintptr) bool {
			for sent < n && failed == nil {
				where := off + sent
				moved, err := syscall.Sendfile(int(to), int(from), &where, int(min(n-sent, sendfileChunk)))
				switch {
				case err == syscall.EINTR:
				case err == syscall.EAGAIN:
					return false
				case err != nil:
					failed = err
				case moved == 0: // The file is shorter than it was.
					return true
				default:
					sent += int64(moved)
				}
			}
			return true
		})
	})
	return sent, cmp.Or(failed, blocked, closed)
}

// SendfileFunc sends like Sendfile, through a loop, and calls fn on the loop's goroutine with
// what Sendfile would have returned. It never blocks; an error it returns itself means that fn
// will not be called. Nothing else may write to dst until fn is called; dst's deadlines do not
// apply, and closing it does not end the transfer. src may be closed at once.
func (e *Engine) SendfileFunc(dst net.Conn, src *os.File, off, n int64, fn func(int64, error)) error {
	conn, ok := dst.(syscall.Conn)
	if !ok {
		return opError(dst, errors.New("the connection has no descriptor"))
	}
	n, err := sendfileLength(src, off, n)
	if err != nil {
		return err
	}
	s := &fileSend{conn: dst, fn: elsewhere(e, fn), to: -1, from: -1}
	if err = s.open(conn, src); err == nil {
		op := csrc.Op{Code: csrc.SendFile, FD: int32(s.from), FD2: int32(s.to), Offset: off, Length: uint64(n)}
		_, err = e.anyLoop().post(&op, s)
	}
	if err != nil {
		s.close()
	}
	return opError(dst, err)
}

// A fileSend is the sink of one SendfileFunc. It holds descriptors of its own for both ends, so
// neither number can come to mean another file while the kernel uses it.
type fileSend struct {
	conn     net.Conn
	fn       func(int64, error)
	to, from int
}

func (s *fileSend) open(dst syscall.Conn, src syscall.Conn) (err error) {
	if s.to, err = duplicate(dst); err == nil {
		s.from, err = duplicate(src)
	}
	return err
}

func (s *fileSend) close() {
	for _, fd := range []int{s.to, s.from} {
		if fd >= 0 {
			syscall.Close(fd)
		}
	}
}

func (s *fileSend) complete(_ *loop, c *csrc.Completion) {
	s.close()
	err := errorOf(c.Result)
	if c.Extra != 0 {
		err = syscall.Errno(c.Extra)
	}
	s.fn(max(c.Result, 0), opError(s.conn, err))
}

// duplicate gives a descriptor of the same open file.
func duplicate(c syscall.Conn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	controlErr := raw.Control(func(old uintptr) {
		var errno syscall.Errno
		var dup uintptr
		dup, _, errno = syscall.Syscall(syscall.SYS_FCNTL, old, syscall.F_DUPFD_CLOEXEC, 0)
		if errno != 0 {
			err = errno
			return
		}
		fd = int(dup)
	})
	return fd, errors.Join(err, controlErr)
}
