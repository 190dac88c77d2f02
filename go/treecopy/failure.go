// SPDX-License-Identifier: MIT

package treecopy

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"
)

// A Failure is one thing that could not be done, worded on one line whatever bytes the path holds: what, on which path,
// why, and what to do about it. errors.Is finds the errno in it.
type Failure struct {
	What string // such as "cannot open"
	Path string // empty where no single path is meant
	Why  error
	Cure string // what to do; where empty, a cure that fits the errno in Why is used
	Note string // what else the user must know, such as what was lost
}

func (f *Failure) Error() string {
	var text strings.Builder
	text.WriteString(f.What)
	if f.Path != "" {
		text.WriteString(" " + Quote(f.Path))
	}
	if f.Why != nil {
		text.WriteString(": " + reason(f.Why))
	}
	cure := f.Cure
	if cure == "" {
		cure = cures[errnoOf(f.Why)]
	}
	if cure != "" {
		text.WriteString("; " + cure)
	}
	if f.Note != "" {
		text.WriteString("; " + f.Note)
	}
	return text.String()
}

func (f *Failure) Unwrap() error { return f.Why }

// Quote keeps a path on one line and free of terminal escapes: a name may hold any byte but '/' and NUL.
func Quote(path string) string {
	plain := utf8.ValidString(path) && !strings.Contains(path, "'")
	for _, r := range path {
		plain = plain && strconv.IsPrint(r)
	}
	if plain {
		return "'" + path + "'"
	}
	return strconv.Quote(path)
}

// reason drops the operation and path that os wraps around an errno: Failure names both already, in better words.
func reason(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	var inPath *fs.PathError
	if errors.As(err, &inPath) {
		return inPath.Err.Error()
	}
	return strings.ReplaceAll(err.Error(), "\n", ": ") // errors.Join puts each error on a line.
}

func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	errors.As(err, &errno)
	return errno
}

var cures = map[syscall.Errno]string{
	syscall.EACCES:       "change its permissions, or run as a user who may",
	syscall.EPERM:        "run as its owner or as root",
	syscall.ENOENT:       "check the name",
	syscall.ENOTDIR:      "a part of the path is not a directory, check the name",
	syscall.EISDIR:       "name a file instead",
	syscall.ENOSPC:       "free some space there, or choose another place",
	syscall.EDQUOT:       "free some space, or ask for a larger quota",
	syscall.EROFS:        "mount it writable, or choose another place",
	syscall.EFBIG:        "choose a file system that holds larger files, or raise ulimit -f",
	syscall.EMFILE:       "raise ulimit -n",
	syscall.ENFILE:       "close other programs, or raise the sysctl fs.file-max",
	syscall.ENOMEM:       "free some memory",
	syscall.ENAMETOOLONG: "shorten the name",
	syscall.ELOOP:        "a symbolic link leads in a circle, check the name",
	syscall.EIO:          "check the disk: the kernel log says more",
	syscall.ESTALE:       "the network file system changed beneath, try again",
	syscall.EOPNOTSUPP:   "the file system cannot do it, choose another place",
}
