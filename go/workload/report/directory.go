package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ringo-io/ringo/go/workload/stats"
)

// WriteDirectory writes the results of arms as files that plotters of sweeps read, in fio's JSON:
//
//	DIR/[repeat-N/][ENGINE/][OPTION=VALUE/...]BS/RW-DEPTH-JOBS.json
//
// Such a plotter reads a directory as one sweep of depths and jobs. So what else sets arms apart, and repeats where
// there are several, have directories of their own.
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
		a := &arms[i]
		for repeat, r := range a.Results {
			if len(r.Jobs) == 0 {
				continue
			}
			place := dir
			if len(a.Results) > 1 {
				place = filepath.Join(place, "repeat-"+strconv.Itoa(repeat+1))
			}
			if len(engines) > 1 {
				place = filepath.Join(place, fileName(r.Jobs[0].Engine))
			}
			if err := a.writeInto(filepath.Join(place, a.directory()), r); err != nil {
				return err
			}
		}
	}
	return nil
}

// inFileNames are choices that names of files and directories tell of anyway.
var inFileNames = map[string]bool{"ioengine": true, "bs": true, "rw": true, "iodepth": true, "numjobs": true}

// directory is for the arm's other choices.
func (a *Arm) directory() string {
	var parts []string
	for _, c := range a.Choices {
		if !inFileNames[c.Name] {
			parts = append(parts, fileName(c.Name+"="+c.Value))
		}
	}
	return filepath.Join(parts...)
}

func fileName(text string) string { return strings.NewReplacer(":", "-", "/", "-").Replace(text) }

// depth is what the arm asked for, even where its engine has less.
func (a *Arm) depth(j *stats.Job) string {
	for _, c := range a.Choices {
		if c.Name == "iodepth" {
			return c.Value
		}
	}
	return strconv.Itoa(max(j.Depth, 1))
}

func (a *Arm) writeInto(dir string, r *stats.Result) (err error) {
	j := &r.Jobs[0]
	dir = filepath.Join(dir, shortSize(blockSize(j)))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	name := fmt.Sprintf("%s-%s-%d.json", j.RW, a.depth(j), max(j.Clones, 1))
	f, err := os.Create(filepath.Join(dir, name))
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
