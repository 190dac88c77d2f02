// SPDX-License-Identifier: MIT

package treecopy

import (
	"context"
	"io/fs"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// weight is what an entry adds to a progress bar: the bytes that it has on disk, not its holes.
func weight(st *unix.Stat_t) int64 {
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0
	}
	return min(st.Size, st.Blocks*512)
}

// Measure adds up what Done will have reached when sources are copied. What it cannot read it leaves out.
func Measure(ctx context.Context, sources []string) int64 {
	var total int64
	for _, source := range sources {
		_ = filepath.WalkDir(source, func(_ string, entry fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil || !entry.Type().IsRegular() {
				return nil
			}
			if info, err := entry.Info(); err == nil {
				st := info.Sys().(*syscall.Stat_t)
				total += min(st.Size, st.Blocks*512)
			}
			return nil
		})
	}
	return total
}
