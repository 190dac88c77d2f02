package ringo

import (
	"bytes"
	"encoding/binary"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/ringo-io/ringo/csrc"
)

// A Handler is told what happens to one connection, on the goroutine of the connection's loop:
// its methods must not block, and are never called at the same time for connections of one loop.
// The calls for one connection: Opened first, Closed last, in between whatever happens.
type Handler interface {
	// Opened comes once, before anything else.
	Opened(c *Conn)

	// Data brings received bytes; p is valid during the call. An empty p is the end of the
	// peer's stream: nothing more comes, but the peer may still read.
	Data(c *Conn, p []byte)

	// Sent says that the Send or Sendfile in progress has ended: n bytes, not counting a header,
	// were handed to the kernel. Another one may be started.
	Sent(c *Conn, n int64, err error)

	// FileOpened and FileStatus answer OpenFile and StatFile.
	FileOpened(c *Conn, fd int, err error)
	FileStatus(c *Conn, status FileStatus, err error)

	// Timer says that SetTimer's time is over.
	Timer(c *Conn)

	// Drain says that the server is stopping: the connection should be closed when what is in
	// progress is done.
	Drain(c *Conn)

	// Closed comes once, after everything else; c is not to be used any more.
	Closed(c *Conn, err error)
}

// A Conn is an event-driven connection. It belongs to one loop for its life; all methods are for
// that loop's goroutine, which is where its Handler runs.
type Conn struct {
	loop    *loop
	port    *port
	handler Handler
	fd      int32
	pending int // operations in flight
	closing bool
	ended   bool // the peer's stream has ended
	err     error

	receiving ticket
	held      []heldInput // received while paused
	paused    bool
	stopping  bool // receiving was asked to end, because of paused

	sending ticket
	chunk   *chunk // path and output memory, while in use
	lent    bool   // the chunk's output memory is the handler's
	file    ticket // of OpenFile or StatFile

	deadline, place          uint64 // in ticks of the wheel
	wheeled                  bool
	wheelNext, wheelPrevious *Conn
	next, previous           *Conn // of the port's connections
}

// heldInput is what one completion brought while its connection was paused: the bytes, copied, or
// else how the stream ended.
type heldInput struct {
	data   []byte
	result int64
}

// The sinks of a connection's operations are the connection itself under other types.
type (
	connReceive Conn
	connSend    Conn
	connOpen    Conn
	connStatus  Conn
	connClose   Conn
)

// post posts an operation of c; failure, which only a reserve that is too small can cause, closes
// the connection.
func (c *Conn) post(op *csrc.Op, s sink) ticket {
	t, err := c.loop.postOwn(op, s)
	if err != nil {
		c.fail(err)
		return sinkless
	}
	c.pending++
	return t
}

// Receiving.

func (c *Conn) receive() {
	if c.receiving != sinkless || c.ended || c.closing {
		return
	}
	c.receiving = c.post(&csrc.Op{Code: csrc.Recv, FD: c.fd,
		Flags: csrc.Multishot | csrc.BufferSelect}, (*connReceive)(c))
}

func (r *connReceive) complete(_ *loop, completion *csrc.Completion) {
	c := (*Conn)(r)
	asked := c.stopping && completion.Result == -int64(syscall.ECANCELED)
	if completion.Flags&csrc.More == 0 {
		c.receiving = sinkless
		c.stopping = false
		c.pending--
	}
	switch {
	case c.closing:
		c.returnBuffer(completion)
	case asked:
	case c.paused:
		c.hold(completion)
	default:
		c.received(completion)
	}
	if !c.closing && !c.paused {
		c.receive()
	}
	c.finishClose()
}

// received hands on what a completion brought.
func (c *Conn) received(completion *csrc.Completion) {
	if completion.Result > 0 {
		c.handler.Data(c, c.bytesOf(completion))
		c.returnBuffer(completion)
		return
	}
	c.streamEnded(completion.Result)
}

// streamEnded says how receiving came to its end.
func (c *Conn) streamEnded(result int64) {
	if result == 0 {
		c.ended = true
		c.handler.Data(c, nil)
		return
	}
	c.fail(os.NewSyscallError("recv", errorOf(result)))
}

