package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// modulePath is left out of the names of tests: go/ringo.TestReadAt.
const modulePath = "github.com/ringo-io/ringo/"

// A testEvent is a line of go test -json (go doc test2json).
type testEvent struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64
}

// name is what skips and failures are called by. A package's own events have no test.
func (e *testEvent) name() string {
	name := strings.TrimPrefix(e.Package, modulePath)
	if e.Test != "" {
		name += "." + e.Test
	}
	return name
}

// runGo runs "go test" with args and counts tests, subtests among them.
func runGo(run string, args []string) *tally {
	goCommand := os.Getenv("GO")
	if goCommand == "" {
		goCommand = "go"
	}
	// Vet is left to "make check". Tests of connections wait more than they compute, so that more
	// packages than there are CPUs run side by side.
	args = append([]string{"test", "-json", "-count=1", "-vet=off", "-timeout=8m",
		fmt.Sprintf("-p=%d", 2*runtime.NumCPU())}, args...)
	cmd := exec.Command(goCommand, args...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		fatal(err)
	}
	if err := cmd.Start(); err != nil {
		fatal(err)
	}
	c := goCounter{tally: tally{kind: "Go", run: run}, output: map[string][]string{}, failedIn: map[string]bool{}}
	for lines := bufio.NewReader(events); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var e testEvent
		if json.Unmarshal(line, &e) != nil {
			fmt.Print(string(line))
			continue
		}
		c.count(&e)
	}
	if err := cmd.Wait(); err != nil && c.failed == 0 {
		c.fail("go test (%s): %v", run, err)
	}
	return &c.tally
}

// A goCounter keeps what each test printed until it is known whether anyone needs to read it.
type goCounter struct {
	tally
	output   map[string][]string
	failedIn map[string]bool // packages in which a test failed
}

func (c *goCounter) count(e *testEvent) {
	name := e.name()
	switch e.Action {
	case "build-output":
		fmt.Print(e.Output)
	case "output":
		c.output[name] = append(c.output[name], e.Output)
		return
	case "pass":
		if e.Test != "" {
			c.passed++
		} else {
			fmt.Printf("ok      %s (%s) %.1fs\n", name, c.run, e.Elapsed)
		}
	case "skip":
		if e.Test != "" { // A package is "skipped" when it has no tests.
			c.skip(name, reason(c.output[name]))
		}
	case "fail":
		output := strings.Join(c.output[name], "")
		if e.Test == "" && c.failedIn[e.Package] {
			fmt.Print(output)
			break
		}
		c.failedIn[e.Package] = true // The package itself, where it did not build, or ended outside any test.
		c.fail("%s (%s)\n%s", name, c.run, output)
	default:
		return
	}
	delete(c.output, name)
}

// reason finds what t.Skip was told among the lines a test printed: "    x_test.go:12: no ring".
func reason(output []string) string {
	for i := len(output) - 1; i >= 0; i-- {
		if !strings.HasPrefix(output[i], "    ") {
			continue
		}
		if _, text, found := strings.Cut(output[i], ": "); found {
			return strings.TrimSpace(strings.TrimPrefix(text, "SKIPPED:"))
		}
	}
	return ""
}
