// SPDX-License-Identifier: MIT

// Command document writes what docs/bench.md and docs/man/ringo-bench.1 say of options, from the table of options
// itself. It replaces what stands between the lines that mark a part, and its test fails where they are not the same.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A page is a file with parts that are written from the table.
type page struct {
	name  string
	begin string // the line before a part, with the part's name for %s
	end   string // the line behind it
	parts map[string]func() string
}

var pages = []page{
	{"docs/bench.md", "<!-- begin %s: written by make docs -->", "<!-- end %s -->", map[string]func() string{
		"run": markdownRun, "options": markdownOptions, "inert": markdownInert, "refused": markdownRefused,
		"engines": markdownEngines, "presets": markdownPresets,
	}},
	{"docs/man/ringo-bench.1", `.\" begin %s: written by make docs`, `.\" end %s`, map[string]func() string{
		"run": manRun, "options": manOptions, "inert": manInert, "refused": manRefused, "engines": manEngines,
		"presets": manPresets,
	}},
}

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	for _, p := range pages {
		name := filepath.Join(root, p.name)
		text, err := os.ReadFile(name)
		if err == nil {
			var updated string
			if updated, err = p.update(string(text)); err == nil {
				err = os.WriteFile(name, []byte(updated), 0o644)
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "document:", err)
			os.Exit(1)
		}
	}
}

// update gives the page with its parts as the table has them.
func (p page) update(text string) (string, error) {
	for part, write := range p.parts {
		begin, end := fmt.Sprintf(p.begin, part)+"\n", fmt.Sprintf(p.end, part)+"\n"
		before, rest, found := strings.Cut(text, begin)
		_, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			return "", fmt.Errorf("%s lacks the lines %q and %q", p.name, begin, end)
		}
		text = before + begin + write() + end + after
	}
	return text, nil
}
