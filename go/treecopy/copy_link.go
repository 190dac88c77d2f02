// SPDX-License-Identifier: MIT

// Symbolic links, and hard links among everything that one command copies.

package treecopy

import (
	"errors"

	"golang.org/x/sys/unix"
)

// hardLink is the copy of a file that has several names, of which unseen have not been met yet.
type hardLink struct {
	path   string
	copy   inode
	unseen uint64
}

// rememberCopy lets the other names of the file st become links to dst.
func (c *Copier) rememberCopy(st *unix.Stat_t, dst place) {
	if st.Nlink < 2 || c.links[inodeOf(st)] != nil {
		return
	}
	if made, err := dst.lstat(); err == nil {
		c.links[inodeOf(st)] = &hardLink{dst.path, inodeOf(made), uint64(st.Nlink) - 1}
	}
}

// linkToCopy makes dst a hard link to the copy that the file st already has. Where links cannot be made, the caller
// copies the bytes once more, which loses the link and nothing else.
func (c *Copier) linkToCopy(st *unix.Stat_t, dst place) bool {
	link := c.links[inodeOf(st)]
	if st.Nlink < 2 || link == nil {
		return false
	}
	if link.unseen--; link.unseen == 0 {
		delete(c.links, inodeOf(st)) // A tree of backups has millions of them.
	}
	old, err := dst.lstat()
	if err == nil && inodeOf(old) == link.copy {
		return true
	}
	if err == nil && (inodeOf(old) == inodeOf(st) || removeOld(dst, old) != nil) {
		return false // Copying says what is wrong.
	}
	if unix.Linkat(unix.AT_FDCWD, link.path, dst.dir, dst.name, 0) != nil {
		return false
	}
	made, err := dst.lstat()
	if err == nil && inodeOf(made) == link.copy {
		return true
	}
	_ = unix.Unlinkat(dst.dir, dst.name, 0) // The first copy's path leads elsewhere by now.
	return false
}

func (c *Copier) copySymlink(src, dst place, st *unix.Stat_t) error {
	text, err := readLink(src)
	if err != nil {
		return &Failure{What: "cannot read the link", Path: src.path, Why: err}
	}
	old, err := dst.lstat()
	if err == nil {
		if linkOntoItself(src, st, old) {
			return sameFile(src, dst)
		}
		if err := removeOld(dst, old); err != nil {
			return err
		}
	}
	if err := unix.Symlinkat(text, dst.dir, dst.name); err != nil {
		return &Failure{What: "cannot create the link", Path: dst.path, Why: err}
	}
	c.keepNodeAttributes(src, dst, st)
	return nil
}

// linkOntoItself also covers a link copied over the file it leads to, which would be left a link to itself.
func linkOntoItself(src place, st, old *unix.Stat_t) bool {
	if inodeOf(st) == inodeOf(old) {
		return true
	}
	var behind unix.Stat_t
	err := unix.Fstatat(src.dir, src.name, &behind, 0)
	return err == nil && inodeOf(&behind) == inodeOf(old)
}

// removeOld makes way for a new entry where old is. A directory never makes way for something else.
func removeOld(dst place, old *unix.Stat_t) error {
	if old.Mode&unix.S_IFMT == unix.S_IFDIR {
		return &Failure{What: "cannot replace the directory", Path: dst.path,
			Why: errors.New("what is copied there is not one"), Cure: "remove it first"}
	}
	if err := unix.Unlinkat(dst.dir, dst.name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return &Failure{What: "cannot remove", Path: dst.path, Why: err}
	}
	return nil
}

// readLink grows its buffer: the size that lstat gives is 0 in procfs, and may have changed anywhere else.
func readLink(src place) (string, error) {
	for size := 256; ; size *= 2 {
		text := make([]byte, size)
		n, err := unix.Readlinkat(src.dir, src.name, text)
		if err != nil {
			return "", err
		}
		if n < size {
			return string(text[:n]), nil
		}
	}
}
