package workload

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ringo-io/ringo/go/workload/engine"
	"github.com/ringo-io/ringo/go/workload/stats"
)

// An entry is a line of a log: fio's "time in ms, value, direction, block size, offset, priority".
type entry struct {
	ms, value uint64
	direction int8
	size      uint32
	offset    int64
}

// A window averages, or takes the largest of, the values of one direction.
type window struct {
	sum, count, largest uint64
}

// logs are a clone's log files. They are kept in memory and written at the end, so that writing them does
// not disturb what they tell of.
type logs struct {
	clone *clone
	mu    sync.Mutex // guards what the samplers add
	kinds map[string]*logFile
	lanes []*laneLogs
}

type logFile struct {
	prefix  string
	entries []entry
}

// The kinds of logs, which are the ends of their files' names.
const (
	bandwidthLog = "bw"
	iopsLog      = "iops"
	slatLog      = "slat"
	clatLog      = "clat"
	latLog       = "lat"
)

// newLogs opens the logs that the job asks for.
func newLogs(c *clone) *logs {
	wanted := &c.job.Logs
	l := &logs{clone: c, kinds: make(map[string]*logFile)}
	for kind, prefix := range map[string]string{bandwidthLog: wanted.Bandwidth, iopsLog: wanted.IOPS, slatLog: wanted.Latency,
		clatLog: wanted.Latency, latLog: wanted.Latency} {
		if prefix != "" {
			l.kinds[kind] = &logFile{prefix: prefix}
		}
	}
	return l
}

// laneLogs takes the I/Os of one lane.
type laneLogs struct {
	logs    *logs
	entries map[string][]entry
	windows map[string]*[stats.Directions]window
	ends    uint64 // ms; of the window in progress
}

// lane is nil where single I/Os are not logged.
func (l *logs) lane() *laneLogs {
	if len(l.kinds) == 0 {
		return nil
	}
	lane := &laneLogs{logs: l, entries: make(map[string][]entry), windows: make(map[string]*[stats.Directions]window)}
	lane.ends = lane.step()
	l.lanes = append(l.lanes, lane)
	return lane
}

// step is the length of a window in ms; 0: every I/O has a line.
func (l *laneLogs) step() uint64 { return uint64(l.logs.clone.job.Logs.Every.Milliseconds()) }

func (l *laneLogs) add(io *engine.IO, now int64) {
	c := l.logs.clone
	ms := uint64(max(now-c.measureFrom.Load(), 0)) / uint64(time.Millisecond)
	if l.step() > 0 && ms >= l.ends {
		l.flush(ms)
	}
	values := [...]struct {
		kind  string
		value int64
	}{{slatLog, io.Submitted - io.Made}, {clatLog, now - io.Submitted}, {latLog, now - io.Made}}
	for _, v := range values {
		l.put(v.kind, entry{ms, uint64(max(v.value, 0)), io.Direction, uint32(len(io.Whole)), io.Offset})
	}
	if l.step() == 0 {
		took := uint64(max(now-io.Made, 1))
		l.put(bandwidthLog, entry{ms, uint64(len(io.Whole)) * 1e9 / took / 1024, io.Direction, uint32(len(io.Whole)), io.Offset})
		l.put(iopsLog, entry{ms, 1, io.Direction, uint32(len(io.Whole)), io.Offset})
	}
}

func (l *laneLogs) put(kind string, e entry) {
	if l.logs.kinds[kind] == nil {
		return
	}
	if l.step() == 0 {
		l.entries[kind] = append(l.entries[kind], e)
		return
	}
	windows := l.windows[kind]
	if windows == nil {
		windows = new([stats.Directions]window)
		l.windows[kind] = windows
	}
	w := &windows[e.direction]
	w.sum += e.value
	w.count++
	w.largest = max(w.largest, e.value)
}

// flush ends the window in progress.
func (l *laneLogs) flush(ms uint64) {
	for kind, windows := range l.windows {
		for d := range windows {
			w := &windows[d]
			if w.count == 0 {
				continue
			}
			value := w.sum / w.count
			if l.logs.clone.job.Logs.MaxValue {
				value = w.largest
			}
			l.entries[kind] = append(l.entries[kind], entry{ms: l.ends, value: value, direction: int8(d)})
			*w = window{}
		}
	}
	l.ends = (ms/l.step() + 1) * l.step()
}

// bandwidth and iops take the samplers' rates, where windows are logged and not single I/Os.
func (l *logs) bandwidth(c *clone, direction int, rate uint64) {
	l.sampled(bandwidthLog, c, direction, rate)
}
func (l *logs) iops(c *clone, direction int, rate uint64) { l.sampled(iopsLog, c, direction, rate) }

func (l *logs) sampled(kind string, c *clone, direction int, rate uint64) {
	file := l.kinds[kind]
	if file == nil || c.job.Logs.Every == 0 {
		return
	}
	ms := uint64(max(c.now()-c.measureFrom.Load(), 0)) / uint64(time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	file.entries = append(file.entries, entry{ms: ms, value: rate, direction: int8(direction)})
}

// write writes the files.
func (l *logs) write() error {
	if l == nil {
		return nil
	}
	for _, lane := range l.lanes {
		if lane.step() > 0 {
			lane.flush(lane.ends)
		}
		for kind, entries := range lane.entries {
			if file := l.kinds[kind]; file != nil {
				file.entries = append(file.entries, entries...)
			}
		}
	}
	for kind, file := range l.kinds {
		if err := l.writeFile(kind, file); err != nil {
			return fmt.Errorf("%s log: %w", kind, err)
		}
	}
	return nil
}

func (l *logs) writeFile(kind string, file *logFile) (err error) {
	j := l.clone.job
	name := fmt.Sprintf("%s_%s.log", file.prefix, kind)
	if j.Logs.PerJob {
		name = fmt.Sprintf("%s_%s.%d.log", file.prefix, kind, l.clone.number+1)
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(l.clone.options.LogDirectory, name)
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if !j.Logs.PerJob && l.clone.index > 0 {
		flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	}
	f, err := os.OpenFile(name, flags, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	w := bufio.NewWriter(f)
	zero := l.clone.logZero()
	for _, e := range file.entries {
		fmt.Fprintf(w, "%d, %d, %d, %d", zero+e.ms, e.value, e.direction, e.size)
		if j.Logs.Offset {
			fmt.Fprintf(w, ", %d", e.offset)
		}
		fmt.Fprint(w, ", 0\n")
	}
	return w.Flush()
}

// logZero is the time that a log's times count from, in ms since 1970; 0 where they count from the start.
func (c *clone) logZero() uint64 {
	if !c.job.Logs.UnixEpoch {
		return 0
	}
	return uint64(c.base.Add(time.Duration(c.measureFrom.Load())).UnixMilli())
}
