package workload

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringo-io/ringo/go/workload/internal/host"
	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// A termination is why a run ends early.
type termination struct {
	mu    sync.Mutex
	cause string
}

// terminate ends all jobs, early: what was measured stays.
func (r *run) terminate(cause string) {
	r.end.mu.Lock()
	if r.end.cause == "" {
		r.end.cause = cause
	}
	r.end.mu.Unlock()
	for _, c := range r.clones {
		c.stop()
	}
}

func (r *run) terminated() string {
	r.end.mu.Lock()
	defer r.end.mu.Unlock()
	return r.end.cause
}

// A phase is what runs between two stonewalls. CPU time is of the process and so cannot be told apart by job
// within a phase.
type phase struct {
	cpu     atomic.Int64 // ns
	ios     atomic.Uint64
	start   time.Duration
	started sync.Once
}

func (p *phase) enter() { p.started.Do(func() { p.start = host.ProcessCPU() }) }

// leave notes the CPU time up to the end of the latest job to end.
func (p *phase) leave(ios uint64) {
	p.ios.Add(ios)
	p.cpu.Store(int64(host.ProcessCPU() - p.start))
}

// schedule runs all clones, each as soon as those it waits for have ended, and returns when all have.
func (r *run) schedule() {
	var all sync.WaitGroup
	for i, c := range r.clones {
		waitFor := r.predecessors(i)
		all.Add(1)
		go func() {
			defer all.Done()
			defer close(c.ended)
			for _, earlier := range waitFor {
				<-earlier.ended
			}
			if c.delay() {
				c.perform()
			}
			r.exitOthers(c)
		}()
	}
	all.Wait()
}

// predecessors are the clones that must have ended before one begins: everything in front of the last
// stonewall at or above it, and the clones of the job it waits for by name.
func (r *run) predecessors(index int) (clones []*clone) {
	wall := 0
	for i := index; i > 0; i-- {
		if c := r.clones[i]; c.job.Stonewall && c.index == 0 {
			wall = i
			break
		}
	}
	clones = append(clones, r.clones[:wall]...)
	for _, c := range r.clones[:index] {
		if name := r.clones[index].job.WaitFor; name != "" && c.job.Name == name {
			clones = append(clones, c)
		}
	}
	return clones
}

// exitOthers ends other jobs when one with exitall has ended.
func (r *run) exitOthers(ended *clone) {
	onError := ended.job.ExitAllOnError && ended.failed()
	if !ended.job.ExitAll && !onError {
		return
	}
	for _, c := range r.clones {
		switch {
		case ended.job.ExitWhat == jobfile.ExitEverything, onError,
			ended.job.ExitWhat == jobfile.ExitGroup && c.job.Group == ended.job.Group,
			ended.job.ExitWhat == jobfile.ExitStonewall && c.phase == ended.phase:
			c.stop()
		}
	}
}

// phaseOf is the phase that the clone of the given number belongs to.
func (r *run) phaseOf(job *jobfile.Job, index int) *phase {
	last := len(r.phases) - 1
	if last < 0 || job.Stonewall && index == 0 && len(r.clones) > 0 {
		last++
		r.phases[last] = new(phase)
	}
	return r.phases[last]
}
