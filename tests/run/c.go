package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	programTimeout = 300 * time.Second
	exitSkip       = 77
)

// skippedCase is how cmocka reports skip() inside a program; its closing list repeats the names.
var skippedCase = regexp.MustCompile(`(?m)^\[  SKIPPED \] (\w+)$`)

// runC runs the test programs of one variant, as many at a time as there are CPUs.
func runC(variant string, programs []string) *tally {
	t := &tally{kind: "C", run: variant}
	if len(programs) == 0 {
		fmt.Println("C tests: there are none in tests/c")
	}
	type outcome struct {
		output []byte
		err    error
	}
	outcomes := make([]chan outcome, len(programs))
	slots := make(chan struct{}, runtime.NumCPU())
	for i, program := range programs {
		outcomes[i] = make(chan outcome, 1)
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			output, err := runProgram(program)
			outcomes[i] <- outcome{output, err}
		}()
	}
	for i, program := range programs {
		o := <-outcomes[i]
		t.countProgram("tests/c/"+filepath.Base(program), o.output, o.err)
	}
	return t
}

// runProgram ends the program and all it started when its time is over.
func runProgram(program string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), programTimeout)
	defer cancel()
	words := append(strings.Fields(os.Getenv("RUN_EXEC")), program)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	output, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("still running after %v", programTimeout)
	}
	return output, err
}

func (t *tally) countProgram(name string, output []byte, err error) {
	var exit *exec.ExitError
	failedCase := bytes.Contains(output, []byte("[  FAILED  ]"))
	if errors.As(err, &exit) && exit.ExitCode() == exitSkip && !failedCase {
		lines := bytes.Split(bytes.TrimSpace(output), []byte("\n"))
		t.skip(name, string(lines[len(lines)-1]))
		return
	}
	if err != nil || failedCase {
		t.fail("%s (%s): %v\n%s", name, t.run, err, output)
		return
	}
	t.passed++
	seen := map[string]bool{}
	for _, match := range skippedCase.FindAllSubmatch(output, -1) {
		if test := string(match[1]); !seen[test] {
			seen[test] = true
			t.skip(name+":"+test, "")
		}
	}
}
