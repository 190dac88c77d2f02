// SPDX-License-Identifier: MIT

package jobfile

import "time"

// A Plan is what a command line asks for: jobs, and how to run and report them.
type Plan struct {
	Jobs  []*Job
	Notes []string // what the user should know: options that change nothing here, queue depths that cannot be had, ...

	Sections []string // only these sections of the job files; nil: all

	// What to do instead of running.

	ParseOnly bool // check, run nothing
	ShowCmd   bool // print the jobs as command lines, run nothing

	// How to run.

	ReadOnly bool     // refuse jobs that write
	Engines  []string // --engine: every job on each of these, in place of its own; nil: its own
	Matrix   []Axis   // --matrix: every job with each combination of these
	Repeats  int      // --repeats: how often each arm of Engines and Matrix is run, interleaved; at least 1

	Report ReportOptions
}

// An Axis is one --matrix: an option and the values it takes in turn.
type Axis struct {
	Option string // canonical name
	Values []string
}

// ReportOptions say what is printed, where and when.
type ReportOptions struct {
	Output           string        // file; "": stdout
	Formats          []Format      // in the order given; at least one
	TerseVersion     int           // 2 to 5; 3 by default
	HTML             string        // --report: file of the HTML page; "": none
	Directory        string        // --matrix-dir: where a matrix puts its files; "": none
	ETA              When          // the live status line
	ETAInterval      time.Duration // how often it is renewed
	ETANewline       time.Duration // and starts a new line; 0: never
	StatusInterval   time.Duration // a full report every so often; 0: only at the end
	BandwidthLog     string        // prefix of the aggregate bandwidth logs; "": none
	Append           bool          // --append-terse
	WarningsAreFatal bool          // --warnings-fatal
}

// A Format is a form of the report.
type Format int

// The values of --output-format.
const (
	FormatNormal Format = iota
	FormatJSON
	FormatJSONPlus
	FormatTerse
)

// When says whether the status line is shown.
type When int

// The values of --eta.
const (
	Auto When = iota // on a terminal
	Always
	Never
)
