// SPDX-License-Identifier: MIT

package jobfile

import (
	"fmt"
	"slices"
	"strings"
)

// Usage is what --help prints.
func Usage() string {
	var out strings.Builder
	out.WriteString(`Run fio's job files and command lines, on ringo and on what you would use instead.

Usage:
  ringo bench [OPTION...] JOBFILE...
  ringo bench [OPTION...] --name=NAME [JOB OPTION...]
  ringo bench --preset=NAME [JOB OPTION...]
  ringo bench compare A.json B.json

Options of the run:
`)
	for _, flag := range RunFlags() {
		if flag.Class == Done {
			fmt.Fprintf(&out, "  %-28s %s\n", flag.Usage(), flag.Help)
		}
	}
	out.WriteString("\nPresets:\n")
	for _, preset := range Presets() {
		fmt.Fprintf(&out, "  %-28s %s\n", preset.Name, preset.Help)
	}
	out.WriteString("\nOptions of jobs: --cmdhelp lists them, --cmdhelp=OPTION explains one.\n")
	return out.String()
}

// Usage is the flag with the form of its value.
func (f *RunFlag) Usage() string {
	switch f.argument {
	case none:
		return "--" + f.Name
	case optional:
		return "--" + f.Name + "[=" + strings.Trim(f.Form, "[]") + "]"
	}
	return "--" + f.Name + "=" + f.Form
}

// applyCommandHelp explains an option of jobs, or lists all.
func applyCommandHelp(c *commandLine, name string) error {
	if name != "" && name != "all" {
		option := Lookup(name)
		if option == nil {
			return &reasonError{ErrUnknown, ErrUnknown.Error() + suggestion(nearestOption(name))}
		}
		c.plan.Print = option.explain()
		return nil
	}
	var out strings.Builder
	for _, group := range Groups {
		fmt.Fprintf(&out, "%s:\n", group)
		for _, option := range options {
			if option.Group == group {
				fmt.Fprintf(&out, "  %-28s %-8s %s\n", option.Name, option.Class, option.Help)
			}
		}
	}
	c.plan.Print = out.String()
	return nil
}

func (o *Option) explain() string {
	var out strings.Builder
	line := func(what, text string) {
		if text != "" {
			fmt.Fprintf(&out, "%10s: %s\n", what, text)
		}
	}
	line(o.Name, o.Help)
	line("value", o.FormOf())
	line("values", strings.Join(o.Values, ", "))
	line("default", o.Default)
	line("also", strings.Join(o.Aliases, ", "))
	if o.Engines != nil {
		line("engines", engineNames(o))
	}
	line("class", o.Class.String())
	line("why", o.Why)
	return out.String()
}

// engineHelp is one line for each engine.
var engineHelp = []struct{ name, help string }{
	{"ringo", "rings of io_uring; io_uring is another name for this engine"},
	{"threads", "a pool of threads: how ringo works where io_uring is forbidden"},
	{"goread", "goroutines, as many as iodepth, that call ReadAt and WriteAt of an *os.File"},
	{"psync", "calls of pread(2) and pwrite(2); sync, vsync, pvsync and pvsync2 are run as this"},
	{"libaio", "calls of io_submit(2) and io_getevents(2)"},
	{"null", "no I/O at all: what the benchmark itself costs"},
	{"fio:ENGINE", "the installed fio with this engine, on the same job"},
}

// EngineHelp lists the engines: name and one line.
func EngineHelp() [][2]string {
	var list [][2]string
	for _, e := range engineHelp {
		list = append(list, [2]string{e.name, e.help})
	}
	return list
}

func applyEngineHelp(c *commandLine, name string) error {
	var out strings.Builder
	if name == "" {
		for _, e := range engineHelp {
			fmt.Fprintf(&out, "%-12s %s\n", e.name, e.help)
		}
		c.plan.Print = out.String()
		return nil
	}
	engine, err := parseEngine(name)
	if err != nil {
		return err
	}
	for _, option := range options {
		if slices.Contains(option.Engines, engine.like()) {
			fmt.Fprintf(&out, "%-24s %-8s %s\n", option.Name, option.Class, option.Help)
		}
	}
	if out.Len() == 0 {
		fmt.Fprintf(&out, "engine %s has no options of its own\n", name)
	}
	c.plan.Print = out.String()
	return nil
}
