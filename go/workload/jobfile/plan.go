// SPDX-License-Identifier: MIT

package jobfile

import (
	"strings"
	"time"
)

// A Plan is what a command line asks for: jobs, and how to run and report them.
type Plan struct {
	// Arms are what is run and compared: one per engine and combination of values that --engine and --matrix ask for,
	// and exactly one where they do not.
	Arms    []Arm
	Repeats int // --repeats: how often each arm is run, all arms in turn; at least 1

	// Notes are for the user's eyes, one line each: options that change nothing here, values that fio corrects, ...
	Notes []string

	ParseOnly bool   // check, run nothing
	ShowCmd   bool   // print Commands, run nothing
	ReadOnly  bool   // no job writes: the others were refused
	Backend   string // --backend: auto, uring or threads; "" where it is not given

	Version bool   // print the program's version, run nothing
	Print   string // print this, run nothing

	// Commands are the job files as command lines, one for each file, for ShowCmd.
	Commands []string

	Report ReportOptions
}

// An Arm is the plan's jobs with one choice of engine and values.
type Arm struct {
	Choices []Setting // what this arm sets: "ioengine" and the options of --matrix; nil: nothing
	Jobs    []*Job    // in order, never none
}

// Work is what of the arm's choices says what is done, and not how an engine does it.
func (a *Arm) Work() string {
	var parts []string
	for _, c := range a.Choices {
		if c.Name != "ioengine" && Lookup(c.Name).Engines == nil {
			parts = append(parts, c.Name+"="+c.Value)
		}
	}
	return strings.Join(parts, " ")
}

// ReportOptions say what is printed, where and when.
type ReportOptions struct {
	Output         string        // file; "": stdout
	Formats        []Format      // in the order given; at least one
	TerseVersion   int           // 2 to 5; 3 by default
	HTML           string        // --report: file of the HTML page; "": none
	Directory      string        // --output-dir: where the JSON of each arm goes; "": none
	ETA            When          // the live status line
	ETAInterval    time.Duration // how often it is renewed
	ETANewline     time.Duration // and starts a new line; 0: never
	StatusInterval time.Duration // a full report every so often; 0: only at the end
	BandwidthLog   string        // prefix of the aggregate bandwidth logs; "": none
	AppendTerse    bool          // --append-terse: terse output behind the others
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
