// Package workload runs jobs as fio does: on ringo and on what people use instead. A job comes from package
// jobfile; package generate says what it does next; package engine does it; package stats counts; package
// report writes. This package brings them together: [Run].
package workload

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/ringo-io/ringo/go/workload/internal/host"
	"github.com/ringo-io/ringo/go/workload/jobfile"
	"github.com/ringo-io/ringo/go/workload/stats"
)

// Options say how jobs are run, beside what they say themselves.
type Options struct {
	Version string
	// Log takes a line for the user while jobs run: files laid out, jobs that failed. nil: nobody.
	Log func(line string)
	// Status is called every StatusEvery with how the run stands, from a goroutine of its own.
	Status      func(stats.Status)
	StatusEvery time.Duration
	// Snapshot is called every SnapshotEvery with a whole result, and whenever Snapshots delivers.
	Snapshot      func(*stats.Result)
	SnapshotEvery time.Duration
	Snapshots     <-chan struct{}
	// AggregateLog takes the bandwidth of all jobs, one log per direction; "": none. A prefix of file names.
	AggregateLog string
	// Stdout of exec_prerun and of the installed fio, where these have no file of their own.
	Output io.Writer
	// Backend of the ringo engine: auto, uring or threads; "": auto.
	Backend string
	// LogDirectory is where log files go; "": the working directory.
	LogDirectory string
}

func (o *Options) log(format string, args ...any) {
	if o.Log != nil {
		o.Log(fmt.Sprintf(format, args...))
	}
}

// Run runs jobs to their end and returns what was measured. A job that fails is in the result, with its
// error. Run itself fails only when nothing could be started: then no I/O was done. When ctx ends, jobs end
// early and the result holds what there is; its Terminated is the cause.
func Run(ctx context.Context, jobs []*jobfile.Job, options Options) (*stats.Result, error) {
	r, err := newRun(jobs, options)
	if err != nil {
		return nil, err
	}
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	disks := r.readDisks()
	stop := context.AfterFunc(ctx, func() { r.terminate(context.Cause(ctx).Error()) })
	defer stop()
	r.began = time.Now()
	watching := r.watch()
	r.schedule()
	watching()
	if err := r.rings.close(); err != nil {
		options.log("%v", err)
	}
	if err := r.writeAggregateLog(); err != nil {
		options.log("%v", err)
	}
	return r.result(disks), nil
}

// A run is one call of Run.
type run struct {
	options Options
	clones  []*clone
	began   time.Time
	kernel  string
	notes   []string
	end     termination
	phases  map[int]*phase
	samples aggregate
	rings   rings
}

func newRun(jobs []*jobfile.Job, options Options) (*run, error) {
	r := &run{options: options, kernel: host.Kernel(), phases: make(map[int]*phase)}
	number := 0
	for _, job := range jobs {
		for i := range max(job.NumJobs, 1) {
			c, err := newClone(r, job, i, number)
			if err != nil {
				return nil, fmt.Errorf("job %s: %w", job.Name, err)
			}
			number++
			r.clones = append(r.clones, c)
		}
	}
	if len(r.clones) == 0 {
		return nil, fmt.Errorf("no job to run")
	}
	return r, nil
}

// prepare makes sure that everything can run, and lays files out.
func (r *run) prepare(ctx context.Context) error {
	for _, c := range r.clones {
		if err := c.check(); err != nil {
			return fmt.Errorf("job %s: %w", c.job.Name, err)
		}
	}
	if err := r.checkSpace(); err != nil {
		return err
	}
	for _, c := range r.clones {
		if err := c.layOut(ctx); err != nil {
			return fmt.Errorf("job %s: %w", c.job.Name, err)
		}
	}
	return nil
}
