// SPDX-License-Identifier: MIT

package jobfile

func jobOptions() []*Option {
	return []*Option{
		{Name: "description", Group: groupJob, Kind: Text, Help: "text that reports carry along",
			store: toText(func(j *Job) *string { return &j.Description })},
		{Name: "name", Group: groupJob, Kind: Text,
			Help:  "name of the job in reports; on the command line it begins a new job",
			store: toText(func(j *Job) *string { return &j.Name })},
		{Name: "numjobs", Group: groupJob, Kind: Integer, Min: 1, Max: 4096, Default: "1",
			Help:  "run so many clones of the job, each with its own files unless filename is given",
			store: toInt(func(j *Job) *int { return &j.NumJobs })},
		{Name: "group_reporting", Group: groupJob, Kind: Flag, Help: "one report for all jobs of the group",
			store: toBool(func(j *Job) *bool { return &j.GroupReporting })},
		{Name: "stonewall", Aliases: []string{"wait_for_previous"}, Group: groupJob, Kind: Flag,
			Help:  "start only when every job before has ended; begins a new group",
			store: toBool(func(j *Job) *bool { return &j.Stonewall })},
		{Name: "new_group", Group: groupJob, Kind: Flag, Help: "begin a new group of reporting",
			store: toBool(func(j *Job) *bool { return &j.NewGroup })},
		{Name: "wait_for", Group: groupJob, Kind: Text,
			Help:  "start only when all clones of the job of this name have ended; it must stand before",
			store: toText(func(j *Job) *string { return &j.WaitFor })},
		{Name: "exitall", Group: groupJob, Kind: Flag, Help: "when one job ends, end others too, as exit_what says",
			store: toBool(func(j *Job) *bool { return &j.ExitAll })},
		{Name: "exit_what", Group: groupJob, Kind: Choice, Values: []string{"group", "stonewall", "all"},
			Default: "group", Help: "whom exitall and exitall_on_error end",
			store: toChoice(func(j *Job) *ExitScope { return &j.ExitWhat }, ExitGroup, ExitStonewall, ExitEverything)},
		{Name: "exitall_on_error", Group: groupJob, Kind: Flag, Help: "when one job fails, end others too",
			store: toBool(func(j *Job) *bool { return &j.ExitAllOnError })},
		{Name: "exec_prerun", Group: groupJob, Kind: Text,
			Help:  "shell command to run before the job; its output goes to NAME.prerun.txt",
			store: toText(func(j *Job) *string { return &j.ExecPrerun })},
		{Name: "exec_postrun", Group: groupJob, Kind: Text,
			Help:  "shell command to run after the job; its output goes to NAME.postrun.txt",
			store: toText(func(j *Job) *string { return &j.ExecPostrun })},

		{Name: "runtime", Aliases: []string{"timeout"}, Group: groupTime, Kind: Seconds, Default: "0",
			Help: "end after this time, even if work is left; 0: no limit", store: toInt(runtimeOf)},
		{Name: "time_based", Group: groupTime, Kind: Flag, Help: "go on until runtime is over, from the start again",
			store: toBool(func(j *Job) *bool { return &j.TimeBased })},
		{Name: "ramp_time", Group: groupTime, Kind: Seconds, Default: "0",
			Help: "run this long before measuring; it is added to runtime", store: toInt(rampTimeOf)},
		{Name: "startdelay", Group: groupTime, Kind: Seconds, Pair: true, Default: "0",
			Help: "wait this long before starting; between LOW and HIGH, drawn for each clone", store: storeStartDelay},
		{Name: "loops", Group: groupTime, Kind: Integer, Default: "1", Help: "do the whole work so many times",
			store: toInt(func(j *Job) *int { return &j.Loops })},
	}
}

func fileOptions() []*Option {
	return []*Option{
		{Name: "filename", Group: groupFiles, Kind: Text, order: -1, Form: "FILE:...",
			Help: "files or devices to use, shared by clones; a colon in a name is written \\:", store: storeFilename},
		{Name: "directory", Group: groupFiles, Kind: Text, Form: "DIR:...",
			Help:  "where files are that filename does not give with a slash; clones take several in turn",
			store: storeDirectory},
		{Name: "filename_format", Group: groupFiles, Kind: Text, Default: "$jobname.$jobnum.$filenum", order: -1,
			Help:  "names of files where filename is not given",
			store: toText(func(j *Job) *string { return &j.FilenameFormat })},
		{Name: "nrfiles", Aliases: []string{"nr_files"}, Group: groupFiles, Kind: Integer, Min: 1, Default: "1",
			Help: "number of files of each clone", store: toInt(func(j *Job) *int { return &j.NumFiles })},
		{Name: "openfiles", Group: groupFiles, Kind: Integer, Help: "files open at a time; all are, so fewer than nrfiles is refused",
			store: toInt(func(j *Job) *int { return &j.OpenFiles })},
		{Name: "file_service_type", Group: groupFiles, Kind: Choice, Default: "roundrobin", Form: "ORDER[:N]",
			Values: []string{"random", "zipf", "pareto", "normal", "gauss", "roundrobin", "sequential"},
			Help:   "which file is next, and after how many I/Os (or with which parameter): " + fileServiceNames,
			store:  storeFileService},
		{Name: "direct", Group: groupSync, Kind: Boolean, Default: "0", Help: "O_DIRECT: go round the page cache",
			store: toBool(func(j *Job) *bool { return &j.Direct })},
		{Name: "buffered", Group: groupSync, Kind: Boolean, Default: "1", Help: "the opposite of direct",
			store: func(d *draft, v value) error { d.Direct = v.numbers[0] == 0; return nil }},
		{Name: "unlink", Group: groupFiles, Kind: Boolean, Default: "0", Help: "remove the files at the end",
			store: toBool(func(j *Job) *bool { return &j.Unlink })},
		{Name: "allow_mounted_write", Group: groupFiles, Kind: Boolean, Default: "0",
			Help:  "let the job write to a block device that is mounted",
			store: toBool(func(j *Job) *bool { return &j.AllowMountWrite })},
		{Name: "unique_filename", Group: groupFiles, Kind: Boolean, Default: "1", Class: Inert,
			Help: "put a client's address into names of files", Why: "there are no clients and servers here"},
	}
}

const fileServiceNames = "random, zipf, pareto, normal, roundrobin or sequential"
