package ringo

import (
	"sync"
	"sync/atomic"
)

// holds counts calls that take more than one operation. While one is under way a closing engine
// keeps its memory and takes the call's further operations, so that it ends as it would have.
type holds struct {
	state atomic.Int64 // how many; holdsClosed is added once no more are given
	last  sync.Once
	none  chan struct{} // closed when no more are given and all are back
}

const holdsClosed = 1 << 62

func (h *holds) init() { h.none = make(chan struct{}) }

// take fails with ErrClosed once the engine is closing.
func (h *holds) take() error {
	if h.state.Add(1) < holdsClosed {
		return nil
	}
	h.give()
	return ErrClosed
}

func (h *holds) give() {
	if h.state.Add(-1) == holdsClosed {
		h.last.Do(func() { close(h.none) })
	}
}

// close is called once; none is closed when the last hold is back.
func (h *holds) close() {
	h.state.Add(holdsClosed + 1)
	h.give()
}
