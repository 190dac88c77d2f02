// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/ringo-io/ringo/cmd/ringo/internal/report"
	"github.com/ringo-io/ringo/go/workload"
	"github.com/ringo-io/ringo/go/workload/jobfile"
	reports "github.com/ringo-io/ringo/go/workload/report"
	"github.com/ringo-io/ringo/go/workload/stats"
)

// exitSignalled is fio's code for a run that a signal has ended.
const exitSignalled = 128

// runPlan runs what a command line asks for, and reports. Its exit codes are fio's.
func runPlan(parent context.Context, plan *jobfile.Plan) error {
	ctx, stop := untilSignal(parent, os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &benchRun{plan: plan, out: os.Stdout, terminal: liveTerminal(plan.Report.ETA)}
	if name := plan.Report.Output; name != "" {
		f, err := os.Create(name)
		if err != nil {
			return &report.Failure{What: "cannot write the report to", Path: name, Why: err}
		}
		defer f.Close()
		b.out = f
	}
	arms, err := b.run(ctx)
	if err != nil {
		return err
	}
	if err := b.finish(arms); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return exitStatus(exitSignalled)
	}
	for i := range arms {
		for _, r := range arms[i].Results {
			if r.Failed() {
				return exitStatus(exitFailed)
			}
		}
	}
	return nil
}

// A benchRun is one run of the command.
type benchRun struct {
	plan     *jobfile.Plan
	out      io.Writer
	terminal *os.File // of the live status line; nil: none

	mu    sync.Mutex // guards the terminal's line and err
	drawn bool
	err   error // of a report written while jobs ran
}

// liveTerminal is where the status line goes.
func liveTerminal(when jobfile.When) *os.File {
	if when == jobfile.Always || when == jobfile.Auto && term.IsTerminal(int(os.Stderr.Fd())) {
		return os.Stderr
	}
	return nil
}

func (b *benchRun) several() bool { return len(b.plan.Arms) > 1 || b.plan.Repeats > 1 }

func (b *benchRun) run(ctx context.Context) ([]reports.Arm, error) {
	snapshots := make(chan struct{}, 1)
	usr1 := make(chan os.Signal, 1)
	signal.Notify(usr1, syscall.SIGUSR1)
	defer signal.Stop(usr1)
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-usr1:
				snapshots <- struct{}{}
			case <-done:
				return
			}
		}
	}()
	options := workload.Options{Version: versionName(), Backend: b.plan.Backend, Log: b.note, AggregateLog: b.plan.Report.BandwidthLog,
		Snapshot: b.snapshot, SnapshotEvery: b.plan.Report.StatusInterval, Snapshots: snapshots}
	if b.terminal != nil {
		options.Status, options.StatusEvery = b.status, b.plan.Report.ETAInterval
		if options.StatusEvery <= 0 {
			options.StatusEvery = 500 * time.Millisecond
		}
	}
	if b.human() && !b.several() {
		b.preamble()
	}
	arms, err := workload.RunArms(ctx, b.plan.Arms, b.plan.Repeats, options, b.armDone)
	b.clear()
	return arms, err
}

func (b *benchRun) human() bool {
	for _, f := range b.plan.Report.Formats {
		if f == jobfile.FormatNormal {
			return true
		}
	}
	return false
}

func (b *benchRun) preamble() {
	threads := 0
	for _, j := range b.plan.Arms[0].Jobs {
		setup := workload.SetupOf(j)
		fmt.Fprintln(b.out, reports.Preamble(&setup))
		threads += max(j.NumJobs, 1)
	}
	plural := "s"
	if threads == 1 {
		plural = ""
	}
	fmt.Fprintf(b.out, "ringo bench %s\nStarting %d thread%s\n", versionName(), threads, plural)
}

// note prints a line for the user, beside the status line.
func (b *benchRun) note(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
	fmt.Fprintln(os.Stderr, line)
}

