// Package host asks and tells the kernel what the Go library has no words for: hints about files, block
// devices, the use of the machine. Where a system has none of it, the answer is empty, not an error.
package host

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// Advice is what posix_fadvise(2) is told.
type Advice int

// The values of Advice.
const (
	Normal Advice = iota
	Random
	Sequential
	DontNeed
)

func usageOf(who int) stats.Usage {
	var u unix.Rusage
	if unix.Getrusage(who, &u) != nil {
		return stats.Usage{}
	}
	return stats.Usage{
		User:            time.Duration(u.Utime.Nano()),
		System:          time.Duration(u.Stime.Nano()),
		ContextSwitches: uint64(u.Nvcsw + u.Nivcsw),
		MajorFaults:     uint64(u.Majflt),
		MinorFaults:     uint64(u.Minflt),
	}
}

// ProcessUsage is what this process has used so far: on Linux with the kernel's own worker threads for its rings.
func ProcessUsage() stats.Usage { return usageOf(unix.RUSAGE_SELF) }
