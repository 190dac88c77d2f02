// SPDX-License-Identifier: MIT

// One entry by its type, and directories, which are entered by descriptor and get their mode and times last.

package treecopy

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// namesAtOnce bounds the memory that a directory of any length takes.
const namesAtOnce = 1024

// errSwapped is met when a name no longer leads to what it led to a moment ago.
var errSwapped = errors.New("it was replaced while being copied")

// place is a name below an open directory. Only messages use path.
type place struct {
	dir  int
	name string
	path string
}

func (p place) lstat() (*unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstatat(p.dir, p.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return &st, err
}

// open opens the entry itself: never what a symbolic link in its place leads to.
func (p place) open(flags int, perm uint32) (*os.File, error) {
	fd, err := unix.Openat(p.dir, p.name, flags|unix.O_NOFOLLOW|unix.O_NOCTTY|unix.O_CLOEXEC, perm)
	for errors.Is(err, unix.EINTR) {
		fd, err = unix.Openat(p.dir, p.name, flags|unix.O_NOFOLLOW|unix.O_NOCTTY|unix.O_CLOEXEC, perm)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), p.path), nil
}

// below is the place of a name in the directory that was opened from p.
func (p place) below(directory *os.File, name string) place {
	path := p.path + "/" + name
	if p.path[len(p.path)-1] == '/' {
		path = p.path + name
	}
	return place{descriptor(directory), name, path}
}

// copyEntry says whether dst now is what src is.
func (c *Copier) copyEntry(src, dst place) bool {
	st, err := src.lstat()
	if err != nil {
		c.fail("cannot stat", src.path, err)
		return false
	}
	kind := st.Mode & unix.S_IFMT
	if kind == unix.S_IFDIR {
		return c.copyDirectory(src, dst, st)
	}
	before, whole := c.done.Load(), weight(st)
	defer func() { c.done.Store(before + whole) }()
	if c.linkToCopy(st, dst) {
		return true
	}
	switch {
	case kind == unix.S_IFLNK:
		err = c.copySymlink(src, dst, st)
	case kind == unix.S_IFREG || !c.options.Recursive:
		err = c.copyFile(src, dst, st)
	default:
		err = c.copyNode(src, dst, st)
	}
	if err != nil {
		c.failEntry("cannot copy", src.path, err)
		return false
	}
	c.rememberCopy(st, dst)
	return true
}

// failEntry reports err, which may already say better than what and path which side it is about.
func (c *Copier) failEntry(what, path string, err error) {
	var failure *Failure
	if errors.As(err, &failure) {
		c.failWith(failure)
		return
	}
	c.fail(what, path, err)
}

func (c *Copier) copyDirectory(src, dst place, st *unix.Stat_t) bool {
	from, err := src.open(unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		c.fail("cannot open the directory", src.path, err)
		return false
	}
	defer from.Close()
	if err := sameAs(from, st); err != nil {
		c.fail("cannot copy the directory", src.path, err)
		return false
	}
	if c.tops[inodeOf(st)] {
		c.failInside(src, dst)
		return false
	}
	to, old, err := c.makeDirectory(dst)
	if err != nil {
		c.failEntry("cannot create the directory", dst.path, err)
		return false
	}
	defer to.Close()
	if src.dir == unix.AT_FDCWD {
		c.rememberTop(to)
	}
	failures := c.failures
	c.copyEntries(src, dst, from, to)
	c.keepAttributes(descriptor(from), descriptor(to), dst.path, st, old)
	return c.failures == failures
}

// rememberTop lets the walk recognise its own output, should a bind mount lead from a source to it.
func (c *Copier) rememberTop(to *os.File) {
	var st unix.Stat_t
	if unix.Fstat(descriptor(to), &st) == nil {
		c.tops[inodeOf(&st)] = true
	}
}

// makeDirectory opens dst, made if need be with a mode that lets nobody else in before it has its own. old is nil for a
// directory that was made.
func (c *Copier) makeDirectory(dst place) (to *os.File, old *unix.Stat_t, err error) {
	made := unix.Mkdirat(dst.dir, dst.name, 0o700)
	if made != nil && !errors.Is(made, unix.EEXIST) {
		return nil, nil, made
	}
	to, err = dst.open(unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil, nil, &Failure{What: "cannot replace by a directory", Path: dst.path,
			Why: errors.New("it is not a directory"), Cure: "remove it first"}
	}
	if err != nil {
		return nil, nil, err
	}
	if made == nil {
		return to, nil, nil
	}
	old = new(unix.Stat_t)
	if err := unix.Fstat(descriptor(to), old); err != nil {
		to.Close()
		return nil, nil, err
	}
	return to, old, nil
}

func (c *Copier) copyEntries(src, dst place, from, to *os.File) {
	for c.ctx.Err() == nil {
		names, err := from.Readdirnames(namesAtOnce)
		for _, name := range names {
			if c.ctx.Err() != nil {
				return
			}
			c.copyEntry(src.below(from, name), dst.below(to, name))
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			c.fail("cannot read the directory", src.path, err)
			return
		}
	}
}

// sameAs guards against a swap between lstat and open: file must be what st was taken of. It brings st up to date.
func sameAs(file *os.File, st *unix.Stat_t) error {
	var now unix.Stat_t
	if err := unix.Fstat(descriptor(file), &now); err != nil {
		return err
	}
	if inodeOf(&now) != inodeOf(st) || now.Mode&unix.S_IFMT != st.Mode&unix.S_IFMT {
		return errSwapped
	}
	*st = now
	return nil
}

// descriptor is not File.Fd, which makes reads of a FIFO blocking, so that nothing could interrupt them any more.
func descriptor(file *os.File) int {
	fd := -1
	if raw, err := file.SyscallConn(); err == nil {
		_ = raw.Control(func(known uintptr) { fd = int(known) })
	}
	return fd
}
