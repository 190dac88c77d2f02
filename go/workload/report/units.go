package report

import (
	"math"
	"strconv"
	"time"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// short writes a number in at most width characters, as far as a prefix can make it so: 10378 in four is
// "10.4k", 1536 MiB stays "1536MiB". step is 1000 or 1024; unit follows the prefix, which is Ki, Mi, … in
// steps of 1024 if the unit is not empty.
func short(number float64, width, step int, unit string) string {
	prefixes := []string{"", "k", "M", "G", "T", "P", "E"}
	if step == 1024 {
		prefixes = []string{"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"}
	}
	power := 0
	for number = math.Floor(number); power < len(prefixes)-1 && digits(math.Floor(number)) > width; power++ {
		number /= float64(step)
	}
	whole := digits(math.Floor(number))
	decimals := 0
	if power > 0 {
		decimals = max(width-whole-1, 0)
	}
	if decimals == 0 {
		number = math.Round(number)
	}
	return strconv.FormatFloat(number, 'f', decimals, 64) + prefixes[power] + unit
}

func digits(number float64) int { return len(strconv.FormatFloat(number, 'f', 0, 64)) }

// bandwidth writes bytes per second in both families of units: "162MiB/s (170MB/s)".
func bandwidth(j *stats.Job, bytesPerSecond float64) (first, second string) {
	return rate(j, bytesPerSecond, j.BytesPerKilo), rate(j, bytesPerSecond, 2024-j.BytesPerKilo)
}

func rate(j *stats.Job, bytesPerSecond float64, step int) string {
	if j.BitsNotBytes {
		return short(bytesPerSecond*8, figures(j), step, "bit/s")
	}
	return short(bytesPerSecond, figures(j), step, "B/s")
}

// amount writes a number of bytes in one family of units.
func amount(j *stats.Job, bytes uint64, step int) string {
	return short(float64(bytes), figures(j), step, "B")
}

func figures(j *stats.Job) int {
	if j.Figures > 0 {
		return j.Figures
	}
	return 4
}

// shortSize writes a size as job files do: 4k, 1m, 512.
func shortSize(bytes uint64) string {
	for _, unit := range []struct {
		bits uint
		name string
	}{{30, "g"}, {20, "m"}, {10, "k"}} {
		if bytes > 0 && bytes&(1<<unit.bits-1) == 0 {
			return strconv.FormatUint(bytes>>unit.bits, 10) + unit.name
		}
	}
	if bytes == 0 {
		return ""
	}
	return strconv.FormatUint(bytes, 10)
}

// blockSize is the block size that stands for a job in tables: that of its first direction.
func blockSize(j *stats.Job) uint64 {
	for d := range j.Flows {
		if j.Flows[d].IOs > 0 {
			return j.BlockSizes[d][1]
		}
	}
	return j.BlockSizes[stats.Read][1]
}

// share is a part of a time, in percent.
func share(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return 100 * part.Seconds() / whole.Seconds()
}

// A timeScale is the unit that latencies are printed in.
type timeScale struct {
	name    string
	divisor float64
}

var (
	nanoseconds  = timeScale{"nsec", 1}
	microseconds = timeScale{"usec", 1e3}
	milliseconds = timeScale{"msec", 1e6}
)

// scaleFor chooses the largest unit in which the figures of a series keep their meaning, by fio's bounds.
func scaleFor(low, high uint64, deviation float64) timeScale {
	switch {
	case low > 2000_000 && high > 99_999_999 && deviation > 1000_000:
		return milliseconds
	case low > 2000 && high > 99_999 && deviation > 1000:
		return microseconds
	}
	return nanoseconds
}
