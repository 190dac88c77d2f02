package ringo

import (
	"encoding/binary"
	"io/fs"
	"net"
	"os"
	"syscall"
	"unsafe"

	"github.com/ringo-io/ringo/csrc"
)

// What a connection has to send is a queue of pieces. One operation is in flight, for one piece or
// for several that go together: memory by SEND or SENDMSG, a file with the piece before it by
// SENDFILE. What a handler's method queues is looked at when the delivery's other completions have
// been handled, so that all of it goes together.

// messageMax is how many pieces go in one SENDMSG: UIO_MAXIOV (linux/uio.h).
const messageMax = 1024

// Out is memory of the connection's own for what it sends next: empty, with a capacity of 28 KiB,
// and neither copied nor pinned when it is sent. Each call gives the same memory, until a part of it
// was given to Send or SendfileFD; then the next call gives other memory.
func (c *Conn) Out() []byte {
	if c.out == nil {
		c.out = c.loop.takeChunk()
	}
	return c.out.data()[:0]
}

// Send queues the bytes of the slices, one behind the other; Sent tells when all have been handed
// to the kernel, which is when the memory is the caller's again (parts of [Conn.Out] stay the
// connection's). They go in as few operations as possible, without being copied.
//
// ErrFull says that too much is queued already (WithSendQueue): nothing of this was. Sent of what
// is queued tells when there is room. Any other error says that the connection sends nothing more.
func (c *Conn) Send(p ...[]byte) error {
	bytes := 0
	for _, b := range p {
		bytes += len(b)
	}
	if err := c.admits(bytes, len(p)); err != nil || len(p) == 0 {
		return err
	}
	out := false
	for i, b := range p {
		out = c.push(b, i == len(p)-1) || out
	}
	if out {
		c.queue.tail().chunk, c.out = c.out, nil
	}
	return nil
}

// push queues b; true if it is a part of Out.
func (c *Conn) push(b []byte, last bool) (out bool) {
	p := c.pushPiece()
	p.memory, p.file, p.last = b, -1, last
	c.unsent += len(b)
	if out = c.isOut(b); !out && len(b) > 0 {
		p.pinner.Pin(unsafe.SliceData(b))
	}
	c.stir()
	return out
}

func (c *Conn) pushFile(p piece) {
	*c.pushPiece() = p
	c.stir()
}

func (c *Conn) pushPiece() *piece {
	c.unsent += pieceCost
	return c.queue.push()
}

// isOut reports whether b is a part of Out.
func (c *Conn) isOut(b []byte) bool {
	if c.out == nil {
		return false
	}
	at := addressOf(b) - addressOf(c.out.memory)
	return at < chunkSize
}

// Write implements io.Writer: it queues a copy of p, gathered with what was written just before, and
// sends it soon. It writes all or nothing; the errors are Send's. Sent tells of each operation that
// took what was gathered.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.admits(len(p), 1); err != nil {
		return 0, err
	}
	c.unsent += len(p)
	for rest := p; len(rest) > 0; {
		n := copy(c.gather(len(rest)), rest)
		rest = rest[n:]
	}
	c.stir()
	return len(p), nil
}

// gather adds up to n bytes of the loop's arena to the queue, to be written at once.
func (c *Conn) gather(n int) []byte {
	a := &c.loop.arena
	if c.queue.length() > c.inFlight {
		if p := c.queue.tail(); p.gathers && a.isLast(p.memory) {
			more := a.take(c.loop, n, false)
			p.memory = p.memory[:len(p.memory)+len(more)]
			if len(more) > 0 {
				return more
			}
		}
	}
	p := c.pushPiece()
	p.memory, p.file, p.gathers, p.last = a.take(c.loop, n, true), -1, true, true
	p.chunk = a.chunk
	p.chunk.shares++
	return p.memory
}

// A SendfileStrategy says how a file goes to a socket; see docs/architecture.md.
type SendfileStrategy uint32

// The strategies of Sendfile.
const (
	SendfileAuto     SendfileStrategy = csrc.SendfileAuto     // sendfile(2) for cached data, else Splice
	SendfileSplice   SendfileStrategy = csrc.SendfileSplice   // through a pipe, all on the ring
	SendfileCopy     SendfileStrategy = csrc.SendfileCopy     // ring reads and sends
	SendfileSyscall  SendfileStrategy = csrc.SendfileSyscall  // sendfile(2) even if it waits for the disk
	SendfileZeroCopy SendfileStrategy = csrc.SendfileZeroCopy // ring reads and SEND_ZC; EOPNOTSUPP without a ring
)

