// SPDX-License-Identifier: MIT

package jobfile

import "strings"

// commands gives each job file as a command line, as --showcmd prints it.
func commands(b *builder, files int) []string {
	if len(b.errs) > 0 {
		return nil
	}
	lines := make([]string, files)
	inJob := make([]bool, files)
	for i := range lines {
		lines[i] = "ringo bench"
	}
	for i, s := range b.sections {
		if s.commandLine || s.file >= files { // Or of a preset.
			continue
		}
		switch {
		case !s.global:
			lines[s.file] += " --name=" + shellQuote(s.name)
			inJob[s.file] = true
		case inJob[s.file]:
			lines[s.file] += " --name=global"
		}
		for _, given := range b.given[i] {
			lines[s.file] += " --" + given.Name
			if !given.Bare {
				lines[s.file] += "=" + shellQuote(given.Value)
			}
		}
	}
	return lines
}

// shellQuote leaves plain words as they are.
func shellQuote(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-"
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
