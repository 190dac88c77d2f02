// SPDX-License-Identifier: MIT

package jobfile

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// An Environment is what a command line depends on besides its words.
type Environment struct {
	Stdin  io.Reader                        // for the job file "-"
	Lookup func(name string) (string, bool) // variables, as os.LookupEnv
}

// ParseCommandLine reads a command line as fio does: options of jobs and of the run in any of the forms --name=value,
// --name value, -name=value, each name to be shortened as long as it is clear, and names of job files. Options before the
// first --name are defaults for all jobs of the command line and of the first job file.
//
// The error joins every [Error] that was found. The plan comes along with an error only for its Notes.
func ParseCommandLine(words []string, environment Environment) (*Plan, error) {
	c := &commandLine{words: words, plan: &Plan{Repeats: 1}, notes: &notes{}}
	c.plan.Report.setDefaults()
	c.read()
	c.usePreset()
	if c.plan.Print != "" || c.plan.Version {
		return c.plan, joinInOrder(c.errs)
	}
	r := &reader{stdin: environment.Stdin, only: c.only, sections: c.sections, notes: c.notes}
	for i, name := range c.files {
		r.readFile(name, i)
	}
	r.readPreset(c.preset, len(c.files))
	b := &builder{sections: r.sections, set: c.set, lookup: environment.Lookup, readOnly: c.plan.ReadOnly,
		strict: c.strict, parseOnly: c.plan.ParseOnly || c.plan.ShowCmd, notes: c.notes, errs: append(c.errs, r.errs...)}
	c.plan.Arms = b.buildArms(c.engines, c.matrix)
	c.plan.Commands = commands(b, len(c.files))
	b.noteInertOptions()
	c.plan.Notes = c.notes.list
	if len(b.errs) == 0 && len(c.plan.Arms[0].Jobs) == 0 && !c.plan.ParseOnly && !c.plan.ShowCmd {
		b.fail(&reasonError{ErrNoJobs, c.noJobs()})
	}
	return c.plan, joinInOrder(b.errs)
}

func (c *commandLine) noJobs() string {
	if c.only != nil {
		return fmt.Sprintf("no section is named %s", strings.Join(c.only, " or "))
	}
	return ErrNoJobs.Error() + "; name a job file, begin one with --name=NAME, or try --preset=quick"
}

// commandLine is a command line while it is read.
type commandLine struct {
	words []string
	plan  *Plan
	notes *notes
	errs  []error

	sections []section
	skipping bool // the options of a job that --section leaves out
	files    []string
	only     []string
	preset   *Preset
	set      []setting
	engines  []string
	matrix   []axis
	strict   bool
}

// An axis is one --matrix.
type axis struct {
	option *Option
	values []string
}

func (c *commandLine) fail(words string, err error) {
	c.errs = append(c.errs, &Error{Setting: words, Err: err})
}

func (c *commandLine) read() {
	for len(c.words) > 0 {
		word := c.words[0]
		c.words = c.words[1:]
		switch {
		case word == "--":
			c.files = append(c.files, c.words...)
			return
		case word == "-" || !strings.HasPrefix(word, "-"):
			c.files = append(c.files, word)
		default:
			c.option(word)
		}
	}
}

func (c *commandLine) option(word string) {
	name, value, hasValue := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(word, "-"), "-"), "=")
	full, err := completeName(name)
	if err != nil {
		c.fail(word, err)
		return
	}
	flag, needs := runFlagByName[full], optional
	if flag != nil {
		needs = flag.argument
	} else if option := Lookup(full); option.Kind != Flag {
		needs = required
	}
	if !hasValue && needs == required {
		if len(c.words) == 0 || strings.HasPrefix(c.words[0], "--") {
			c.fail(word, fmt.Errorf("needs a value: --%s=VALUE", full))
			return
		}
		value, hasValue = c.words[0], true
		word += " " + value
		c.words = c.words[1:]
	}
	switch {
	case hasValue && needs == none:
		c.fail(word, errors.New("takes no value"))
	case flag != nil:
		if err := flag.apply(c, value); err != nil {
			c.fail(word, err)
		}
	default:
		c.jobOption(setting{line: word, key: full, value: value, bare: !hasValue})
	}
}

// jobOption adds an option to the job that is being described, or to the defaults before the first one.
func (c *commandLine) jobOption(s setting) {
	if s.key == "name" {
		global := strings.HasPrefix(s.value, "global")
		c.skipping = !global && c.only != nil && !slices.Contains(c.only, s.value)
		if c.skipping {
			return
		}
		c.sections = append(c.sections, section{name: s.value, global: global, commandLine: true})
	}
	if c.skipping {
		return
	}
	if len(c.sections) == 0 {
		c.sections = append(c.sections, section{name: "global", global: true, commandLine: true})
	}
	last := &c.sections[len(c.sections)-1]
	last.settings = append(last.settings, s)
}

// completeName finds the one name that begins with what was typed.
func completeName(typed string) (string, error) {
	if runFlagByName[typed] != nil || Lookup(typed) != nil {
		return typed, nil
	}
	var matches []string
	for _, name := range allNames() {
		if typed != "" && strings.HasPrefix(name, typed) {
			matches = append(matches, name)
		}
	}
	slices.Sort(matches)
	switch {
	case len(matches) == 1, len(matches) > 1 && sameOption(matches):
		return matches[0], nil
	case len(matches) > 1:
		return "", &reasonError{ErrUnknown, "may mean any of " + strings.Join(matches, ", ")}
	}
	return "", &reasonError{ErrUnknown, ErrUnknown.Error() + suggestion(nearest(typed, usefulNames()))}
}

func sameOption(names []string) bool {
	for _, name := range names {
		if Lookup(name) == nil || Lookup(name) != Lookup(names[0]) {
			return false
		}
	}
	return true
}

// allNames are the names of options of jobs and of the run.
func allNames() []string {
	var names []string
	for name := range optionByName {
		names = append(names, name)
	}
	for name := range runFlagByName {
		if optionByName[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// usefulNames are those of them that are not refused.
func usefulNames() []string {
	return slices.DeleteFunc(allNames(), func(name string) bool {
		option, flag := optionByName[name], runFlagByName[name]
		return option != nil && option.Class == Refused || flag != nil && flag.Class == Refused
	})
}

// noteInertOptions names all options that change nothing in one note.
func (b *builder) noteInertOptions() {
	if len(b.inert) == 0 {
		return
	}
	names := make([]string, len(b.inert))
	for i, option := range b.inert {
		names[i] = fmt.Sprintf("%s (%s)", option.Name, option.Why)
	}
	b.notes.add("options that change nothing here: %s", strings.Join(names, ", "))
}