// bytesOf are the bytes a completion brought, in one of the loop's buffers.
func (c *Conn) bytesOf(completion *csrc.Completion) []byte {
	start := int(completion.Extra) * c.loop.bufSize
	return c.loop.buffers[start : start+int(completion.Result)]
}

func (c *Conn) returnBuffer(completion *csrc.Completion) {
	if completion.Flags&csrc.Buffer != 0 {
		c.loop.put(&csrc.Op{Code: csrc.ReturnBuffer, Argument: uint32(completion.Extra)})
	}
}

// hold keeps what came while paused, and stops the kernel from bringing more. The buffer goes back
// at once: all connections share a few, and a pause may last.
func (c *Conn) hold(completion *csrc.Completion) {
	input := heldInput{result: completion.Result}
	if completion.Result > 0 {
		input.data = bytes.Clone(c.bytesOf(completion))
		c.returnBuffer(completion)
	}
	c.held = append(c.held, input)
	if c.receiving != sinkless && !c.stopping {
		c.stopping = true
		c.loop.cancel(c.receiving)
	}
}

// Pause stops Data until Resume: what the peer sends stays in the kernel, and then in the peer.
func (c *Conn) Pause() { c.paused = true }

// Resume undoes Pause; what was received meanwhile comes at once, before Resume returns.
func (c *Conn) Resume() {
	if !c.paused {
		return
	}
	c.paused = false
	for len(c.held) > 0 && !c.paused && !c.closing {
		input := c.held[0]
		c.held = c.held[1:]
		if input.result > 0 {
			c.handler.Data(c, input.data)
		} else {
			c.streamEnded(input.result)
		}
	}
	if !c.paused {
		c.receive()
	}
}

// Sending.

// Out is the connection's output memory, empty and with its whole capacity: what Send sends is
// built in it. It is the handler's until it is sent: each call gives the same memory, until Sent
// has come.
func (c *Conn) Out() []byte {
	c.lent = true
	return c.memory().data()[:0]
}

func (c *Conn) memory() *chunk {
	if c.chunk == nil {
		c.chunk = c.loop.takeChunk()
	}
	return c.chunk
}

// release gives the memory back when nothing in progress uses it.
func (c *Conn) release() {
	if c.chunk != nil && !c.lent && c.sending == sinkless && c.file == sinkless {
		c.loop.giveChunk(c.chunk)
		c.chunk = nil
	}
}

// Busy reports whether a Send or Sendfile is in progress; no other can be started.
func (c *Conn) Busy() bool { return c.sending != sinkless }

// Send sends p, which must be a part of Out; Sent will tell. p must not be empty.
func (c *Conn) Send(p []byte) {
	c.startSend(&csrc.Op{Code: csrc.Send, FD: c.fd, Address: addressOf(p), Length: uint64(len(p))})
}

// A SendfileStrategy says how a file goes to a socket; see docs/architecture.md.
type SendfileStrategy uint32

// The strategies of Sendfile.
const (
	SendfileAuto    SendfileStrategy = csrc.SendfileAuto    // sendfile(2) for cached data, else Splice
	SendfileSplice  SendfileStrategy = csrc.SendfileSplice  // through a pipe, all on the ring
	SendfileCopy    SendfileStrategy = csrc.SendfileCopy    // ring reads and sends
	SendfileSyscall SendfileStrategy = csrc.SendfileSyscall // sendfile(2) even if it waits for the disk
)

// Sendfile sends header, which must be a part of Out and may be empty, and n bytes of the file fd
// from offset off; Sent will tell. fd must stay open until then.
func (c *Conn) Sendfile(header []byte, fd int, off, n int64, how SendfileStrategy) {
	c.startSend(&csrc.Op{Code: csrc.SendFile, Flags: csrc.FD2Nonblock, FD: int32(fd), FD2: c.fd, Offset: off, Length: uint64(n),
		Argument: uint32(how), Address: addressOf(header), Argument2: uint64(len(header))})
}

func (c *Conn) startSend(op *csrc.Op) {
	if c.sending != sinkless {
		panic("ringo: Send on a connection that is sending")
	}
	if !c.closing {
		c.sending = c.post(op, (*connSend)(c))
	}
}

