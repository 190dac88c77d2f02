// SPDX-License-Identifier: MIT

// The bytes of a regular file, the cheapest way that both file systems take part in: a reflink shares them,
// copy_file_range moves them within the kernel, the ring reads and writes them. Only data extents are moved, so holes
// stay holes. A way that refuses leaves the rest to the next one, which also finds out the true cause of an error.

package treecopy

import (
	"errors"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	// kernelStep is how much one copy_file_range moves: small enough for a bar that moves and an interruption that is
	// felt, large enough for a server that copies on its own side.
	kernelStep = 32 << 20
	// maxPasses bounds the chase after a file that grows faster than it can be copied.
	maxPasses = 8
)

// way moves the bytes from an offset up to another, and says how far it came: less than asked where it cannot go on.
// Its error is final.
type way func(t *transfer, from, to int64) (reached int64, err error)

// refusal is a way that has no hope between two file systems.
type refusal struct {
	way      string
	src, dst uint64
}

// transfer is the copying of one file's bytes.
type transfer struct {
	copier    *Copier
	src, dst  *os.File
	from, to  string // paths, for messages
	size      int64  // of the source, when last looked
	end       int64  // where the last data written ends
	weight    int64
	counted   atomic.Int64
	unsettled bool // the source was still growing when the chase was given up
	devices   refusal
}

// run copies all of src. A file that grows meanwhile is followed; one that shrinks is an error, for nobody can say what
// its copy holds.
func (t *transfer) run(st *unix.Stat_t) error {
	var dst unix.Stat_t
	if err := unix.Fstat(descriptor(t.dst), &dst); err != nil {
		return t.cannot("stat", t.to, err)
	}
	t.devices = refusal{src: st.Dev, dst: dst.Dev}
	if t.size == 0 || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return t.stream(0)
	}
	for from, pass := int64(0), 0; from < t.size; pass++ {
		if pass == maxPasses {
			t.unsettled = true
			t.size = from
			break
		}
		ended, err := t.pass(from)
		if err != nil || ended {
			return err
		}
		from = t.size
		if t.size, err = sizeOf(t.src); err != nil {
			return t.cannot("stat", t.from, err)
		}
		if t.size < from {
			return t.shrank()
		}
	}
	return t.finish()
}

// finish makes a hole at the end, which nothing was written for.
func (t *transfer) finish() error {
	if t.end >= t.size {
		return nil
	}
	if err := t.dst.Truncate(t.size); err != nil {
		return t.cannot("set the size of", t.to, err)
	}
	return nil
}

// pass copies from an offset to the size known. ended says that the file ended early and honestly, as files of sysfs do
// that claim a page and hold a line.
func (t *transfer) pass(from int64) (ended bool, err error) {
	reached := from
	for _, way := range t.copier.ways {
		reached, err = way(t, reached, t.size)
		if err != nil || reached >= t.size {
			t.size = max(t.size, reached)
			return false, err
		}
	}
	now, err := sizeOf(t.src)
	if err != nil {
		return false, t.cannot("stat", t.from, err)
	}
	if now < t.size {
		return false, t.shrank()
	}
	return true, t.stream(reached)
}

// clone shares the source's extents. It copies a file at one instant, and so knows better than t.size how long it is.
func (t *transfer) clone(from, to int64) (int64, error) {
	if from > 0 || t.hopeless("clone") {
		return from, nil
	}
	if err := unix.IoctlFileClone(descriptor(t.dst), descriptor(t.src)); err != nil {
		t.refuse("clone", err)
		return from, nil
	}
	size, err := sizeOf(t.dst)
	if err != nil {
		return from, t.cannot("stat", t.to, err)
	}
	t.end = size
	t.count(size)
	return size, nil
}

// copyInKernel stops at any error and where the kernel claims that there is nothing to copy, as it did for years for
// files of procfs.
func (t *transfer) copyInKernel(from, to int64) (int64, error) {
	for from < to && !t.hopeless("copy_file_range") {
		data, end, err := t.nextData(from, to)
		if err != nil {
			return from, err
		}
		for from = data; from < end; {
			if err := t.copier.ctx.Err(); err != nil {
				return from, t.cannot("copy", t.from, err)
			}
			in, out := from, from
			n, err := unix.CopyFileRange(descriptor(t.src), &in, descriptor(t.dst), &out, int(min(end-from, kernelStep)), 0)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil || n == 0 {
				t.refuse("copy_file_range", err)
				return from, nil
			}
			from += int64(n)
			t.end = from
			t.count(int64(n))
		}
	}
	return from, nil
}

// nextData finds the first extent at or after from: to, to where there is none.
func (t *transfer) nextData(from, to int64) (data, end int64, err error) {
	data, err = unix.Seek(descriptor(t.src), from, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return to, to, nil
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		return from, to, nil // A file system that knows no holes.
	}
	if err != nil {
		return 0, 0, t.cannot("find the data of", t.from, err)
	}
	end, err = unix.Seek(descriptor(t.src), data, unix.SEEK_HOLE)
	if err != nil {
		end = to // Cut off at this instant; reading will tell.
	}
	return min(data, to), min(end, to), nil
}

// refuse remembers refusals that depend on nothing but the file systems, so that a tree does not meet them per file.
func (t *transfer) refuse(way string, err error) {
	if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) ||
		errors.Is(err, unix.ENOTTY) {
		t.copier.refused[refusal{way, t.devices.src, t.devices.dst}] = true
	}
}

func (t *transfer) hopeless(way string) bool {
	return t.copier.refused[refusal{way, t.devices.src, t.devices.dst}]
}

// count never lets a file weigh more than Measure said, or the bar would run past its end.
func (t *transfer) count(n int64) {
	before := t.counted.Add(n) - n
	t.copier.done.Add(max(0, min(n, t.weight-before)))
}

func (t *transfer) cannot(what, path string, err error) error {
	if interrupted := t.copier.ctx.Err(); interrupted != nil {
		return &Failure{What: "cannot copy to", Path: t.to, Why: interrupted, Cure: "run it again"}
	}
	return &Failure{What: "cannot " + what, Path: path, Why: err}
}

func (t *transfer) shrank() error {
	return &Failure{What: "cannot copy", Path: t.from, Why: errors.New("it shrank while being copied"),
		Cure: "copy it again when nothing writes to it"}
}

func sizeOf(file *os.File) (int64, error) {
	var st unix.Stat_t
	err := unix.Fstat(descriptor(file), &st)
	return st.Size, err
}
