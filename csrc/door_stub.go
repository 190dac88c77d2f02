//go:build !linux || !cgo

// Package csrc is the door to ringo's C core. This build has no cgo, or is not for Linux, so there
// is no core behind it: operations on files are done by goroutines with plain system calls
// (portable.go), with the contract of ringo.h. Those on sockets end with EOPNOTSUPP, and rings that
// are asked for by name cannot be opened.
package csrc

import (
	"sync"
	"syscall"
	"time"
)

// A Deliverer takes the completions of one turn.
type Deliverer interface {
	Deliver(completions []Completion, outbox []Op) (written int, again bool)
}

// A runner runs operations on goroutines and gathers their completions. Safe for concurrent use.
type runner struct {
	mu        sync.Mutex
	changed   sync.Cond
	done      []Completion
	flights   map[*flight]struct{}
	cancelled bool // all that is started ends at once
	submitted uint64
}

// A flight is one operation under way.
type flight struct {
	op     Op
	own    bool        // came by Deliver
	timer  *time.Timer // of a Timeout
	ending bool        // was cancelled
	since  time.Time
}

func (r *runner) init() {
	r.changed.L = &r.mu
	r.flights = map[*flight]struct{}{}
}

// startLocked begins an operation.
func (r *runner) startLocked(op *Op, own bool) {
	f := &flight{op: *op, own: own, since: time.Now()}
	r.flights[f] = struct{}{}
	r.submitted++
	switch {
	case r.cancelled && op.Code != CloseFD:
		r.endLocked(f, Completion{Result: -int64(syscall.ECANCELED)})
	case op.Code == Timeout:
		f.timer = time.AfterFunc(time.Duration(op.Argument2), func() { r.end(f, Completion{}) })
	case op.Code == Nop:
		r.endLocked(f, Completion{})
	default:
		go func() { r.end(f, execute(&f.op)) }()
	}
}

func (r *runner) end(f *flight, c Completion) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endLocked(f, c)
}

func (r *runner) endLocked(f *flight, c Completion) {
	if _, there := r.flights[f]; !there {
		return // a timer that expired while it was cancelled
	}
	delete(r.flights, f)
	c.UserData = f.op.UserData
	r.done = append(r.done, c)
	r.changed.Broadcast()
}

// cancelLocked is the operation Cancel. Only timeouts can be ended early: a system call that a
// goroutine is in ends by itself.
func (r *runner) cancelLocked(op *Op) {
	found := int64(0)
	for f := range r.flights {
		matches := op.Argument == CancelAll || op.Argument == CancelFD && f.op.FD == op.FD ||
			op.Argument == CancelUserData && f.op.UserData == op.Argument2
		if matches {
			found++
			r.expireLocked(f)
		}
	}
	if found == 0 {
		found = -int64(syscall.ENOENT)
	}
	r.done = append(r.done, Completion{UserData: op.UserData, Result: found})
	r.changed.Broadcast()
}

func (r *runner) expireLocked(f *flight) {
	f.ending = true
	if f.timer != nil {
		f.timer.Stop()
		r.endLocked(f, Completion{Result: -int64(syscall.ECANCELED)})
	}
}

func (r *runner) stopLocked(how StopHow) {
	r.cancelled = r.cancelled || how == StopCancel
	for f := range r.flights {
		r.expireLocked(f)
	}
	r.changed.Broadcast()
}

// A Loop delivers the completions of its operations. OpenLoop, Run and Close are for one goroutine;
// the other methods are safe for concurrent use.
type Loop struct {
	runner
	options Options
	posted  int // operations from Post not yet delivered
	own     int
	awake   bool
	stopped StopHow
	stats   Stats
}

// OpenLoop opens a loop; ENOSYS when a ring is asked for by name.
func OpenLoop(options *Options) (*Loop, error) {
	if options.Backend == BackendURing || options.Backend == BackendThreads {
		return nil, syscall.ENOSYS
	}
	l := &Loop{options: *options}
	l.init()
	return l, nil
}

const outboxRoom = 4096

// Run delivers until Stop, and then until the last operation has ended.
func (l *Loop) Run(d Deliverer) error {
	outbox := make([]Op, outboxRoom+SlotlessRoom)
	again := false
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for !again && !l.awake && len(l.done) == 0 && !(l.stopped != 0 && len(l.flights) == 0) {
			l.changed.Wait()
		}
		l.awake = false
		if l.stopped != 0 && len(l.flights) == 0 && len(l.done) == 0 && !again {
			return nil
		}
		l.stats.Turns++
		if len(l.done) > 0 || again {
			again = l.deliverLocked(d, outbox)
		}
	}
}

