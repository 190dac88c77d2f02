// SPDX-License-Identifier: MIT

// Package fio asks the installed fio what job files and command lines mean, and compares what go/workload/jobfile makes
// of them. It runs once, not under each sanitizer: fio is slow to ask.
package fio

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// A verdict is what fio makes of a job text: whether it takes it, and if so, of which sections with which values.
type verdict struct {
	accepted bool
	message  string
	sections []fioSection
}

// A fioSection is a section as fio understood it.
type fioSection struct {
	name     string
	numbers  map[string][]int64 // the numbers read for an option, by its canonical name; floats times a million
	preamble string             // the line that fio prints for a job, after all its rules
	group    int
}

// stop is a section that fio refuses, so that it looks at all that stands before and then runs nothing.
const stop = "\n[stop]\nringo_stops_here=1\n"

const stopped = "Bad option <ringo_stops_here=1>"

// askFio gives fio's verdict of each text, all in one process as long as it takes them.
func askFio(t *testing.T, texts []string) []verdict {
	t.Helper()
	verdicts := make([]verdict, 0, len(texts))
	for len(texts) > 0 {
		some := askTogether(t, texts)
		verdicts = append(verdicts, some...)
		texts = texts[len(some):]
	}
	return verdicts
}

// askTogether gives the verdicts up to the first text that fio refuses.
func askTogether(t *testing.T, texts []string) []verdict {
	t.Helper()
	texts = texts[:min(len(texts), 20)] // Every refusal starts another process for the rest.
	dir := t.TempDir()
	args := []string{"--debug=parse"}
	for i, text := range slices.Concat(texts, []string{stop}) {
		name := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
	}
	command := exec.Command("fio", args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "RINGO_TEST_SIZE=8m")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	stdout, err := command.Output()
	if err == nil {
		t.Fatalf("fio ran where it should have stopped:\n%s\n%s", stdout, stderr.String())
	}
	if status, ok := command.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		// It takes all that it has not printed along. Which text was it?
		if len(texts) > 1 {
			return askTogether(t, texts[:len(texts)/2])
		}
		return []verdict{{message: "fio was killed: " + status.Signal().String() + "\n" + stderr.String()}}
	}
	files := bytes.Split(stdout, []byte("Parsing ini file "))[1:]
	var verdicts []verdict
	for _, out := range files[:min(len(files), len(texts))] {
		verdicts = append(verdicts, verdict{accepted: true, sections: readFioOutput(out)})
	}
	if !strings.Contains(stderr.String(), stopped) {
		verdicts[len(verdicts)-1] = verdict{message: stderr.String()}
	}
	return verdicts
}

var (
	sectionLine  = regexp.MustCompile(`^parse +\d+ +Parsing section \[(.*)\]$`)
	optionLine   = regexp.MustCompile(`^parse +\d+ +handle_option=([^,]*), ptr=`)
	floatLine    = regexp.MustCompile(`^parse +\d+ +out=(\d+\.\d+)$`)
	defaultsLine = regexp.MustCompile(`^parse +\d+ +filling default options$`)
	initLine     = regexp.MustCompile(`^parse +\d+ +init options$`)
	valueLine    = regexp.MustCompile(`^parse +\d+ +ret=(\d+), out=(-?\d+)$`)
	preambleLine = regexp.MustCompile(`^(.*): \(g=(\d+)\): (rw=.*)$`)
)

func readFioOutput(out []byte) []fioSection {
	var sections []fioSection
	option, inDefaults, afterInit := "", false, false
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		line := lines.Text()
		if m := sectionLine.FindStringSubmatch(line); m != nil {
			sections = append(sections, fioSection{name: m[1], numbers: map[string][]int64{}})
			inDefaults = false
		}
		inDefaults = inDefaults || defaultsLine.MatchString(line) && !afterInit // The defaults of the next file.
		afterInit = initLine.MatchString(line)                                  // Those of an engine come behind this line.
		if len(sections) == 0 || inDefaults {
			continue
		}
		last := &sections[len(sections)-1]
		if m := optionLine.FindStringSubmatch(line); m != nil {
			option = m[1]
			last.numbers[option] = nil
		}
		if m := valueLine.FindStringSubmatch(line); m != nil {
			n, err := strconv.ParseUint(m[2], 10, 64)
			if err != nil {
				signed, _ := strconv.ParseInt(m[2], 10, 64)
				n = uint64(signed)
			}
			if m[1] == "0" {
				last.numbers[option] = append(last.numbers[option], int64(n))
			} else {
				last.numbers[option] = append(last.numbers[option], noNumber)
			}
		}
		if m := floatLine.FindStringSubmatch(line); m != nil {
			f, _ := strconv.ParseFloat(m[1], 64)
			last.numbers[option] = append(last.numbers[option], int64(math.Round(f*1e6)))
		}
		if m := preambleLine.FindStringSubmatch(line); m != nil {
			last.group, _ = strconv.Atoi(m[2])
			last.preamble = m[3]
		}
	}
	return sections
}

