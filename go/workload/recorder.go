package workload

import (
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/ringo-io/ringo/go/workload/engine"
	"github.com/ringo-io/ringo/go/workload/jobfile"
	"github.com/ringo-io/ringo/go/workload/stats"
)

// A meter counts what a lane has done. The lane alone writes it; others read it while it runs.
type meter struct {
	bytes, ios [stats.Directions]atomic.Uint64
	_          [64]byte // the next lane's is in another cache line
}

// A recorder keeps the statistics of one lane, and decides what an error means.
type recorder struct {
	clone   *clone
	stats   stats.Job
	meter   *meter
	ramping bool
	total   uint64 // I/Os that ended, those of the ramp too
	// What is measured, so that no clock is read for what is not.
	slat, clat, lat bool
	logs            *laneLogs
	published       uint64 // the last snapshot that it answered
}

func newRecorder(c *clone, m *meter, asynchronous bool) *recorder {
	l := &c.job.Latencies
	r := &recorder{clone: c, meter: m, ramping: c.job.RampTime > 0, slat: asynchronous && !l.DisableSlat, clat: !l.DisableClat,
		lat: !l.DisableLat}
	for d := range r.stats.Flows {
		f := &r.stats.Flows[d]
		f.Clat.Histogram = histogramIf(l.ClatPercentiles)
		f.Slat.Histogram = histogramIf(l.SlatPercentiles)
		f.Lat.Histogram = histogramIf(l.LatPercentiles)
		f.Intended.Histogram = histogramIf(c.paced(jobfile.Direction(d)))
	}
	r.stats.Sync.Histogram = new(stats.Histogram)
	r.logs = c.logs.lane()
	return r
}

func histogramIf(wanted bool) *stats.Histogram {
	if wanted {
		return new(stats.Histogram)
	}
	return nil
}

func (c *clone) paced(d jobfile.Direction) bool {
	return c.job.Rate.Bytes[d] > 0 || c.job.Rate.IOPS[d] > 0
}

// clocked says that the time of I/Os is wanted at all.
func (r *recorder) clocked() bool { return r.slat || r.clat || r.lat }

// reset forgets what was measured during the ramp.
func (r *recorder) reset() {
	r.ramping = false
	s := &r.stats
	for d := range s.Flows {
		f := &s.Flows[d]
		f.Bytes, f.IOs, f.Issued, f.Short, f.Dropped = 0, 0, 0, 0, 0
		for _, l := range []*stats.Latency{&f.Slat, &f.Clat, &f.Lat, &f.Intended} {
			l.Reset()
		}
		r.meter.bytes[d].Store(0)
		r.meter.ios[d].Store(0)
	}
	s.Sync.Reset()
	s.Spread, s.Depths, s.Submits, s.Reaps = stats.LatencySpread{}, stats.Counts{}, stats.Counts{}, stats.Counts{}
	s.Errors, s.First = 0, 0
}

// ended takes an I/O that has ended at a time. It is true when the rest of a short transfer is to be done.
func (r *recorder) ended(io *engine.IO, now int64) (again bool) {
	if r.ramping && !r.clone.ramping.Load() {
		r.reset()
		r.clone.rampOver()
	}
	if wanted := r.clone.wanted.Load(); wanted != r.published {
		r.publish(wanted)
	}
	if io.Result < 0 {
		return r.failed(io)
	}
	if io.Op >= engine.Fsync {
		r.stats.Sync.Add(uint64(max(now-io.Submitted, 0)))
		return false
	}
	d := io.Direction
	f := &r.stats.Flows[d]
	if n := io.Result; n < len(io.Buffer) {
		if n == 0 {
			io.Result = -int(syscall.ENODATA)
			return r.failed(io)
		}
		f.Short++
		f.Bytes += uint64(n)
		io.Buffer, io.Offset = io.Buffer[n:], io.Offset+int64(n)
		return true
	}
	r.total++
	f.Bytes += uint64(io.Result)
	whole(io)
	f.Issued++
	f.IOs++
	r.meter.bytes[d].Store(f.Bytes)
	r.meter.ios[d].Store(f.IOs)
	if r.clat {
		took := uint64(max(now-io.Submitted, 0))
		f.Clat.Add(took)
		r.stats.Spread.Add(took)
	}
	if r.slat {
		f.Slat.Add(uint64(max(io.Submitted-io.Made, 0)))
	}
	if r.lat {
		f.Lat.Add(uint64(max(now-io.Made, 0)))
	}
	if io.Intended > 0 {
		f.Intended.Add(uint64(max(now-io.Intended, 0)))
	}
	if r.logs != nil {
		r.logs.add(io, now)
	}
	if limit := r.clone.job.MaxLatency[d]; limit > 0 && now-io.Made > int64(limit) {
		r.clone.fail(syscall.ETIMEDOUT, "latency of %d ns is above max_latency of %d ns", now-io.Made, limit.Nanoseconds())
	}
	return false
}

// whole gives back the buffer and offset of an I/O whose transfer came in parts.
func whole(io *engine.IO) {
	if done := len(io.Whole) - len(io.Buffer); done > 0 {
		io.Offset -= int64(done)
		io.Buffer = io.Whole
	}
}

// failed decides what becomes of an I/O that ended in an error; short transfers of nothing are one.
func (r *recorder) failed(io *engine.IO) (again bool) {
	errno := syscall.Errno(-io.Result)
	j := r.clone.job
	kind, scope := jobfile.ReadErrors, jobfile.ContinueRead
	if io.Op != engine.Read {
		kind, scope = jobfile.WriteErrors, jobfile.ContinueWrite
	}
	if io.Op < engine.Fsync {
		r.total++
		r.stats.Flows[io.Direction].Issued++
	}
	switch {
	case slices.Contains(j.IgnoreError[kind], errno):
		return false
	case errno == syscall.ENOSPC && j.FillDevice && kind == jobfile.WriteErrors:
		r.clone.stop() // The device is full: that is what was asked for.
		return false
	case j.ContinueOnError&scope != 0:
		r.stats.Errors++
		if r.stats.First == 0 {
			r.stats.First = int(errno)
		}
		return false
	}
	r.clone.fail(errno, "%s", r.describe(io, errno))
	return false
}

func (r *recorder) describe(io *engine.IO, errno syscall.Errno) string {
	path := r.clone.files[io.File].path
	if io.Op >= engine.Fsync {
		return fmt.Sprintf("sync of %s: %v", path, errno)
	}
	verb := "read"
	if io.Op == engine.Write {
		verb = "write"
	}
	text := fmt.Sprintf("%s of %d bytes at offset %d of %s: %v", verb, len(io.Buffer), io.Offset, path, errno)
	switch {
	case errno == syscall.EINVAL && r.clone.job.Direct:
		text += ": direct=1 needs offsets and sizes in whole blocks of the device"
	case errno == syscall.EOPNOTSUPP && r.clone.job.Engine.HiPri:
		text += ": hipri=1 needs direct=1, and a file system and device that poll"
	case errno == syscall.EOPNOTSUPP && r.clone.job.Engine.Uncached:
		text += ": uncached=1 needs Linux 6.14 and a file system that can"
	case errno == syscall.EAGAIN && r.clone.job.Engine.NoWait:
		text += ": it would have waited, and nowait=1 forbids that"
	case errno == syscall.ENODATA:
		text = fmt.Sprintf("read at offset %d of %s: the file ends there", io.Offset, path)
	}
	return text
}
