// SPDX-License-Identifier: MIT

package jobfile

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func parseWords(words ...string) (*Plan, error) {
	return ParseCommandLine(words, Environment{Lookup: os.LookupEnv, Stdin: strings.NewReader("")})
}

// TestFilesAndWords is about what the words of a command line mean for the job files.
func TestFilesAndWords(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, "one.fio", "[global]\nbs=8k\n[a]\nsize=1m\n[b]\nsize=2m\n")
	write(t, "two.fio", "[c]\nsize=3m\n[d]\nsize=4m\n")
	type want struct {
		name  string
		group int
		bs    int64
		size  int64
	}
	for line, wants := range map[string][]want{
		"one.fio":                                 {{"a", 0, 8192, 1 << 20}, {"b", 0, 8192, 2 << 20}},
		"one.fio two.fio":                         {{"a", 0, 8192, 1 << 20}, {"b", 0, 8192, 2 << 20}, {"c", 1, 4096, 3 << 20}, {"d", 1, 4096, 4 << 20}},
		"--bs=16k two.fio":                        {{"c", 0, 16384, 3 << 20}, {"d", 0, 16384, 4 << 20}},
		"--bs=16k two.fio two.fio":                {{"c", 0, 16384, 3 << 20}, {"d", 0, 16384, 4 << 20}, {"c", 1, 4096, 3 << 20}, {"d", 1, 4096, 4 << 20}},
		"--bs=16k one.fio":                        {{"a", 0, 8192, 1 << 20}, {"b", 0, 8192, 2 << 20}},
		"two.fio --name=x --size=9m":              {{"x", 0, 4096, 9 << 20}, {"c", 0, 4096, 3 << 20}, {"d", 0, 4096, 4 << 20}},
		"--section=b one.fio":                     {{"b", 0, 8192, 2 << 20}},
		"--section=b --section=d one.fio two.fio": {{"b", 0, 8192, 2 << 20}, {"d", 1, 4096, 4 << 20}},
		"--set size=5m --set bs=1k one.fio":       {{"a", 0, 1024, 5 << 20}, {"b", 0, 1024, 5 << 20}},
		"--set=blocksize=1k -- two.fio":           {{"c", 0, 1024, 3 << 20}, {"d", 0, 1024, 4 << 20}},
	} {
		plan, err := parseWords(strings.Fields(line)...)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		var got []want
		for _, job := range plan.Arms[0].Jobs {
			got = append(got, want{job.Name, job.Group, job.BlockSize[Read].Min, job.Size.Bytes})
		}
		if !slices.Equal(got, wants) {
			t.Errorf("%s: %v, want %v", line, got, wants)
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOverridesReplace(t *testing.T) {
	text := "[global]\nfilename=/tmp/a\nbsrange=1k-2k\n[job]\nsize=1m\nfilename=/tmp/b\nrwmixread=10\n"
	plan, err := ParseCommandLine([]string{"-", "--set", "filename=/tmp/c", "--set", "bs=4k", "--set=rwmixwrite=30"},
		Environment{Lookup: os.LookupEnv, Stdin: strings.NewReader(text)})
	if err != nil {
		t.Fatal(err)
	}
	job := plan.Arms[0].Jobs[0]
	if !slices.Equal(job.Filenames, []string{"/tmp/c"}) || job.NumFiles != 1 {
		t.Errorf("files %q", job.Filenames)
	}
	if job.BlockSize[Write] != (Range{4096, 4096}) || job.RWMixRead != 70 {
		t.Errorf("block size %v, mix %d", job.BlockSize, job.RWMixRead)
	}
	if args := strings.Join(job.FioArgs(), " "); strings.Contains(args, "bsrange") || strings.Contains(args, "/tmp/a") {
		t.Errorf("fio would be given\n%s", args)
	}
}

func TestArms(t *testing.T) {
	type arm struct {
		engine Engine
		bs     int64
		depth  int
		auto   bool
	}
	for line, want := range map[string][]arm{
		"--name=a --size=1m":                       {{EnginePsync, 4096, 1, false}},
		"--name=a --size=1m --engine=ringo,goread": {{EngineRingo, 4096, 1, false}, {EngineGoRead, 4096, 1, false}},
		"--name=a --size=1m --ioengine=libaio --matrix=bs=1k,2k --matrix iodepth=1,8": {{EngineLibaio, 1024, 1, false},
			{EngineLibaio, 1024, 8, false}, {EngineLibaio, 2048, 1, false}, {EngineLibaio, 2048, 8, false}},
		"--name=a --size=1m --engine=ringo,null --matrix=batch=fio,auto": {{EngineRingo, 4096, 1, false},
			{EngineNull, 4096, 1, false}, {EngineRingo, 4096, 1, true}},
		// Options of the engine that --engine replaces are for the arms that have them.
		"--name=a --size=1m --ioengine=io_uring --batch=auto --engine=ringo,psync": {{EngineRingo, 4096, 1, true},
			{EnginePsync, 4096, 1, false}},
	} {
		plan, err := parseWords(strings.Fields(line)...)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		var got []arm
		for _, a := range plan.Arms {
			job := a.Jobs[0]
			got = append(got, arm{job.Engine.Engine, job.BlockSize[Read].Max, job.Depth.Limit, job.Depth.Auto})
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
}

// What an engine does in its own way is still the same work.
func TestWorkOfArms(t *testing.T) {
	plan, err := parseWords("--name=a", "--size=1m", "--engine=ringo,null", "--matrix=bs=4k,8k", "--matrix=batch=fio,auto")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range plan.Arms {
		got = append(got, plan.Arms[i].Choices[0].Value+" "+plan.Arms[i].Work())
	}
	if want := []string{"ringo bs=4k", "null bs=4k", "ringo bs=4k", "ringo bs=8k", "null bs=8k", "ringo bs=8k"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRunOptions(t *testing.T) {
	plan, err := parseWords(strings.Fields("--name=a --size=1m --output=o --output-format=json+,normal --terse-version=4" +
		" --eta=always --eta-newline=2 --eta-interval=500ms --status-interval=1m --report=r.html --output-dir=d" +
		" --bandwidth-log --append-terse --readonly --repeats=3 --backend=threads")...)
	if err != nil {
		t.Fatal(err)
	}
	want := ReportOptions{Output: "o", Formats: []Format{FormatJSONPlus, FormatNormal}, TerseVersion: 4, HTML: "r.html",
		Directory: "d", ETA: Always, ETAInterval: 500 * time.Millisecond, ETANewline: 2 * time.Second,
		StatusInterval: time.Minute, BandwidthLog: "agg", AppendTerse: true}
	if !reflect.DeepEqual(plan.Report, want) {
		t.Errorf("%+v, want %+v", plan.Report, want)
	}
	if plan.Repeats != 3 || !plan.ReadOnly || plan.Backend != "threads" {
		t.Errorf("%+v", plan)
	}
}

func TestPrintsInsteadOfRunning(t *testing.T) {
	for line, want := range map[string]string{
		"--help": "Options of the run", "--cmdhelp": "rwmixread", "--cmdhelp=bs": "blocksize", "--enghelp": "goread",
		"--enghelp=ringo": "sqthread_poll", "--enghelp=null": "no options",
	} {
		plan, err := parseWords(line)
		if err != nil || !strings.Contains(plan.Print, want) {
			t.Errorf("%s: %v, %q", line, err, plan.Print)
		}
	}
	if plan, err := parseWords("--version"); err != nil || !plan.Version {
		t.Error(err)
	}
	for _, line := range []string{"--parse-only", "--parse-only --terse-version=4", "--showcmd"} {
		if _, err := parseWords(strings.Fields(line)...); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestPresets also keeps the job file that ships in tests/bench equal to its preset.
func TestPresets(t *testing.T) {
	for _, preset := range Presets() {
		plan, err := parseWords("--preset="+preset.Name, "--directory="+t.TempDir())
		if err != nil {
			t.Errorf("%s: %v", preset.Name, err)
			continue
		}
		for _, job := range plan.Arms[0].Jobs {
			if len(job.Directories) != 1 {
				t.Errorf("%s: %s is not where it was told", preset.Name, job.Name)
			}
		}
	}
	shipped, err := os.ReadFile(filepath.Join("..", "..", "..", "tests", "bench", "article-matrix.fio"))
	if err != nil {
		t.Fatal(err)
	}
	if string(shipped) != findPreset("article").Text {
		t.Error("tests/bench/article-matrix.fio is not what --preset=article runs")
	}
	plan, err := parseWords("--preset=article", "--engine=ringo", "--matrix=bs=16k,1m")
	if err != nil || len(plan.Arms) != 2 {
		t.Errorf("%v, %d arms, want 2", err, len(plan.Arms))
	}
}
