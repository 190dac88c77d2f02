// SPDX-License-Identifier: MIT

package jobfile

// A Class says what becomes of an option.
type Class int

const (
	Done    Class = iota // means what it means to fio
	Inert                // accepted; it cannot change what is measured here
	Refused              // known, not supported: refused before any I/O
)

// A Kind is the form of an option's value.
type Kind int

const (
	Text    Kind = iota // taken as it is
	Boolean             // 0 or 1, and a value must be given
	Flag                // 0 or 1; the bare name means 1
	Integer             // with an optional suffix (k, m, g, ...)
	Bytes               // the same, 64 bits wide
	Share               // Bytes or N%
	Seconds             // a time; without a unit in seconds
	Micros              // a time; without a unit in microseconds
	Millis              // an integer number of milliseconds
	Choice              // one of Values
	Floats              // numbers separated by colons
	Custom              // a form of its own, which Help describes
)

// An Option is a row of the table.
type Option struct {
	Name    string
	Aliases []string
	Group   string // heading in the documents
	Kind    Kind
	PerDir  bool  // READ,WRITE,TRIM may be given
	Min     int64 // of numbers
	Max     int64 // 0: as large as Kind allows
	Default string
	Values  []string // with Choice
	Class   Class
	Help    string // one line: what it does
	Why     string // one line, unless Done: why it changes nothing, or why it is refused
	Engines []Engine
}
