// SPDX-License-Identifier: MIT

package treecopy

import (
	"context"
	"errors"
	"os"

	"github.com/ringo-io/ringo/go/ringo"
)

// failuresMax is how many failures the error of CopyFile or CopyTree holds.
const failuresMax = 100

// CopyFile copies the file src to dst, or into dst where that is a directory, with what `cp -a` keeps: mode, times,
// extended attributes, ACLs and holes, as root the owner, and a symbolic link as a link. It goes by reflink, else by
// copy_file_range, else by reads and writes of e. An error or the end of ctx leaves no half-written file; the error holds
// a [*Failure]. Safe for concurrent use, but not for two copies to one place.
func CopyFile(ctx context.Context, e *ringo.Engine, src, dst string) error {
	return copyBy(ctx, e, src, dst, false)
}

// CopyTree is CopyFile that copies directories as well, with all that is below them, and hard links among it as such. One
// entry's failure does not keep the others from being copied: the error joins up to a hundred of them.
func CopyTree(ctx context.Context, e *ringo.Engine, src, dst string) error {
	return copyBy(ctx, e, src, dst, true)
}

func copyBy(ctx context.Context, e *ringo.Engine, src, dst string, recursive bool) error {
	var failures []error
	copier := New(Options{
		Recursive: recursive,
		Ring:      func(f *os.File) (RingFile, error) { return e.NewFile(f), nil },
		Report: func(err error) {
			if len(failures) < failuresMax {
				failures = append(failures, err)
			}
		},
	})
	err := copier.Run(ctx, []string{src}, dst)
	if errors.Is(err, ErrIncomplete) {
		return errors.Join(failures...)
	}
	return err
}
