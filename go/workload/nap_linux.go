package workload

import (
	"time"

	"golang.org/x/sys/unix"
)

// nap sleeps on the caller's thread: finer than the Go runtime's timers, which hand the processor to others.
func nap(d time.Duration) {
	t := unix.NsecToTimespec(d.Nanoseconds())
	_ = unix.Nanosleep(&t, nil) // A signal only makes it shorter; the caller looks at the clock.
}
