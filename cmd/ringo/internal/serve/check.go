// SPDX-License-Identifier: MIT

package serve

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/ringo-io/ringo/cmd/ringo/internal/sandbox"
)

// Check says what would keep the settings from being served, or prints what is in force, as a configuration that would
// give the same. It opens no sockets and no logs.
func (s *Settings) Check(flags *pflag.FlagSet, to io.Writer) error {
	if err := s.check(); err != nil {
		return err
	}
	if err := s.server().Check(); err != nil {
		return err
	}
	if _, err := s.credential(); err != nil {
		return err
	}
	backend := s.Backend
	if err := s.settleBackend(); err != nil {
		return err
	}
	s.completeMaxConns()
	var text strings.Builder
	fmt.Fprintf(&text, "dir = %s%s\n", quote(s.Dir), s.origin(dirName, true))
	flags.VisitAll(func(flag *pflag.Flag) {
		switch {
		case slices.Contains(notConfigurable, flag.Name):
		case flag.Name == "backend":
			fmt.Fprintf(&text, "backend = %s%s\n", quote(backend), s.origin(flag.Name, flag.Changed))
		default:
			fmt.Fprintf(&text, "%s = %s%s\n", flag.Name, tomlOf(flag.Value), s.origin(flag.Name, flag.Changed))
		}
	})
	abilities := sandbox.Probe()
	fmt.Fprintf(&text, "\n# The backend is %s. The kernel has landlock version %d; seccomp: %v.\n", s.Backend,
		abilities.Landlock, abilities.Seccomp)
	_, err := io.WriteString(to, text.String())
	return err
}

// origin says, in a comment, where a setting comes from.
func (s *Settings) origin(name string, given bool) string {
	if where, configured := s.origins[name]; configured {
		return "  # " + where
	}
	if given {
		return "  # command line"
	}
	return ""
}

// tomlOf is a flag's value in TOML.
func tomlOf(value pflag.Value) string {
	if list, many := value.(pflag.SliceValue); many {
		var quoted []string
		for _, item := range list.GetSlice() {
			quoted = append(quoted, quote(item))
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	switch value.Type() {
	case "bool", "int", "int64":
		return value.String()
	}
	return quote(value.String())
}

// quote makes a basic string of TOML, whose escapes are some of Go's.
func quote(text string) string {
	var quoted strings.Builder
	quoted.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			quoted.WriteByte('\\')
			quoted.WriteRune(r)
		case strconv.IsPrint(r):
			quoted.WriteRune(r)
		default:
			fmt.Fprintf(&quoted, "\\U%08X", r)
		}
	}
	quoted.WriteByte('"')
	return quoted.String()
}
