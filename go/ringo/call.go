package ringo

import (
	"context"
	"runtime"
	"runtime/trace"
	"sync"

	"github.com/ringo-io/ringo/csrc"
)

// A call is a sink somebody blocks on.
type call struct {
	ended  chan struct{}
	result csrc.Completion
}

var calls = sync.Pool{New: func() any { return &call{ended: make(chan struct{}, 1)} }}

func (c *call) complete(_ *loop, completion *csrc.Completion) {
	if completion.Flags&csrc.More == 0 {
		c.result = *completion
		c.ended <- struct{}{}
	}
}

// doOp runs op on some loop and waits for its end, as loop.doOp does.
func (e *Engine) doOp(ctx context.Context, op *csrc.Op, memory []byte, held bool) (csrc.Completion, error) {
	l, err := e.blockingLoop()
	if err != nil {
		return csrc.Completion{}, err
	}
	return l.doOp(ctx, op, memory, held)
}

// doOp runs op and waits for its end; the caller is not on the loop. When ctx ends first, op is
// cancelled; doOp still returns only once the kernel has let go of all memory that op names, which
// stays pinned as long. A caller that has one of the engine's holds says so.
func (l *loop) doOp(ctx context.Context, op *csrc.Op, memory []byte, held bool) (csrc.Completion, error) {
	if err := ctx.Err(); err != nil {
		return csrc.Completion{}, context.Cause(ctx)
	}
	if trace.IsEnabled() {
		defer trace.StartRegion(ctx, "ringo: "+codeName(op.Code)).End()
	}
	var pinner runtime.Pinner
	if len(memory) > 0 {
		pinner.Pin(&memory[0])
		defer pinner.Unpin()
	}
	c := calls.Get().(*call)
	defer calls.Put(c)
	t, err := l.postBlocking(ctx, op, c, held)
	if err != nil {
		return csrc.Completion{}, err
	}
	select {
	case <-c.ended:
	case <-ctx.Done():
		l.cancel(t)
		<-c.ended
	}
	return c.result, nil
}
