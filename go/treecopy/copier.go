// SPDX-License-Identifier: MIT

// Package treecopy copies files and trees as `cp -a` does, each file the cheapest way the kernel offers: [CopyFile],
// [CopyTree], and for more control a [Copier]. It needs Linux.
//
// The files, from the top down:
//
//	copy.go          CopyFile, CopyTree
//	copier.go        Options, Copier, Run; how failures are collected
//	copy_operands.go SRC… DST: which name each source gets, what is refused before anything is touched
//	copy_tree.go     one entry by its type; directories
//	copy_file.go     a regular file: opening both ends, removing what is half written
//	copy_data.go     its bytes: reflink, then copy_file_range, then the ring
//	copy_ring.go     ring reads and writes, several chunks in flight
//	copy_stream.go   what has no known size: procfs, FIFOs, devices
//	copy_link.go     symbolic and hard links
//	copy_special.go  FIFOs, sockets and device nodes themselves
//	copy_meta.go     owner, mode, times
//	copy_xattr.go    extended attributes and ACLs
//	failure.go       how failures are worded
//	measure.go       how many bytes there are to copy, for a progress bar
//
// A tree is walked by descriptors, never by paths built from names, and what was opened is compared with what was seen
// before, so that a directory swapped for a symbolic link cannot lead the copy elsewhere.
package treecopy

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// ErrIncomplete says that some entries were not copied; each has gone to Options.Report.
var ErrIncomplete = errors.New("not everything was copied")

// RingFile reads and writes an open file by the ring. It shares the file's descriptor and is never closed by itself.
type RingFile interface {
	io.ReaderAt
	io.WriterAt
}

// Options say how to copy. The zero value copies single files by plain system calls and tells nobody what failed.
type Options struct {
	// Recursive copies directories, and FIFOs and devices as what they are instead of what can be read from them.
	Recursive bool
	// Ring makes a RingFile; nil leaves reads and writes to the file itself. It is first called when a file can be
	// copied neither by reflink nor by copy_file_range, so a ring that nobody needs need not be opened.
	Ring func(*os.File) (RingFile, error)
	// Report is told of every failure as it is met, always from the goroutine that called Run.
	Report func(error)
}

// Copier makes one copy. It is not safe for concurrent use, except for Done.
type Copier struct {
	options    Options
	ctx        context.Context
	privileged bool
	ways       []way
	failures   int
	done       atomic.Int64
	buffers    sync.Pool

	links   map[inode]*hardLink
	made    map[inode]bool   // non-directories made for an earlier SRC, which a later one must not overwrite
	tops    map[inode]bool   // directories made for a SRC, which the walk of a source must not enter
	refused map[refusal]bool // ways that a pair of file systems has refused for good
}

// inode is what tells two files apart.
type inode struct{ dev, ino uint64 }

func inodeOf(st *unix.Stat_t) inode { return inode{st.Dev, st.Ino} }

// New returns a Copier that has copied nothing yet.
func New(options Options) *Copier {
	c := &Copier{
		options:    options,
		privileged: os.Geteuid() == 0,
		ways:       []way{(*transfer).clone, (*transfer).copyInKernel, (*transfer).copyByRing},
		links:      map[inode]*hardLink{},
		made:       map[inode]bool{},
		tops:       map[inode]bool{},
		refused:    map[refusal]bool{},
	}
	c.buffers.New = func() any { return new([chunkSize]byte) }
	return c
}

// Run copies sources to destination. One entry's failure does not keep the others from being copied. The result is nil,
// ErrIncomplete, or the cause for which ctx ended; whatever was being written then has been removed.
func (c *Copier) Run(ctx context.Context, sources []string, destination string) error {
	c.ctx = ctx
	c.copyOperands(sources, destination)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if c.failures > 0 {
		return ErrIncomplete
	}
	return nil
}

// Done is how many of the bytes that Measure counts have been dealt with. Any goroutine may ask.
func (c *Copier) Done() int64 { return c.done.Load() }

// fail records a failure and lets the walk go on. An interruption is no failure of any entry: Run tells of it once.
func (c *Copier) fail(what, path string, why error) {
	c.failWith(&Failure{What: what, Path: path, Why: why})
}

func (c *Copier) failWith(failure *Failure) {
	if c.ctx.Err() != nil && errors.Is(failure.Why, c.ctx.Err()) && failure.Note == "" {
		return
	}
	c.failures++
	if c.options.Report != nil {
		c.options.Report(failure)
	}
}
