package host

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// DirectFlag is O_DIRECT.
const DirectFlag = unix.O_DIRECT

// DataSyncFlag is O_DSYNC.
const DataSyncFlag = unix.O_DSYNC

// Flags of a transfer (preadv2(2)): fail rather than wait, and leave nothing in the page cache.
const (
	TransferNoWait    = unix.RWF_NOWAIT
	TransferDontCache = unix.RWF_DONTCACHE
)

// ThreadUsage is what the calling thread has used so far.
func ThreadUsage() stats.Usage { return usageOf(unix.RUSAGE_THREAD) }

// ProcessCPU is the user and system time of this process, to the ns, with the kernel's workers for its rings.
func ProcessCPU() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// Fallocate reserves space; keep leaves the size of the file as it is.
func Fallocate(fd int, length int64, keep bool) error {
	mode := uint32(0)
	if keep {
		mode = unix.FALLOC_FL_KEEP_SIZE
	}
	return unix.Fallocate(fd, mode, 0, length)
}

// Advise tells the kernel how a part of a file will be used.
func Advise(fd int, offset, length int64, advice Advice) error {
	values := [...]int{unix.FADV_NORMAL, unix.FADV_RANDOM, unix.FADV_SEQUENTIAL, unix.FADV_DONTNEED}
	return unix.Fadvise(fd, offset, length, values[advice])
}

// DeviceSize is the size of a block device in bytes.
func DeviceSize(fd int) (int64, error) {
	var size uint64
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.BLKGETSIZE64, uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return 0, errno
	}
	return int64(size), nil
}

// InUse says for what a block device is in use, or "": mounted itself, by a partition, or held by the kernel
// for something else (swap, a volume group, an array).
func InUse(path string) string {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return ""
	}
	for device := range withPartitions(st.Rdev) {
		if where := mountOf(device); where != "" {
			return "mounted on " + where
		}
	}
	// O_EXCL without O_CREAT asks the kernel for the device as its holders do: open(2).
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err == unix.EBUSY {
		return "in use by the kernel: swap, a volume group or an array"
	}
	if err == nil {
		_ = unix.Close(fd)
	}
	return ""
}

// Space names the file system of a directory, and says how much of it is free; root may use it all.
func Space(dir string) (system uint64, free int64, known bool) {
	var st unix.Stat_t
	var fs unix.Statfs_t
	if unix.Stat(dir, &st) != nil || unix.Statfs(dir, &fs) != nil || fs.Blocks == 0 {
		return 0, 0, false
	}
	return st.Dev, int64(fs.Bfree) * fs.Bsize, true
}

// Allocated is how much space a file has; 0 if it is not there.
func Allocated(path string) int64 {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	return st.Blocks * 512
}

// withPartitions gives a device and its partitions as "major:minor".
func withPartitions(device uint64) map[string]bool {
	name := fmt.Sprintf("%d:%d", unix.Major(device), unix.Minor(device))
	devices := map[string]bool{name: true}
	partitions, _ := filepath.Glob("/sys/dev/block/" + name + "/*/dev")
	for _, file := range partitions {
		if text, err := os.ReadFile(file); err == nil {
			devices[strings.TrimSpace(string(text))] = true
		}
	}
	return devices
}

func mountOf(device string) string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[2] == device {
			return fields[4]
		}
	}
	return ""
}

// FileSystem names the kind of file system that a file is on, as far as it matters to measuring.
func FileSystem(fd int) string {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil {
		return ""
	}
	switch uint32(st.Type) {
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		return "tmpfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	}
	return fmt.Sprintf("file system 0x%x", uint32(st.Type))
}

// SetAffinity ties the calling thread to processors.
func SetAffinity(cpus []int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	return unix.SchedSetaffinity(0, &set)
}

// Kernel names the running kernel.
func Kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

// A DiskReading is what the kernel has counted of a block device so far.
type DiskReading struct {
	stats.Disk
	busy uint64 // ms
	at   time.Time
}

// ReadDisk reads the counters of the device that a file is on; false where it is on none.
func ReadDisk(fd int) (DiskReading, bool) {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return DiskReading{}, false
	}
	device := st.Dev
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		device = st.Rdev
	}
	file, err := os.Open("/proc/diskstats")
	if err != nil {
		return DiskReading{}, false
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var major, minor uint32
		r := DiskReading{at: time.Now()}
		var current uint64
		n, _ := fmt.Sscan(lines.Text(), &major, &minor, &r.Name, &r.IOs[0], &r.Merges[0], &r.Sectors[0], &r.Ticks[0],
			&r.IOs[1], &r.Merges[1], &r.Sectors[1], &r.Ticks[1], &current, &r.busy, &r.InQueue)
		if n == 14 && major == unix.Major(device) && minor == unix.Minor(device) {
			return r, true
		}
	}
	return DiskReading{}, false
}

// Since is what was counted after an earlier reading.
func (r DiskReading) Since(earlier DiskReading) stats.Disk {
	d := r.Disk
	for i := range d.IOs {
		d.IOs[i] -= earlier.IOs[i]
		d.Merges[i] -= earlier.Merges[i]
		d.Sectors[i] -= earlier.Sectors[i]
		d.Ticks[i] -= earlier.Ticks[i]
	}
	d.InQueue -= earlier.InQueue
	if elapsed := r.at.Sub(earlier.at).Milliseconds(); elapsed > 0 {
		d.Utilisation = min(100*float64(r.busy-earlier.busy)/float64(elapsed), 100)
	}
	return d
}
