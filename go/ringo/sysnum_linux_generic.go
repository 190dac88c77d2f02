//go:build linux && (arm64 || riscv64 || loong64)

package ringo

// Numbers of system calls that package syscall lacks, from the table that new processors share.
const (
	sysPreadv2 = 286
	sysStatx   = 291
)
