package engine

import "time"

// Null does nothing, at once or, with a depth above one, when asked: what is left is the cost of asking.
type Null struct {
	queued, submitted []*IO
}

// OpenNull opens the engine.
func OpenNull(setup Setup) *Null {
	return &Null{queued: make([]*IO, 0, setup.Depth), submitted: make([]*IO, 0, setup.Depth)}
}

// Do ends an I/O in full.
func (n *Null) Do(io *IO) { io.Result = len(io.Buffer) }

// Queue takes an I/O.
func (n *Null) Queue(io *IO) { n.queued = append(n.queued, io) }

// Submit takes what was queued.
func (n *Null) Submit() (int, error) {
	count := len(n.queued)
	n.submitted = append(n.submitted, n.queued...)
	n.queued = n.queued[:0]
	return count, nil
}

// Reap ends what was submitted.
func (n *Null) Reap(done []*IO, _ int, _ time.Duration) (int, error) {
	count := copy(done, n.submitted)
	for _, io := range done[:count] {
		io.Result = len(io.Buffer)
	}
	n.submitted = append(n.submitted[:0], n.submitted[count:]...)
	return count, nil
}

// Calls is 0.
func (n *Null) Calls() (uint64, bool) { return 0, true }

// Close has nothing to give back.
func (n *Null) Close() error { return nil }

// NullSync is Null for jobs with one I/O at a time.
type NullSync struct{ Null }

// Calls is 0.
func (n *NullSync) Calls() uint64 { return 0 }
