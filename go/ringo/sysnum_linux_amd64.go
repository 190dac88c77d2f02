package ringo

// Numbers of system calls that package syscall lacks.
const (
	sysPreadv2 = 327
	sysStatx   = 332
)