func (s *connSend) complete(_ *loop, completion *csrc.Completion) {
	c := (*Conn)(s)
	c.sending = sinkless
	c.lent = false
	c.pending--
	err := errorOf(completion.Result)
	if completion.Extra != 0 {
		err = syscall.Errno(completion.Extra)
	}
	if !c.closing {
		c.handler.Sent(c, max(completion.Result, 0), err)
	}
	c.release()
	c.finishClose()
}

// Files.

// OpenHow is struct open_how of openat2(2).
type OpenHow struct {
	Flags   uint32
	Mode    uint32
	Resolve uint64
}

// OpenFile opens name relative to the directory dir on the ring; FileOpened will tell. One file
// operation may be in progress at a time.
func (c *Conn) OpenFile(dir int, name string, how OpenHow) error {
	m := c.memory()
	if err := m.setPath(name); err != nil {
		return err
	}
	c.startFile(&csrc.Op{Code: csrc.Openat2, FD: int32(dir), Address: addressOf(m.path()),
		Argument: how.Flags, Argument2: uint64(how.Mode), Length: how.Resolve}, (*connOpen)(c))
	return nil
}

// FileStatus is what StatFile finds out.
type FileStatus struct {
	Mode    uint32 // as st_mode
	Size    int64
	ModTime int64 // nanoseconds since the epoch
	Inode   uint64
}

// Where struct statx (linux/stat.h) has them.
const (
	statxModeAt   = 28
	statxInodeAt  = 32
	statxSizeAt   = 40
	statxMtimeAt  = 112
	statxSize     = 256
	statxBasic    = 0x7ff
	atEmptyPath   = 0x1000
	statxBufferAt = 1024 // within the chunk's path
)

// StatFile asks for the status of the open file fd on the ring; FileStatus will tell.
func (c *Conn) StatFile(fd int) {
	path := c.memory().path()
	path[0] = 0
	c.startFile(&csrc.Op{Code: csrc.Statx, FD: int32(fd), Address: addressOf(path),
		Address2: addressOf(path[statxBufferAt:]), Argument: atEmptyPath, Argument2: statxBasic},
		(*connStatus)(c))
}

func (c *Conn) startFile(op *csrc.Op, s sink) {
	if c.file != sinkless {
		panic("ringo: file operation on a connection that has one in progress")
	}
	if !c.closing {
		c.file = c.post(op, s)
	}
}

func (o *connOpen) complete(_ *loop, completion *csrc.Completion) {
	c := (*Conn)(o)
	c.file = sinkless
	c.pending--
	switch {
	case !c.closing:
		c.handler.FileOpened(c, int(completion.Result), errorOf(completion.Result))
	case completion.Result >= 0:
		c.CloseFile(int(completion.Result))
	}
	c.release()
	c.finishClose()
}

func (s *connStatus) complete(_ *loop, completion *csrc.Completion) {
	c := (*Conn)(s)
	c.file = sinkless
	c.pending--
	if !c.closing {
		b := c.chunk.path()[statxBufferAt : statxBufferAt+statxSize]
		c.handler.FileStatus(c, FileStatus{
			Mode:    uint32(binary.NativeEndian.Uint16(b[statxModeAt:])),
			Inode:   binary.NativeEndian.Uint64(b[statxInodeAt:]),
			Size:    int64(binary.NativeEndian.Uint64(b[statxSizeAt:])),
			ModTime: statxTime(b[statxMtimeAt:]),
		}, errorOf(completion.Result))
	}
	c.release()
	c.finishClose()
}

func statxTime(b []byte) int64 {
	return int64(binary.NativeEndian.Uint64(b))*1e9 + int64(binary.NativeEndian.Uint32(b[8:]))
}

// CloseFile closes fd on the ring. What close(2) says about a file that was only read is of no
// use to anyone.
func (c *Conn) CloseFile(fd int) {
	if _, err := c.loop.postOwn(&csrc.Op{Code: csrc.CloseFD, FD: int32(fd)}, ignored{}); err != nil {
		syscall.Close(fd)
	}
}

type ignored struct{}

