package workload

import (
	"sync"
	"syscall"
	"time"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// totals is what a clone's lanes have done so far, per direction.
type totals struct {
	bytes, ios [stats.Directions]uint64
}

func (c *clone) totals() (t totals) {
	meters := c.meters.Load()
	if meters == nil {
		return t
	}
	for i := range *meters {
		for d := range t.bytes {
			t.bytes[d] += (*meters)[i].bytes[d].Load()
			t.ios[d] += (*meters)[i].ios[d].Load()
		}
	}
	return t
}

// since is what was done after an earlier moment; a ramp's end in between makes it begin anew.
func (t totals) since(earlier totals) totals {
	for d := range t.bytes {
		if t.bytes[d] < earlier.bytes[d] || t.ios[d] < earlier.ios[d] {
			continue
		}
		t.bytes[d] -= earlier.bytes[d]
		t.ios[d] -= earlier.ios[d]
	}
	return t
}

// A sampler does something in equal steps of time while a clone runs.
type sampler struct {
	every time.Duration
	take  func(done totals, took time.Duration)
}

// sample takes rates over time until the returned function is called.
func (c *clone) sample() (stop func()) {
	var running sync.WaitGroup
	quit := make(chan struct{})
	for _, s := range c.samplers() {
		running.Add(1)
		go func() {
			defer running.Done()
			c.tick(s, quit)
		}()
	}
	return func() {
		close(quit)
		running.Wait()
	}
}

func (c *clone) tick(s sampler, quit <-chan struct{}) {
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	last, lastAt := c.totals(), time.Now()
	for {
		select {
		case <-quit:
			return
		case <-ticker.C:
		}
		now, at := c.totals(), time.Now()
		if !c.ramping.Load() {
			s.take(now.since(last), at.Sub(lastAt))
		}
		last, lastAt = now, at
	}
}

func (c *clone) samplers() (samplers []sampler) {
	j := c.job
	samplers = append(samplers, sampler{every: seriesEvery, take: c.addPoints})
	if !j.Latencies.DisableBW {
		samplers = append(samplers,
			sampler{every: orDefault(j.BWAverage), take: func(done totals, took time.Duration) {
				for d, bytes := range done.bytes {
					if c.flows(d) {
						rate := uint64(float64(bytes) / 1024 / took.Seconds())
						c.addSample(&c.stats.Flows[d].BW, rate)
						c.logs.bandwidth(c, d, rate)
					}
				}
			}},
			sampler{every: orDefault(j.IOPSAverage), take: func(done totals, took time.Duration) {
				for d, ios := range done.ios {
					if c.flows(d) {
						rate := uint64(float64(ios)/took.Seconds() + 0.5)
						c.addSample(&c.stats.Flows[d].IOPS, rate)
						c.logs.iops(c, d, rate)
					}
				}
			}})
	}
	if j.Rate.MinBytes != [3]int64{} || j.Rate.MinIOPS != [3]int64{} {
		every := j.Rate.Cycle
		if every <= 0 {
			every = time.Second
		}
		samplers = append(samplers, sampler{every: every, take: c.checkMinimum})
	}
	return samplers
}

// seriesEvery is the distance of the points of a chart over time.
const seriesEvery = 100 * time.Millisecond

func (c *clone) addPoints(done totals, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := time.Duration(max(c.now()-c.measureFrom.Load(), 0))
	for d := range done.bytes {
		if c.flows(d) {
			f := &c.stats.Flows[d]
			f.BWSeries = append(f.BWSeries, stats.Point{At: at, Value: float64(done.bytes[d]) / 1024 / took.Seconds()})
			f.IOPSSeries = append(f.IOPSSeries, stats.Point{At: at, Value: float64(done.ios[d]) / took.Seconds()})
		}
	}
}

func (c *clone) addSample(to *stats.Samples, rate uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	to.Add(rate)
}

func orDefault(d time.Duration) time.Duration {
	if d <= 0 {
		return 500 * time.Millisecond
	}
	return d
}

// flows says that the job does I/O in a direction.
func (c *clone) flows(direction int) bool {
	p := &c.job.Pattern
	return [...]bool{p.Reads, p.Writes, p.Trims}[direction]
}

// checkMinimum ends the clone when it is slower than rate_min or rate_iops_min allow.
func (c *clone) checkMinimum(done totals, took time.Duration) {
	r := &c.job.Rate
	for d := range done.bytes {
		bytes, ios := float64(done.bytes[d])/took.Seconds(), float64(done.ios[d])/took.Seconds()
		if least := r.MinBytes[d]; least > 0 && bytes < float64(least) {
			c.fail(syscall.EIO, "rate_min=%d bytes/s not met: %.0f bytes/s over %v", least, bytes, took.Round(time.Millisecond))
		}
		if least := r.MinIOPS[d]; least > 0 && ios < float64(least) {
			c.fail(syscall.EIO, "rate_iops_min=%d not met: %.0f over %v", least, ios, took.Round(time.Millisecond))
		}
	}
}
