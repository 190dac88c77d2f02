// SPDX-License-Identifier: MIT

package jobfile

import (
	"fmt"
	"slices"
	"strings"
)

// A Class says what becomes of an option.
type Class int

// The classes.
const (
	Done    Class = iota // means what it means to fio
	Inert                // accepted; it cannot change what is measured here
	Refused              // known to fio, not to ringo: refused before any I/O
)

func (c Class) String() string { return [...]string{"done", "inert", "refused"}[c] }

// A Kind is the form of an option's value.
type Kind int

// The kinds. Where PerDirection is set, numbers may be given as READ,WRITE,TRIM.
const (
	Text    Kind = iota // taken as it is, not empty
	Boolean             // 0 or 1, and one of them must be given
	Flag                // 0 or 1; the bare name means 1
	Integer             // up to 32 bits, with a suffix (k, m, g, ...) where one is wanted
	Bytes               // the same, up to 63 bits
	Share               // Bytes or N%
	Seconds             // a time; seconds where no unit is given
	Micros              // a time; microseconds where no unit is given
	Choice              // one of Values
	Floats              // numbers separated by colons
	Custom              // a form of its own, which Form shows
)

// An Option is a row of the table of options.
type Option struct {
	Name         string   // canonical
	Aliases      []string //
	Group        string   // heading in the documents
	Kind         Kind     //
	Bare         bool     // may stand without a value; a Flag always may
	PerDirection bool     // takes READ,WRITE,TRIM
	Pair         bool     // takes LOW-HIGH
	Min, Max     int64    // bounds of numbers, both included; Max 0: as large as Kind allows
	Default      string   // as a job file would say it; "": none
	Values       []string // of a Choice
	Form         string   // of a Custom, in a few characters
	Class        Class    //
	Help         string   // one line, without a full stop: what it does
	Why          string   // of Inert: why it changes nothing; of Refused: why it is refused
	Engines      []Engine // the engines it belongs to; nil: all
	Ours         bool     // fio does not know it

	order int // as fio: higher ones of a section are applied first
	store func(*draft, value) error
}

// Groups are the headings of the options, in the order of the documents.
var Groups = []string{
	groupJob, groupTime, groupFiles, groupPattern, groupBlocks, groupAmount, groupBuffers, groupEngine, groupDepth,
	groupRate, groupReplay, groupSync, groupCreation, groupVerify, groupZones, groupErrors, groupReports, groupSystem,
}

const (
	groupJob      = "Jobs and groups"
	groupTime     = "Time"
	groupFiles    = "Files"
	groupPattern  = "What is read and written"
	groupBlocks   = "Block sizes"
	groupAmount   = "How much"
	groupBuffers  = "Contents of buffers"
	groupEngine   = "Engines"
	groupDepth    = "Depth"
	groupRate     = "Rates and pauses"
	groupReplay   = "Replay"
	groupSync     = "Caches and durability"
	groupCreation = "Making files"
	groupVerify   = "Verification"
	groupZones    = "Zones"
	groupErrors   = "Errors"
	groupReports  = "Measurements and reports"
	groupSystem   = "Processors and the system"
)

// options is the table.
var options = slices.Concat(jobOptions(), fileOptions(), patternOptions(), amountOptions(), bufferOptions(),
	engineOptions(), depthOptions(), rateOptions(), durabilityOptions(), verifyOptions(), reportOptions(),
	systemOptions(), refusedOptions())

var optionByName = indexOptions(options)

func indexOptions(table []*Option) map[string]*Option {
	index := map[string]*Option{}
	for _, option := range table {
		for _, name := range append([]string{option.Name}, option.Aliases...) {
			if index[name] != nil {
				panic("jobfile: two options named " + name)
			}
			index[name] = option
		}
	}
	return index
}

// Options is the table of options, by group. It must not be changed.
func Options() []*Option { return options }

// Lookup finds an option by its name or an alias, or gives nil.
func Lookup(name string) *Option { return optionByName[name] }

// knownWith says that fio's engine of the kind has the option.
func (o *Option) knownWith(engine EngineOptions) bool {
	return o.Engines == nil || slices.Contains(o.Engines, engine.like()) && !(o.Ours && engine.Engine == EngineFio)
}

// longestName is longer than any name there is.
const longestName = 64

// nearest gives the known name that is closest to one that is not known, or "" where none is close.
func nearest(name string, known []string) string {
	best, least := "", (len(name)+1)/2+1 // More than half of it wrong is no slip of the finger.
	if len(name) > longestName {
		return ""
	}
	for _, candidate := range known {
		if distance := editDistance(name, candidate); distance < least {
			best, least = candidate, distance
		}
	}
	return best
}

// nearestOption is nearest among the options that are not refused.
func nearestOption(name string) string {
	var names []string
	for _, option := range options {
		if option.Class != Refused {
			names = append(append(names, option.Name), option.Aliases...)
		}
	}
	return nearest(name, names)
}

// editDistance is the number of letters to put in, take out or change (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// FormOf says in a few characters what a value looks like, for documents and messages.
func (o *Option) FormOf() string {
	form := map[Kind]string{Text: "TEXT", Boolean: "0|1", Flag: "[0|1]", Integer: "N", Bytes: "SIZE", Share: "SIZE|N%",
		Seconds: "TIME", Micros: "TIME", Floats: "N:N:...", Choice: strings.Join(o.Values, "|")}[o.Kind]
	if o.Form != "" {
		form = o.Form
	}
	switch {
	case o.PerDirection:
		return form + "[,...]"
	case o.Pair:
		return fmt.Sprintf("%s[-%s]", form, form)
	}
	return form
}