func (ignored) complete(*loop, *csrc.Completion) {}

// Work runs f on a goroutine of its own, for what may block, and then done on the loop, unless
// the connection is closed by then. A closing engine waits for f, and closes a connection that
// begins work then.
func (c *Conn) Work(f, done func()) {
	holds := &c.loop.engine.holds
	if err := holds.take(); err != nil {
		c.fail(err)
		return
	}
	c.pending++
	go func() {
		defer holds.give()
		f()
		back := func(*loop) {
			c.pending--
			if !c.closing {
				done()
			}
			c.release()
			c.finishClose()
		}
		// Refused only when Shutdown did not wait, and then the loop has closed the connection.
		_ = c.loop.do(back, true)
	}()
}

// Loop is the index of the connection's loop, from 0.
func (c *Conn) Loop() int { return c.loop.index }

// Now is the time of the loop's present delivery.
func (c *Conn) Now() time.Time { return c.loop.now() }

// Acked is how many bytes the peer has acknowledged since the connection began; false where the
// socket cannot tell (it is not TCP).
func (c *Conn) Acked() (uint64, bool) {
	var info [tcpInfoSize]byte
	size := uint32(len(info))
	_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(c.fd), syscall.IPPROTO_TCP, syscall.TCP_INFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || size < tcpInfoAckedAt+8 {
		return 0, false
	}
	return binary.NativeEndian.Uint64(info[tcpInfoAckedAt:]), true
}

// Where struct tcp_info (linux/tcp.h) has tcpi_bytes_acked, since Linux 4.1.
const (
	tcpInfoAckedAt = 120
	tcpInfoSize    = 128
)

// Timer and addresses.

// SetTimer makes Timer come in d, up to 200 ms late, instead of when it was set before; 0 means
// never.
func (c *Conn) SetTimer(d time.Duration) {
	if !c.closing {
		c.loop.wheel.set(c, d)
	}
}

func (c *Conn) fireTimer() {
	if !c.closing {
		c.handler.Timer(c)
	}
}

// RemoteAddr asks the kernel for the peer's address; nil when it has none any more.
func (c *Conn) RemoteAddr() net.Addr {
	sa, err := syscall.Getpeername(int(c.fd))
	if err != nil {
		return nil
	}
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
	case *syscall.SockaddrInet6:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
	case *syscall.SockaddrUnix:
		return &net.UnixAddr{Name: sa.Name, Net: "unix"}
	}
	return nil
}

// Ending.

// CloseWrite tells the peer that nothing more comes, and goes on receiving.
func (c *Conn) CloseWrite() {
	if !c.closing {
		// Fails only when the connection is gone already, which receiving will tell.
		if _, err := c.loop.postOwn(&csrc.Op{Code: csrc.Shutdown, FD: c.fd, Argument: syscall.SHUT_WR}, ignored{}); err != nil {
			c.fail(err)
		}
	}
}

// Close cancels what is in progress and closes the connection; only Closed comes after it. What
// a completed Send handed to the kernel is still sent.
func (c *Conn) Close() { c.fail(nil) }

func (c *Conn) fail(err error) {
	if c.closing {
		return
	}
	c.closing = true
	c.err = err
	c.loop.wheel.remove(c)
	for _, t := range [...]ticket{c.receiving, c.sending, c.file} {
		if t != sinkless {
			c.loop.cancel(t)
		}
	}
	c.held = nil
	c.finishClose()
}

// finishClose closes the descriptor once no operation uses it any more: its number may be
// another's the moment after.
func (c *Conn) finishClose() {
	if !c.closing || c.pending > 0 || c.fd < 0 {
		return
	}
	fd := c.fd
	c.fd = -1
	op := csrc.Op{Code: csrc.CloseFD, FD: fd}
	if _, err := c.loop.postOwn(&op, (*connClose)(c)); err != nil {
		syscall.Close(int(fd))
		(*connClose)(c).complete(c.loop, nil)
	}
}

func (s *connClose) complete(*loop, *csrc.Completion) {
	c := (*Conn)(s)
	c.lent = false
	c.release()
	c.handler.Closed(c, c.err)
	c.port.forget(c)
}
