package generate

import "github.com/ringo-io/ringo/go/workload/jobfile"

// A chooser says which file is next, among those that are not finished.
type chooser struct {
	service  jobfile.FileService
	random   *Random
	shape    *distribution
	done     []bool
	left     int
	current  int
	untilNew int // I/Os before another file is chosen
}

func newChooser(job *jobfile.Job, files int, seed uint64) *chooser {
	c := &chooser{service: job.FileService, random: NewRandom(seed, ForFiles, false), done: make([]bool, files)}
	if c.service.Order == jobfile.ServiceDistributed {
		c.shape = newDistribution(job.FileService.Distribution, uint64(files), SeedOf(seed, files))
	}
	c.restart()
	return c
}

func (c *chooser) restart() {
	clear(c.done)
	c.left, c.current, c.untilNew = len(c.done), -1, 0
}

// next is -1 when all files are finished.
func (c *chooser) next() int {
	if c.left == 0 {
		return -1
	}
	if len(c.done) == 1 {
		return 0
	}
	stay := c.service.Order == jobfile.ServiceSequential || c.untilNew > 0
	if c.current >= 0 && stay && !c.done[c.current] {
		c.untilNew--
		return c.current
	}
	c.untilNew = max(c.service.Every, 1) - 1
	start := c.current + 1
	switch c.service.Order {
	case jobfile.ServiceRandom:
		start = int(c.random.Below(uint64(len(c.done))))
	case jobfile.ServiceDistributed:
		start = int(c.shape.next())
	}
	for i := range c.done {
		if c.current = (start + i) % len(c.done); !c.done[c.current] {
			break
		}
	}
	return c.current
}

// finished takes a file out of the choice.
func (c *chooser) finished(file int) {
	if !c.done[file] {
		c.done[file] = true
		c.left--
	}
}
