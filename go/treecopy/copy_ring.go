// SPDX-License-Identifier: MIT

// Ring reads and writes of the data extents. A few workers each carry one chunk from end to end, so the memory is bounded
// and reads of some chunks overlap writes of others. Chunks span holes: a file of many small extents keeps as many in
// flight as one large extent.

package treecopy

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

const (
	chunkSize = 512 << 10
	inFlight  = 8
)

type chunk struct{ from, to int64 }

// ringCopy is one run of the workers.
type ringCopy struct {
	*transfer
	in, out  RingFile
	ctx      context.Context
	stop     context.CancelCauseFunc
	shortest atomic.Int64 // where the source turned out to end
}

// copyByRing stops early only where the source ends early.
func (t *transfer) copyByRing(from, to int64) (int64, error) {
	run := &ringCopy{transfer: t}
	var err error
	if run.in, run.out, err = t.ringFiles(); err != nil {
		return from, &Failure{What: "cannot open a ring to copy", Path: t.from, Why: err,
			Cure: "`ringo probe` says what is missing"}
	}
	run.ctx, run.stop = context.WithCancelCause(t.copier.ctx)
	defer run.stop(nil)
	run.shortest.Store(to)
	if to-from <= chunkSize {
		run.feed(from, to, func(c chunk) { run.carry(c) })
	} else {
		run.carryAll(from, to)
	}
	if err := context.Cause(run.ctx); err != nil {
		return from, t.ringFailure(err)
	}
	return run.shortest.Load(), nil
}

func (t *transfer) ringFiles() (in, out RingFile, err error) {
	if t.copier.options.Ring == nil {
		return t.src, t.dst, nil
	}
	if in, err = t.copier.options.Ring(t.src); err != nil {
		return nil, nil, err
	}
	out, err = t.copier.options.Ring(t.dst)
	return in, out, err
}

func (t *transfer) ringFailure(err error) error {
	var failure *Failure
	if errors.As(err, &failure) {
		return failure
	}
	return t.cannot("copy", t.from, err)
}

func (r *ringCopy) carryAll(from, to int64) {
	chunks := make(chan chunk)
	var workers sync.WaitGroup
	for range min(inFlight, (to-from+chunkSize-1)/chunkSize) {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for c := range chunks {
				r.carry(c)
			}
		}()
	}
	r.feed(from, to, func(c chunk) {
		select {
		case chunks <- c:
		case <-r.ctx.Done():
		}
	})
	close(chunks)
	workers.Wait()
}

// feed cuts the data extents into chunks. It alone moves the source's file offset.
func (r *ringCopy) feed(from, to int64, give func(chunk)) {
	for from < to {
		data, end, err := r.nextData(from, to)
		if err != nil {
			r.stop(err)
		}
		for from = data; from < end && r.ctx.Err() == nil; from += chunkSize {
			give(chunk{from, min(from+chunkSize, end)})
		}
		if r.ctx.Err() != nil {
			return
		}
		if data < end {
			r.end = end
		}
		from = end
	}
}

func (r *ringCopy) carry(c chunk) {
	if r.ctx.Err() != nil {
		return
	}
	buffer := r.copier.buffers.Get().(*[chunkSize]byte)
	defer r.copier.buffers.Put(buffer)
	want := buffer[:c.to-c.from]
	n, err := r.in.ReadAt(want, c.from)
	if err != nil && !errors.Is(err, io.EOF) {
		r.stop(r.cannot("read", r.from, err))
		return
	}
	if n < len(want) {
		r.endsAt(c.from + int64(n))
	}
	if n == 0 {
		return
	}
	if _, err := r.out.WriteAt(want[:n], c.from); err != nil {
		r.stop(r.cannot("write", r.to, err))
		return
	}
	r.count(int64(n))
}

func (r *ringCopy) endsAt(offset int64) {
	for {
		known := r.shortest.Load()
		if offset >= known || r.shortest.CompareAndSwap(known, offset) {
			return
		}
	}
}
