// SPDX-License-Identifier: MIT

package jobfile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// argument says whether an option of the run takes a value.
type argument int

const (
	none argument = iota
	optional
	required
)

// A RunFlag is an option of the command line that is for the run, not for a job.
type RunFlag struct {
	Name     string
	Form     string // of the value; "" takes none
	Class    Class
	Help     string
	Why      string // as of an Option
	Ours     bool
	argument argument
	apply    func(*commandLine, string) error
}

// RunFlags are the options of the run. It must not be changed.
func RunFlags() []*RunFlag { return runFlags }

var runFlagByName = map[string]*RunFlag{}

var runFlags []*RunFlag

func init() { // Not where they are declared: their functions look names up.
	runFlags = append(planFlags(), refusedFlags()...)
	for _, flag := range runFlags {
		if flag.argument == none && flag.Form != "" {
			flag.argument = required
			if strings.HasPrefix(flag.Form, "[") {
				flag.argument = optional
			}
		}
		why := flag.Why
		switch {
		case flag.Class == Refused:
			flag.apply = func(*commandLine, string) error { return &reasonError{ErrRefused, "refused: " + why} }
		case flag.Class == Inert:
			flag.apply = func(*commandLine, string) error { return nil }
		}
		runFlagByName[flag.Name] = flag
	}
}

func planFlags() []*RunFlag {
	return []*RunFlag{
		{Name: "parse-only", Help: "check the jobs, run nothing", apply: set(func(c *commandLine) { c.plan.ParseOnly = true })},
		{Name: "showcmd", Help: "print job files as command lines, run nothing",
			apply: set(func(c *commandLine) { c.plan.ShowCmd = true })},
		{Name: "readonly", Help: "refuse jobs that write", apply: set(func(c *commandLine) { c.plan.ReadOnly = true })},
		{Name: "section", Form: "NAME", Help: "run only this section of the job files; may be given again",
			apply: applySection},
		{Name: "set", Form: "OPTION=VALUE", Ours: true,
			Help: "give every job this option, above its own; may be given again", apply: applySet},
		{Name: "engine", Form: "ENGINE,...", Ours: true,
			Help: "run all jobs on each of these engines instead of their own, in turns, and compare", apply: applyEngine},
		{Name: "matrix", Form: "OPTION=VALUE,...", Ours: true,
			Help: "run all jobs with each of these values; given again, with each combination", apply: applyMatrix},
		{Name: "repeats", Form: "N", Ours: true, Help: "run everything so many times, in turns, and report medians",
			apply: applyRepeats},
		{Name: "preset", Form: "NAME", Ours: true, Help: "jobs for those who have no job file: " + presetNames(),
			apply: applyPreset},
		{Name: "backend", Form: "BACKEND", Ours: true, Help: "how engine ringo does its I/O: auto, uring, threads",
			apply: func(c *commandLine, value string) error { c.plan.Backend = value; return nil }},

		{Name: "output", Form: "FILE", Help: "write the report to this file",
			apply: func(c *commandLine, value string) error { c.plan.Report.Output = value; return nonEmpty(value) }},
		{Name: "output-format", Form: "FORMAT,...", Help: "forms of the report: normal, json, json+ or terse", apply: applyFormat},
		{Name: "minimal", Help: "the same as --output-format=terse", apply: set(func(c *commandLine) {
			c.plan.Report.Formats = []Format{FormatTerse}
		})},
		{Name: "append-terse", Form: "[X]", Help: "terse output behind the others",
			apply: set(func(c *commandLine) { c.plan.Report.AppendTerse = true })},
		{Name: "terse-version", Form: "N", Help: "version of terse output: 2 to 5 (3)", apply: applyTerseVersion},
		{Name: "report", Form: "FILE.html", Ours: true, Help: "write a page with charts to this file",
			apply: func(c *commandLine, value string) error { c.plan.Report.HTML = value; return nonEmpty(value) }},
		{Name: "output-dir", Form: "DIR", Ours: true,
			Help:  "write the JSON of each arm and repeat below this directory, as plotters of sweeps expect it",
			apply: func(c *commandLine, value string) error { c.plan.Report.Directory = value; return nonEmpty(value) }},
		{Name: "eta", Form: "WHEN", Help: "show the status line: auto (on a terminal), always, never", apply: applyETA},
		{Name: "eta-interval", Form: "TIME", Help: "renew it so often (1s)",
			apply: applyTime(250*time.Millisecond, func(r *ReportOptions) *time.Duration { return &r.ETAInterval })},
		{Name: "eta-newline", Form: "TIME", Help: "begin a new line so often",
			apply: applyTime(time.Millisecond, func(r *ReportOptions) *time.Duration { return &r.ETANewline })},
		{Name: "status-interval", Form: "TIME", Help: "print a full report so often",
			apply: applyTime(time.Millisecond, func(r *ReportOptions) *time.Duration { return &r.StatusInterval })},
		{Name: "bandwidth-log", Help: "log the bandwidth of all jobs together to agg-read_bw.log and so on",
			apply: set(func(c *commandLine) { c.plan.Report.BandwidthLog = "agg" })},
		{Name: "warnings-fatal", Help: "refuse jobs whose values would have to be corrected",
			apply: set(func(c *commandLine) { c.strict = true })},
		{Name: "help", Help: "print a summary of options", apply: set(func(c *commandLine) { c.plan.Print = Usage() })},
		{Name: "cmdhelp", Form: "[OPTION]", Help: "print what an option of jobs does, or all", apply: applyCommandHelp},
		{Name: "enghelp", Form: "[ENGINE]", Help: "print the engines, or the options of one", apply: applyEngineHelp},
		{Name: "version", Help: "print ringo's version", apply: set(func(c *commandLine) { c.plan.Version = true })},
	}
}