func (b *benchRun) status(s stats.Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	line := reports.StatusLine(s)
	if width, _, err := term.GetSize(int(b.terminal.Fd())); err == nil && width > 0 && len(line) >= width {
		line = line[:width-1]
	}
	end := ""
	if every := b.plan.Report.ETANewline; every > 0 && s.Elapsed%every < b.plan.Report.ETAInterval {
		end = "\n"
	}
	b.erase()
	fmt.Fprint(b.terminal, line+end)
	b.drawn = end == ""
}

// erase takes the status line away. The caller holds the lock.
func (b *benchRun) erase() {
	if b.drawn {
		fmt.Fprint(b.terminal, clearBar)
		b.drawn = false
	}
}

func (b *benchRun) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
}

// snapshot reports on a run that goes on.
func (b *benchRun) snapshot(r *stats.Result) {
	b.clear()
	if err := b.write(r); err != nil {
		b.mu.Lock()
		b.err = errors.Join(b.err, err)
		b.mu.Unlock()
	}
}

func (b *benchRun) armDone(arm, repeat int, _ *stats.Result) {
	if b.several() {
		one := reports.Arm{}
		for _, c := range b.plan.Arms[arm].Choices {
			one.Choices = append(one.Choices, stats.Option{Name: c.Name, Value: c.Value})
		}
		b.note(fmt.Sprintf("%s: repeat %d of %d", one.Label(), repeat+1, b.plan.Repeats))
	}
}

// finish writes the reports of the whole run.
func (b *benchRun) finish(arms []reports.Arm) error {
	if b.err != nil {
		return b.err
	}
	for i := range arms {
		for repeat, r := range arms[i].Results {
			if b.several() && (b.human() || repeat > 0) {
				continue // The table stands for them, or their medians do.
			}
			if err := b.write(r); err != nil {
				return err
			}
		}
	}
	if b.several() && b.human() {
		if err := reports.Table(b.out, arms); err != nil {
			return err
		}
	}
	if dir := b.plan.Report.Directory; dir != "" {
		if err := reports.WriteDirectory(dir, arms); err != nil {
			return &report.Failure{What: "cannot write the results to", Path: dir, Why: err}
		}
	}
	if name := b.plan.Report.HTML; name != "" {
		if err := writeHTML(name, arms); err != nil {
			return &report.Failure{What: "cannot write the page", Path: name, Why: err}
		}
	}
	return nil
}

func writeHTML(name string, arms []reports.Arm) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	return reports.HTML(f, arms)
}

// write writes a result in the formats asked for.
func (b *benchRun) write(r *stats.Result) (err error) {
	for _, format := range b.plan.Report.Formats {
		switch format {
		case jobfile.FormatJSON:
			err = reports.JSON(b.out, r, reports.JSONOptions{})
		case jobfile.FormatJSONPlus:
			err = reports.JSON(b.out, r, reports.JSONOptions{Bins: true})
		case jobfile.FormatTerse:
			err = reports.Terse(b.out, r, b.plan.Report.TerseVersion)
		default:
			err = reports.Human(b.out, r)
		}
		if err != nil {
			return err
		}
	}
	if b.plan.Report.AppendTerse {
		return reports.Terse(b.out, r, b.plan.Report.TerseVersion)
	}
	return nil
}

// compareRuns compares two files of JSON.
func compareRuns(words []string) error {
	if len(words) != 2 {
		return usageError{errors.New("bench compare takes two files of JSON")}
	}
	var results [2]*stats.Result
	for i, name := range words {
		f, err := os.Open(name)
		if err != nil {
			return &report.Failure{What: "cannot open", Path: name, Why: errors.Unwrap(err)}
		}
		results[i], err = reports.ReadJSON(f)
		f.Close()
		if err != nil {
			return &report.Failure{What: "cannot read", Path: name, Why: err}
		}
	}
	return reports.Compare(os.Stdout, results[0], results[1])
}
