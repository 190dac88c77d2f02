package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// WriteDirectory writes the results of arms as files that plotters of sweeps read: DIR/[ENGINE/]BS/RW-DEPTH-JOBS.json,
// in fio's JSON. Further repeats have their number in front of the suffix.
func WriteDirectory(dir string, arms []Arm) error {
	engines := make(map[string]bool)
	for i := range arms {
		for _, r := range arms[i].Results {
			for k := range r.Jobs {
				engines[r.Jobs[k].Engine] = true
			}
		}
	}
	for i := range arms {
		for repeat, r := range arms[i].Results {
			if len(r.Jobs) == 0 {
				continue
			}
			if err := writeInto(dir, r, repeat, len(engines) > 1); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeInto(dir string, r *stats.Result, repeat int, byEngine bool) (err error) {
	j := &r.Jobs[0]
	if byEngine {
		dir = filepath.Join(dir, strings.NewReplacer(":", "-", "/", "-").Replace(j.Engine))
	}
	dir = filepath.Join(dir, shortSize(blockSize(j)))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	name := fmt.Sprintf("%s-%d-%d", j.RW, max(j.Depth, 1), max(j.Clones, 1))
	if repeat > 0 {
		name += "." + strconv.Itoa(repeat+1)
	}
	f, err := os.Create(filepath.Join(dir, name+".json"))
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	return JSON(f, r, JSONOptions{Bins: true})
}
