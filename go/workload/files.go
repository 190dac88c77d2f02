package workload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/ringo-io/ringo/go/workload/generate"
	"github.com/ringo-io/ringo/go/workload/internal/host"
	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// A target is one of a clone's files.
type target struct {
	path   string
	region generate.Region
	device bool // a block device
	file   *os.File
}

// targets names the clone's files.
func (c *clone) targets() {
	j := c.job
	names := j.Filenames
	if names == nil {
		for i := range max(j.NumFiles, 1) {
			names = append(names, c.formatName(i))
		}
	}
	for i, name := range names {
		if len(j.Directories) > 0 && (j.Filenames != nil || !filepath.IsAbs(name)) {
			name = filepath.Join(c.directory(i), name)
		}
		c.files = append(c.files, &target{path: name})
	}
}

// directory spreads the clones over the job's directories.
func (c *clone) directory(int) string { return c.job.Directories[c.index%len(c.job.Directories)] }

func (c *clone) formatName(file int) string {
	format := c.job.FilenameFormat
	if format == "" {
		format = "$jobname.$jobnum.$filenum"
	}
	return strings.NewReplacer("$jobname", strings.ReplaceAll(c.job.Section, "/", "_"), "$jobnum", strconv.Itoa(c.index),
		"$filenum", strconv.Itoa(file), "$clientuid", "localhost").Replace(format)
}

// withoutFiles says that the engine touches none.
func (c *clone) withoutFiles() bool {
	return c.job.Engine.Engine == jobfile.EngineNull || c.job.Engine.Engine == jobfile.EngineFio && c.job.Engine.Fio == "null"
}

// check refuses what must not be begun, before anything is written anywhere.
func (c *clone) check() error {
	j := c.job
	for _, t := range c.files {
		if c.withoutFiles() {
			break
		}
		info, err := os.Stat(t.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if _, err := os.Stat(filepath.Dir(t.path)); err != nil {
				return fmt.Errorf("directory of %s: %w", t.path, pathless(err))
			}
			if c.onlyVerifies() {
				return fmt.Errorf("%s: %w, and verify_only makes none", t.path, syscall.ENOENT)
			}
			if !j.AllowCreate {
				return fmt.Errorf("%s: %w, and allow_file_create=0", t.path, syscall.ENOENT)
			}
			continue
		case err != nil:
			return err
		case info.IsDir():
			return fmt.Errorf("%s: %w", t.path, syscall.EISDIR)
		case !info.Mode().IsRegular() && info.Mode()&fs.ModeDevice == 0:
			return fmt.Errorf("%s: neither a regular file nor a block device", t.path)
		}
		t.device = info.Mode()&fs.ModeDevice != 0 && info.Mode()&fs.ModeCharDevice == 0
		if t.device && c.writes() && !j.AllowMountWrite {
			if use := host.InUse(t.path); use != "" {
				return fmt.Errorf("%s: refusing to write to a device that is %s; allow_mounted_write=1 does it anyway", t.path, use)
			}
		}
	}
	return c.shape()
}

// shape finds the region of each file.
func (c *clone) shape() error {
	j := c.job
	sizes := generate.NewRandom(c.seed, generate.ForFiles, false)
	total := int64(0)
	for _, t := range c.files {
		existing, err := c.existingSize(t)
		if err != nil {
			return err
		}
		length := c.wantedLength(existing, sizes)
		if t.device && j.Size.Bytes == 0 && j.Size.Percent == 0 {
			length = existing
		}
		start := c.start(max(existing, length))
		if length == 0 && existing > 0 {
			length = existing - start
		}
		if j.Size.Percent > 0 {
			length = existing * int64(j.Size.Percent) / 100
			length -= length % c.smallestBlock()
		}
		if existing > 0 && j.Size.Bytes == 0 && j.FileSize.Max == 0 {
			length = min(length, existing-start)
		}
		if t.device && start+length > existing {
			return fmt.Errorf("%s: has %d bytes, the job wants %d from offset %d on", t.path, existing, length, start)
		}
		if length <= 0 {
			return fmt.Errorf("%s: no size: give size=, or a file that has one", t.path)
		}
		t.region = generate.Region{Start: start, Length: length, FileSize: max(start+length, existing)}
		total += length
	}
	if smallest := c.smallestBlock(); total < smallest {
		return fmt.Errorf("size of %d bytes is smaller than one block of %d", total, smallest)
	}
	return nil
}

