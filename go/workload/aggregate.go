package workload

import (
	"bufio"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// An aggregate is the bandwidth of all jobs together over time.
type aggregate struct {
	mu      sync.Mutex
	entries [stats.Directions][]entry
}

// aggregateEvery is the time between two of its lines.
const aggregateEvery = 500 * time.Millisecond

func (a *aggregate) add(done totals, took, at time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for d, bytes := range done.bytes {
		rate := uint64(float64(bytes) / 1024 / took.Seconds())
		a.entries[d] = append(a.entries[d], entry{ms: uint64(at.Milliseconds()), value: rate, direction: int8(d)})
	}
}

// writeAggregateLog writes PREFIX-read_bw.log and the others.
func (r *run) writeAggregateLog() error {
	if r.options.AggregateLog == "" {
		return nil
	}
	r.samples.mu.Lock()
	defer r.samples.mu.Unlock()
	for d, entries := range r.samples.entries {
		name := fmt.Sprintf("%s-%s_bw.log", r.options.AggregateLog, stats.DirectionNames[d])
		if err := writeEntries(name, entries); err != nil {
			return fmt.Errorf("bandwidth log: %w", err)
		}
	}
	return nil
}

func writeEntries(name string, entries []entry) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	w := bufio.NewWriter(f)
	for _, e := range entries {
		fmt.Fprintf(w, "%d, %d, %d, %d, 0\n", e.ms, e.value, e.direction, e.size)
	}
	return w.Flush()
}
