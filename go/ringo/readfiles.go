package ringo

import (
	"context"
	"iter"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// batchDepth is how many operations of a batch are in flight at once, and batchNames how many
// files ReadFiles gives to one batch.
const (
	batchDepth = 64
	batchNames = 128
)

// A FileData is one file read by ReadFiles.
type FileData struct {
	Name string
	Data []byte
}

// readAheadBytes bounds what ReadFiles holds of large files that the consumer has not come to.
const readAheadBytes = 64 << 20

// ReadFiles reads many files, in the order of names, and yields each with its data or its error.
// Reading runs ahead of the consumer by a bounded number of files, many at once, on a few rings
// each driven by one goroutine: it needs a fraction of the CPU time of as many goroutines with
// os.ReadFile. Of large files it runs ahead by a bounded number of bytes as well. When ctx ends, the
// names not yet read are yielded with the cause. Breaking out of the loop stops the reading.
func (e *Engine) ReadFiles(ctx context.Context, names []string) iter.Seq2[FileData, error] {
	return e.readFiles(ctx, names, readAheadBytes)
}

func (e *Engine) readFiles(ctx context.Context, names []string, ahead int64) iter.Seq2[FileData, error] {
	return func(yield func(FileData, error) bool) {
		if e.onSomeLoop() {
			yield(FileData{}, ErrWouldDeadlock)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		r := &filesReader{engine: e, names: names, parts: make(chan chan []fileResult, 2*runtime.GOMAXPROCS(0))}
		r.room.Store(ahead)
		go r.run(ctx)
		defer r.end(cancel)
		for ch := range r.parts {
			part := <-ch
			for i := range part {
				if !r.yield(ctx, &part[i], yield) {
					return
				}
			}
		}
	}
}

type fileResult struct {
	name  string
	data  []byte
	err   error
	room  int64 // what its data take of the reader's
	later bool  // there was no room: it is read when the consumer comes to it
}

// A filesReader reads ahead for ReadFiles, a part of the names on each of a few goroutines; parts
// has the results to come, in order. Twice as many goroutines as can run Go code at once: most of
// them are in C, and those that are not should find processors to run on busy, never idle.
type filesReader struct {
	engine *Engine
	names  []string
	parts  chan chan []fileResult
	room   atomic.Int64 // bytes of large files that may still be read ahead
}

// yield hands a result to the consumer, and then forgets it.
func (r *filesReader) yield(ctx context.Context, result *fileResult, yield func(FileData, error) bool) bool {
	if result.later {
		result.data, result.err = r.engine.ReadFile(ctx, result.name)
	}
	file := FileData{result.name, result.data}
	result.data = nil
	r.room.Add(result.room)
	return yield(file, result.err)
}

// end stops the reading and waits for it.
func (r *filesReader) end(cancel context.CancelFunc) {
	cancel()
	for ch := range r.parts {
		<-ch
	}
}

func (r *filesReader) run(ctx context.Context) {
	defer close(r.parts)
	for len(r.names) > 0 {
		names := r.names[:min(len(r.names), batchNames)]
		r.names = r.names[len(names):]
		ch := make(chan []fileResult, 1)
		r.parts <- ch
		go func() { ch <- r.readPart(ctx, names) }()
	}
}

// readPart reads some files in one batch.
func (r *filesReader) readPart(ctx context.Context, names []string) []fileResult {
	results := make([]fileResult, len(names))
	for i, name := range names {
		results[i].name = name
	}
	err := ctx.Err()
	if err != nil {
		err = context.Cause(ctx)
	} else {
		err = r.readBatch(ctx, results)
	}
	if err != nil {
		for i := range results {
			results[i].err = pathError("read", results[i].name, err)
		}
	}
	return results
}

// readBatch fills in results; an error means that nothing was read.
func (r *filesReader) readBatch(ctx context.Context, results []fileResult) error {
	e := r.engine
	if err := e.holds.take(); err != nil {
		return err
	}
	defer e.holds.give()
	b, err := e.batches.take()
	if err != nil {
		return err
	}
	defer e.batches.give(b)
	b.paths = 0
	for i := range results {
		b.prepareRead(i, &results[i])
	}
	if err := b.run(ctx, len(results)); err != nil {
		return err
	}
	for i := range results {
		r.takeRead(ctx, &results[i], &b.completions[i], b.data(i))
	}
	return nil
}

// takeRead makes a result of what the core read of one file, and reads the rest of a large one.
func (r *filesReader) takeRead(ctx context.Context, result *fileResult, c *csrc.Completion, chunk []byte) {
	if result.err != nil {
		return
	}
	read := fileRead{engine: r.engine, name: result.name}
	read.take(c, chunk)
	if read.file != nil {
		if !r.takeRoom(result, read.file) {
			read.file.Close()
			return
		}
		read.data, read.err = read.readRest(ctx)
	}
	result.data, result.err = read.data, read.err
	if cancelled := cancelledError(ctx, read.err); cancelled != read.err {
		result.err = pathError("read", result.name, cancelled)
	}
}

// takeRoom says whether a large file may be read ahead. What is no regular file has no size, and
// cannot be opened a second time for the same data: it is always read.
func (r *filesReader) takeRoom(result *fileResult, file *os.File) bool {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return true
	}
	if r.room.Add(-info.Size()) < 0 {
		r.room.Add(info.Size())
		result.later = true
		return false
	}
	result.room = info.Size()
	return true
}

// A batch is a pooled ring with memory for reading files.
type batch struct {
	engine      *Engine
	c           *csrc.Batch
	ops         [batchNames]csrc.Op
	completions [batchNames]csrc.Completion
	memory      []byte // paths one behind the other, then dataSize for each file
	paths       int    // bytes of memory in use for paths
	cancelled   bool
	broken      bool // its ring failed, and the kernel may still be using its memory
}

// A batch's memory is mapped for the longest paths; what is touched are the paths there are, which
// lie one behind the other.
const (
	batchPaths  = batchNames * pathSize
	batchMemory = batchPaths + batchNames*dataSize
)

func (b *batch) data(i int) []byte {
	return b.memory[batchPaths+i*dataSize : batchPaths+(i+1)*dataSize : batchPaths+(i+1)*dataSize]
}

func (b *batch) prepareRead(i int, result *fileResult) {
	path := b.memory[b.paths:batchPaths]
	n, err := putPath(path, result.name)
	if err != nil {
		result.err = pathError("open", result.name, err)
		b.ops[i] = csrc.Op{Code: csrc.Nop}
		return
	}
	b.paths += n
	b.ops[i] = csrc.Op{Code: csrc.ReadFile, FD: atCWD, Address: addressOf(path),
		Address2: addressOf(b.data(i)), Length: dataSize}
}

// run drives the first n ops to their end, or cancels them when ctx ends.
func (b *batch) run(ctx context.Context, n int) error {
	cancelled := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		b.c.Cancel()
		close(cancelled)
	})
	err := b.c.Run(b.ops[:n], true, b.completions[:n])
	b.engine.batched.Add(uint64(n))
	b.broken = err != nil
	if !stop() {
		// A cancel that came too late would end the next run.
		<-cancelled
		b.cancelled = true
	}
	return err
}