// noNumber stands for an empty place in a list.
const noNumber = -1 << 62

// fio runs fio and gives what it printed, and whether it was content.
func fio(t *testing.T, args ...string) (stdout, stderr string, ok bool) {
	t.Helper()
	command := exec.Command("fio", args...)
	command.Dir = t.TempDir()
	command.Env = append(os.Environ(), "RINGO_TEST_SIZE=8m")
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	return out.String(), errs.String(), err == nil
}

func needFio(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("fio"); err != nil {
		t.Skip("fio is not installed")
	}
}

// TestDefaultsAreFios compares the defaults of the table with those that fio sets before it reads a file.
func TestDefaultsAreFios(t *testing.T) {
	needFio(t)
	job := filepath.Join(t.TempDir(), "job")
	if err := os.WriteFile(job, []byte("[job]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, _, ok := fio(t, "--debug=parse", "--parse-only", job, job) // It sets them again for the second file.
	if !ok {
		t.Fatal("fio failed")
	}
	found := 0
	for _, m := range regexp.MustCompile(`(?m) handle_option=([^,]*), ptr=(.*)$`).FindAllStringSubmatch(stdout, -1) {
		option := jobfile.Lookup(m[1])
		switch {
		case option == nil:
			t.Errorf("fio's %s is not in the table", m[1])
		case option.Class == jobfile.Refused:
		case option.Default != strings.TrimSuffix(m[2], ",100,100"):
			t.Errorf("the default of %s is %q, fio's is %q", m[1], option.Default, m[2])
		}
		found++
	}
	if found < 100 {
		t.Errorf("fio showed %d defaults", found)
	}
}

// TestKnowsAllOfFios looks for options that fio has and the table lacks.
func TestKnowsAllOfFios(t *testing.T) {
	needFio(t)
	help, _, _ := fio(t, "--cmdhelp=all")
	for _, engine := range []string{"io_uring", "libaio"} {
		more, _, _ := fio(t, "--enghelp="+engine)
		help += more
	}
	names := regexp.MustCompile(`(?m)^ *([a-z][a-z0-9_-]*) *: `).FindAllStringSubmatch(help, -1)
	if len(names) < 200 {
		t.Fatalf("fio showed %d options", len(names))
	}
	for _, m := range names {
		if jobfile.Lookup(m[1]) == nil {
			t.Errorf("fio's option %s is not in the table", m[1])
		}
	}
	usage, _, _ := fio(t, "--help")
	for _, m := range regexp.MustCompile(`(?m)^  --([a-z-]+)`).FindAllStringSubmatch(usage, -1) {
		if !knownToTheRun(m[1]) {
			t.Errorf("fio's --%s is not known", m[1])
		}
	}
}

// TestShowsCommandsAsFio compares --showcmd for all jobs that both take.
func TestShowsCommandsAsFio(t *testing.T) {
	needFio(t)
	t.Setenv("RINGO_TEST_SIZE", "8m")
	dir := t.TempDir()
	var files, ours []string
	for i, p := range jobProbes {
		name := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(name, []byte(p.text), 0o600); err != nil {
			t.Fatal(err)
		}
		plan, err := jobfile.ParseCommandLine([]string{"--showcmd", name}, jobfile.Environment{Lookup: os.LookupEnv})
		// fio takes a global section behind a job for a part of the job, and does not quote.
		if err != nil {
			continue
		}
		line := plan.Commands[0]
		if line == "ringo bench" || strings.ContainsAny(line, `'"`) || strings.Contains(line, "--name=global") {
			continue
		}
		files, ours = append(files, name), append(ours, strings.Replace(line, "ringo bench", "fio", 1))
	}
	if len(files) < 100 {
		t.Errorf("%d jobs are too few", len(files))
	}
	stdout, stderr, ok := fio(t, append([]string{"--showcmd"}, files...)...)
	if !ok {
		t.Fatal(stderr)
	}
	theirs := strings.Split(strings.TrimRight(stdout, "\n"), "\n")
	if len(theirs) != len(ours) {
		t.Fatalf("fio shows %d commands, ringo %d", len(theirs), len(ours))
	}
	for i := range ours {
		if strings.Join(strings.Fields(theirs[i]), " ") != strings.Join(strings.Fields(ours[i]), " ") {
			t.Errorf("fio:   %s\nringo: %s", theirs[i], ours[i])
		}
	}
}

func knownToTheRun(name string) bool {
	return slices.ContainsFunc(jobfile.RunFlags(), func(f *jobfile.RunFlag) bool { return f.Name == name })
}
