package engine

import "syscall"

// Psync calls pread(2) and pwrite(2).
type Psync struct {
	files []int
	calls uint64
}

// OpenPsync opens the engine.
func OpenPsync(setup Setup) *Psync { return &Psync{files: setup.Files} }

// Do does one I/O.
func (p *Psync) Do(io *IO) {
	fd := p.files[io.File]
	for {
		p.calls++
		n, err := 0, error(nil)
		switch io.Op {
		case Read:
			n, err = syscall.Pread(fd, io.Buffer, io.Offset)
		case Write:
			n, err = syscall.Pwrite(fd, io.Buffer, io.Offset)
		case Fsync:
			err = syscall.Fsync(fd)
		case Fdatasync:
			err = fdatasync(fd)
		}
		if err != syscall.EINTR {
			io.done(n, err)
			return
		}
	}
}

// Calls is how many system calls were made.
func (p *Psync) Calls() uint64 { return p.calls }

// Close gives nothing back: the files are the caller's.
func (p *Psync) Close() error { return nil }