// Sendfile queues n bytes of src, an *os.File or a *File, from offset off, or all to its end when n
// is negative; Sent tells when they have gone: fewer without an error mean that the file ended
// before. What was written just before goes in the same packet. src may be closed at once. The
// errors are Send's, and those of asking src for its size and descriptor.
func (c *Conn) Sendfile(src FileSource, off, n int64) error {
	if err := c.admits(0, 1); err != nil {
		return err
	}
	n, err := sendfileLength(src, off, n)
	if err != nil {
		return err
	}
	fd, err := duplicate(src)
	if err != nil {
		return err
	}
	c.pushFile(piece{file: int32(fd), owned: true, off: off, n: n, last: true})
	return nil
}

// A FileSource is an open file that Sendfile can send from: *os.File and *File are.
type FileSource interface {
	syscall.Conn
	Name() string
	Stat() (fs.FileInfo, error)
}

// SendfileFD is Sendfile for those who keep count of their descriptors: fd must stay open until Sent
// tells, and n must be known. It is sent behind header, which may be empty, and which is not counted in
// what Sent is told.
func (c *Conn) SendfileFD(header []byte, fd int, off, n int64, how SendfileStrategy) error {
	if off < 0 || n < 0 {
		return syscall.EINVAL
	}
	if err := c.admits(len(header), 2); err != nil {
		return err
	}
	var chunk *chunk
	if len(header) > 0 {
		out := c.push(header, false)
		c.queue.tail().uncounted = true
		if out {
			chunk, c.out = c.out, nil
		}
	}
	c.pushFile(piece{file: int32(fd), chunk: chunk, how: how, off: off, n: n, last: true})
	return nil
}

// admits says whether more may be queued.
func (c *Conn) admits(bytes, pieces int) error {
	switch {
	case c.closing || c.shutting || c.finishing || c.detach != nil:
		return net.ErrClosed
	case c.sendFailed != nil:
		return c.sendFailed
	case c.unsent > 0 && c.unsent+bytes+pieces*pieceCost > c.loop.engine.sendQueue:
		return ErrFull
	}
	return nil
}

// Busy reports whether anything is being sent or queued.
func (c *Conn) Busy() bool { return c.queue.length() > 0 }

// Unsent is about how many bytes are queued: what WithSendQueue bounds.
func (c *Conn) Unsent() int { return c.unsent }

// stir makes the loop look at the queue at the end of its delivery.
func (c *Conn) stir() {
	if c.sending == sinkless && !c.stirred {
		c.stirred = true
		c.loop.stirred = append(c.loop.stirred, c)
	}
}

// sendNext starts to send what is first in the queue, or ends what waited for its end.
func (c *Conn) sendNext() {
	c.stirred = false
	switch {
	case c.closing || c.sending != sinkless:
	case c.queue.length() > 0:
		if c.sendsNow() {
			return
		}
		op := c.nextOp()
		c.sending = c.post(&op, (*connSend)(c))
	case c.finishing:
		c.Close()
	case c.shutting && !c.shut:
		c.shut = true
		c.post(&csrc.Op{Code: csrc.Shutdown, FD: c.fd, Argument: syscall.SHUT_WR}, (*connShut)(c))
	default:
		c.settle()
	}
}

// sendsNow hands memory that is queued alone to the socket by a plain call, and reports whether nothing
// of it is left to send. For one connection that is cheaper than an operation and a delivery of its own;
// many connections that send at the same time share these, and are better off with them.
//
// It is done once in a delivery: a peer that takes everything at once must not keep the loop.
func (c *Conn) sendsNow() bool {
	if len(c.loop.stirred) > fewSends || c.sentIn == c.loop.turn || c.queue.length() != 1 || c.queue.at(0).file >= 0 ||
		c.port.service != nil && c.port.service.sendByRing {
		return false
	}
	c.sentIn = c.loop.turn
	p := c.queue.at(0)
	n, err := sendNow(c.fd, p.memory)
	switch {
	case err == syscall.EAGAIN || err == syscall.EINTR:
		return false
	case err != 0:
		c.inFlight = 1
		c.sent(0, err)
	case n < len(p.memory):
		p.memory = p.memory[n:]
		c.moved += int64(n)
		c.unsent -= n
		return false
	default:
		c.inFlight = 1
		c.sent(int64(n), nil)
	}
	if !c.closing && (c.finishing || c.shutting) { // That waited for the end of the queue.
		c.stir()
	}
	c.settle()
	return true
}

// fewSends is how many connections that send in one delivery do so by plain calls.
const fewSends = 4

// sendNow is made without telling Go's scheduler: it does not block.
func sendNow(fd int32, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), syscall.MSG_DONTWAIT|msgNoSignal, 0, 0)
	return int(n), errno
}

// msgNoSignal is MSG_NOSIGNAL of linux/socket.h.
const msgNoSignal = 0x4000

