// SPDX-License-Identifier: MIT

package jobfile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A Position is a place in a job file, or on the command line where File is empty.
type Position struct {
	File string
	Line int // from 1
}

func (p Position) String() string {
	if p.File == "" {
		return "command line"
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// An Error is something wrong with a job file or a command line. ParseCommandLine joins all that it finds.
type Error struct {
	Source  Position
	Section string // the section's name; "" outside of one
	Setting string // the line as it stands there, or the words of the command line; "" if none is to blame
	Err     error
}

// Error is one line: where, what, why and what to do.
func (e *Error) Error() string {
	text := e.Source.String() + ": "
	if e.Section != "" {
		text += "[" + e.Section + "] "
	}
	if e.Setting != "" {
		text += e.Setting + ": "
	}
	return onOneLine(text + e.Err.Error())
}

// onOneLine keeps what a file holds from reaching a terminal as anything but text.
func onOneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

func (e *Error) Unwrap() error { return e.Err }

// The kinds of error that callers may want to tell apart, with errors.Is.
var (
	// ErrUnknown is an option that neither fio nor ringo knows.
	ErrUnknown = errors.New("unknown option")
	// ErrRefused is an option or a value that fio knows and ringo refuses.
	ErrRefused = errors.New("not supported")
	// ErrNoJobs is a command line without a job.
	ErrNoJobs = errors.New("no job is given")
)

// reasonError words a reason in its own way and still is what kind says.
type reasonError struct {
	kind error
	text string
}

func (e *reasonError) Error() string { return e.text }
func (e *reasonError) Unwrap() error { return e.kind }

// joinInOrder joins errors by where they are: the command line, then each file from its top.
func joinInOrder(errs []error) error {
	files := map[string]int{"": -1}
	place := func(err error) (file, line int) {
		var e *Error
		if !errors.As(err, &e) {
			return len(errs), 0
		}
		if _, seen := files[e.Source.File]; !seen {
			files[e.Source.File] = len(files)
		}
		return files[e.Source.File], e.Source.Line
	}
	for _, err := range errs {
		place(err) // Files are in the order in which they were met.
	}
	slices.SortStableFunc(errs, func(a, b error) int {
		fileA, lineA := place(a)
		fileB, lineB := place(b)
		return cmp.Or(cmp.Compare(fileA, fileB), cmp.Compare(lineA, lineB))
	})
	return errors.Join(errs...)
}
