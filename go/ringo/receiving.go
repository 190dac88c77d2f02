package ringo

import (
	"bytes"
	"os"
	"syscall"

	"github.com/ringo-io/ringo/csrc"
)

// heldInput is what one completion brought while its connection was paused: the bytes, copied, or
// else how the stream ended.
type heldInput struct {
	data   []byte
	result int64
}

func (c *Conn) receive() {
	if c.receiving != sinkless || c.ended || c.closing || c.detach != nil {
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
	case c.detach != nil:
		c.leaveUnread(completion)
	case c.paused:
		c.hold(completion)
	default:
		c.received(completion)
	}
	if !c.closing && !c.paused {
		c.receive()
	}
	c.settle()
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
	c.stopReceiving()
}

func (c *Conn) stopReceiving() {
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
	for len(c.held) > 0 && !c.paused && !c.closing && c.detach == nil {
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