func (c *clone) existingSize(t *target) (int64, error) {
	if c.withoutFiles() {
		return 0, nil
	}
	if t.device {
		f, err := os.Open(t.path)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		return host.DeviceSize(int(f.Fd()))
	}
	info, err := os.Stat(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// wantedLength is how much of a file the job works on, by its own words; 0: what is there.
func (c *clone) wantedLength(existing int64, sizes *generate.Random) int64 {
	j := c.job
	if j.FileSize.Max > 0 {
		length := j.FileSize.Min
		if spread := j.FileSize.Max - length; spread > 0 {
			length += int64(sizes.Below(uint64(spread) + 1))
			length -= length % c.smallestBlock()
		}
		return max(length, c.smallestBlock())
	}
	if j.FillDevice && j.Size.Bytes == 0 {
		return 1 << 50
	}
	return j.Size.Bytes / int64(len(c.files))
}

// start is offset= with offset_increment=. One in percent is rounded up to a whole block.
func (c *clone) start(size int64) int64 {
	j := c.job
	of := func(a jobfile.Amount) int64 {
		if a.Percent == 0 {
			return a.Bytes
		}
		align := j.OffsetAlign
		if align == 0 {
			align = c.smallestBlock()
		}
		bytes := size * int64(a.Percent) / 100
		return (bytes + align - 1) / align * align
	}
	return of(j.Offset) + int64(c.index)*of(j.OffsetIncrement)
}

func (c *clone) smallestBlock() int64 {
	smallest := int64(0)
	for d, uses := range []bool{c.job.Pattern.Reads, c.job.Pattern.Writes} {
		if size := c.job.BlockSize[d].Min; uses && (smallest == 0 || size < smallest) {
			smallest = size
		}
	}
	return max(smallest, 1)
}

func (c *clone) largestBlock() int64 {
	largest := int64(1)
	for d := range c.job.BlockSize {
		largest = max(largest, c.job.BlockSize[d].Max)
		for _, mix := range c.job.BlockSplit[d] {
			largest = max(largest, mix.Size)
		}
	}
	return largest
}

// layOut creates what is missing of the files, as fio does: filled with data for jobs that read or overwrite,
// else with space alone. What is large enough already stays as it is.
func (c *clone) layOut(ctx context.Context) error {
	if c.withoutFiles() || c.job.CreateOnOpen || c.onlyVerifies() {
		return nil
	}
	var missing []*target
	bytes := int64(0)
	for _, t := range c.files {
		size, err := c.existingSize(t)
		if err != nil {
			return err
		}
		if need := t.region.Start + t.region.Length; !t.device && size < need && !c.job.FillDevice {
			missing = append(missing, t)
			bytes += need
		}
	}
	fill := c.fillsFiles()
	if len(missing) > 0 && fill {
		plural := ""
		if len(missing) > 1 {
			plural = "s"
		}
		c.options.log("%s: Laying out IO file%s (%d file%s / %dMiB)", c.job.Name, plural, len(missing), plural, bytes>>20)
	}
	for _, t := range missing {
		if err := c.create(ctx, t, fill); err != nil {
			return fmt.Errorf("laying out %s: %w", t.path, pathless(err))
		}
	}
	return nil
}

func (c *clone) create(ctx context.Context, t *target, fill bool) (err error) {
	_, missing := os.Lstat(t.path)
	f, err := os.OpenFile(t.path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil && missing != nil {
			_ = os.Remove(t.path) // Half of a file helps nobody, least of all on a disk that is full.
		}
	}()
	size := t.region.Start + t.region.Length
	if err := c.reserve(f, size); err != nil {
		return err
	}
	if fill {
		if err := f.Truncate(size); err != nil {
			return err
		}
		if err := c.fillFile(ctx, f, size); err != nil {
			return err
		}
		if c.job.CreateFsync {
			return f.Sync()
		}
	}
	return nil
}

// reserve makes room for a file, in the way that fallocate= says.
func (c *clone) reserve(f *os.File, size int64) error {
	switch c.job.Fallocate {
	case jobfile.FallocateNone:
		return nil
	case jobfile.FallocateTruncate:
		return f.Truncate(size)
	}
	err := host.Fallocate(int(f.Fd()), size, c.job.Fallocate == jobfile.FallocateKeep)
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.ENOTSUP) {
		return nil // native: where it is not to be had, the file grows as it is written.
	}
	return err
}

func (c *clone) fillFile(ctx context.Context, f *os.File, size int64) error {
	buffer := make([]byte, max(1<<20, c.largestBlock()))
	seed := c.other
	for at := int64(0); at < size; at += int64(len(buffer)) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if c.job.Buffers.Zero {
			clear(buffer)
		} else {
			generate.Scatter(buffer, generate.SeedOf(seed, int(at>>20)))
		}
		if _, err := f.WriteAt(buffer[:min(int64(len(buffer)), size-at)], at); err != nil {
			return err
		}
	}
	return nil
}

