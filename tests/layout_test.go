// Package tests holds what looks at the tree as a whole. Its one Go test keeps the rooms of
// docs/architecture.md apart, so that the map stays true without anyone remembering it.
package tests

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	root   = ".."
	module = "github.com/ringo-io/ringo/"
)

// mayImport is the plan: a room (a folder and all below it) and the rooms it may import. Only the
// rooms in outside may use packages that are neither Go's nor ours.
var (
	mayImport = map[string][]string{
		"csrc":               {},
		"go/ringo":           {"csrc"},
		"go/ringo/ringoprom": {"go/ringo"},
		"go/fileserver":      {"go/ringo"},
		"go/workload":        {"go/ringo"},
		"go/treecopy":        {"go/ringo"},
		"cmd":                {"go/fileserver", "go/workload", "go/treecopy", "go/ringo"},
		"tests":              {"go/fileserver", "go/workload", "go/treecopy", "go/ringo", "csrc"},
	}
	outside   = []string{"go/ringo/ringoprom", "go/fileserver", "go/workload", "go/treecopy", "cmd", "tests"}
	topLevel  = []string{"csrc", "go", "cmd", "tests", "docs"}
	drawers   = []string{"util", "utils", "common", "helper", "helpers", "misc"}
	generated = []string{"bin", "build"} // as .gitignore says
)

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		known := slices.Contains(topLevel, e.Name()) || slices.Contains(generated, e.Name())
		if e.IsDir() && !known && e.Name()[0] != '.' {
			t.Errorf("%s/ is not in the plan of the house", e.Name())
		}
	}
}

func TestLayersPointOneWay(t *testing.T) {
	for _, file := range filesNamed(t, ".go") {
		from := roomOf(file)
		if from == "" {
			t.Errorf("%s: is in no room of the plan", file)
			continue
		}
		for _, imported := range importsOf(t, file) {
			if reason := forbidden(file, from, imported); reason != "" {
				t.Errorf("%s: imports %s: %s", file, imported, reason)
			}
		}
	}
}

// forbidden says why a file of the room from must not import a package, or "".
func forbidden(file, from, imported string) string {
	first, _, _ := strings.Cut(imported, "/")
	ours, isOurs := strings.CutPrefix(imported, module)
	switch {
	case imported == "C":
		if file != "csrc/door.go" {
			return "csrc/door.go is the only door to C"
		}
	case isOurs:
		to := roomOf(ours + "/")
		if to != from && !slices.Contains(mayImport[from], to) {
			return fmt.Sprintf("%s may import %v of ours", from, mayImport[from])
		}
	case strings.Contains(first, ".") && !slices.Contains(outside, from):
		return from + " depends on the standard library alone"
	}
	return ""
}

// roomOf names the room of a file or a folder (which ends in a slash), or "": the innermost one.
func roomOf(name string) (room string) {
	for r := range mayImport {
		if strings.HasPrefix(name, r+"/") && len(r) > len(room) {
			room = r
		}
	}
	return room
}

func TestForbidden(t *testing.T) {
	for _, c := range []struct {
		file, imported string
		allowed        bool
	}{
		{"csrc/door.go", "C", true},
		{"csrc/ring.go", "C", false},
		{"go/ringo/file.go", "C", false},
		{"go/ringo/file.go", "io/fs", true},
		{"go/ringo/file.go", module + "csrc", true},
		{"go/ringo/file.go", module + "go/ringo/internal/slots", true},
		{"go/ringo/file.go", module + "go/fileserver", false},
		{"go/ringo/file_test.go", "golang.org/x/sys/unix", false},
		{"go/ringo/ringoprom/collector.go", "github.com/prometheus/client_golang/prometheus", true},
		{"go/ringo/ringoprom/collector.go", module + "csrc", false},
		{"go/ringo/stats.go", module + "go/ringo/ringoprom", false},
		{"go/fileserver/server.go", module + "csrc", false},
		{"go/fileserver/server.go", module + "go/workload", false},
		{"cmd/ringo/main.go", module + "go/ringo", true},
		{"cmd/ringo/main.go", module + "csrc", false},
		{"cmd/ringo/main.go", module + "cmd/ringo/internal/flags", true},
		{"cmd/ringo/main.go", module + "tests/faults", false},
		{"tests/e2e/serve_test.go", module + "cmd/ringo", false},
		{"tests/e2e/serve_test.go", module + "tests/faults", true},
	} {
		if reason := forbidden(c.file, roomOf(c.file), c.imported); (reason == "") != c.allowed {
			t.Errorf("%s imports %s: %q", c.file, c.imported, reason)
		}
	}
}

