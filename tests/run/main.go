// Command run runs the C or the Go tests for the Makefile, counts them and makes skips loud.
//
//	run c VARIANT PROGRAM...   runs each program; 0 is passed, 77 is skipped, all else is failed;
//	                           RUN_EXEC names a command that runs them, as an emulator
//	run go NAME ARGUMENT...    runs "go test ARGUMENT..."
//	run total KIND/RUN...      prints the sums of build/results, in which all these must be
//
// With CI=true a skip counts as failed, unless tests/expected-skips names it; there a name behind "ring:" is meant only
// where RINGO_BACKEND=threads.
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

const (
	resultsFile       = "build/results"
	failuresFile      = "build/failures"
	expectedSkipsFile = "tests/expected-skips"
)

// A tally is what one run came to.
type tally struct {
	kind, run      string // kind is "C" or "Go"
	passed, failed int
	skipped        []string
	failures       strings.Builder // what the failed tests printed
}

// fail prints what the end of the whole log, where a reader looks first, is to show again.
func (t *tally) fail(format string, arguments ...any) {
	t.failed++
	text := fmt.Sprintf("FAILED "+format+"\n", arguments...)
	fmt.Print(text)
	t.failures.WriteString(text)
}

func (t *tally) skip(name, reason string) {
	t.skipped = append(t.skipped, strings.TrimSpace(name+"  "+reason))
}

func main() {
	if len(os.Args) < 2 {
		fatal("usage: run c|go|total ...")
	}
	var t *tally
	switch verb := os.Args[1]; {
	case verb == "total":
		total(os.Args[2:])
		return
	case verb == "c" && len(os.Args) > 2:
		t = runC(os.Args[2], os.Args[3:])
	case verb == "go" && len(os.Args) > 2:
		t = runGo(os.Args[2], os.Args[3:])
	default:
		fatal("usage: run c|go|total ...")
	}
	if os.Getenv("CI") == "true" {
		t.failUnexpectedSkips()
	}
	for _, s := range t.skipped {
		fmt.Println("SKIPPED", s)
	}
	fmt.Printf("%s tests (%s): %d passed, %d failed, %d skipped\n",
		t.kind, t.run, t.passed, t.failed, len(t.skipped))
	t.record()
	if t.failed > 0 {
		os.Exit(1)
	}
}

// failUnexpectedSkips turns every skip that nobody announced into a failure.
func (t *tally) failUnexpectedSkips() {
	var expected []string
	text, _ := os.ReadFile(expectedSkipsFile) // No file, nothing expected.
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, ringOnly := strings.CutPrefix(name, "ring:")
		if name != "" && name[0] != '#' && (!ringOnly || os.Getenv("RINGO_BACKEND") == "threads") {
			expected = append(expected, name)
		}
	}
	t.skipped = slices.DeleteFunc(t.skipped, func(skip string) bool {
		name, _, _ := strings.Cut(skip, " ")
		if slices.Contains(expected, name) {
			return false
		}
		t.fail("%s (%s): it may not be skipped, for %s does not name it", skip, t.run, expectedSkipsFile)
		return true
	})
}

// record appends the tally to build/results, a line for the counts and one for each skip, and the failures to
// build/failures.
func (t *tally) record() {
	text := fmt.Sprintf("%s %d %d %d %s\n", t.kind, t.passed, t.failed, len(t.skipped), t.run)
	for _, s := range t.skipped {
		text += "skip " + s + "\n"
	}
	appendTo(resultsFile, text)
	appendTo(failuresFile, t.failures.String())
}

func appendTo(path, text string) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		fatal(err)
	}
	if err := f.Close(); err != nil {
		fatal(err)
	}
}

// total prints the sums of build/results, every skip once and every failure again. A run that should be there and is
// not, as when a test did not compile, counts as a failure.
func total(runs []string) {
	text, err := os.ReadFile(resultsFile)
	if err != nil {
		fatal("no test ran: ", err)
	}
	sums := map[string]*[3]int{"C": {}, "Go": {}}
	var skips []string
	for line := range strings.Lines(string(text)) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if kind == "skip" {
			skips = append(skips, rest)
			continue
		}
		var n [3]int
		var run string
		if _, err := fmt.Sscan(rest, &n[0], &n[1], &n[2], &run); err != nil || sums[kind] == nil {
			fatal("bad line in ", resultsFile, ": ", line)
		}
		for i := range n {
			sums[kind][i] += n[i]
		}
		runs = slices.DeleteFunc(runs, func(r string) bool { return r == kind+"/"+run })
	}
	for _, missing := range runs {
		kind, run, _ := strings.Cut(missing, "/")
		(&tally{kind: kind, run: run, failed: 1}).record()
		appendTo(failuresFile, fmt.Sprintf("FAILED %s tests (%s): did not build or did not end\n", kind, run))
		sums[kind][1]++
	}
	slices.Sort(skips)
	for _, s := range slices.Compact(skips) {
		fmt.Println("SKIPPED", s)
	}
	failures, err := os.ReadFile(failuresFile)
	if err != nil {
		fatal(err)
	}
	fmt.Print(string(failures))
	c, g := sums["C"], sums["Go"]
	fmt.Printf("C tests: %d passed, %d failed, %d skipped\n", c[0], c[1], c[2])
	fmt.Printf("Go tests: %d passed, %d failed, %d skipped\n", g[0], g[1], g[2])
	if c[1]+g[1] > 0 || c[0]+g[0] == 0 {
		os.Exit(1)
	}
}

func fatal(what ...any) {
	fmt.Fprintln(os.Stderr, "run: "+fmt.Sprint(what...))
	os.Exit(1)
}
