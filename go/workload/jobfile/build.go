// SPDX-License-Identifier: MIT

package jobfile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A builder makes jobs of sections.
type builder struct {
	sections  []section
	set       []setting                   // --set: for every job, above all else
	engines   []EngineOptions             // of --engine, to know whose options may be given
	lookup    func(string) (string, bool) // the environment
	readOnly  bool
	strict    bool // --warnings-fatal
	parseOnly bool // files and directories may be those of another machine

	notes *notes
	errs  []error
	said  map[string]bool // the errors that are in errs
	inert []*Option       // those that were met
	taken []*Option       // those of engines, of --set and --matrix, that a job has taken
	given [][]Setting     // of each section, in the first arm
}

// fail keeps an error, once: every arm of a plan finds the same ones.
func (b *builder) fail(err error) {
	if b.said == nil {
		b.said = map[string]bool{}
	}
	if text := err.Error(); !b.said[text] {
		b.said[text] = true
		b.errs = append(b.errs, err)
	}
}

// build makes the jobs of one arm.
func (b *builder) build(choices []setting) []*Job {
	defaults := newDraft()
	file := 0
	var jobs []*Job
	first := b.given == nil
	for i := range b.sections {
		s := &b.sections[i]
		if s.file != file {
			defaults, file = newDraft(), s.file
		}
		if s.global {
			b.apply(defaults, s, choices)
			b.remember(first, defaults)
			defaults.Globals = append(slices.Clip(defaults.Globals), defaults.Given...)
			defaults.Given = nil
			continue
		}
		d := defaults.clone()
		d.Name, d.Section, d.Source = s.name, s.name, s.source
		b.apply(d, s, choices)
		b.remember(first, d)
		if s.commandLine {
			d.Section = d.Name
		}
		d.Stonewall = d.Stonewall || s.afterFile
		b.finish(d)
		jobs = append(jobs, &d.Job)
	}
	b.relate(jobs)
	return jobs
}

func (b *builder) remember(first bool, d *draft) {
	if first {
		b.given = append(b.given, d.Given)
	}
}

// A choice is a setting with the option it names.
type choice struct {
	setting
	option   *Option
	override bool // of --set, --engine or --matrix
}

// apply applies the settings of a section in fio's order: by the options' order, and those of engines last, when the
// engine is known. On a command line the order is the user's.
func (b *builder) apply(d *draft, s *section, choices []setting) {
	var plain, ofEngine []choice
	sort := func(settings []setting, override bool) {
		for _, given := range settings {
			c, ok := b.resolve(given, s, !override && !s.commandLine)
			switch {
			case !ok:
			case c.option.Engines != nil:
				ofEngine = append(ofEngine, choice{c.setting, c.option, override})
			default:
				plain = append(plain, choice{c.setting, c.option, override})
			}
		}
	}
	sort(s.settings, false)
	if !s.commandLine {
		slices.SortStableFunc(plain, func(a, b choice) int { return cmp.Compare(b.option.order, a.option.order) })
	}
	if s.global {
		// Only the engine is chosen for the defaults too: their engine options are for it.
		choices = slices.DeleteFunc(slices.Clone(choices), func(c setting) bool { return c.key != "ioengine" })
		sort(choices, true)
	} else {
		sort(b.set, true)
		sort(choices, true)
	}
	declared := d.Engine
	for _, c := range plain {
		b.store(d, s, c)
		if c.option.Name == "ioengine" && !c.override {
			declared = d.Engine
		}
	}
	for _, c := range ofEngine {
		b.storeEngineOption(d, s, c, declared)
	}
}

// resolve finds the option of a setting, or reports that there is none.
func (b *builder) resolve(given setting, s *section, fromFile bool) (choice, bool) {
	if fromFile {
		line, missing, err := substitute(given.line, b.lookup)
		for _, name := range missing {
			b.notes.add("%s: ${%s} is not set in the environment; it stands for nothing", given.source, name)
		}
		if err != nil {
			b.fail(&Error{given.source, s.name, given.line, err})
			return choice{}, false
		}
		given = newSetting(line, given.source)
	}
	option := Lookup(given.key)
	if option == nil {
		text := ErrUnknown.Error() + suggestion(nearestOption(given.key))
		b.fail(&Error{given.source, s.name, given.line, &reasonError{ErrUnknown, text}})
		return choice{}, false
	}
	return choice{setting: given, option: option}, true
}

func (b *builder) store(d *draft, s *section, c choice) {
	if err := b.tryStore(d, c); err != nil {
		b.fail(&Error{c.source, s.name, c.line, err})
	}
}

func (b *builder) tryStore(d *draft, c choice) error {
	if c.option.Class == Refused {
		return &reasonError{ErrRefused, "refused: " + c.option.Why}
	}
	v, err := c.option.parse(c.value, c.bare, d.KBBase)
	if err != nil {
		return err
	}
	if c.override {
		d.forget(c.option)
	}
	if c.option.Class == Inert {
		b.noteInert(c.option)
	}
	if c.option.store != nil {
		if err := c.option.store(d, v); err != nil {
			return err
		}
	}
	d.given[c.option.Name] = true
	d.Given = append(d.Given, Setting{Name: c.option.Name, Value: strings.TrimSpace(c.value), Bare: c.bare, Source: c.source})
	return nil
}

