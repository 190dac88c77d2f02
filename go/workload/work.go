package workload

import (
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/go/workload/engine"
	"github.com/ringo-io/ringo/go/workload/internal/host"
	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// work is a clone's engine with the lanes that drive it: one for engines that have a queue of their own,
// as many as the depth for goroutines that each do one I/O at a time.
type work struct {
	clone *clone
	lanes []lane
	arena []byte
	// calls is how many system calls the engine has made; false where that cannot be known.
	calls func() (uint64, bool)
	stop  func() error
	// own says that all I/O is done on the clone's own thread.
	own bool
}

// A lane does I/Os until its source has no more.
type lane interface {
	run()
	recorded() *recorder
}

// newWork opens the engine.
func (c *clone) newWork() (*work, error) {
	depth := max(c.job.Depth.Limit, 1)
	w := &work{clone: c}
	arena, buffers, err := c.buffers(depth)
	if err != nil {
		return nil, err
	}
	w.arena = arena
	setup := engine.Setup{Depth: depth, Buffers: buffers, Memory: arena, Auto: c.job.Depth.Auto}
	var files []*os.File
	for _, t := range c.files {
		if t.file != nil {
			files = append(files, t.file)
			setup.Files = append(setup.Files, int(t.file.Fd()))
		}
	}
	if err := w.open(setup, files); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *work) open(setup engine.Setup, files []*os.File) (err error) {
	c := w.clone
	shared := c.job.Engine.Engine == jobfile.EngineGoRead && setup.Depth > 1
	if c.source, err = newSource(c, shared); err != nil {
		return err
	}
	c.logs = newLogs(c)
	switch c.job.Engine.Engine {
	case jobfile.EnginePsync:
		return w.openSynchronous(engine.OpenPsync(setup), setup)
	case jobfile.EngineGoRead:
		return w.openGoRead(files, setup)
	case jobfile.EngineNull:
		if setup.Depth == 1 {
			return w.openSynchronous(&engine.NullSync{}, setup)
		}
		return w.openQueue(engine.OpenNull(setup), setup, true)
	case jobfile.EngineLibaio:
		q, err := engine.OpenLibaio(setup, engine.Aio{UserspaceReap: c.job.Engine.UserspaceReap, Flags: c.transferFlags()})
		if err != nil {
			return err
		}
		return w.openQueue(q, setup, true)
	case jobfile.EngineRingo, jobfile.EngineThreads:
		return w.openRingo(files, setup)
	}
	return fmt.Errorf("engine %s: %w", c.job.Engine.Name, syscall.EOPNOTSUPP)
}

func (w *work) openSynchronous(e engine.Synchronous, setup engine.Setup) error {
	c := w.clone
	meters := make([]meter, 1)
	c.meters.Store(&meters)
	w.own, w.stop = true, e.Close
	w.calls = func() (uint64, bool) { return e.Calls(), true }
	w.lanes = []lane{&stepLane{clone: c, engine: e, buffer: setup.Buffers[0], record: newRecorder(c, &meters[0], false)}}
	return nil
}

func (w *work) openGoRead(files []*os.File, setup engine.Setup) error {
	c := w.clone
	meters := make([]meter, setup.Depth)
	c.meters.Store(&meters)
	engines := make([]*engine.GoRead, setup.Depth)
	for i := range engines {
		engines[i] = engine.OpenGoRead(files)
		w.lanes = append(w.lanes, &stepLane{clone: c, engine: engines[i], slot: i, buffer: setup.Buffers[i],
			record: newRecorder(c, &meters[i], false), depth: setup.Depth})
	}
	w.stop = func() error { return nil }
	w.calls = func() (calls uint64, known bool) {
		for _, e := range engines {
			calls += e.Calls()
		}
		return calls, true
	}
	return nil
}

func (w *work) openRingo(files []*os.File, setup engine.Setup) error {
	c := w.clone
	on, err := c.rings.engine(c.job, c.options.Backend)
	if err != nil {
		return err
	}
	o := &c.job.Engine
	q, err := engine.OpenRingo(on, files, setup, engine.Ring{FixedBuffers: o.FixedBuffers, RegisterFiles: o.RegisterFiles,
		SQPoll: o.SQPoll || o.SQPollCPU >= 0, SQPollCPU: o.SQPollCPU, IOPoll: o.HiPri,
		Vectored: !o.NonVectored && !o.FixedBuffers, ForceAsync: o.ForceAsync, Flags: c.transferFlags()})
	if err != nil {
		return err
	}
	if on.Backend() == "threads" && c.job.Engine.Engine == jobfile.EngineRingo {
		c.mu.Lock()
		c.stats.Measured.Engine = c.job.Engine.Name + " (threads backend)"
		c.mu.Unlock()
	}
	return w.openQueue(q, setup, on.Backend() == "uring")
}

// transferFlags are the RWF_* of reads and writes.
func (c *clone) transferFlags() (flags uint32) {
	if c.job.Engine.NoWait {
		flags |= host.TransferNoWait
	}
	if c.job.Engine.Uncached && !c.job.Direct {
		flags |= host.TransferDontCache
	}
	return flags
}

func (w *work) openQueue(q engine.Queue, setup engine.Setup, ownThread bool) error {
	c := w.clone
	meters := make([]meter, 1)
	c.meters.Store(&meters)
	w.own, w.stop, w.calls = ownThread, q.Close, q.Calls
	w.lanes = []lane{newQueueLane(c, q, setup.Buffers, newRecorder(c, &meters[0], true))}
	return nil
}

// buffers maps one buffer per slot, aligned to pages and so for O_DIRECT, outside the Go heap: the kernel
// writes to them while Go may move nothing, but must not free them either.
func (c *clone) buffers(depth int) (arena []byte, buffers [][]byte, err error) {
	page := int64(os.Getpagesize())
	align := max(c.job.Buffers.Align, page)
	each := (c.largestBlock() + align - 1) / align * align
	arena, err = unix.Mmap(-1, 0, int(each)*depth, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, nil, fmt.Errorf("%d buffers of %d bytes: %w", depth, each, err)
	}
	for i := range depth {
		// The capacity goes on to the arena's end, so that a window pins all of it by one pin.
		buffers = append(buffers, arena[int64(i)*each:][:each])
	}
	for at := int64(0); at < int64(len(arena)); at += page {
		arena[at] = 0 // Page faults come now, not in the first I/Os.
	}
	return arena, buffers, nil
}

// io does the job's I/O until a limit, the end of time, or an error.
func (w *work) io() {
	if len(w.lanes) == 1 {
		w.lanes[0].run()
		return
	}
	var all sync.WaitGroup
	for _, l := range w.lanes {
		all.Add(1)
		go func() {
			defer all.Done()
			l.run()
		}()
	}
	all.Wait()
}

// verify reads back what was written.
func (w *work) verify() {
	w.clone.source.checkAll()
	w.io()
}

// close ends the engine. The statistics stay.
func (w *work) close() {
	if w.stop != nil {
		if err := w.stop(); err != nil {
			w.clone.failWith(fmt.Errorf("closing the engine: %w", err))
		}
	}
	if w.arena != nil {
		_ = unix.Munmap(w.arena) // It was mapped above.
		w.arena = nil
	}
}

// finish puts the statistics of all lanes together.
func (c *clone) finish(w *work) {
	c.mu.Lock()
	defer c.mu.Unlock()
	total := uint64(0)
	for _, l := range w.lanes {
		r := l.recorded()
		total += r.total
		c.stats.Merge(&r.stats)
	}
	c.stats.Errors += c.errors
	if c.stats.First == 0 {
		c.stats.First = c.firstError
	}
	c.finished = true
	c.phase.leave(total)
	c.stats.Measured.Syscalls = -1
	if calls, known := w.calls(); known && total > 0 {
		c.stats.Measured.Syscalls = float64(calls) / float64(total+c.stats.Sync.N)
	}
}

// rampOver begins the measured part of the usage; the first lane that sees the ramp end calls it.
func (c *clone) rampOver() {
	c.rampOnce.Do(c.beginUsage)
}
