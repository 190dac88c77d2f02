package workload

import (
	"math"
	"time"

	"github.com/ringo-io/ringo/go/workload/generate"
	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// A pace says when each I/O is to start so that a rate is kept. It never waits for the past: an I/O that is
// late starts at once, and the next one's time is what it would have been.
type pace struct {
	job    *jobfile.Job
	clone  *clone
	random *generate.Random
	due    [jobfile.Directions]int64 // ns of the clone's clock; 0 until I/O has begun
}

// newPace is nil for a job without a rate.
func newPace(c *clone) *pace {
	r := &c.job.Rate
	if r.Bytes == [jobfile.Directions]int64{} && r.IOPS == [jobfile.Directions]int64{} {
		return nil
	}
	return &pace{job: c.job, clone: c, random: generate.NewRandom(c.other, generate.ForRate, true)}
}

// begin counts from the first I/O: what was spent on opening files and rings, or on waiting for a processor
// since, is not to be made up for.
func (p *pace) begin() {
	if p.due[0] == 0 {
		now := max(p.clone.now(), 1)
		for d := range p.due {
			p.due[d] = now
		}
	}
}

func (p *pace) limited(d jobfile.Direction) bool {
	return p.job.Rate.Bytes[d] > 0 || p.job.Rate.IOPS[d] > 0
}

// prefer gives the direction that is behind, where the drawn one would have to wait.
func (p *pace) prefer(drawn jobfile.Direction, now int64) jobfile.Direction {
	p.begin()
	if !p.job.Pattern.Mixed() || !p.limited(drawn) || p.due[drawn] <= now {
		return drawn
	}
	other := jobfile.Read + jobfile.Write - drawn
	if p.limited(other) && p.due[other] <= now {
		return other
	}
	return drawn
}

// next gives the intended start of an I/O, never 0, and moves on to that of the one after it; 0 in a
// direction without a limit.
func (p *pace) next(d jobfile.Direction, length int64) int64 {
	if !p.limited(d) {
		return 0
	}
	p.begin()
	start := p.due[d]
	gap := 0.0
	if r := &p.job.Rate; r.IOPS[d] > 0 {
		gap = 1e9 / float64(r.IOPS[d])
	} else {
		gap = 1e9 * float64(length) / float64(r.Bytes[d])
	}
	if p.job.Rate.Poisson {
		gap *= -math.Log(1 - p.random.Float()*(1-1e-9))
	}
	p.due[d] += int64(gap)
	return max(start, 1)
}

// postpone moves the times to come by a pause that is not to be made up for.
func (p *pace) postpone(by time.Duration) {
	if p == nil || p.job.Rate.IgnoreThink {
		return
	}
	for d := range p.due {
		p.due[d] += int64(by)
	}
}

// thinking is thinktime: pauses between I/Os.
type thinking struct {
	job   *jobfile.Job
	count int
	since int64 // ns; when I/O went on after the last pause
}

func (t *thinking) issued() {
	if t.job.Think.OnIssue {
		t.count++
	}
}

func (t *thinking) completed() {
	if !t.job.Think.OnIssue {
		t.count++
	}
}

// due says that a pause is due, and how long.
func (t *thinking) due(c *clone) (time.Duration, bool) {
	think := &t.job.Think
	if think.Time == 0 || t.count == 0 { // At least one I/O lies between two pauses.
		return 0, false
	}
	if !t.enough(c) {
		return 0, false
	}
	t.count = 0
	return think.Time, true
}

// enough says that I/O has gone on for long enough, or was enough where that is asked for as well.
func (t *thinking) enough(c *clone) bool {
	think := &t.job.Think
	if think.IOTime == 0 {
		return t.count >= max(think.Blocks, 1)
	}
	now := c.now()
	if t.since == 0 {
		t.since = max(c.startedAt.Load(), 1)
	}
	if now-t.since < int64(think.IOTime) && (think.Blocks <= 1 || t.count < think.Blocks) {
		return false
	}
	t.since = now + int64(think.Time)
	return true
}