// forget takes back what earlier settings would keep an override from having its effect.
func (d *draft) forget(option *Option) {
	names := []string{option.Name}
	switch option.Name {
	case "filename":
		d.Filenames = nil
	case "bs", "bsrange", "bssplit":
		names = []string{"bs", "bsrange", "bssplit"}
		d.BlockSize, d.BlockSplit = [Directions]Range{}, [Directions][]SizeMix{}
	}
	for _, list := range []*[]Setting{&d.Given, &d.Globals} {
		*list = slices.DeleteFunc(slices.Clone(*list), func(s Setting) bool { return slices.Contains(names, s.Name) })
	}
}

func (b *builder) noteInert(option *Option) {
	if !slices.Contains(b.inert, option) {
		b.inert = append(b.inert, option)
	}
}

// storeEngineOption skips options of other engines when --engine has replaced the section's. An option of --set or
// --matrix is for the jobs whose engine has it.
func (b *builder) storeEngineOption(d *draft, s *section, c choice, declared EngineOptions) {
	switch {
	case c.option.knownWith(d.Engine):
		b.store(d, s, c)
		if c.override {
			b.taken = append(b.taken, c.option)
		}
	case c.override:
	case !c.option.knownWith(declared) && !slices.ContainsFunc(b.engines, c.option.knownWith):
		text := fmt.Sprintf("engine %s does not have this option; it belongs to %s", d.Engine.Name, engineNames(c.option))
		b.fail(&Error{c.source, s.name, c.line, &reasonError{ErrRefused, text}})
	}
}

// checkTaken refuses options of --set and --matrix that no job's engine has.
func (b *builder) checkTaken(given []setting) {
	for _, s := range given {
		if option := Lookup(s.key); option.Engines != nil && !slices.Contains(b.taken, option) {
			text := "no job runs on an engine that has this option; it belongs to " + engineNames(option)
			b.fail(&Error{Setting: s.line, Err: &reasonError{ErrRefused, text}})
		}
	}
}

func engineNames(option *Option) string {
	names := make([]string, len(option.Engines))
	for i, engine := range option.Engines {
		names[i] = engine.String()
	}
	return strings.Join(names, " and ")
}

// at is where the job was given an option, or where it begins.
func (d *draft) at(name string) *Error {
	for _, list := range [][]Setting{d.Given, d.Globals} {
		for _, s := range slices.Backward(list) {
			if s.Name == name {
				return &Error{Source: s.Source, Section: d.Section, Setting: s.text()}
			}
		}
	}
	return &Error{Source: d.Source, Section: d.Section}
}

func (s Setting) text() string {
	if s.Bare {
		return s.Name
	}
	return s.Name + "=" + s.Value
}

// wrong reports an error that comes from what an option has been given.
func (b *builder) wrong(d *draft, option, format string, args ...any) {
	e := d.at(option)
	e.Err = fmt.Errorf(format, args...)
	b.fail(e)
}

// corrected notes that a value was changed, as fio does; with --warnings-fatal that is an error.
func (b *builder) corrected(d *draft, option, format string, args ...any) {
	e := d.at(option)
	e.Err = fmt.Errorf(format, args...)
	if b.strict {
		b.fail(e)
		return
	}
	b.notes.add("%s", e)
}

// relate sets what depends on other jobs: groups, waits, and exitall, which is for the whole run.
func (b *builder) relate(jobs []*Job) {
	group, inGroup := 0, 0
	first := map[int]*Job{}
	for i, job := range jobs {
		if (job.Stonewall || job.NewGroup) && inGroup > 0 {
			group, inGroup = group+1, 0
		}
		job.Group = group
		inGroup++
		if err := checkWait(job, jobs[:i]); err != nil {
			b.fail(&Error{Source: job.Source, Section: job.Section, Setting: "wait_for=" + job.WaitFor, Err: err})
		}
		if first[group] == nil {
			first[group] = job
		}
		if job.GroupReporting && job.Stats && job.Latencies.LatPercentiles != first[group].Latencies.LatPercentiles {
			b.fail(&Error{Source: job.Source, Section: job.Section, Setting: "lat_percentiles",
				Err: fmt.Errorf("differs from job %s of the same group, whose report it shares", first[group].Name)})
		}
	}
	if slices.ContainsFunc(jobs, func(job *Job) bool { return job.ExitAll }) {
		for _, job := range jobs {
			job.ExitAll = true
		}
	}
}

func checkWait(job *Job, before []*Job) error {
	if job.WaitFor == "" {
		return nil
	}
	if job.WaitFor == job.Section {
		return errors.New("a job cannot wait for itself")
	}
	found := 0
	for _, other := range before {
		if other.Name == job.WaitFor {
			found++
		}
	}
	switch found {
	case 0:
		return errors.New("no job of this name stands before")
	case 1:
		return nil
	}
	return fmt.Errorf("%d jobs of this name stand before; names must differ for wait_for", found)
}
