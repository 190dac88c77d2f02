// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"strings"

	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// cell keeps a bar from ending a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + cell(text) + "`"
}

func markdownRun() string {
	var out strings.Builder
	out.WriteString("\n| option | class | what |\n|---|---|---|\n")
	for _, flag := range jobfile.RunFlags() {
		what := flag.Help
		if flag.Why != "" {
			what += ": " + flag.Why
		}
		class := flag.Class.String()
		if flag.Ours {
			class = "ringo's own"
		}
		fmt.Fprintf(&out, "| %s | %s | %s |\n", code(flag.Usage()), class, cell(what))
	}
	return out.String() + "\n"
}

// each calls show for the options of a class, and begin before the first one of each group.
func each(class jobfile.Class, begin func(group string), show func(*jobfile.Option)) {
	for _, group := range jobfile.Groups {
		begun := false
		for _, option := range jobfile.Options() {
			if option.Group != group || option.Class != class {
				continue
			}
			if !begun {
				begin(group)
				begun = true
			}
			show(option)
		}
	}
}

func nothing(string) {}

func markdownOptions() string {
	var out strings.Builder
	each(jobfile.Done, func(group string) {
		fmt.Fprintf(&out, "\n#### %s\n\n| option | value | default | what |\n|---|---|---|---|\n", group)
	}, func(o *jobfile.Option) {
		names := code(o.Name)
		for _, alias := range o.Aliases {
			names += ", " + code(alias)
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", names, code(valueOf(o)), code(o.Default), cell(helpOf(o)))
	})
	return out.String() + "\n"
}

// valueOf is the form of an option's value, without a list that would be too long for a table.
func valueOf(o *jobfile.Option) string {
	if form := o.FormOf(); len(form) <= 40 {
		return form
	}
	return "NAME"
}

// helpOf adds to an option's help what the table has no column for.
func helpOf(o *jobfile.Option) string {
	help := o.Help
	if valueOf(o) == "NAME" {
		help += ": " + strings.Join(o.Values, ", ")
	}
	switch {
	case o.Ours:
		help += "; ringo's own, with engine ringo"
	case o.Engines != nil:
		var names []string
		for _, engine := range o.Engines {
			names = append(names, engine.String())
		}
		help += "; with engine " + strings.Join(names, " or ")
	}
	return help
}

func markdownInert() string {
	var out strings.Builder
	out.WriteString("\n| option | default | what | why it changes nothing |\n|---|---|---|---|\n")
	each(jobfile.Inert, nothing, func(o *jobfile.Option) {
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", code(o.Name), code(o.Default), cell(o.Help), cell(o.Why))
	})
	return out.String() + "\n"
}

func markdownRefused() string {
	var out strings.Builder
	out.WriteString("\n| option | what | why it is refused |\n|---|---|---|\n")
	each(jobfile.Refused, nothing, func(o *jobfile.Option) {
		fmt.Fprintf(&out, "| %s | %s | %s |\n", code(o.Name), cell(o.Help), cell(o.Why))
	})
	return out.String() + "\n"
}

func markdownEngines() string {
	var out strings.Builder
	out.WriteString("\n| engine | what |\n|---|---|\n")
	for _, engine := range jobfile.EngineHelp() {
		fmt.Fprintf(&out, "| %s | %s |\n", code(engine[0]), cell(engine[1]))
	}
	return out.String() + "\n"
}

func markdownPresets() string {
	var out strings.Builder
	out.WriteString("\n| preset | what |\n|---|---|\n")
	for _, preset := range jobfile.Presets() {
		fmt.Fprintf(&out, "| %s | %s |\n", code(preset.Name), cell(preset.Help))
	}
	return out.String() + "\n"
}
