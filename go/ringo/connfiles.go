package ringo

import (
	"encoding/binary"
	"fmt"
	"syscall"

	"github.com/ringo-io/ringo/csrc"
)

// OpenHow is struct open_how of openat2(2).
type OpenHow struct {
	Flags   uint32
	Mode    uint32
	Resolve uint64
}

// OpenFile opens name relative to the directory dir on the ring; FileOpened will tell. One file
// operation may be in progress at a time.
func (c *Conn) OpenFile(dir int, name string, how OpenHow) error {
	m := c.takePaths()
	if err := m.setPath(name); err != nil {
		c.givePaths()
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
	path := c.takePaths().path()
	path[0] = 0
	c.startFile(&csrc.Op{Code: csrc.Statx, FD: int32(fd), Address: addressOf(path),
		Address2: addressOf(path[statxBufferAt:]), Argument: atEmptyPath, Argument2: statxBasic},
		(*connStatus)(c))
}

// takePaths gives the memory of a file operation, until givePaths.
func (c *Conn) takePaths() *chunk {
	if c.paths != nil {
		panic("ringo: file operation on a connection that has one in progress")
	}
	if _, ok := c.handler.(FileHandler); !ok {
		panic(fmt.Sprintf("ringo: %T is no FileHandler, so it cannot be told of a file operation", c.handler))
	}
	c.paths = c.loop.takeChunk()
	return c.paths
}

func (c *Conn) givePaths() {
	c.loop.giveChunk(c.paths)
	c.paths = nil
}

func (c *Conn) startFile(op *csrc.Op, s sink) {
	if c.closing {
		c.givePaths()
		return
	}
	if c.file = c.post(op, s); c.file == sinkless {
		c.givePaths()
	}
}

func (o *connOpen) complete(_ *loop, completion *csrc.Completion) {
	c := (*Conn)(o)
	c.file = sinkless
	c.pending--
	c.givePaths()
	switch {
	case !c.closing:
		c.handler.(FileHandler).FileOpened(c, int(completion.Result), errorOf(completion.Result))
	case completion.Result >= 0:
		c.CloseFile(int(completion.Result))
	}
	c.settle()
}

func (s *connStatus) complete(_ *loop, completion *csrc.Completion) {
	c := (*Conn)(s)
	c.file = sinkless
	c.pending--
	b := c.paths.path()[statxBufferAt : statxBufferAt+statxSize]
	c.givePaths() // What is in it stays until the chunk is taken again.
	if !c.closing {
		c.handler.(FileHandler).FileStatus(c, FileStatus{
			Mode:    uint32(binary.NativeEndian.Uint16(b[statxModeAt:])),
			Inode:   binary.NativeEndian.Uint64(b[statxInodeAt:]),
			Size:    int64(binary.NativeEndian.Uint64(b[statxSizeAt:])),
			ModTime: statxTime(b[statxMtimeAt:]),
		}, errorOf(completion.Result))
	}
	c.settle()
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
