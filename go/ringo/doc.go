// Package ringo does file and socket I/O through io_uring.
//
// An [Engine] owns some loops, each a ring and the thread that owns it, and pooled rings for
// batches. The functions of the package use a shared default engine; [New] makes one of one's own:
//
//	func main() {
//		engine, err := ringo.New()
//		if err != nil {
//			log.Fatal(err) // it says what is missing and what to do
//		}
//		defer engine.Close()
//		names, err := filepath.Glob("/var/log/*.log")
//		if err != nil {
//			log.Fatal(err)
//		}
//		for file, err := range engine.ReadFiles(context.Background(), names) {
//			if err != nil {
//				log.Print(err)
//				continue
//			}
//			fmt.Println(file.Name, bytes.Count(file.Data, []byte("\n")))
//		}
//	}
//
// # Concurrency
//
// An [Engine], a [File], an [FS] and [Buffers] may be used by any number of goroutines at the same
// time, and so may the functions of the package. A [Batch] or a [Window] is for one goroutine at a
// time, a [Conn] for its loop's goroutine.
//
// The callback forms ([Engine.ReadFileFunc] and its like) never block the caller; callbacks run on a
// loop's goroutine, so they must not block, and may call back into ringo: what they post goes into
// the loop's next turn without crossing into C. A blocking call made there would wait for itself and
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
// Linux 6.1 or later with io_uring permitted, cgo and liburing 2.3 or later. Where the kernel is
// older or forbids it, a pool of threads does the work; without cgo, or on another system, goroutines
// do, and there are no event-driven connections. [Engine.Backend] tells which it is,
// [Engine.Fallback] why.
package ringo
