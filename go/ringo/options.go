package ringo

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// An Option changes how New opens an engine. Values out of range make New fail.
type Option func(*config)

type config struct {
	loops     int
	ring      csrc.Options
	readLimit int64
	policy    Policy
	sendQueue int
	logger    *slog.Logger
	slow      time.Duration
	execute   func(func())
	err       error
}

func newConfig(options []Option) (*config, error) {
	c := &config{loops: runtime.GOMAXPROCS(0), readLimit: 1 << 40, sendQueue: 1 << 20, slow: 10 * time.Millisecond}
	c.ring.Depth = 1024
	c.ring.Reserve = 16384
	c.ring.ReceiveBuffers, c.ring.ReceiveBufferSize = 256, 4096
	c.ring.BoundedWorkers = 32
	WithBackend(os.Getenv("RINGO_BACKEND"))(c)
	for _, o := range options {
		o(c)
	}
	if c.ring.SQEntries == 0 {
		c.ring.SQEntries = min(c.ring.Depth, 256)
		c.ring.CQEntries = 4 * c.ring.SQEntries
	}
	return c, c.err
}

// set stores value in an option of the core, where 0 stands for "default" and is not for users.
func (c *config) set(option *uint32, name string, value, low, high int) {
	if value < low || value > high {
		c.err = fmt.Errorf("ringo: %s(%d): must be from %d to %d", name, value, low, high)
		return
	}
	*option = uint32(value)
}

// WithLoops sets the number of loops; the default is GOMAXPROCS.
func WithLoops(n int) Option {
	return func(c *config) {
		var loops uint32
		c.set(&loops, "WithLoops", n, 1, 1024)
		c.loops = int(loops)
	}
}

// WithDepth sets how many operations may be in flight on each loop, those posted by callbacks
// and handlers not counted; the default is 1024.
func WithDepth(n int) Option {
	return func(c *config) { c.set(&c.ring.Depth, "WithDepth", n, 1, 32768) }
}

// WithReserve sets how many operations callbacks and handlers may have in flight on each loop
// beside WithDepth's; a connection needs up to four. The default is 16384.
func WithReserve(n int) Option {
	return func(c *config) { c.set(&c.ring.Reserve, "WithReserve", n, 1, 262144) }
}

// WithSubmitThreshold holds posts back until n of them wait, but no longer than delay; a blocking
// call and Flush submit at once. The default, 1, holds nothing back.
func WithSubmitThreshold(n int, delay time.Duration) Option {
	return func(c *config) {
		c.set(&c.ring.SubmitThreshold, "WithSubmitThreshold", n, 1, 32768)
		c.set(&c.ring.SubmitDelayUS, "WithSubmitThreshold delay in µs", int(delay.Microseconds()), 1, 1e6)
	}
}

// WithWaitBatch makes a loop that waits for more than n storage operations sleep until n have
// completed, but no longer than delay. The default, 1, lets no completion wait for another.
func WithWaitBatch(n int, delay time.Duration) Option {
	return func(c *config) {
		c.set(&c.ring.WaitBatch, "WithWaitBatch", n, 1, 32768)
		c.set(&c.ring.WaitDelayUS, "WithWaitBatch delay in µs", int(delay.Microseconds()), 1, 1e6)
	}
}

// WithRingSize sets the entries of the submission and completion queues; the defaults are 256 and
// four times as many. Queues smaller than the depth work: what has no room waits.
func WithRingSize(submission, completion int) Option {
	return func(c *config) {
		c.set(&c.ring.SQEntries, "WithRingSize submission", submission, 1, 32768)
		c.set(&c.ring.CQEntries, "WithRingSize completion", completion, submission, 65536)
	}
}

// WithWorkers caps the kernel's worker threads of each loop: bounded ones do file I/O that cannot
// be started without blocking, and fsync; unbounded ones do splices. The default is 32 and 4: who
// writes many files durably needs many that wait at once.
func WithWorkers(bounded, unbounded int) Option {
	return func(c *config) {
		c.set(&c.ring.BoundedWorkers, "WithWorkers bounded", bounded, 1, 1024)
		c.set(&c.ring.UnboundedWorkers, "WithWorkers unbounded", unbounded, 1, 1024)
	}
}

