// SPDX-License-Identifier: MIT

// A regular file: both ends are opened and checked, the bytes go over, then the attributes. Whatever ends the copy early
// removes the half-written destination.

package treecopy

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// target is a destination opened for writing. old is what was overwritten, nil for a new file.
type target struct {
	place
	file *os.File
	old  *unix.Stat_t
	lost bool // something that existed before is gone or overwritten
}

func (c *Copier) copyFile(src, dst place, st *unix.Stat_t) error {
	from, err := c.openSource(src, st)
	if err != nil {
		return &Failure{What: "cannot open", Path: src.path, Why: err}
	}
	defer from.Close()
	to, err := openTarget(src, dst, st)
	if err != nil {
		return err
	}
	move := &transfer{copier: c, src: from, dst: to.file, from: src.path, to: dst.path, size: st.Size, weight: weight(st)}
	if err := move.run(st); err != nil {
		return to.discard(err)
	}
	c.keepAttributes(descriptor(from), descriptor(to.file), dst.path, st, to.old)
	if err := to.file.Close(); err != nil {
		return to.discard(&Failure{What: "cannot finish", Path: dst.path, Why: err})
	}
	if move.unsettled {
		c.failWith(&Failure{What: "the copy lacks the latest bytes of", Path: src.path,
			Why: errors.New("it kept growing"), Cure: "copy it again when nothing writes to it"})
	}
	return nil
}

// openSource must not hang on a FIFO put in a file's place, hence O_NONBLOCK. It is taken off again, for io_uring fails
// reads with EAGAIN on such a descriptor instead of waiting for the disk.
func (c *Copier) openSource(src place, st *unix.Stat_t) (*os.File, error) {
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return c.openWaiting(src.path, os.O_RDONLY)
	}
	from, err := src.open(unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.EAGAIN) {
		from, err = src.open(unix.O_RDONLY, 0) // Another program holds a lease, which it gives up only to one that waits.
	}
	if err != nil {
		return nil, err
	}
	if err := sameAs(from, st); err != nil {
		from.Close()
		return nil, err
	}
	if _, err := unix.FcntlInt(uintptr(descriptor(from)), unix.F_SETFL, 0); err != nil {
		from.Close()
		return nil, err
	}
	return from, nil
}

// openWaiting opens a FIFO or a device, which may take for ever. An interruption leaves the open behind in its goroutine,
// and breaks off reads and writes.
func (c *Copier) openWaiting(path string, flag int) (*os.File, error) {
	type result struct {
		file *os.File
		err  error
	}
	opened := make(chan result, 1)
	go func() {
		file, err := os.OpenFile(path, flag, 0)
		opened <- result{file, err}
	}()
	select {
	case <-c.ctx.Done():
		return nil, c.ctx.Err()
	case r := <-opened:
		if r.err == nil {
			context.AfterFunc(c.ctx, func() { _ = r.file.SetDeadline(time.Unix(1, 0)) })
		}
		return r.file, r.err
	}
}

// openTarget gives an empty file, new wherever that is possible without asking first.
func openTarget(src, dst place, st *unix.Stat_t) (*target, error) {
	to := &target{place: dst}
	err := to.create()
	if errors.Is(err, unix.EEXIST) {
		return to, to.openOld(src, st)
	}
	if err != nil {
		return nil, &Failure{What: "cannot create", Path: dst.path, Why: err}
	}
	return to, nil
}

// create makes the file with a mode that shows its bytes to nobody else before its owner and mode are set.
func (t *target) create() (err error) {
	t.file, err = t.open(unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	return err
}

// openOld overwrites in place, as cp does, so that the file keeps its inode. It is replaced instead where its bytes have
// other names, which cp -a keeps out of it, where it is no regular file, or where it cannot be opened for writing.
func (t *target) openOld(src place, st *unix.Stat_t) error {
	var behind unix.Stat_t
	err := unix.Fstatat(t.dir, t.name, &behind, 0)
	if err == nil && inodeOf(&behind) == inodeOf(st) {
		return sameFile(src, t.place)
	}
	old, err := t.lstat()
	if err != nil {
		return &Failure{What: "cannot stat", Path: t.path, Why: err}
	}
	t.lost = true
	if old.Mode&unix.S_IFMT != unix.S_IFREG || old.Nlink > 1 {
		return t.replace(old)
	}
	t.file, err = t.open(unix.O_WRONLY, 0)
	if err != nil {
		return t.replace(old)
	}
	err = sameAs(t.file, old)
	if err == nil {
		err = t.file.Truncate(0)
	}
	if err != nil {
		t.file.Close()
		return &Failure{What: "cannot overwrite", Path: t.path, Why: err}
	}
	t.old = old
	return nil
}

func (t *target) replace(old *unix.Stat_t) error {
	if err := removeOld(t.place, old); err != nil {
		return err
	}
	if err := t.create(); err != nil {
		return &Failure{What: "cannot create", Path: t.path, Why: err, Cure: "what was there has been removed"}
	}
	return nil
}

// discard removes the half-written file, unless something else has its name by now, and says what else is gone.
func (t *target) discard(cause error) error {
	var mine unix.Stat_t
	known := unix.Fstat(descriptor(t.file), &mine)
	now, err := t.lstat()
	t.file.Close()
	if err == nil && (known != nil || inodeOf(now) == inodeOf(&mine)) {
		err = unix.Unlinkat(t.dir, t.name, 0)
	}
	note := ""
	switch {
	case err != nil && !errors.Is(err, unix.ENOENT):
		note = "the half-written " + Quote(t.path) + " could not be removed, remove it"
	case t.lost:
		note = "the file that was at " + Quote(t.path) + " before had been overwritten and is gone"
	}
	var failure *Failure
	if !errors.As(cause, &failure) {
		failure = &Failure{What: "cannot copy to", Path: t.path, Why: cause}
	}
	failure.Note = note
	return failure
}

func sameFile(src, dst place) *Failure {
	return &Failure{
		What: "cannot copy " + Quote(src.path) + " to " + Quote(dst.path) + ": they are the same file",
		Cure: "name another destination"}
}
