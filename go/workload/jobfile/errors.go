// SPDX-License-Identifier: MIT

package jobfile

import (
	"errors"
	"fmt"
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
	return text + e.Err.Error()
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
