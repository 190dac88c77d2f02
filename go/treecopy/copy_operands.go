// SPDX-License-Identifier: MIT

// SRC… DST, read as GNU cp reads them: DST may be a directory to copy into or a name to copy to. What would destroy a
// source is refused here, before anything is written.

package treecopy

import (
	"errors"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

func (c *Copier) copyOperands(sources []string, destination string) {
	var st unix.Stat_t
	err := unix.Stat(destination, &st)
	into := err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
	if len(sources) > 1 && !into {
		if err == nil {
			err = unix.ENOTDIR
		}
		c.failWith(&Failure{What: "cannot copy several sources to", Path: destination, Why: err,
			Cure: "name a directory that exists"})
		return
	}
	for _, source := range sources {
		if c.ctx.Err() != nil {
			return
		}
		target := destination
		if into {
			target = nameInto(destination, source)
		}
		c.copyOperand(source, target)
	}
}

// nameInto is the name that source gets inside directory. A source whose last part names no entry of its own, such as
// "src/.", lends its contents to the directory itself.
func nameInto(directory, source string) string {
	trimmed := strings.TrimRight(source, "/")
	base := trimmed[strings.LastIndexByte(trimmed, '/')+1:]
	if base == "" || base == "." || base == ".." {
		base = "."
	}
	return strings.TrimRight(directory, "/") + "/" + base
}

// parentOf is not filepath.Dir, which would take "link/../x" for "x".
func parentOf(path string) string {
	path = strings.TrimRight(path, "/")
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 {
		return "."
	}
	return path[:slash+1]
}

func (c *Copier) copyOperand(source, target string) {
	src := place{unix.AT_FDCWD, source, source}
	dst := place{unix.AT_FDCWD, target, target}
	st, err := src.lstat()
	if err != nil {
		c.fail("cannot stat", source, err)
		return
	}
	directory := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if directory && !c.mayCopyDirectory(src, dst, st) || !directory && !c.mayCopyNonDirectory(src, dst) {
		return
	}
	if !directory && st.Mode&unix.S_IFMT != unix.S_IFLNK {
		through, handled := c.followTarget(src, dst, st)
		if handled {
			return
		}
		dst = through
	}
	if !c.copyEntry(src, dst) || directory {
		return
	}
	if made, err := dst.lstat(); err == nil {
		c.made[inodeOf(made)] = true
	}
}

// mayCopyDirectory refuses what would copy a directory into itself, which would never end.
func (c *Copier) mayCopyDirectory(src, dst place, st *unix.Stat_t) bool {
	if !c.options.Recursive {
		c.failWith(&Failure{What: "cannot copy the directory", Path: src.path, Cure: "copy it with -r"})
		return false
	}
	var old unix.Stat_t
	if unix.Stat(dst.path, &old) == nil && inodeOf(&old) == inodeOf(st) {
		c.failWith(sameFile(src, dst))
		return false
	}
	inside, err := beneath(parentOf(dst.path), inodeOf(st))
	if err != nil {
		c.fail("cannot copy to", dst.path, err)
		return false
	}
	if inside {
		c.failInside(src, dst)
	}
	return !inside
}

func (c *Copier) mayCopyNonDirectory(src, dst place) bool {
	old, err := dst.lstat()
	if errors.Is(err, unix.ENOENT) && strings.HasSuffix(dst.path, "/") {
		c.failWith(&Failure{What: "cannot create", Path: dst.path, Why: unix.ENOTDIR,
			Cure: "leave out the slash, or make the directory first"})
		return false
	}
	if err == nil && c.made[inodeOf(old)] {
		c.failWith(&Failure{What: "will not overwrite what was just made", Path: dst.path,
			Cure: "copy " + Quote(src.path) + " somewhere else, both have the same name"})
		return false
	}
	return true
}

// followTarget is where DST itself, and nothing below it, may be a symbolic link or a device. A link is followed to the
// file behind it once and for all, so that everything later can refuse links; a device is written to, never replaced.
func (c *Copier) followTarget(src, dst place, st *unix.Stat_t) (through place, handled bool) {
	var old unix.Stat_t
	err := unix.Stat(dst.path, &old)
	link, lerr := dst.lstat()
	isLink := lerr == nil && link.Mode&unix.S_IFMT == unix.S_IFLNK
	kind := old.Mode & unix.S_IFMT
	switch {
	case err != nil && isLink:
		c.failWith(&Failure{What: "will not write through the dangling link", Path: dst.path, Why: err,
			Cure: "remove it first"})
		return dst, true
	case err != nil || kind == unix.S_IFDIR:
		return dst, false
	case inodeOf(&old) == inodeOf(st):
		c.failWith(sameFile(src, dst))
		return dst, true
	case kind != unix.S_IFREG && (st.Mode&unix.S_IFMT == unix.S_IFREG || !c.options.Recursive):
		c.copyToDevice(src, dst)
		return dst, true
	case isLink && kind == unix.S_IFREG:
		real, err := filepath.EvalSymlinks(dst.path)
		if err != nil {
			c.fail("cannot follow", dst.path, err)
			return dst, true
		}
		return place{unix.AT_FDCWD, real, dst.path}, false
	}
	return dst, false
}

func (c *Copier) failInside(src, dst place) {
	c.failWith(&Failure{
		What: "cannot copy the directory " + Quote(src.path) + " into itself, " + Quote(dst.path),
		Cure: "name a destination outside it"})
}

// beneath walks from path up to the root by "..", which, unlike a comparison of names, no symbolic link can deceive.
func beneath(path string, above inode) (bool, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	defer func() { unix.Close(fd) }()
	for last := (inode{}); ; {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return false, err
		}
		if inodeOf(&st) == above {
			return true, nil
		}
		if inodeOf(&st) == last {
			return false, nil
		}
		last = inodeOf(&st)
		up, err := unix.Openat(fd, "..", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return false, nil // Not allowed to look further: the walk itself still knows Copier.tops.
		}
		unix.Close(fd)
		fd = up
	}
}
