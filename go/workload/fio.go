package workload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/ringo-io/ringo/go/workload/report"
	"github.com/ringo-io/ringo/go/workload/stats"
)

// runFio does the work of all the job's clones by the installed fio, in threads as ringo has them, on the same
// files. The first clone does it; its entry stands for all.
func (c *clone) runFio() {
	if c.index > 0 {
		c.endFio(&stats.Job{})
		return
	}
	c.phase.enter()
	c.state.Store(c.letter())
	started := time.Now()
	result, cpu, err := c.askFio()
	if err != nil {
		c.endFio(&stats.Job{Error: 1, Failure: err.Error()})
		c.options.log("%s: %v", c.job.Name, err)
		return
	}
	entry := &result.Jobs[0]
	for i := range result.Jobs[1:] {
		entry.Merge(&result.Jobs[1+i])
	}
	entry.Elapsed = time.Since(started)
	entry.Measured.CPU, entry.Measured.CPUIOs = cpu, entry.IOs()
	c.endFio(entry)
}

// endFio takes over what fio did.
func (c *clone) endFio(entry *stats.Job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finished = true
	c.stats, c.usage = *entry, entry.Usage
	c.error, c.reason = entry.Error, entry.Failure
}

// askFio runs fio on the job, and gives what it printed and the CPU time of all its threads.
func (c *clone) askFio() (*stats.Result, time.Duration, error) {
	path, err := exec.LookPath("fio")
	if err != nil {
		return nil, 0, errors.New("engine fio: no fio is installed (apt-get install fio)")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{"--output-format=json+"}, c.job.FioArgs()...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // It prints what it has.
	cmd.WaitDelay = 10 * time.Second
	var out, errors bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errors
	go func() {
		select {
		case <-c.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	failure := cmd.Run()
	result, err := report.ReadJSON(&out)
	if err != nil || len(result.Jobs) == 0 {
		return nil, 0, fmt.Errorf("fio: %v: %s", failure, strings.TrimSpace(errors.String()+out.String()))
	}
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return result, max(used-fioStartup(path), 0), nil
}

// fioStartup is the CPU time that fio takes before and after any I/O, most of it to calibrate its clock: it is no
// cost of the I/O, and is not counted as such.
func fioStartup(path string) time.Duration {
	startup.Do(func() {
		cmd := exec.Command(path, "--thread", "--name=startup", "--ioengine=null", "--size=4k", "--output-format=json+")
		if cmd.Run() == nil {
			startup.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		}
	})
	return startup.cpu
}

var startup struct {
	sync.Once
	cpu time.Duration
}
