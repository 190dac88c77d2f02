// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"strings"

	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// The macros of mdoc(7) end at the end of their line, and read words of two letters as macros of their own. So text
// stands on lines of its own, and names are escaped.

// plain keeps a line of text from being read as a request, and a backslash from being an escape.
func plain(text string) string {
	text = strings.ReplaceAll(text, `\`, `\e`)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

// word makes one argument of a macro.
func word(text string) string {
	return `"` + strings.ReplaceAll(plain(text), `"`, `""`) + `"`
}

// sentence ends a help as the pages end theirs.
func sentence(text string) string {
	return plain(strings.ToUpper(text[:1])+text[1:]) + ".\n"
}

func manRun() string {
	var out strings.Builder
	out.WriteString(".Bl -tag -width Ds\n")
	for _, flag := range jobfile.RunFlags() {
		if flag.Class == jobfile.Refused {
			continue
		}
		fmt.Fprintf(&out, ".It Li %s\n%s", word(flag.Usage()), sentence(flag.Help))
		if flag.Class == jobfile.Inert {
			out.WriteString("It changes nothing: " + plain(flag.Why) + ".\n")
		}
	}
	return out.String() + ".El\n"
}

func manOptions() string {
	var out strings.Builder
	open := false
	each(jobfile.Done, func(group string) {
		if open {
			out.WriteString(".El\n")
		}
		open = true
		fmt.Fprintf(&out, ".Ss %s\n.Bl -tag -width Ds\n", group)
	}, func(o *jobfile.Option) {
		fmt.Fprintf(&out, ".It Li %s\n%s", word(o.Name+"="+valueOf(o)), sentence(helpOf(o)))
		if o.Aliases != nil {
			fmt.Fprintf(&out, "Also called %s.\n", strings.Join(o.Aliases, ", "))
		}
		if o.Default != "" {
			fmt.Fprintf(&out, "The default is\n.Li %s .\n", word(o.Default))
		}
	})
	return out.String() + ".El\n"
}

// manShort is a list of options with a reason each.
func manShort(class jobfile.Class) string {
	var out strings.Builder
	out.WriteString(".Bl -tag -width Ds\n")
	each(class, nothing, func(o *jobfile.Option) {
		fmt.Fprintf(&out, ".It Li %s\n%s%s", word(o.Name), sentence(o.Help), sentence(o.Why))
	})
	return out.String() + ".El\n"
}

func manInert() string { return manShort(jobfile.Inert) }

func manRefused() string {
	var out strings.Builder
	out.WriteString(manShort(jobfile.Refused))
	out.WriteString(".Pp\nOf the options of the run these are refused:\n")
	var names []string
	for _, flag := range jobfile.RunFlags() {
		if flag.Class == jobfile.Refused {
			names = append(names, "--"+flag.Name)
		}
	}
	out.WriteString(strings.Join(names, ",\n") + ".\n")
	return out.String()
}

// manPairs is a list of names and what they are.
func manPairs(pairs [][2]string) string {
	var out strings.Builder
	out.WriteString(".Bl -tag -width fio:ENGINE\n")
	for _, pair := range pairs {
		fmt.Fprintf(&out, ".It Li %s\n%s", word(pair[0]), sentence(pair[1]))
	}
	return out.String() + ".El\n"
}

func manEngines() string { return manPairs(jobfile.EngineHelp()) }

func manPresets() string {
	var pairs [][2]string
	for _, preset := range jobfile.Presets() {
		pairs = append(pairs, [2]string{preset.Name, preset.Help})
	}
	return manPairs(pairs)
}
