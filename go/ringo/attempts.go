//go:build ringo_attempts

package ringo

import (
	"context"
	"unsafe"

	"github.com/ringo-io/ringo/csrc"
)

// AttemptConnect has a loop connect the socket fd to this machine's port 9, which no other method of an
// engine does by an operation. It is only in builds that test the sandbox.
func (e *Engine) AttemptConnect(ctx context.Context, fd int) error {
	address := []byte{2, 0, 0, 9, 127, 0, 0, 1, 15: 0} // struct sockaddr_in; its family is the machine's, little-endian
	c, err := e.doOp(ctx, &csrc.Op{Code: csrc.Connect, FD: int32(fd), Address: uint64(uintptr(unsafe.Pointer(&address[0]))),
		Length: uint64(len(address))}, address, false)
	if err != nil {
		return err
	}
	return errorOf(c.Result)
}
