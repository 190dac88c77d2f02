package workload

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ringo-io/ringo/go/workload/generate"
	"github.com/ringo-io/ringo/go/workload/internal/host"
	"github.com/ringo-io/ringo/go/workload/jobfile"
	"github.com/ringo-io/ringo/go/workload/stats"
)

// A clone is one of a job's NumJobs: one worker with files, seeds and statistics of its own.
type clone struct {
	*run
	job    *jobfile.Job
	index  int // among the job's clones
	number int // among all of the run
	seed   uint64
	other  uint64 // seed of what is not an offset
	phase  *phase
	files  []*target
	ended  chan struct{}

	base     time.Time     // the clock's zero
	quit     chan struct{} // closed when the clone is to end
	stopping atomic.Bool
	stopOnce sync.Once
	ramping  atomic.Bool
	state    atomic.Int32 // a letter of the status line

	source *source
	meters atomic.Pointer[[]meter] // one per lane
	stats  stats.Job
	logs   *logs

	mu         sync.Mutex // guards what follows, and stats while the clone runs
	error      int
	reason     string
	errors     uint64 // that did not end the clone, beside those of the lanes
	firstError int
	// Usage before the measured part, and in it.
	threadBefore, processBefore, usage stats.Usage
	finished                           bool                     // stats are complete
	published                          map[*recorder]*stats.Job // by lanes still at work, for a snapshot
	wanted                             atomic.Uint64            // counts the snapshots asked for
	rampOnce                           sync.Once
	startedAt, measureFrom             atomic.Int64 // when I/O and when the measured part began, by the clone's clock
}

func newClone(r *run, job *jobfile.Job, index, number int) (*clone, error) {
	c := &clone{run: r, job: job, index: index, number: number, ended: make(chan struct{}), quit: make(chan struct{}),
		base: time.Now(), published: make(map[*recorder]*stats.Job)}
	c.phase = r.phaseOf(job, index)
	c.seed = job.RandSeed
	if !job.RandRepeat {
		c.seed = entropy()
	}
	c.other = c.seed ^ 0x5bd1e995
	c.seed, c.other = generate.SeedOf(c.seed, number), generate.SeedOf(c.other, number)
	c.state.Store('P')
	c.targets()
	return c, nil
}

func entropy() uint64 {
	var bytes [8]byte
	_, _ = rand.Read(bytes[:]) // It never fails.
	return binary.LittleEndian.Uint64(bytes[:])
}

// now is in ns since the clone was made.
func (c *clone) now() int64 { return int64(time.Since(c.base)) }

// stop asks the clone to end. Safe for concurrent use, any number of times.
func (c *clone) stop() {
	c.stopOnce.Do(func() {
		c.stopping.Store(true)
		close(c.quit)
	})
}

// fail notes the first error of the clone and ends it.
func (c *clone) fail(errno syscall.Errno, format string, args ...any) {
	c.mu.Lock()
	if c.error == 0 {
		c.error, c.reason = int(errno), fmt.Sprintf(format, args...)
		c.options.log("%s: %s", c.job.Name, c.reason)
	}
	c.mu.Unlock()
	c.stop()
}

// failWith notes an error of Go's kind.
func (c *clone) failWith(err error) {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		errno = syscall.EINVAL
	}
	c.fail(errno, "%v", err)
}

func (c *clone) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.error != 0
}

// delay waits for startdelay; false says that the run ended meanwhile.
func (c *clone) delay() bool {
	wait := c.job.StartDelay.Min
	if spread := c.job.StartDelay.Max - wait; spread > 0 {
		wait += time.Duration(generate.NewRandom(c.other, generate.ForDelay, true).Below(uint64(spread) + 1))
	}
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-c.quit:
		}
	}
	return !c.stopping.Load()
}

// perform does the clone's whole work, on a thread of its own.
func (c *clone) perform() {
	runtime.LockOSThread() // Never unlocked: its affinity may have been changed, and usage is counted by thread.
	c.state.Store('I')
	defer c.state.Store('_')
	if len(c.job.CPUsAllowed) > 0 {
		cpus := c.job.CPUsAllowed
		if c.job.CPUsPolicy == jobfile.CPUsSplit {
			cpus = cpus[c.index%len(cpus):][:1]
		}
		if err := host.SetAffinity(cpus); err != nil {
			c.failWith(fmt.Errorf("cpus_allowed %v: %w", cpus, err))
			return
		}
	}
	if c.job.ExecPrerun != "" && !c.exec("prerun", c.job.ExecPrerun) {
		return
	}
	if c.job.Engine.Engine == jobfile.EngineFio {
		c.runFio()
	} else if !c.job.CreateOnly {
		c.runHere()
	}
	if c.job.ExecPostrun != "" {
		c.exec("postrun", c.job.ExecPostrun)
	}
}

