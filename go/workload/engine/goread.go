package engine

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// GoRead does what a Go programmer does today: os.File's ReadAt and WriteAt. As many goroutines as the depth
// each have one of these.
type GoRead struct {
	files []*os.File
	calls uint64
}

// OpenGoRead opens the engine on files that stay the caller's.
func OpenGoRead(files []*os.File) *GoRead { return &GoRead{files: files} }

// Do does one I/O.
func (g *GoRead) Do(request *IO) {
	file := g.files[request.File]
	g.calls++
	n, err := 0, error(nil)
	switch request.Op {
	case Read:
		n, err = file.ReadAt(request.Buffer, request.Offset)
	case Write:
		n, err = file.WriteAt(request.Buffer, request.Offset)
	case Fsync:
		err = file.Sync()
	case Fdatasync:
		err = dataSync(file)
	}
	var errno syscall.Errno
	switch {
	case err == nil, n > 0:
		request.Result = n
	case errors.Is(err, io.EOF):
		request.Result = 0
	case errors.As(err, &errno):
		request.Result = -int(errno)
	default:
		request.Result = -int(syscall.EIO)
	}
}

// dataSync is fdatasync(2), which os.File lacks.
func dataSync(file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	if e := raw.Control(func(fd uintptr) { err = fdatasync(int(fd)) }); e != nil {
		return e
	}
	return err
}

// Calls is how many system calls were made.
func (g *GoRead) Calls() uint64 { return g.calls }

// Close gives nothing back: the files are the caller's.
func (g *GoRead) Close() error { return nil }
