// SPDX-License-Identifier: MIT

package jobfile

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
