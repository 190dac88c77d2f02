// SPDX-License-Identifier: MIT

package jobfile

import (
	"slices"
	"strings"
)

// FioText is the job as a section of a job file for fio, with what global sections and overrides have set written out,
// so that fio does the same job on its own. engine is fio's name of an engine. Options that only ringo has are left out,
// and so are those of reports and logs, which whoever runs fio gives on its command line.
func (j *Job) FioText(engine string) string {
	var out strings.Builder
	out.WriteString("[" + j.Section + "]\n")
	for _, s := range slices.Concat(j.Globals, j.Given) {
		option := Lookup(s.Name)
		switch {
		case option.Ours, s.Name == "ioengine", s.Name == "thread", s.Name == "name", notForFio[s.Name]:
		case option.Engines != nil && !fioEngineHas(engine, option):
		default:
			out.WriteString(s.text() + "\n")
		}
	}
	out.WriteString("ioengine=" + engine + "\nthread=1\n")
	return out.String()
}

// notForFio are options about groups, logs and commands around the job, which the run does itself.
var notForFio = map[string]bool{"stonewall": true, "new_group": true, "wait_for": true,
	"exec_prerun": true, "exec_postrun": true, "write_bw_log": true, "write_lat_log": true, "write_iops_log": true,
	"write_hist_log": true}

func fioEngineHas(engine string, option *Option) bool {
	return option.knownWith(EngineOptions{Engine: EngineFio, Fio: engine})
}
