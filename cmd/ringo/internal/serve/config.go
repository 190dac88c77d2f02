// SPDX-License-Identifier: MIT

package serve

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/pflag"

	"github.com/ringo-io/ringo/cmd/ringo/internal/report"
)

// A configuration is TOML: the names of the flags, each with a value or a list of values, and dir. It is read through
// the parser beneath the module's decoder, for only that tells the line of each value.

// notConfigurable are the flags that make no sense in a configuration.
var notConfigurable = []string{"config", "check", "help"}

// dirName is what DIR is called in a configuration.
const dirName = "dir"

// A configured is one line of a configuration.
type configured struct {
	name   string
	values []string
	kind   unstable.Kind // of the value, or of those in a list
	list   bool
}

// Configure reads a configuration. Flags that were given on the command line win; so does a Dir that is set.
func (s *Settings) Configure(file string, flags *pflag.FlagSet) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return &report.Failure{What: "cannot read the configuration", Path: file, Why: err}
	}
	s.origins = map[string]string{}
	p := new(unstable.Parser)
	p.Reset(text)
	for p.NextExpression() {
		expression := p.Expression()
		where := fmt.Sprintf("%s:%d", file, lineOf(p, expression))
		if err := s.configure(where, expression, flags); err != nil {
			return UsageError{fmt.Errorf("%s: %w", where, err)}
		}
	}
	if err := p.Error(); err != nil {
		where := file
		if in := new(unstable.ParserError); errors.As(err, &in) {
			where = fmt.Sprintf("%s:%d", file, p.Shape(p.Range(in.Highlight)).Start.Line)
		}
		return UsageError{fmt.Errorf("%s: no TOML: %w", where, err)}
	}
	return nil
}

// Origin is FILE:LINE of a setting that the configuration has set, else empty.
func (s *Settings) Origin(name string) string { return s.origins[name] }

// lineOf is the line of an expression's first name.
func lineOf(p *unstable.Parser, expression *unstable.Node) int {
	names := expression.Key()
	names.Next()
	return p.Shape(names.Node().Raw).Start.Line
}

func (s *Settings) configure(where string, expression *unstable.Node, flags *pflag.FlagSet) error {
	line, err := configuredBy(expression)
	if err != nil {
		return err
	}
	if first, again := s.origins[line.name]; again {
		return fmt.Errorf("%s is set already, in %s", line.name, first)
	}
	if line.name == dirName {
		if line.list || line.kind != unstable.String {
			return errors.New("dir must be a string")
		}
		if s.Dir == "" {
			s.Dir, s.origins[dirName] = line.values[0], where
		}
		return nil
	}
	flag := flags.Lookup(line.name)
	if flag == nil || slices.Contains(notConfigurable, line.name) {
		return fmt.Errorf("there is no setting %s; the nearest is %s", line.name, nearest(line.name, settingNames(flags)))
	}
	if flag.Changed {
		return nil // The command line wins.
	}
	s.origins[line.name] = where
	return line.setFlag(flag)
}

// configuredBy takes an expression of TOML apart.
func configuredBy(expression *unstable.Node) (*configured, error) {
	var names []string
	for key := expression.Key(); key.Next(); {
		names = append(names, string(key.Node().Data))
	}
	name := strings.Join(names, ".")
	if expression.Kind != unstable.KeyValue || len(names) != 1 {
		return nil, fmt.Errorf("%s is a table; settings are in none", name)
	}
	line := &configured{name: name}
	value := expression.Value()
	if value.Kind != unstable.Array {
		line.kind = value.Kind
		line.values = []string{string(value.Data)}
		return line, nil
	}
	line.list = true
	line.kind = unstable.String
	for items := value.Children(); items.Next(); {
		item := items.Node()
		if item.Kind == unstable.Comment {
			continue
		}
		if item.Kind != unstable.String {
			line.kind = item.Kind // which is refused for any list
		}
		line.values = append(line.values, string(item.Data))
	}
	return line, nil
}

// setFlag sets a flag as if it were given with the line's values.
func (line *configured) setFlag(flag *pflag.Flag) error {
	wanted, kind := "a string", unstable.String
	switch flag.Value.Type() {
	case "bool":
		wanted, kind = "true or false", unstable.Bool
	case "int", "int64":
		wanted, kind = "a number", unstable.Integer
	}
	list, takesMany := flag.Value.(pflag.SliceValue)
	if takesMany {
		wanted = "a string, or a list of them"
	}
	if line.kind != kind || line.list && !takesMany {
		return fmt.Errorf("%s must be %s", line.name, wanted)
	}
	var err error
	switch {
	case takesMany:
		err = list.Replace(line.values)
	case kind == unstable.Integer:
		err = flag.Value.Set(strings.ReplaceAll(line.values[0], "_", ""))
	default:
		err = flag.Value.Set(line.values[0])
	}
	if err != nil {
		return fmt.Errorf("%s is %q: %w", line.name, strings.Join(line.values, ", "), err)
	}
	return nil
}

// settingNames are the names that a configuration can have.
func settingNames(flags *pflag.FlagSet) []string {
	names := []string{dirName}
	flags.VisitAll(func(flag *pflag.Flag) {
		if !slices.Contains(notConfigurable, flag.Name) {
			names = append(names, flag.Name)
		}
	})
	return names
}

// nearest is the name that takes the fewest changes of a letter.
func nearest(name string, names []string) string {
	return slices.MinFunc(names, func(a, b string) int { return distance(name, a) - distance(name, b) })
}

// distance is the Levenshtein distance, row by row.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
