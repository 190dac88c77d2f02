// SPDX-License-Identifier: MIT

// FIFOs, sockets and device nodes, copied as what they are and never opened.

package treecopy

import (
	"golang.org/x/sys/unix"
)

func (c *Copier) copyNode(src, dst place, st *unix.Stat_t) error {
	if old, err := dst.lstat(); err == nil {
		if inodeOf(old) == inodeOf(st) {
			return sameFile(src, dst)
		}
		if err := removeOld(dst, old); err != nil {
			return err
		}
	}
	if err := unix.Mknodat(dst.dir, dst.name, st.Mode&unix.S_IFMT|0o600, int(st.Rdev)); err != nil {
		return &Failure{What: "cannot create the special file", Path: dst.path, Why: err}
	}
	c.keepNodeAttributes(src, dst, st)
	return nil
}