// open opens the clone's files for I/O.
func (c *clone) open() error {
	if c.withoutFiles() {
		return nil
	}
	j := c.job
	flags := os.O_RDONLY
	if c.writes() {
		flags = os.O_RDWR
	}
	if c.writes() && j.AllowCreate {
		flags |= os.O_CREATE
	}
	switch j.Sync {
	case jobfile.SyncFile:
		flags |= os.O_SYNC
	case jobfile.SyncData:
		flags |= host.DataSyncFlag
	}
	if j.Direct {
		flags |= host.DirectFlag
	}
	for _, t := range c.files {
		f, err := os.OpenFile(t.path, flags, 0o644)
		if err != nil {
			c.close()
			if j.Direct && errors.Is(err, syscall.EINVAL) {
				return fmt.Errorf("%s: its file system refuses O_DIRECT: %w; use direct=0", t.path, pathless(err))
			}
			return err
		}
		t.file = f
		if err := c.ready(t); err != nil {
			c.close()
			return err
		}
	}
	return nil
}

// ready puts the page cache into the state that the job asks for.
func (c *clone) ready(t *target) error {
	j, fd, r := c.job, int(t.file.Fd()), t.region
	if j.PreRead {
		if err := c.readAhead(t); err != nil {
			return fmt.Errorf("pre_read of %s: %w", t.path, pathless(err))
		}
	} else if j.Invalidate {
		if err := host.Advise(fd, r.Start, r.Length, host.DontNeed); err != nil {
			return fmt.Errorf("invalidating the cache of %s: %w", t.path, err)
		}
	}
	advice := host.Normal
	switch {
	case j.Fadvise == jobfile.FadviseRandom, j.Fadvise == jobfile.FadvisePattern && j.Pattern.Random:
		advice = host.Random
	case j.Fadvise == jobfile.FadviseSequential, j.Fadvise == jobfile.FadvisePattern:
		advice = host.Sequential
	}
	if advice == host.Normal {
		return nil
	}
	return host.Advise(fd, r.Start, r.Length, advice)
}

func (c *clone) readAhead(t *target) error {
	f, err := os.Open(t.path)
	if err != nil {
		return err
	}
	defer f.Close()
	buffer := make([]byte, 1<<20)
	for at := t.region.Start; at < t.region.Start+t.region.Length; {
		n, err := f.ReadAt(buffer, at)
		if at += int64(n); n == 0 || err != nil {
			return nil // Shorter than expected: the job will say so.
		}
	}
	return nil
}

func (c *clone) close() {
	for _, t := range c.files {
		if t.file == nil {
			continue
		}
		if err := t.file.Close(); err != nil {
			c.failWith(fmt.Errorf("closing %s: %w", t.path, pathless(err)))
		}
		t.file = nil
	}
	if !c.job.Unlink {
		return
	}
	for _, t := range c.files {
		if t.device || c.withoutFiles() {
			continue
		}
		if err := os.Remove(t.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.failWith(err)
		}
	}
}