// nextOp is the operation for the pieces at the head of the queue, and notes how many these are.
func (c *Conn) nextOp() csrc.Op {
	first := c.queue.at(0)
	if first.file >= 0 {
		c.inFlight = 1
		return c.fileOp(first, nil)
	}
	n := 1
	for n < min(c.queue.length(), messageMax) && c.queue.at(n).file < 0 {
		n++
	}
	switch {
	case n > 1:
		c.inFlight = n
		return c.messageOp()
	case c.queue.length() > 1:
		c.inFlight = 2
		return c.fileOp(c.queue.at(1), first.memory)
	}
	c.inFlight = 1
	return csrc.Op{Code: csrc.Send, FD: c.fd, Address: addressOf(first.memory), Length: uint64(len(first.memory))}
}

func (c *Conn) fileOp(p *piece, header []byte) csrc.Op {
	return csrc.Op{Code: csrc.SendFile, Flags: csrc.FD2Nonblock, FD: p.file, FD2: c.fd, Offset: p.off, Length: uint64(p.n),
		Argument: uint32(p.how), Address: addressOf(header), Argument2: uint64(len(header))}
}

// msghdr is struct msghdr of sendmsg(2), without pointers as iovec is.
type msghdr struct {
	name                 uintptr
	nameLength           uint32
	vectors, vectorCount uintptr
	control, controlSize uintptr
	flags                int32
}

// messageOp is a SENDMSG of the pieces in flight. Its struct msghdr and the iovecs behind that are
// in a chunk of their own.
func (c *Conn) messageOp() csrc.Op {
	c.message = c.loop.takeChunk()
	header := (*msghdr)(unsafe.Pointer(unsafe.SliceData(c.message.memory)))
	vectors := unsafe.Slice((*iovec)(unsafe.Add(unsafe.Pointer(header), unsafe.Sizeof(*header))), c.inFlight)
	for i := range vectors {
		vectors[i] = iovecOf(c.queue.at(i).memory)
	}
	*header = msghdr{vectors: uintptr(unsafe.Pointer(&vectors[0])), vectorCount: uintptr(c.inFlight)}
	return csrc.Op{Code: csrc.Sendmsg, FD: c.fd, Address: addressOf(c.message.memory)}
}

// giveMessage gives back the memory of a SENDMSG that has ended, or was never posted.
func (c *Conn) giveMessage() {
	if c.message != nil {
		c.loop.giveChunk(c.message)
		c.message = nil
	}
}

func (s *connSend) complete(_ *loop, completion *csrc.Completion) {
	c := (*Conn)(s)
	c.sending = sinkless
	c.pending--
	c.giveMessage()
	err := errorOf(completion.Result)
	if completion.Extra != 0 {
		err = syscall.Errno(completion.Extra)
	}
	c.sent(max(completion.Result, 0), err)
	if !c.closing {
		c.stir()
	}
	c.settle()
}

// Cut is, for Closed, how many bytes were handed to the kernel of what Sent did not tell of, because
// closing cut it short.
func (c *Conn) Cut() int64 { return c.cut }

// sent takes from the queue what an operation has sent: n bytes of memory, or of the file.
func (c *Conn) sent(n int64, err error) {
	file := c.queue.at(c.inFlight-1).file >= 0
	for c.inFlight > 0 {
		p := c.queue.at(0)
		moved, all := p.moved(n, file, err)
		if p.file >= 0 || !file {
			n -= moved
		}
		if !all && c.sendFailed == nil {
			c.sendFailed = err
		}
		c.inFlight--
		c.drop(moved)
	}
	for c.sendFailed != nil && c.queue.length() > 0 {
		c.drop(0)
	}
}

// drop takes the first piece from the queue, and tells the handler if it was the last of a Send.
func (c *Conn) drop(moved int64) {
	p := c.queue.pop()
	c.unsent -= len(p.memory) + pieceCost
	if !p.uncounted {
		c.moved += moved
	}
	c.free(&p)
	if !p.last {
		return
	}
	n := c.moved
	c.moved = 0
	if c.closing {
		c.cut += n
		return
	}
	c.handler.Sent(c, n, c.sendFailed)
}

// free gives back what a piece holds.
func (c *Conn) free(p *piece) {
	p.pinner.Unpin()
	switch {
	case p.gathers:
		c.loop.arena.give(c.loop, p.chunk)
	case p.chunk != nil:
		c.loop.giveChunk(p.chunk)
	}
	if p.owned {
		syscall.Close(int(p.file))
	}
}

var _ FileSource = (*os.File)(nil)

// Acked is how many bytes the peer has acknowledged since the connection began; false where the
// socket cannot tell (it is not TCP).
func (c *Conn) Acked() (uint64, bool) {
	var info [tcpInfoSize]byte
	size := uint32(len(info))
	_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(c.fd), syscall.IPPROTO_TCP, tcpInfo,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || size < tcpInfoAckedAt+8 {
		return 0, false
	}
	return binary.NativeEndian.Uint64(info[tcpInfoAckedAt:]), true
}

// TCP_INFO, and where struct tcp_info (linux/tcp.h) has tcpi_bytes_acked, since Linux 4.1.
const (
	tcpInfo        = 11
	tcpInfoAckedAt = 120
	tcpInfoSize    = 128
)