// runHere does the work by one of our own engines.
func (c *clone) runHere() {
	if err := c.open(); err != nil {
		c.failWith(err)
		return
	}
	defer c.close()
	c.phase.enter()
	work, err := c.newWork()
	if err != nil {
		c.failWith(err)
		return
	}
	c.beginUsage()
	started := c.now()
	c.startedAt.Store(started)
	c.measureFrom.Store(started)
	stopTimers := c.startTimers()
	sampled := c.sample()
	c.passes(work)
	c.syncAtEnd()
	stopTimers()
	sampled()
	work.close()
	c.endUsage(work.own, time.Duration(c.now()-started))
	c.finish(work)
	if err := c.logs.write(); err != nil {
		c.failWith(err)
	}
}

// beginUsage notes what was used before what is measured.
func (c *clone) beginUsage() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.threadBefore, c.processBefore = host.ThreadUsage(), host.ProcessUsage()
}

// endUsage notes what was used since: by this thread, or where others worked too by the process.
func (c *clone) endUsage(ownThread bool, elapsed time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ownThread {
		c.usage = host.ThreadUsage().Since(c.threadBefore)
	} else {
		c.usage = host.ProcessUsage().Since(c.processBefore)
	}
	c.stats.Elapsed = elapsed
}

// startTimers ends the ramp, and the run, when their time has come.
func (c *clone) startTimers() (stop func()) {
	var timers []*time.Timer
	if c.job.RampTime > 0 {
		c.ramping.Store(true)
		c.state.Store('/')
		timers = append(timers, time.AfterFunc(c.job.RampTime, func() {
			c.measureFrom.Store(c.now())
			c.ramping.Store(false)
			c.state.Store(c.letter())
		}))
	}
	if c.job.Runtime > 0 {
		timers = append(timers, time.AfterFunc(c.job.RampTime+c.job.Runtime, c.stop))
	}
	return func() {
		for _, t := range timers {
			t.Stop()
		}
	}
}

// passes does the workload once, or as often as asked, or until time is up.
func (c *clone) passes(w *work) {
	for pass := 1; ; pass++ {
		c.state.Store(c.letter())
		if c.onlyVerifies() {
			c.source.rehearse()
		} else {
			from := c.now()
			w.io()
			c.addDuration(from, c.job.Pattern.Reads, c.job.Pattern.Writes)
		}
		again := pass < c.job.Loops || c.job.TimeBased && c.job.Runtime > 0
		overwritten := again && c.onlyVerifies() // by the next pass of the earlier run
		if c.verifiesAfter() && !overwritten && !c.stopping.Load() {
			c.state.Store('V')
			from := c.now()
			w.verify()
			c.addDuration(from, true, false)
		}
		if c.stopping.Load() || !again {
			return
		}
		c.source.restart()
	}
}

// verifiesAfter says that what was written is read back.
func (c *clone) verifiesAfter() bool {
	v := &c.job.Verify
	return v.Checksum != jobfile.VerifyNone && v.After && c.job.Pattern.Writes
}

// onlyVerifies says that a job which writes leaves that to an earlier run of itself, and checks what that wrote.
func (c *clone) onlyVerifies() bool { return c.job.Verify.Only && c.job.Pattern.Writes }

// writes says that the job writes to its files.
func (c *clone) writes() bool { return c.job.Pattern.Writes && !c.job.Verify.Only }

// countError counts an error that does not end the clone.
func (c *clone) countError(errno syscall.Errno) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errors++
	if c.firstError == 0 {
		c.firstError = int(errno)
	}
}

// syncs says that the job has syncs among its I/Os, which are always timed.
func (c *clone) syncs() bool { return c.job.FsyncEvery > 0 || c.job.FdatasyncEvery > 0 }

func (c *clone) addDuration(from int64, reads, writes bool) {
	from = max(from, c.measureFrom.Load())
	took := time.Duration(c.now() - from)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Runtime += took
	if reads {
		c.stats.Flows[stats.Read].Duration += took
	}
	if writes {
		c.stats.Flows[stats.Write].Duration += took
	}
}

// letter is what the status line says of a clone at work.
func (c *clone) letter() int32 {
	p := &c.job.Pattern
	letters := map[[3]bool]rune{
		{true, false, false}: 'R', {true, false, true}: 'r', {false, true, false}: 'W', {false, true, true}: 'w',
		{true, true, false}: 'M', {true, true, true}: 'm',
	}
	return letters[[3]bool{p.Reads, p.Writes, p.Random}]
}

// syncAtEnd writes out what the page cache holds, within the measured time.
func (c *clone) syncAtEnd() {
	if !c.job.EndFsync && !c.job.FsyncOnClose || !c.writes() {
		return
	}
	c.state.Store('F')
	from := c.now()
	for _, t := range c.files {
		if err := t.file.Sync(); err != nil {
			c.failWith(fmt.Errorf("fsync of %s: %w", t.path, pathless(err)))
		}
	}
	c.addDuration(from, c.job.Pattern.Reads, true)
}

// pathless drops the path that the text has already.
func pathless(err error) error {
	var pathError *os.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
