package workload

import (
	"slices"
	"testing"
)

// As many I/Os go to the busiest block as with fio, to the second and so on, in classes that double. Seeds are fixed, so
// the test says the same each time; of equal distributions one in a million seeds would give a larger chi-square.
func TestDistributionsAreFios(t *testing.T) {
	needFio(t)
	const ios, most = 65536, 59 // chi-square with 13 degrees of freedom
	for _, distribution := range []string{"random", "zipf:0.8", "zipf:1.2", "pareto:0.2", "pareto:0.4", "normal:0", "normal:25"} {
		dir := t.TempDir()
		line := words("--name=x --ioengine=null --rw=randread --bs=4k --size=16m --io_size=256m --norandommap --log_offset=1 --random_distribution=" + distribution)
		fio(t, append(line, "--write_lat_log="+dir+"/theirs")...)
		runJobs(t, append(line, "--write_lat_log="+dir+"/ours")...)
		ours, theirs := busiest(trace(t, dir+"/ours")), busiest(trace(t, dir+"/theirs"))
		chi, sums := 0.0, [2]float64{}
		for class := range ours {
			a, b := ours[class], theirs[class]
			sums[0] += a
			sums[1] += b
			if a+b > 0 {
				chi += (a - b) * (a - b) / (a + b)
			}
		}
		if sums[0] != ios || sums[1] != ios {
			t.Errorf("%s: %.0f I/Os, fio's are %.0f, not %d", distribution, sums[0], sums[1], ios)
		}
		if chi > most {
			t.Errorf("%s: chi-square %.1f: %.0f of the busiest blocks, fio has %.0f", distribution, chi, ours, theirs)
		}
	}
}

// busiest counts the I/Os of the busiest block, of the second, of the two after it, of the four after those, and so on.
func busiest(all []done) (classes [14]float64) {
	counts := make(map[int64]int)
	for _, d := range all {
		counts[d.offset]++
	}
	var sorted []int
	for _, n := range counts {
		sorted = append(sorted, n)
	}
	slices.Sort(sorted)
	slices.Reverse(sorted)
	for rank, n := range sorted {
		class := 0
		for limit := 1; rank >= limit; limit *= 2 {
			class++
		}
		classes[class] += float64(n)
	}
	return classes
}