func TestIncludes(t *testing.T) {
	for _, file := range filesNamed(t, ".c", ".h", ".go") {
		for _, header := range includesOf(t, file) {
			inC := strings.HasPrefix(file, "csrc/")
			base := path.Base(header)
			switch {
			case strings.HasPrefix(header, "liburing") && file != "csrc/uring.h" && path.Dir(file) != "tests/bench/c":
				t.Errorf("%s: includes <%s>: only csrc/uring.h does, and what it is compared with", file, header)
			case base == "internal.h" && !inC && path.Dir(file) != "tests/faults":
				t.Errorf("%s: includes internal.h: outside csrc ringo.h must suffice", file)
			case strings.HasSuffix(header, ".c"):
				t.Errorf("%s: includes %s, so it does not test what is delivered", file, header)
			}
		}
		if path.Dir(file) != "tests/c" {
			continue
		}
		for _, header := range quotedIncludesOf(t, file) {
			if header != "ringo.h" && header != "check.h" {
				t.Errorf("%s: includes %q: C tests use ringo.h and check.h alone", file, header)
			}
		}
	}
}

func TestCoreBuildsOnlyOnLinux(t *testing.T) {
	for _, file := range filesNamed(t, ".c") {
		if path.Dir(file) == "csrc" && !bytes.HasPrefix(read(t, file), []byte("//go:build linux")) {
			t.Errorf("%s: the first line must be //go:build linux, or cgo compiles it elsewhere", file)
		}
	}
	for _, file := range filesNamed(t, "") {
		if strings.HasPrefix(file, "csrc/") && path.Dir(file) != "csrc" {
			t.Errorf("%s: csrc is flat, since cgo sees no folder below it", file)
		}
	}
}

// cgo compiles the core with door.go's flags, make with the Makefile's.
func TestFlagsAgree(t *testing.T) {
	door := parse(t, "csrc/door.go", parser.ParseComments|parser.ImportsOnly)
	for _, flag := range cgoFlags(door, "CFLAGS") {
		if strings.HasPrefix(flag, "-Werror") {
			t.Errorf("door.go: %s: would break the build of a user with a newer compiler", flag)
		}
		compare(t, flag, makeVariable(t, "C_FLAGS"))
	}
	for _, flag := range cgoFlags(door, "LDFLAGS") {
		compare(t, flag, makeVariable(t, "C_LIBS"))
	}
}

// compare fails when the Makefile sets the same thing otherwise, or lacks what changes the
// meaning of the code: a macro or a library.
func compare(t *testing.T, flag string, ofMake []string) {
	t.Helper()
	if slices.Contains(ofMake, flag) {
		return
	}
	matters := strings.HasPrefix(flag, "-D") || strings.HasPrefix(flag, "-l")
	for _, other := range ofMake {
		if subject(other) == subject(flag) {
			t.Errorf("door.go has %s, the Makefile %s", flag, other)
			return
		}
	}
	if matters {
		t.Errorf("door.go has %s, the Makefile lacks it", flag)
	}
}

// subject is what a flag is about: -std of -std=gnu11, -fPIC of -fno-PIC, -O of -O2.
func subject(flag string) string {
	name, _, _ := strings.Cut(flag, "=")
	name = strings.Replace(name, "-fno-", "-f", 1)
	if strings.HasPrefix(name, "-O") {
		name = "-O"
	}
	return name
}

func TestSubject(t *testing.T) {
	for flag, want := range map[string]string{"-std=c99": "-std", "-O2": "-O", "-fno-x": "-fx", "-DA=1": "-DA"} {
		if got := subject(flag); got != want {
			t.Errorf("subject(%s) = %s, want %s", flag, got, want)
		}
	}
}

