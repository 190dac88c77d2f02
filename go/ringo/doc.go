// Package ringo does file and socket I/O through io_uring.
//
// An [Engine] owns some loops, each a ring and the thread that owns it, and pooled rings for
// batches. Any goroutine may use it:
//
//	data, err := ringo.ReadFile(ctx, "/etc/hosts")
//
// runs on a shared default engine; [New] makes one of one's own. The callback forms
// ([Engine.ReadFileFunc] and its like) never block the caller; callbacks run on a loop's
// goroutine, so they must not block, and may call back into ringo: what they post goes into the
// loop's next turn without crossing into C. A blocking call made there would wait for itself and
// returns [ErrWouldDeadlock] instead.
//
// # When not
//
// io_uring pays where many operations are in flight: many goroutines doing direct I/O, durable
// writes of many files, batches of reads ([Engine.ReadFiles]), servers of many connections. A
// single goroutine that reads cached data one piece at a time is served as well by package os, and
// goroutine-per-connection network code by package net.
//
// # Memory
//
// A []byte given to ringo is pinned and belongs to the kernel until the operation has ended, which
// is when a blocking call returns or a callback runs. A context that ends cancels the operation;
// calls that use the caller's memory still wait for the kernel to let go of it.
//
// # Requirements
//
// Linux 6.1 or later with io_uring permitted, cgo and liburing 2.3 or later. Where that is not so,
// New says why and what to do.
package ringo