func refusedFlags() []*RunFlag {
	const noServer = "there are no clients and servers; run it there by ssh(1)"
	const noTrigger = "triggers are not supported"
	return []*RunFlag{
		{Name: "max-jobs", Form: "N", Class: Inert, Help: "room for so many jobs", Why: "there is room for all"},
		{Name: "alloc-size", Form: "KIB", Class: Inert, Help: "size of a memory pool", Why: "there is no such pool"},
		{Name: "latency-log", Form: "X", Class: Refused, Help: "log latencies", Why: "fio has removed it; use write_lat_log"},
		{Name: "debug", Form: "WHAT", Class: Refused, Help: "debug fio", Why: "it shows what goes on inside fio"},
		{Name: "profile", Form: "NAME", Class: Refused, Help: "run a profile of fio's", Why: whyProfile},
		{Name: "inflate-log", Form: "FILE", Class: Refused, Help: "unpack a compressed log", Why: "logs are not compressed"},
		{Name: "idle-prof", Form: "WHAT", Class: Refused, Help: "measure idle processors", Why: "use mpstat(1) beside it"},
		{Name: "server", Form: "[ARGS]", Class: Refused, Help: "serve jobs", Why: noServer},
		{Name: "daemonize", Form: "FILE", Class: Refused, Help: "serve in the background", Why: noServer},
		{Name: "client", Form: "HOST", Class: Refused, Help: "run jobs elsewhere", Why: noServer},
		{Name: "remote-config", Form: "FILE", Class: Refused, Help: "the server's job file", Why: noServer},
		{Name: "trigger-file", Form: "FILE", Class: Refused, Help: "what triggers", Why: noTrigger},
		{Name: "trigger-timeout", Form: "TIME", Class: Refused, Help: "when to trigger", Why: noTrigger},
		{Name: "trigger", Form: "COMMAND", Class: Refused, Help: "what to run then", Why: noTrigger},
		{Name: "trigger-remote", Form: "COMMAND", Class: Refused, Help: "what to run elsewhere then", Why: noTrigger},
		{Name: "aux-path", Form: "DIR", Class: Refused, Help: "directory for fio's own files", Why: "there are none"},
		{Name: "merge-blktrace-only", Class: Refused, Help: "merge traces", Why: whyNoReplay},
		{Name: "cpuclock-test", Class: Refused, Help: "test the processor's clock", Why: "that clock is not used"},
		{Name: "crctest", Form: "[TYPE]", Class: Refused, Help: "measure checksums", Why: "run fio for that"},
		{Name: "memcpytest", Form: "[TYPE]", Class: Refused, Help: "measure memcpy", Why: "run fio for that"},
	}
}

