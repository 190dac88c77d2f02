//go:build !linux

package host

import (
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// DirectFlag is 0: there is no O_DIRECT here.
const DirectFlag = 0

// DataSyncFlag is the nearest there is to O_DSYNC.
const DataSyncFlag = os.O_SYNC

// Flags of a transfer are not there.
const (
	TransferNoWait    = 0
	TransferDontCache = 0
)

// ThreadUsage is that of the process: threads are not told apart here.
func ThreadUsage() stats.Usage { return ProcessUsage() }

// ProcessCPU is the user and system time of this process.
func ProcessCPU() time.Duration {
	u := ProcessUsage()
	return u.User + u.System
}

// Fallocate is not there.
func Fallocate(int, int64, bool) error { return unix.ENOTSUP }

// Advise does nothing.
func Advise(int, int64, int64, Advice) error { return nil }

// DeviceSize is not known.
func DeviceSize(int) (int64, error) { return 0, unix.ENOTSUP }

// InUse knows nothing.
func InUse(string) string { return "" }

// Space is not known.
func Space(string) (system uint64, free int64, known bool) { return 0, 0, false }

// Allocated is not known.
func Allocated(string) int64 { return 0 }

// FileSystem knows nothing.
func FileSystem(int) string { return "" }

// SetAffinity is not there.
func SetAffinity([]int) error { return unix.ENOTSUP }

// Kernel names the running system.
func Kernel() string { return runtime.GOOS }

// A DiskReading holds nothing here.
type DiskReading struct{ stats.Disk }

// ReadDisk knows nothing.
func ReadDisk(int) (DiskReading, bool) { return DiskReading{}, false }

// Since is empty.
func (r DiskReading) Since(DiskReading) stats.Disk { return r.Disk }
