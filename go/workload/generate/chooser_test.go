package generate

import (
	"slices"
	"testing"

	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// order is which files the first I/Os of three files of 8 blocks each go to.
func order(t *testing.T, service string, ios int) (files []int) {
	t.Helper()
	plan, err := jobfile.ParseCommandLine([]string{"--name=a", "--ioengine=null", "--rw=read", "--bs=4k", "--size=96k", "--nrfiles=3",
		"--file_service_type=" + service}, jobfile.Environment{})
	if err != nil {
		t.Fatal(err)
	}
	region := Region{Length: 32 << 10, FileSize: 32 << 10}
	g := New(plan.Arms[0].Jobs[0], []Region{region, region, region}, Options{Seed: 1, MixSeed: 2})
	var r Request
	for len(files) < ios && g.Next(jobfile.Read, &r) {
		files = append(files, r.File)
	}
	return files
}

func TestFileServiceOrders(t *testing.T) {
	for service, want := range map[string][]int{
		"roundrobin":   {0, 1, 2, 0, 1, 2, 0, 1, 2},
		"roundrobin:3": {0, 0, 0, 1, 1, 1, 2, 2, 2, 0},
		"sequential":   {0, 0, 0, 0, 0, 0, 0, 0, 1, 1},
	} {
		if got := order(t, service, len(want)); !slices.Equal(got, want) {
			t.Errorf("%s: %d, want %d", service, got, want)
		}
	}
	for _, service := range []string{"roundrobin", "roundrobin:5", "sequential", "random", "random:4", "zipf:1.2", "pareto:0.3", "normal:20"} {
		all := order(t, service, 100)
		for file := range 3 {
			if n := len(all) - len(slices.DeleteFunc(slices.Clone(all), func(f int) bool { return f == file })); n != 8 {
				t.Errorf("%s: %d I/Os in file %d, not 8: %d", service, n, file, all)
			}
		}
	}
	first := order(t, "random", 24)
	if slices.Equal(first, order(t, "roundrobin", 24)) || slices.Equal(first, order(t, "sequential", 24)) {
		t.Errorf("random goes in order: %d", first)
	}
	if four := order(t, "random:4", 8); four[0] != four[3] || four[4] != four[7] {
		t.Errorf("random:4 does not stay: %d", four)
	}
}
