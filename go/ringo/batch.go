package ringo

import "context"

// A Batch runs lists of operations on a ring of its own, many at once, driven by the goroutine that
// calls Run: one crossing into C for many operations, and no allocation per operation. It is for
// one goroutine at a time.
type Batch struct{ window *Window }

// NewBatch opens a batch that has at most depth (1 to 32768) operations in flight at once. Close
// it. Safe for concurrent use.
func (e *Engine) NewBatch(depth int) (*Batch, error) {
	w, err := e.windows.open(e, depth, &windowSetup{})
	if err != nil {
		return nil, err
	}
	return &Batch{w}, nil
}

// Run runs ops, any number of them, and returns when all have ended, each with its N and Err. The
// error is that of the first op, in the order of ops, that has one. They run in no particular
// order, unless they are linked ([Op.Link]). When ctx ends, what has not ended is cancelled and
// has the cause as its error.
func (b *Batch) Run(ctx context.Context, ops []Op) error {
	if ctx.Err() != nil {
		return failAll(ops, context.Cause(ctx))
	}
	b.window.watch(ctx)
	err := b.window.run(ops)
	b.window.unwatch()
	if err == nil {
		err = b.window.settle() // last, so that a cancel that came too late ends nothing else
		b.window.engine.windows.renew(b.window)
	}
	if err != nil {
		return failAll(ops, err)
	}
	for i := range ops {
		if ops[i].Err != nil {
			return ops[i].Err
		}
	}
	return nil
}

// Close gives the batch's ring back.
func (b *Batch) Close() error { return b.window.Close() }

// run submits ops as there is room, and waits for them by the half: fewer wake-ups.
func (w *Window) run(ops []Op) error {
	w.chain = chainNone // what a cancelled run left open
	for i := range ops {
		for w.inFlight == w.depth {
			if _, err := w.Wait(w.inFlight/2 + 1); err != nil {
				return err
			}
		}
		if err := w.Submit(&ops[i]); err != nil {
			ops[i].failAs(err)
		}
	}
	for w.inFlight > 0 {
		if _, err := w.Wait(w.inFlight); err != nil {
			return err
		}
	}
	return nil
}

func failAll(ops []Op, err error) error {
	for i := range ops {
		ops[i].failAs(err)
	}
	if len(ops) == 0 {
		return err
	}
	return ops[0].Err
}

// ReadBatch reads Data of each op from its File at its Offset, many at once and on the caller's own
// thread, on a ring from a pool; see [Batch.Run]. It sets Kind. Safe for concurrent use.
func (e *Engine) ReadBatch(ctx context.Context, ops []Op) error {
	return e.runBatch(ctx, OpRead, ops)
}

// WriteBatch is ReadBatch for writes.
func (e *Engine) WriteBatch(ctx context.Context, ops []Op) error {
	return e.runBatch(ctx, OpWrite, ops)
}

func (e *Engine) runBatch(ctx context.Context, kind OpKind, ops []Op) error {
	if err := e.mayBlock(); err != nil {
		return failAll(ops, err)
	}
	w, err := e.windows.take(e)
	if err != nil {
		return failAll(ops, err)
	}
	for i := range ops {
		ops[i].Kind = kind
	}
	b := Batch{w}
	err = b.Run(ctx, ops)
	e.windows.give(w)
	return err
}
