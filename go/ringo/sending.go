package ringo

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"github.com/ringo-io/ringo/csrc"
)

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
	c.sendFailed = err
	if c.closing {
		c.cut = max(completion.Result, 0)
	} else {
		c.handler.Sent(c, max(completion.Result, 0), err)
	}
	c.release()
	c.settle()
}

// Cut is, for Closed, how many bytes the Send or Sendfile had handed to the kernel that closing cut
// short; 0 when there was none.
func (c *Conn) Cut() int64 { return c.cut }

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
