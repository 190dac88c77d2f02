package ringo

import (
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// A File is an open file with the contract of [os.File]. ReadAt and WriteAt go the way that is
// best for how many of them are under way and for what the page cache holds: by a plain system
// call, or by the engine's loops. A File may be an operation of a [Batch] or a [Window] as well.
//
// A File is safe for concurrent use. Close may be called at any time: what is under way then still
// ends on the same file, and what comes later fails with an error that matches [fs.ErrClosed].
type File struct {
	engine *Engine
	file   *os.File
	fd     int32
	users  users
	gone   atomic.Bool // file is closed
	volume *volume
	reads  *traffic // of the volume, for files like this
	writes *traffic

	ringable  bool  // a regular file or a block device; what is not is package os's in all
	direct    bool  // O_DIRECT
	noWriteAt error // why WriteAt cannot: O_APPEND
}

// Open opens a file for reading, as [os.Open] does. Safe for concurrent use.
func (e *Engine) Open(name string) (*File, error) { return e.OpenFile(name, os.O_RDONLY, 0) }

// Create creates or truncates a file, as [os.Create] does. Safe for concurrent use.
func (e *Engine) Create(name string) (*File, error) {
	return e.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// OpenFile opens a file as [os.OpenFile] does. With syscall.O_DIRECT the page cache is left out:
// buffers, offsets and lengths must then be aligned ([File.Alignment], [AlignedBuffer]). Safe for
// concurrent use.
func (e *Engine) OpenFile(name string, flag int, perm fs.FileMode) (*File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return e.NewFile(f), nil
}

// NewFile makes a File of f, which belongs to it from then on: only the File may close it. Safe for
// concurrent use.
func (e *Engine) NewFile(f *os.File) *File {
	file := &File{engine: e, file: f, fd: -1}
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { file.fd = int32(fd) }) // fails if f is closed, as all will
	}
	var device uint64
	device, file.ringable, file.direct = inspect(file.fd)
	// f alone knows whether it was opened with O_APPEND; asked to write nothing, it says so.
	_, file.noWriteAt = f.WriteAt(nil, 0)
	file.volume = e.volumes.of(device)
	file.reads, file.writes = file.volume.trafficOf(file.direct)
	return file
}

// begin is where every call starts that must not meet another file under the descriptor's number.
// It needs end even if it fails. Of a file that is closed package os says so itself, in its own
// words; only while something is still under way there, begin has to.
func (f *File) begin(op string) error {
	if f.users.take() || f.gone.Load() {
		return nil
	}
	return pathError(op, f.file.Name(), os.ErrClosed)
}

// beginRaw is begin for what uses the descriptor itself.
func (f *File) beginRaw(op string) error {
	if f.users.take() {
		return nil
	}
	return pathError(op, f.file.Name(), os.ErrClosed)
}

func (f *File) end() {
	if f.users.give() {
		_ = f.shut() // as with package os, nobody is there for the error of a late close
	}
}

func (f *File) shut() error {
	err := f.file.Close()
	f.gone.Store(true)
	return err
}

// Close closes the file. What is under way ends as it would have; the descriptor is closed after
// the last of it. Closing twice is an error that matches fs.ErrClosed.
func (f *File) Close() error {
	if !f.ringable {
		return f.file.Close() // wakes those who wait for a pipe's data
	}
	first, last := f.users.close()
	if !first {
		return pathError("close", f.file.Name(), os.ErrClosed)
	}
	if last {
		return f.shut()
	}
	return nil
}

// Name is the name that the file was opened by.
func (f *File) Name() string { return f.file.Name() }

// Fd is the descriptor, as [os.File.Fd] gives it: good until Close.
func (f *File) Fd() uintptr { return f.file.Fd() }

// SyscallConn gives access to the descriptor, as [os.File.SyscallConn] does.
func (f *File) SyscallConn() (syscall.RawConn, error) { return f.file.SyscallConn() }

// Read reads from the file's own offset, as [os.File.Read] does: by a plain system call.
func (f *File) Read(p []byte) (int, error) {
	defer f.end()
	if err := f.begin("read"); err != nil {
		return 0, err
	}
	return f.file.Read(p)
}

// Write writes at the file's own offset, as [os.File.Write] does: by a plain system call.
func (f *File) Write(p []byte) (int, error) {
	defer f.end()
	if err := f.begin("write"); err != nil {
		return 0, err
	}
	return f.file.Write(p)
}

// WriteString is Write of a string.
func (f *File) WriteString(s string) (int, error) {
	defer f.end()
	if err := f.begin("write"); err != nil {
		return 0, err
	}
	return f.file.WriteString(s)
}