// WithReceiveBuffers gives each loop n buffers of size bytes that connections receive into; n is
// a power of two. The default is 256 of 4 KiB. A buffer is lent only while its bytes are looked at,
// so a few serve many connections.
func WithReceiveBuffers(n, size int) Option {
	return func(c *config) {
		c.set(&c.ring.ReceiveBuffers, "WithReceiveBuffers", n, 1, 32768)
		c.set(&c.ring.ReceiveBufferSize, "WithReceiveBuffers size", size, 64, 1<<20)
		if n&(n-1) != 0 {
			c.err = fmt.Errorf("ringo: WithReceiveBuffers(%d): must be a power of two", n)
		}
	}
}

// WithServingOnly restricts the engine's rings, for good, to what Serve, its connections and ReadFile
// take: nothing else can be asked of the kernel through them, whoever in the process does, and other
// operations fail with EACCES. It is for a sandbox, since seccomp does not see what a ring does.
func WithServingOnly() Option {
	return func(c *config) {
		for _, code := range [...]csrc.Code{csrc.Nop, csrc.Openat2, csrc.Statx, csrc.CloseFD, csrc.Timeout, csrc.Cancel,
			csrc.Poll, csrc.Accept, csrc.Recv, csrc.Send, csrc.Sendmsg, csrc.Shutdown, csrc.ReturnBuffer, csrc.SendFile,
			csrc.ReadFile} {
			c.ring.Allowed |= 1 << code
		}
	}
}

// WithTurnBudget sets how many bytes one Sendfile may send, and all of a loop together 16 times as many,
// before the loop looks at everything else; the default is 256 KiB. Smaller is fairer, larger is faster.
func WithTurnBudget(bytes int) Option {
	return func(c *config) { c.set(&c.ring.TurnBudget, "WithTurnBudget", bytes, 4096, 1<<30) }
}

// WithSendQueue sets how many bytes may be queued on a connection (Conn.Send, Write, Sendfile) before
// ErrFull; the default is 1 MiB. Each Send counts about 128 bytes more, a file no more than that.
func WithSendQueue(bytes int) Option {
	return func(c *config) {
		var size uint32
		c.set(&size, "WithSendQueue", bytes, 1, 1<<30)
		c.sendQueue = bytes
	}
}

// WithReadLimit makes ReadFile and ReadFiles fail with ErrTooLarge on files larger than n bytes.
func WithReadLimit(n int64) Option {
	return func(c *config) {
		if n < 0 {
			c.err = fmt.Errorf("ringo: WithReadLimit(%d): must not be negative", n)
		}
		c.readLimit = n
	}
}

// WithPolicy chooses how [File.ReadAt] and [File.WriteAt] go. The default, [Auto], makes a plain
// system call while at most four calls are in flight on a file system; beyond that it asks the page
// cache first and hands over to a loop what has to wait for the device. [Plain] and [Loop] force
// one of the two, to measure with, and for programs that know better.
func WithPolicy(p Policy) Option {
	return func(c *config) {
		if p < Auto || p > Loop {
			c.err = fmt.Errorf("ringo: WithPolicy(%d): must be Auto, Plain or Loop", p)
		}
		c.policy = p
	}
}

// WithBackend chooses what runs operations: "uring", "threads", which needs no io_uring, or "auto",
// which is uring wherever io_uring is permitted and there; [Engine.Fallback] says if it was not. The
// default is the environment's RINGO_BACKEND, else auto.
func WithBackend(name string) Option {
	return func(c *config) {
		switch name {
		case "auto", "":
			c.ring.Backend = csrc.BackendAuto
		case "uring":
			c.ring.Backend = csrc.BackendURing
		case "threads":
			c.ring.Backend = csrc.BackendThreads
		default:
			c.err = fmt.Errorf("ringo: WithBackend(%q): must be auto, uring or threads", name)
		}
	}
}
