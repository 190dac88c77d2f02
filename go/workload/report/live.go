package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// StatusLine is fio's line of how a run stands, without its end.
func StatusLine(s stats.Status) string {
	rates, counts := []string{}, []string{}
	for d, letter := range []string{"r", "w", "t"} {
		if s.IOs[d] == 0 && s.IOPS[d] == 0 {
			continue
		}
		rates = append(rates, letter+"="+short(s.BytesPerSecond[d], 4, 1024, "B/s"))
		counts = append(counts, letter+"="+short(s.IOPS[d], 4, 1000, ""))
	}
	line := fmt.Sprintf("Jobs: %d (f=%d): [%s][%.1f%%]", s.Running, s.Files, condense(s.States), 100*s.Done)
	if len(rates) > 0 {
		line += fmt.Sprintf("[%s][%s IOPS]", strings.Join(rates, ","), strings.Join(counts, ","))
	}
	return line + "[eta " + countdown(s.Left) + "]"
}

// condense writes RRRW as R(3),W(1).
func condense(states string) string {
	var parts []string
	for len(states) > 0 {
		rest := strings.TrimLeft(states, states[:1])
		parts = append(parts, fmt.Sprintf("%s(%d)", states[:1], len(states)-len(rest)))
		states = rest
	}
	return strings.Join(parts, ",")
}

func countdown(left time.Duration) string {
	left = left.Round(time.Second)
	hours, minutes, seconds := int(left.Hours()), int(left.Minutes())%60, int(left.Seconds())%60
	if hours > 0 {
		return fmt.Sprintf("%02dh:%02dm:%02ds", hours, minutes, seconds)
	}
	return fmt.Sprintf("%02dm:%02ds", minutes, seconds)
}

// Preamble is what fio prints of each job before it runs.
func Preamble(j *stats.Setup) string {
	sizes := make([]string, 0, stats.Directions)
	for d, letter := range []string{"R", "W", "T"} {
		sizes = append(sizes, fmt.Sprintf("(%s) %s-%s", letter, short(float64(j.BlockSizes[d][0]), 4, 1024, "B"),
			short(float64(j.BlockSizes[d][1]), 4, 1024, "B")))
	}
	line := fmt.Sprintf("%s: (g=%d): rw=%s, bs=%s, ioengine=%s, iodepth=%d", j.Name, j.Group, j.RW, strings.Join(sizes, ", "),
		j.Engine, j.Depth)
	if j.Clones > 1 {
		line += "\n..."
	}
	return line
}