func TestReadmeCommandsAreTargets(t *testing.T) {
	makefile := string(read(t, "Makefile"))
	command := regexp.MustCompile("(?m)(^|`)make ([a-z][a-z-]*)")
	var named []string
	for i, part := range strings.Split(string(read(t, "README.md")), "```") {
		for _, match := range command.FindAllStringSubmatch(part, -1) {
			if isCode := i%2 == 1 || match[1] == "`"; isCode {
				named = append(named, match[2])
			}
		}
	}
	for _, must := range []string{"serve", "test"} {
		if !slices.Contains(named, must) {
			t.Errorf("README.md does not name make %s", must)
		}
	}
	for _, name := range named {
		if !regexp.MustCompile(`(?m)^` + name + `:`).MatchString(makefile) {
			t.Errorf("README.md names make %s, which is no target", name)
		}
	}
}

func TestFilesBelongInGit(t *testing.T) {
	marks := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)
	for _, file := range filesNamed(t, "") {
		stem, _, _ := strings.Cut(path.Base(file), ".")
		if slices.Contains(drawers, strings.TrimSuffix(stem, "_test")) {
			t.Errorf("%s: a name that explains nothing", file)
		}
		text := read(t, file)
		corpus := strings.Contains(file, "testdata/") || strings.HasPrefix(file, "tests/fuzz/")
		picture := strings.HasPrefix(file, "docs/") && path.Ext(file) == ".png"
		if bytes.HasPrefix(text, []byte("\x7fELF")) || bytes.HasPrefix(text, []byte("!<arch>")) ||
			bytes.IndexByte(text, 0) >= 0 && !corpus && !picture {
			t.Errorf("%s: a binary does not belong in git", file)
			continue
		}
		if mark := marks.Find(text); mark != nil && !corpus && !picture {
			t.Errorf("%s: holds %s: finish it or leave it out", file, mark)
		}
	}
}

// filesNamed lists the tree's files with one of the suffixes, by their names below the root.
func filesNamed(t *testing.T, suffixes ...string) []string {
	t.Helper()
	var files []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := name != "." && e.Name()[0] == '.' && e.Name() != ".ci"
		if e.IsDir() && (hidden || slices.Contains(generated, name)) {
			return fs.SkipDir
		}
		hasSuffix := func(suffix string) bool { return strings.HasSuffix(name, suffix) }
		if e.Type().IsRegular() && slices.ContainsFunc(suffixes, hasSuffix) {
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(path.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func parse(t *testing.T, file string, mode parser.Mode) *ast.File {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), path.Join(root, file), nil, mode)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func importsOf(t *testing.T, file string) []string {
	t.Helper()
	var imports []string
	for _, spec := range parse(t, file, parser.ImportsOnly).Imports {
		imports = append(imports, strings.Trim(spec.Path.Value, "`\""))
	}
	return imports
}

var include = regexp.MustCompile(`(?m)^[ \t/]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]`)

// includesOf finds the headers of a C file, and of the C preamble of a Go file.
func includesOf(t *testing.T, file string) (headers []string) {
	t.Helper()
	for _, match := range include.FindAllSubmatch(read(t, file), -1) {
		headers = append(headers, string(match[2]))
	}
	return headers
}

func quotedIncludesOf(t *testing.T, file string) (headers []string) {
	t.Helper()
	for _, match := range include.FindAllSubmatch(read(t, file), -1) {
		if match[1][0] == '"' {
			headers = append(headers, string(match[2]))
		}
	}
	return headers
}

// cgoFlags collects the words of the "#cgo ... NAME: words" lines above import "C".
func cgoFlags(door *ast.File, name string) (flags []string) {
	for _, group := range door.Comments {
		for line := range strings.Lines(group.Text()) {
			words, ok := strings.CutPrefix(strings.TrimSpace(line), "#cgo ")
			where, rest, found := strings.Cut(words, ":")
			if ok && found && strings.HasSuffix(" "+strings.TrimSpace(where), " "+name) {
				flags = append(flags, strings.Fields(rest)...)
			}
		}
	}
	return flags
}

// makeVariable reads the words that the Makefile gives a variable in one line.
func makeVariable(t *testing.T, name string) []string {
	t.Helper()
	for line := range strings.Lines(string(read(t, "Makefile"))) {
		if words, ok := strings.CutPrefix(line, name+" = "); ok {
			return strings.Fields(words)
		}
	}
	t.Fatalf("the Makefile does not set %s", name)
	return nil
}
