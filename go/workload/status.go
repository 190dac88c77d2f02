package workload

import (
	"time"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// watch calls the options' functions while the run goes on, until the returned one is called.
func (r *run) watch() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		r.watchUntil(quit)
	}()
	return func() {
		close(quit)
		<-done
	}
}

func (r *run) watchUntil(quit <-chan struct{}) {
	status, snapshot := tickerOf(r.options.Status != nil, r.options.StatusEvery),
		tickerOf(r.options.Snapshot != nil, r.options.SnapshotEvery)
	aggregate := tickerOf(r.options.AggregateLog != "", aggregateEvery)
	defer status.Stop()
	defer snapshot.Stop()
	defer aggregate.Stop()
	summed, summedAt := r.totals(), time.Now()
	last, lastAt := r.totals(), time.Now()
	for {
		select {
		case <-quit:
			return
		case <-status.C:
			now, at := r.totals(), time.Now()
			r.options.Status(r.status(now, now.since(last), at.Sub(lastAt)))
			last, lastAt = now, at
		case <-aggregate.C:
			now, at := r.totals(), time.Now()
			r.samples.add(now.since(summed), at.Sub(summedAt), at.Sub(r.began))
			summed, summedAt = now, at
		case <-snapshot.C:
			r.snapshot()
		case <-r.options.Snapshots:
			r.snapshot()
		}
	}
}

// tickerOf never ticks where nobody listens.
func tickerOf(wanted bool, every time.Duration) *time.Ticker {
	if !wanted || every <= 0 {
		t := time.NewTicker(time.Hour)
		t.Stop()
		return t
	}
	return time.NewTicker(every)
}

func (r *run) totals() (sum totals) {
	for _, c := range r.clones {
		t := c.totals()
		for d := range sum.bytes {
			sum.bytes[d] += t.bytes[d]
			sum.ios[d] += t.ios[d]
		}
	}
	return sum
}

func (r *run) status(now, done totals, took time.Duration) stats.Status {
	s := stats.Status{Elapsed: time.Since(r.began), Bytes: now.bytes, IOs: now.ios}
	for d := range done.bytes {
		s.BytesPerSecond[d] = float64(done.bytes[d]) / took.Seconds()
		s.IOPS[d] = float64(done.ios[d]) / took.Seconds()
	}
	for _, c := range r.clones {
		letter := rune(c.state.Load())
		s.States += string(letter)
		if letter != '_' && letter != 'P' {
			s.Running++
			s.Files += len(c.files)
		}
	}
	s.Done, s.Left = r.progress()
	return s
}

// progress is how much of the run is done, by time where jobs have a runtime and by bytes where they do not.
func (r *run) progress() (done float64, left time.Duration) {
	sum := 0.0
	for _, c := range r.clones {
		part, rest := c.progress()
		sum += part
		left = max(left, rest)
	}
	return sum / float64(len(r.clones)), left
}

func (c *clone) progress() (done float64, left time.Duration) {
	switch rune(c.state.Load()) {
	case '_':
		return 1, 0
	case 'P', 'I':
		return 0, c.job.Runtime + c.job.RampTime
	}
	ran := time.Duration(c.now() - c.startedAt.Load())
	if all := c.job.Runtime + c.job.RampTime; c.job.Runtime > 0 {
		done, left = min(float64(ran)/float64(all), 1), max(all-ran, 0)
	}
	if c.job.TimeBased {
		return done, left
	}
	bytes := uint64(0)
	for _, b := range c.totals().bytes {
		bytes += b
	}
	if all := c.passBytes() * int64(max(c.job.Loops, 1)); all > 0 {
		if share := min(float64(bytes)/float64(all), 1); share > done {
			done = share
			left = time.Duration(float64(ran) * (1 - share) / share)
		}
	}
	return done, left
}

// snapshot hands out a result of what is done so far.
func (r *run) snapshot() {
	if r.options.Snapshot == nil {
		return
	}
	for _, c := range r.clones {
		c.wanted.Add(1)
	}
	// Lanes answer with their next I/O; one whose I/O takes longer is shown as it was.
	deadline := time.Now().Add(100 * time.Millisecond)
	for _, c := range r.clones {
		for !c.answered() && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
	}
	r.options.Snapshot(r.result(nil))
}

// publish hands out a copy of a lane's statistics to whoever asked for a snapshot.
func (r *recorder) publish(wanted uint64) {
	c := r.clone
	copied := r.stats
	for d := range copied.Flows {
		f := &copied.Flows[d]
		for _, l := range []*stats.Latency{&f.Slat, &f.Clat, &f.Lat, &f.Intended} {
			l.Histogram = copyOf(l.Histogram)
		}
	}
	copied.Sync.Histogram = copyOf(copied.Sync.Histogram)
	c.mu.Lock()
	defer c.mu.Unlock()
	r.published = wanted
	c.published[r] = &copied
}

func copyOf(h *stats.Histogram) *stats.Histogram {
	if h == nil {
		return nil
	}
	copied := *h
	return &copied
}

// answered says that all lanes that are at work have published since they were asked.
func (c *clone) answered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finished || len(c.published) == 0 && rune(c.state.Load()) == '_' {
		return true
	}
	for r := range c.published {
		if r.published != c.wanted.Load() {
			return false
		}
	}
	return len(c.published) > 0
}

// soFar puts together what a clone that still runs has published. The caller holds the clone's lock.
func (c *clone) soFar() stats.Job {
	sum := c.stats
	for _, lane := range c.published {
		sum.Merge(lane)
	}
	ran := time.Duration(max(c.now()-c.measureFrom.Load(), 0))
	sum.Runtime, sum.Elapsed = ran, ran
	for d := range sum.Flows {
		if sum.Flows[d].IOs > 0 {
			sum.Flows[d].Duration = ran
		}
	}
	return sum
}