func (r *ReportOptions) setDefaults() {
	r.Formats, r.TerseVersion, r.ETAInterval = []Format{FormatNormal}, 3, time.Second
}

// set makes the apply of an option without a value.
func set(change func(*commandLine)) func(*commandLine, string) error {
	return func(c *commandLine, _ string) error {
		change(c)
		return nil
	}
}

func nonEmpty(value string) error {
	if value == "" {
		return errors.New("is empty")
	}
	return nil
}

func applySection(c *commandLine, value string) error {
	if value == "global" {
		return errors.New("global sections apply to all others and cannot be run alone")
	}
	c.only = append(c.only, value)
	return nil
}

func applySet(c *commandLine, value string) error {
	s := newSetting(value, Position{})
	s.line = "--set " + value
	option := Lookup(s.key)
	if option == nil {
		return &reasonError{ErrUnknown, ErrUnknown.Error() + " " + s.key + suggestion(nearestOption(s.key))}
	}
	s.key = option.Name
	c.set = append(c.set, s)
	return nil
}

func applyEngine(c *commandLine, value string) error {
	for _, name := range strings.Split(value, ",") {
		if _, err := parseEngine(name); err != nil {
			return err
		}
		c.engines = append(c.engines, name)
	}
	return nil
}

func applyMatrix(c *commandLine, value string) error {
	name, values, found := strings.Cut(value, "=")
	option := Lookup(name)
	switch {
	case !found || values == "":
		return errors.New("needs an option and its values, as in --matrix bs=4k,64k")
	case option == nil:
		return &reasonError{ErrUnknown, ErrUnknown.Error() + " " + name + suggestion(nearestOption(name))}
	case option.Class != Done:
		return &reasonError{ErrRefused, fmt.Sprintf("%s makes no difference here, or is not supported: %s", name, option.Why)}
	}
	for _, other := range c.matrix {
		if other.option == option {
			return fmt.Errorf("%s is in the matrix already", name)
		}
	}
	c.matrix = append(c.matrix, axis{option, strings.Split(values, ",")})
	return nil
}

func applyRepeats(c *commandLine, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > 1000 {
		return fmt.Errorf("must be a number from 1 to 1000, not %q", value)
	}
	c.plan.Repeats = n
	return nil
}

func applyPreset(c *commandLine, value string) error {
	preset := findPreset(value)
	if preset == nil {
		return fmt.Errorf("there is no preset %q; there are %s", value, presetNames())
	}
	c.preset = preset
	return nil
}

func applyFormat(c *commandLine, value string) error {
	formats := map[string]Format{"normal": FormatNormal, "json": FormatJSON, "json+": FormatJSONPlus, "terse": FormatTerse,
		"minimal": FormatTerse, "csv": FormatTerse}
	c.plan.Report.Formats = nil
	for _, name := range strings.Split(value, ",") {
		format, known := formats[name]
		if !known {
			return fmt.Errorf("there is no format %q; use normal, json, json+ or terse", name)
		}
		c.plan.Report.Formats = append(c.plan.Report.Formats, format)
	}
	return nil
}

func applyTerseVersion(c *commandLine, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 2 || n > 5 {
		return fmt.Errorf("must be a number from 2 to 5, not %q", value)
	}
	c.plan.Report.TerseVersion = n
	return nil
}

func applyETA(c *commandLine, value string) error {
	when, known := map[string]When{"auto": Auto, "always": Always, "never": Never}[value]
	if !known {
		return fmt.Errorf("must be auto, always or never, not %q", value)
	}
	c.plan.Report.ETA = when
	return nil
}

func applyTime(least time.Duration, field func(*ReportOptions) *time.Duration) func(*commandLine, string) error {
	return func(c *commandLine, value string) error {
		n, err := parseTime(value, time.Second)
		if err == nil && time.Duration(n) < least {
			err = fmt.Errorf("must be at least %v", least)
		}
		*field(&c.plan.Report) = time.Duration(n)
		return err
	}
}
