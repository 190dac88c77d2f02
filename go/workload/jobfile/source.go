// SPDX-License-Identifier: MIT

package jobfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A section is the lines below a [name], or the words of a command line from one --name to the next.
type section struct {
	name        string
	global      bool
	source      Position
	settings    []setting
	file        int  // which job file: global sections apply to their own file alone
	commandLine bool //
	afterFile   bool // the first job of a file that is not the first one: it waits for those before
}

// A setting is a line "option=value" or a word "--option=value", not yet looked at.
type setting struct {
	line   string // as it stands there, without comment
	key    string
	value  string
	bare   bool // without "="
	source Position
}

// limits against files that are no job files.
const (
	maxFileBytes = 1 << 20
	maxBytes     = 16 << 20 // of all files together
	maxNesting   = 16       // of includes
	maxIncludes  = 1000
	maxSections  = 4096
)

// A reader reads job files into sections.
type reader struct {
	stdin    io.Reader
	only     []string // --section: the names to read; nil: all
	sections []section
	notes    *notes
	errs     []error
	bytes    int // read so far
	includes int
	stopped  bool // one of the limits is passed
}

// readFile reads a job file; "-" is stdin.
func (r *reader) readFile(name string, index int) {
	lines, err := r.lines(name)
	if err != nil {
		r.errs = append(r.errs, err)
		return
	}
	if name == "-" {
		name = "(stdin)"
	}
	f := fileReader{reader: r, name: name, index: index, chain: []string{name}}
	f.read(lines)
}

func (r *reader) lines(name string) ([]string, error) {
	var text []byte
	var err error
	if name == "-" {
		text, err = io.ReadAll(io.LimitReader(r.stdin, maxFileBytes+1))
	} else {
		text, err = readNamed(name)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read job file %s: %w", name, err)
	case len(text) > maxFileBytes:
		return nil, fmt.Errorf("%s is larger than %d MiB, it cannot be a job file", name, maxFileBytes>>20)
	case r.bytes+len(text) > maxBytes:
		r.stopped = true
		return nil, fmt.Errorf("%s and the files before it have more than %d MiB together", name, maxBytes>>20)
	case bytes.IndexByte(text, 0) >= 0:
		return nil, fmt.Errorf("%s holds a byte 0, it cannot be a job file", name)
	}
	r.bytes += len(text)
	return strings.Split(string(text), "\n"), nil
}

func readNamed(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, plainReason(err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	return text, plainReason(err)
}

// plainReason leaves out the operation and the path, which the message has already.
func plainReason(err error) error {
	var inPath *os.PathError
	if errors.As(err, &inPath) {
		return inPath.Err
	}
	return err
}

// A fileReader reads one job file and what it includes.
type fileReader struct {
	*reader
	name    string
	index   int
	chain   []string // of the files being read, outermost first
	section *section // the current one; nil before the first and in one that is not wanted
	started bool     // a section has begun
}

func (f *fileReader) fail(at Position, line string, err error) {
	e := &Error{Source: at, Setting: line, Err: err}
	if f.section != nil {
		e.Section = f.section.name
	}
	f.errs = append(f.errs, e)
}

func (f *fileReader) read(lines []string) {
	for i, raw := range lines {
		at := Position{File: f.chain[len(f.chain)-1], Line: i + 1}
		line := strings.TrimFunc(stripComment(raw), isBlank)
		switch {
		case f.stopped:
			return
		case line == "":
		case line[0] == '[':
			f.begin(at, line)
		case !f.started:
			f.fail(at, line, errors.New("stands before the first [section]"))
		case f.section == nil: // Of a section that is not wanted.
		case isInclude(line):
			f.include(at, line)
		default:
			f.add(at, raw, line)
		}
	}
}

// stripComment cuts at the first ; or #, wherever it stands, as fio does.
func stripComment(line string) string {
	if cut := strings.IndexAny(line, ";#"); cut >= 0 {
		return line[:cut]
	}
	return line
}

func isBlank(r rune) bool { return r <= ' ' || r == 0x7f }

func (f *fileReader) begin(at Position, line string) {
	if len(f.chain) > 1 {
		f.fail(at, line, errors.New("an included file cannot begin a section"))
		return
	}
	f.started = true
	f.section = nil
	name, closed := strings.CutSuffix(line[1:], "]")
	if !closed || name == "" {
		f.fail(at, line, errors.New("the name of a section stands in brackets: [name]"))
		return
	}
	global := strings.HasPrefix(name, "global")
	if !global && f.only != nil && !slices.Contains(f.only, name) {
		return
	}
	if len(f.sections) == maxSections {
		f.fail(at, line, fmt.Errorf("there are more than %d sections", maxSections))
		return
	}
	s := section{name: name, global: global, source: at, file: f.index}
	if !global && f.index > 0 {
		s.afterFile = !slices.ContainsFunc(f.sections, func(s section) bool { return s.file == f.index && !s.global })
	}
	f.sections = append(f.sections, s)
	f.section = &f.sections[len(f.sections)-1]
}

func (f *fileReader) add(at Position, raw, line string) {
	if cut := strings.IndexAny(raw, ";#"); cut > 0 && !isBlank(rune(raw[cut-1])) {
		f.notes.add("%s: what follows %q is a comment; the line ends before it: %s", at, raw[cut:cut+1], line)
	}
	f.section.settings = append(f.section.settings, newSetting(line, at))
}

func newSetting(line string, at Position) setting {
	key, value, found := strings.Cut(line, "=")
	return setting{line: line, key: strings.TrimSpace(key), value: value, bare: !found, source: at}
}

func isInclude(line string) bool {
	rest, found := strings.CutPrefix(line, "include")
	return found && (rest == "" || isBlank(rune(rest[0])) || rest[0] == '=')
}

// include reads the lines of another file into the current section. A relative name is of the working directory, or
// else of the including file's.
func (f *fileReader) include(at Position, line string) {
	name := strings.TrimFunc(strings.TrimPrefix(strings.TrimPrefix(line, "include"), "="), isBlank)
	if name == "" {
		f.fail(at, line, errors.New("names no file"))
		return
	}
	if _, err := os.Stat(name); err != nil && !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(f.chain[len(f.chain)-1]), name)
	}
	chain := append(slices.Clone(f.chain), name)
	if slices.ContainsFunc(f.chain, func(file string) bool { return sameFile(file, name) }) {
		f.fail(at, line, fmt.Errorf("the files include each other in a circle: %s", strings.Join(chain, " > ")))
		return
	}
	if f.includes++; len(chain) > maxNesting || f.includes > maxIncludes {
		f.stopped = true
		f.fail(at, line, fmt.Errorf("too much is included; the limits are %d files, %d deep", maxIncludes, maxNesting))
		return
	}
	lines, err := f.lines(name)
	if err != nil {
		f.fail(at, line, err)
		return
	}
	outer := f.chain
	f.chain = chain
	f.read(lines)
	f.chain = outer
}

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// notes are what the user should know, each once.
type notes struct {
	list []string
	said map[string]bool
}

func (n *notes) add(format string, args ...any) {
	if n.said == nil {
		n.said = map[string]bool{}
	}
	if note := onOneLine(fmt.Sprintf(format, args...)); !n.said[note] {
		n.said[note] = true
		n.list = append(n.list, note)
	}
}