// ReadFrom implements [io.ReaderFrom] as [os.File.ReadFrom] does: by copy_file_range(2) or
// splice(2) where they can.
func (f *File) ReadFrom(r io.Reader) (int64, error) {
	defer f.end()
	if err := f.begin("write"); err != nil {
		return 0, err
	}
	// Package os looks for its own File.
	switch from := r.(type) {
	case *File:
		defer from.end()
		if err := from.begin("read"); err != nil {
			return 0, err
		}
		return f.file.ReadFrom(from.file)
	case *io.LimitedReader:
		if inner, ok := from.R.(*File); ok {
			defer inner.end()
			if err := inner.begin("read"); err != nil {
				return 0, err
			}
			part := io.LimitedReader{R: inner.file, N: from.N}
			n, err := f.file.ReadFrom(&part)
			from.N = part.N
			return n, err
		}
	}
	return f.file.ReadFrom(r)
}

// WriteTo implements [io.WriterTo] as [os.File.WriteTo] does: by sendfile(2) to a socket.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	defer f.end()
	if err := f.begin("read"); err != nil {
		return 0, err
	}
	if to, ok := w.(*File); ok {
		return to.ReadFrom(f.file)
	}
	return f.file.WriteTo(w)
}

// Seek moves the file's own offset, as [os.File.Seek] does. ReadAt and WriteAt do not use it.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	defer f.end()
	if err := f.begin("seek"); err != nil {
		return 0, err
	}
	return f.file.Seek(offset, whence)
}

// Stat describes the file, as [os.File.Stat] does.
func (f *File) Stat() (fs.FileInfo, error) {
	defer f.end()
	if err := f.begin("stat"); err != nil {
		return nil, err
	}
	return f.file.Stat()
}

// Sync makes what was written durable (fsync(2)), as [os.File.Sync] does.
func (f *File) Sync() error {
	defer f.end()
	if err := f.begin("sync"); err != nil {
		return err
	}
	return f.file.Sync()
}

// Datasync is Sync without what reading the data back does not need, such as the time of the last
// change (fdatasync(2)).
func (f *File) Datasync() error {
	defer f.end()
	if err := f.beginRaw("datasync"); err != nil {
		return err
	}
	return pathError("datasync", f.file.Name(), datasync(int(f.fd)))
}

// Truncate changes the size, as [os.File.Truncate] does.
func (f *File) Truncate(size int64) error {
	defer f.end()
	if err := f.begin("truncate"); err != nil {
		return err
	}
	return f.file.Truncate(size)
}

// Chmod changes the mode, as [os.File.Chmod] does.
func (f *File) Chmod(mode fs.FileMode) error {
	defer f.end()
	if err := f.begin("chmod"); err != nil {
		return err
	}
	return f.file.Chmod(mode)
}

// Chown changes owner and group, as [os.File.Chown] does.
func (f *File) Chown(uid, gid int) error {
	defer f.end()
	if err := f.begin("chown"); err != nil {
		return err
	}
	return f.file.Chown(uid, gid)
}

// Chdir makes the file, a directory, the working one, as [os.File.Chdir] does.
func (f *File) Chdir() error {
	defer f.end()
	if err := f.begin("chdir"); err != nil {
		return err
	}
	return f.file.Chdir()
}

// ReadDir reads the entries of a directory, as [os.File.ReadDir] does.
func (f *File) ReadDir(n int) ([]fs.DirEntry, error) {
	defer f.end()
	if err := f.begin("readdirent"); err != nil {
		return nil, err
	}
	return f.file.ReadDir(n)
}

// Readdir reads and describes the entries of a directory, as [os.File.Readdir] does.
func (f *File) Readdir(n int) ([]fs.FileInfo, error) {
	defer f.end()
	if err := f.begin("readdirent"); err != nil {
		return nil, err
	}
	return f.file.Readdir(n)
}

// Readdirnames reads the names in a directory, as [os.File.Readdirnames] does.
func (f *File) Readdirnames(n int) ([]string, error) {
	defer f.end()
	if err := f.begin("readdirent"); err != nil {
		return nil, err
	}
	return f.file.Readdirnames(n)
}

// SetDeadline is [os.File.SetDeadline]: for pipes and the like; of regular files it returns
// [os.ErrNoDeadline]. So do the other two.
func (f *File) SetDeadline(t time.Time) error { return f.file.SetDeadline(t) }

// SetReadDeadline is [os.File.SetReadDeadline].
func (f *File) SetReadDeadline(t time.Time) error { return f.file.SetReadDeadline(t) }

// SetWriteDeadline is [os.File.SetWriteDeadline].
func (f *File) SetWriteDeadline(t time.Time) error { return f.file.SetWriteDeadline(t) }

var _ interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.WriterAt
	io.ReaderFrom
	io.WriterTo
	io.StringWriter
	io.Closer
	fs.ReadDirFile
	syscall.Conn
} = (*File)(nil)
