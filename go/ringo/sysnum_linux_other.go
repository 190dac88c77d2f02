//go:build linux && !amd64 && !arm64 && !riscv64 && !loong64

package ringo

// System calls that package syscall lacks are not known here: there is none of this number, so
// that the kernel answers ENOSYS.
const (
	sysPreadv2 = 1 << 20
	sysStatx   = 1 << 20
)
