// SPDX-License-Identifier: MIT

// What has no size to go by is read until it ends: files of procfs and sysfs, FIFOs, terminals. And what cannot have holes
// is written byte after byte: devices and FIFOs named as DST.

package treecopy

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// stream copies from an offset until the source ends.
func (t *transfer) stream(from int64) error {
	var st unix.Stat_t
	if unix.Fstat(descriptor(t.src), &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
		if _, err := t.src.Seek(from, io.SeekStart); err != nil {
			return t.cannot("read", t.from, err)
		}
	}
	if _, err := t.dst.Seek(from, io.SeekStart); err != nil {
		return t.cannot("write", t.to, err)
	}
	n, err := t.pump()
	if err != nil {
		return err
	}
	t.size = from + n
	// A chunk behind the end of a file that shrank and grew again may have been written further on.
	if err := t.dst.Truncate(t.size); err != nil {
		return t.cannot("set the size of", t.to, err)
	}
	return nil
}

// pump moves bytes between the two file offsets. It is not io.Copy, which would try copy_file_range on procfs.
func (t *transfer) pump() (moved int64, err error) {
	buffer := t.copier.buffers.Get().(*[chunkSize]byte)
	defer t.copier.buffers.Put(buffer)
	for {
		n, err := t.src.Read(buffer[:])
		if interrupted := t.copier.ctx.Err(); interrupted != nil {
			return moved, t.cannot("copy", t.from, interrupted)
		}
		if n > 0 {
			if _, err := t.dst.Write(buffer[:n]); err != nil {
				return moved, t.cannot("write", t.to, err)
			}
			moved += int64(n)
			t.count(int64(n))
		}
		if errors.Is(err, io.EOF) {
			return moved, nil
		}
		if err != nil {
			return moved, t.cannot("read", t.from, err)
		}
	}
}

// copyToDevice writes src to the device or FIFO that DST is. It keeps the device's own mode and owner, and never removes
// it: /dev/null must survive being copied to.
func (c *Copier) copyToDevice(src, dst place) {
	st, err := src.lstat()
	if err != nil {
		c.fail("cannot stat", src.path, err)
		return
	}
	defer c.done.Store(c.done.Load() + weight(st))
	from, err := c.openSource(src, st)
	if err != nil {
		c.fail("cannot open", src.path, err)
		return
	}
	defer from.Close()
	to, err := c.openWaiting(dst.path, os.O_WRONLY)
	if err != nil {
		c.fail("cannot open", dst.path, err)
		return
	}
	move := &transfer{copier: c, src: from, dst: to, weight: weight(st), from: src.path, to: dst.path}
	if _, err := move.pump(); err != nil {
		c.failWith(withoutRemoval(err))
	}
	if err := to.Close(); err != nil {
		c.fail("cannot finish", dst.path, err)
	}
}

// withoutRemoval says what no other copy has to: that part of the bytes stays written.
func withoutRemoval(err error) *Failure {
	var failure *Failure
	errors.As(err, &failure)
	failure.Note = "part of it has been written"
	return failure
}
