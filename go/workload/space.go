package workload

import (
	"fmt"
	"path/filepath"
	"syscall"

	"github.com/ringo-io/ringo/go/workload/internal/host"
	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// checkSpace refuses files that there is no room for, before a byte of any is written. What jobs will write beyond
// what is laid out for them is not known; it ends with ENOSPC when the time comes.
func (r *run) checkSpace() error {
	free := make(map[uint64]int64) // by file system
	seen := make(map[string]bool)
	for _, c := range r.clones {
		for _, t := range c.files {
			if seen[t.path] || t.device || !c.laysOut() {
				continue
			}
			seen[t.path] = true
			system, left, known := host.Space(filepath.Dir(t.path))
			if !known {
				continue
			}
			if _, there := free[system]; !there {
				free[system] = left
			}
			end := t.region.Start + t.region.Length
			free[system] -= max(end-host.Allocated(t.path), 0)
			if free[system] < 0 {
				who := "it needs"
				if len(seen) > 1 {
					who = "the files up to it need"
				}
				return fmt.Errorf("job %s: %s of %d bytes: %w: %s %d bytes more than its file system has free",
					c.job.Name, t.path, end, syscall.ENOSPC, who, -free[system])
			}
		}
	}
	return nil
}

// laysOut says that the clone's files are made at their full size before its I/O.
func (c *clone) laysOut() bool {
	j := c.job
	if c.withoutFiles() || j.CreateOnOpen || j.FillDevice || c.onlyVerifies() {
		return false
	}
	return c.fillsFiles() || j.Fallocate != jobfile.FallocateNone && j.Fallocate != jobfile.FallocateTruncate
}

// fillsFiles says that files are laid out with data, not with space alone.
func (c *clone) fillsFiles() bool { return c.job.Pattern.Reads || c.job.Overwrite }
