// SPDX-License-Identifier: MIT

package jobfile

import (
	"cmp"
	"slices"
)

// FioArgs is the job as words of a command line for fio, with what global sections and overrides have set, so that fio
// does the same job on its own, by the engine of the job's fio:ENGINE. Left out are options that only ringo has, those of
// other engines, and those about other jobs, which are not there. Its clones are threads, in one report.
func (j *Job) FioArgs() []string {
	settings := slices.DeleteFunc(slices.Concat(j.Globals, j.Given), func(s Setting) bool {
		option := Lookup(s.Name)
		return option.Ours || notForFio[s.Name] || !option.knownWith(j.Engine)
	})
	// On a command line fio takes options as they come, and would read a size before kb_base.
	slices.SortStableFunc(settings, func(a, b Setting) int {
		return cmp.Compare(Lookup(b.Name).order, Lookup(a.Name).order)
	})
	args := []string{"--name=" + j.Section, "--ioengine=" + j.Engine.Fio, "--thread=1", "--group_reporting=1"}
	for _, s := range settings {
		if s.Bare && Lookup(s.Name).Kind != Flag {
			s.Value, s.Bare = j.Name, false // The prefix of a log, which is the job's name where none is given.
		}
		args = append(args, "--"+s.text())
	}
	return args
}

// notForFio are options about other jobs, and those that whoever runs the job sees to.
var notForFio = map[string]bool{"stonewall": true, "new_group": true, "wait_for": true, "startdelay": true,
	"group_reporting": true, "exitall": true, "exit_what": true, "exitall_on_error": true, "exec_prerun": true,
	"exec_postrun": true, "ioengine": true, "thread": true, "name": true}
