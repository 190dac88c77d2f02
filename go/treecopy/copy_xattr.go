// SPDX-License-Identifier: MIT

// Extended attributes, POSIX ACLs among them. As with cp -a, one that the destination does not take is passed over in
// silence, except an ACL: without it the copy would be open to others than the source is.

package treecopy

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// xattrs are the attribute calls of one file, by descriptor or by name.
type xattrs struct {
	list   func([]byte) (int, error)
	get    func(string, []byte) (int, error)
	set    func(string, []byte) error
	remove func(string) error
}

func openXattrs(fd int) xattrs {
	return xattrs{
		list:   func(b []byte) (int, error) { return unix.Flistxattr(fd, b) },
		get:    func(name string, b []byte) (int, error) { return unix.Fgetxattr(fd, name, b) },
		set:    func(name string, b []byte) error { return unix.Fsetxattr(fd, name, b, 0) },
		remove: func(name string) error { return unix.Fremovexattr(fd, name) },
	}
}

// namedXattrs goes by way of /proc because there are no such calls relative to a directory before Linux 6.13.
func namedXattrs(p place) xattrs {
	path := p.name
	if p.dir != unix.AT_FDCWD {
		path = procPath(p.dir) + "/" + p.name
	}
	return xattrs{
		list:   func(b []byte) (int, error) { return unix.Llistxattr(path, b) },
		get:    func(name string, b []byte) (int, error) { return unix.Lgetxattr(path, name, b) },
		set:    func(name string, b []byte) error { return unix.Lsetxattr(path, name, b, 0) },
		remove: func(name string) error { return unix.Lremovexattr(path, name) },
	}
}

func (c *Copier) keepXattrs(src, dst xattrs, path string) {
	names := src.names()
	for _, name := range dst.names() {
		// A new entry inherits ACLs from its directory, which the source does not have.
		if isACL(name) && !slices.Contains(names, name) {
			_ = dst.remove(name)
		}
	}
	for _, name := range names {
		if name == "security.evm" {
			continue // A signature of the inode it is on, and of no other.
		}
		value, err := sized(func(b []byte) (int, error) { return src.get(name, b) })
		if err != nil {
			continue // Gone since it was listed, or not ours to read.
		}
		if err := dst.set(name, value); err != nil && isACL(name) {
			c.fail("cannot keep the access control list of", path, err)
		}
	}
}

func isACL(name string) bool { return strings.HasPrefix(name, "system.posix_acl_") }

func (x xattrs) names() []string {
	list, err := sized(x.list)
	if err != nil || len(list) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00")
}

// sized asks for the size first, and again whenever what is asked for has grown meanwhile.
func sized(call func([]byte) (int, error)) ([]byte, error) {
	for {
		size, err := call(nil)
		if err != nil || size == 0 {
			return nil, err
		}
		value := make([]byte, size)
		n, err := call(value)
		if !errors.Is(err, unix.ERANGE) {
			return value[:max(n, 0)], err
		}
	}
}
