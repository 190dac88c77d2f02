// SPDX-License-Identifier: MIT

// Owner, extended attributes, mode and times, in the only order that keeps all of them: changing the owner clears the
// setuid bits and capabilities, an ACL sets mode bits, and everything before touches the times.

package treecopy

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	specialBits = unix.S_ISUID | unix.S_ISGID | unix.S_ISVTX
	modeBits    = 0o777 | specialBits
)

// keepAttributes gives the open file or directory dst what src has. old is what dst was before, nil if it is new.
func (c *Copier) keepAttributes(src, dst int, path string, st, old *unix.Stat_t) {
	mode := st.Mode & modeBits
	if old == nil || old.Uid != st.Uid || old.Gid != st.Gid {
		if old != nil {
			// The new owner must not have, even for an instant, what only the old one's mode allowed.
			_ = unix.Fchmod(dst, mode&old.Mode&0o700)
		}
		if !c.keepOwner(path, st, func(uid, gid int) error { return unix.Fchown(dst, uid, gid) }) {
			mode &^= specialBits
		}
	}
	c.keepXattrs(openXattrs(src), openXattrs(dst), path)
	if err := unix.Fchmod(dst, mode); err != nil {
		c.fail("cannot keep the mode of", path, err)
	}
	if err := setTimes(dst, st); err != nil {
		c.fail("cannot keep the times of", path, err)
	}
}

// keepNodeAttributes does the same for a new symbolic link or special file, which is never opened.
func (c *Copier) keepNodeAttributes(src, dst place, st *unix.Stat_t) {
	mode := st.Mode & modeBits
	chown := func(uid, gid int) error { return unix.Fchownat(dst.dir, dst.name, uid, gid, unix.AT_SYMLINK_NOFOLLOW) }
	if !c.keepOwner(dst.path, st, chown) {
		mode &^= specialBits
	}
	c.keepXattrs(namedXattrs(src), namedXattrs(dst), dst.path)
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		err := unix.Fchmodat(dst.dir, dst.name, mode, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.EOPNOTSUPP) {
			err = unix.Fchmodat(dst.dir, dst.name, mode, 0) // Kernels before 6.6 can only follow links.
		}
		if err != nil {
			c.fail("cannot keep the mode of", dst.path, err)
		}
	}
	if err := unix.UtimesNanoAt(dst.dir, dst.name, timesOf(st), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		c.fail("cannot keep the times of", dst.path, err)
	}
}

// keepOwner says whether the owner now is the source's. For all but root it is normal that it is not, and then setuid
// bits must not be kept either: they would act for somebody else.
func (c *Copier) keepOwner(path string, st *unix.Stat_t, chown func(uid, gid int) error) bool {
	err := chown(int(st.Uid), int(st.Gid))
	if err == nil {
		return true
	}
	_ = chown(-1, int(st.Gid)) // The group alone may be allowed.
	if c.privileged || !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EINVAL) {
		c.fail("cannot keep the owner of", path, err)
	}
	return false
}

func timesOf(st *unix.Stat_t) []unix.Timespec { return []unix.Timespec{st.Atim, st.Mtim} }

func setTimes(fd int, st *unix.Stat_t) error {
	err := unix.UtimesNanoAt(fd, "", timesOf(st), unix.AT_EMPTY_PATH)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		err = unix.UtimesNanoAt(unix.AT_FDCWD, procPath(fd), timesOf(st), 0) // Kernels before 5.8.
	}
	return err
}

// procPath names an open file for calls that take only paths.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