// A batchPool keeps idle batches. Safe for concurrent use.
type batchPool struct {
	mu      sync.Mutex
	engine  *Engine
	options csrc.Options
	idle    []*batch
	lent    map[*batch]struct{}
	// cancelled says that what runs was told to end, and nothing more may run.
	cancelled bool
}

func (p *batchPool) init(e *Engine, c *config) {
	p.engine = e
	p.lent = map[*batch]struct{}{}
	p.options = csrc.Options{Backend: c.ring.Backend, Depth: batchDepth,
		BoundedWorkers: c.ring.BoundedWorkers, UnboundedWorkers: c.ring.UnboundedWorkers}
}

func (p *batchPool) take() (*batch, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancelled {
		return nil, ErrClosed
	}
	if n := len(p.idle); n > 0 {
		b := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.lent[b] = struct{}{}
		return b, nil
	}
	c, err := openBatch(&p.options)
	if err != nil {
		return nil, unavailable(err)
	}
	b := &batch{engine: p.engine, c: c, memory: mapMemory(batchMemory)}
	p.lent[b] = struct{}{}
	return b, nil
}

// openBatch waits up to half a second for memory: the kernel gives back what a closed ring had
// locked only some time after its close, and that counts for those who are not root.
func openBatch(options *csrc.Options) (*csrc.Batch, error) {
	for pause := time.Millisecond; ; pause *= 2 {
		c, err := csrc.OpenBatch(options)
		if err != syscall.ENOMEM || pause > 256*time.Millisecond {
			return c, err
		}
		time.Sleep(pause)
	}
}

// give takes a batch back, for good if it was cancelled.
func (p *batchPool) give(b *batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.lent, b)
	if b.broken {
		return // lost for good: nothing of it may be used again
	}
	if b.cancelled || p.cancelled {
		b.close()
		return
	}
	p.idle = append(p.idle, b)
}

func (b *batch) close() {
	b.c.Close()
	unmapMemory(b.memory)
}

// cancel ends what the batches that are lent are doing, and lends no more.
func (p *batchPool) cancel() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancelled = true
	for b := range p.lent {
		b.c.Cancel()
	}
}

// close closes the batches; none is lent any more.
func (p *batchPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.idle {
		b.close()
	}
	p.idle = nil
}
