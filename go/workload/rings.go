package workload

import (
	"fmt"
	"sync"

	"github.com/ringo-io/ringo/go/ringo"
	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// rings are the ringo engines of a run, one per way to open them; clones have windows of these. Safe for
// concurrent use.
type rings struct {
	mu   sync.Mutex
	open map[string]*ringo.Engine
}

// engine gives the engine that a job's options ask for.
func (r *rings) engine(job *jobfile.Job, backend string) (*ringo.Engine, error) {
	if job.Engine.Engine == jobfile.EngineThreads {
		backend = "threads"
	}
	workers := 4
	if backend == "threads" {
		workers = min(max(job.Depth.Limit, 1), 1024)
	}
	key := fmt.Sprint(backend, workers)
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.open[key]; e != nil {
		return e, nil
	}
	options := []ringo.Option{ringo.WithLoops(1), ringo.WithWorkers(workers, 4)}
	if backend != "" {
		options = append(options, ringo.WithBackend(backend))
	}
	e, err := ringo.New(options...)
	if err != nil {
		return nil, err
	}
	if r.open == nil {
		r.open = make(map[string]*ringo.Engine)
	}
	r.open[key] = e
	return e, nil
}

// close closes all engines; no window is open any more.
func (r *rings) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.open {
		if err := e.Close(); err != nil {
			return fmt.Errorf("closing an engine: %w", err)
		}
	}
	return nil
}
