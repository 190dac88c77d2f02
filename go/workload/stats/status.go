package stats

import "time"

// A Status is how a run stands.
type Status struct {
	Running int
	Files   int
	States  string  // a letter per clone, as in fio's status line
	Done    float64 // 0 to 1
	Left    time.Duration
	Elapsed time.Duration
	// Since the last status.
	BytesPerSecond, IOPS [Directions]float64
	// Since the start, or since the ramp's end.
	Bytes, IOs [Directions]uint64
}