func (l *Loop) deliverLocked(d Deliverer, outbox []Op) (again bool) {
	done := l.done
	l.done = nil
	l.stats.Deliveries++
	l.stats.Completions += uint64(len(done))
	l.posted, l.own = 0, 0
	for f := range l.flights {
		if f.own {
			l.own++
		} else {
			l.posted++
		}
	}
	room := min(outboxRoom, max(0, int(l.options.Reserve)-l.own))
	l.mu.Unlock()
	written, again := d.Deliver(done, outbox[:room+SlotlessRoom])
	l.mu.Lock()
	for i := range outbox[:written] {
		l.takeLocked(&outbox[i], true)
	}
	return again
}

func (l *Loop) takeLocked(op *Op, own bool) {
	switch op.Code {
	case Cancel:
		l.cancelLocked(op)
	case ReturnBuffer:
	default:
		l.startLocked(op, own)
	}
}

// Post starts operations, all or none.
func (l *Loop) Post(ops []Op, _ uint32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	needed := 0
	for i := range ops {
		if ops[i].Code != Cancel && ops[i].Code != ReturnBuffer {
			needed++
		}
	}
	switch {
	case l.stopped != 0:
		return syscall.ESHUTDOWN
	case l.posted+needed > int(l.options.Depth):
		return syscall.EAGAIN
	}
	l.posted += needed
	for i := range ops {
		l.takeLocked(&ops[i], false)
	}
	return nil
}

// Wake makes the loop turn.
func (l *Loop) Wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.awake = true
	l.changed.Broadcast()
}

// Stop makes Run end.
func (l *Loop) Stop(how StopHow) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = how
	l.stopLocked(how)
}

// Close has nothing to release.
func (l *Loop) Close() {}

// Stats counts what there is to count.
func (l *Loop) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Submitted, s.InFlight = l.submitted, uint64(len(l.flights))
	return s
}

// InFlight lists what is under way.
func (l *Loop) InFlight() (list []InFlight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for f := range l.flights {
		list = append(list, InFlight{UserData: f.op.UserData, Code: f.op.Code})
	}
	return list
}

// CodeName is the name of an operation.
func CodeName(code Code) string { return portableNames[code] }

// Backend is that of this build; there is no other one to fall back from.
func (*Loop) Backend() (backend uint32, fallback error) { return BackendOS, nil }

// Buffers has none.
func (*Loop) Buffers() (memory []byte, size int) { return nil, 0 }

// A Batch runs lists of operations.
type Batch struct {
	runner
	depth int
}

// OpenBatch opens a batch; ENOSYS when a ring is asked for by name.
func OpenBatch(options *Options) (*Batch, error) {
	if options.Backend == BackendURing || options.Backend == BackendThreads {
		return nil, syscall.ENOSYS
	}
	b := &Batch{depth: max(1, int(options.Depth))}
	b.init()
	return b, nil
}

// Run runs ops and waits for all; completions[i] belongs to ops[i].
func (b *Batch) Run(ops []Op, cancellable bool, completions []Completion) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !cancellable {
		b.cancelled = false
	}
	for started, ended := 0, 0; ended < len(ops); {
		for ; started < len(ops) && len(b.flights) < b.depth; started++ {
			op := ops[started]
			op.UserData = uint64(started)
			b.startLocked(&op, false)
		}
		for len(b.done) == 0 {
			b.changed.Wait()
		}
		for _, c := range b.done {
			at := c.UserData
			c.UserData = ops[at].UserData
			completions[at] = c
		}
		ended += len(b.done)
		b.done = b.done[:0]
	}
	b.cancelled = false
	return nil
}

// Step starts ops, waits for as many to end, or for the time, and takes all that have.
func (b *Batch) Step(ops []Op, wait int, timeoutNS int64, completions []Completion) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range ops {
		if ops[i].Code == Cancel {
			b.cancelLocked(&ops[i])
		} else {
			b.startLocked(&ops[i], false)
		}
	}
	late := timeoutNS == 0
	if timeoutNS > 0 {
		timer := time.AfterFunc(time.Duration(timeoutNS), func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			late = true
			b.changed.Broadcast()
		})
		defer timer.Stop()
	}
	for !late && len(b.done) < wait && len(b.flights) > 0 {
		b.changed.Wait()
	}
	n := copy(completions, b.done)
	b.done = b.done[:copy(b.done, b.done[n:])]
	return n, nil
}

// Entries is 0: there is no ring.
func (b *Batch) Entries() uint64 { return 0 }

// Settle ends a window.
func (b *Batch) Settle() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.flights) > 0 {
		return syscall.EBUSY
	}
	b.cancelled = false
	return nil
}

// Cancel ends what is in flight, as far as it can be, and what is started later.
func (b *Batch) Cancel() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopLocked(StopCancel)
}

// Close has nothing to release.
func (b *Batch) Close() {}

// Probe reports what this build does.
func Probe() (Features, error) {
	f := Features{Backend: BackendOS, UringError: syscall.ENOSYS, Liburing: "none"}
	for code := range Code(CodeCount) {
		support := OpSupport{Name: portableNames[code]}
		if support.Name == "" {
			continue
		}
		support.How = 2
		f.Ops = append(f.Ops, support)
	}
	return f, nil
}
