package ringo

import (
	"encoding/binary"
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
	c.settle()
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
