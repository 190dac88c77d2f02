package workload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/ringo-io/ringo/go/workload"
	"github.com/ringo-io/ringo/go/workload/jobfile"
	"github.com/ringo-io/ringo/go/workload/report"
	"github.com/ringo-io/ringo/go/workload/stats"
)

// shapes walks JSON and notes the kind of every value: "jobs[].read.iops: float". Keys that are numbers, as of
// bins, stand for all of their kind.
func shapes(t *testing.T, text []byte) map[string]string {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var document any
	if err := decoder.Decode(&document); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	found := make(map[string]string)
	walkJSON("", document, found)
	return found
}

func walkJSON(path string, value any, found map[string]string) {
	switch v := value.(type) {
	case map[string]any:
		for key, below := range v {
			if strings.HasSuffix(path, ".bins") {
				key = "N"
			}
			walkJSON(path+"."+key, below, found)
		}
	case []any:
		for _, below := range v {
			walkJSON(path+"[]", below, found)
		}
	case json.Number:
		found[path] = "int"
		if strings.Contains(v.String(), ".") {
			found[path] = "float"
		}
	default:
		found[path] = fmt.Sprintf("%T", value)
	}
}

// All of fio's keys are there, with values of the same kind.
func TestJSONHasFiosShape(t *testing.T) {
	needFio(t)
	for _, line := range []string{
		"--name=x --rw=randrw --size=1m --fsync=16 --description=hello --continue_on_error=io --lat_percentiles=1 --slat_percentiles=1 --ioengine=libaio --iodepth=4",
		"--name=x --rw=read --size=1m --unified_rw_reporting=mixed",
		"--name=x --rw=read --size=1m --gtod_reduce=1",
		"--name=x --rw=write --size=1m --percentile_list=50:99.9",
	} {
		command := words(line, "--filename="+file(t, 1<<20))
		theirs := shapes(t, fio(t, append(command, "--output-format=json+")...))
		var out bytes.Buffer
		if err := report.JSON(&out, runJobs(t, command...), report.JSONOptions{Bins: true}); err != nil {
			t.Fatal(err)
		}
		ours := shapes(t, out.Bytes())
		for path, kind := range theirs {
			if strings.HasPrefix(path, ".disk_util") || strings.HasPrefix(path, ".jobs[].job options") {
				continue
			}
			if ours[path] != kind {
				t.Errorf("%s: %s is %q, fio has %q", line, path, ours[path], kind)
			}
		}
	}
}

// What fio's own tools and plotters read, they read here.
func TestConsumersAccept(t *testing.T) {
	dir := t.TempDir()
	result := runJobs(t, words("--name=x --rw=randrw --size=1m --time_based --runtime=300ms --lat_percentiles=1 --slat_percentiles=1 --ioengine=libaio --iodepth=4 --log_avg_msec=50 --bwavgtime=50 --iopsavgtime=50",
		"--filename="+file(t, 1<<20), "--write_bw_log="+dir+"/x", "--write_lat_log="+dir+"/x", "--write_iops_log="+dir+"/x")...)
	var out bytes.Buffer
	if err := report.JSON(&out, result, report.JSONOptions{Bins: true}); err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(dir, "out.json")
	if err := os.WriteFile(source, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Run("fio_jsonplus_clat2csv", func(t *testing.T) {
		tool, err := exec.LookPath("fio_jsonplus_clat2csv")
		if err != nil {
			t.Skip("fio_jsonplus_clat2csv is not installed")
		}
		if exec.Command("python3", "-c", "import six").Run() != nil {
			t.Skip("python3 lacks six, which fio_jsonplus_clat2csv needs")
		}
		for _, more := range [][]string{nil, {"--validate"}} {
			if text, err := exec.Command("python3", append([]string{tool, source, dir + "/out.csv"}, more...)...).CombinedOutput(); err != nil ||
				!strings.Contains(string(text), "out_job0.csv") {
				t.Errorf("%v: %v: %s", more, err, text)
			}
		}
	})
	t.Run("fiologparser", func(t *testing.T) { parseLogs(t, dir) })
	t.Run("plotter", func(t *testing.T) { readAsPlotter(t, out.Bytes()) })
	t.Run("read back", func(t *testing.T) {
		again, err := report.ReadJSON(bytes.NewReader(append([]byte("note: something\n"), out.Bytes()...)))
		if err != nil {
			t.Fatal(err)
		}
		for d := range stats.Directions {
			a, b := &result.Jobs[0].Flows[d], &again.Jobs[0].Flows[d]
			if a.IOs != b.IOs || a.Bytes != b.Bytes || a.Clat.N != b.Clat.N || a.IOs > 0 && *a.Clat.Histogram != *b.Clat.Histogram {
				t.Errorf("%s came back otherwise", stats.DirectionNames[d])
			}
		}
	})
}

// parseLogs gives every log to the parser that comes with fio's package. That one is older than the fifth field,
// the priority, and refuses the logs of the fio it comes with: so the field is cut off.
func parseLogs(t *testing.T, dir string) {
	script := filepath.Join(dir, "fiologparser.py")
	unpacked, err := exec.Command("gzip", "-dc", "/usr/share/doc/fio/fiologparser.py.gz").Output()
	if err != nil {
		t.Skip("fiologparser is not installed")
	}
	if err := os.WriteFile(script, unpacked, 0o644); err != nil {
		t.Fatal(err)
	}
	logs, _ := filepath.Glob(dir + "/x_*.log")
	if len(logs) != 5 {
		t.Fatalf("%d logs, not 5: %v", len(logs), logs)
	}
	for _, log := range logs {
		lines, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(log, bytes.ReplaceAll(lines, []byte(", 0\n"), []byte("\n")), 0o644); err != nil {
			t.Fatal(err)
		}
		text, err := exec.Command("python3", script, "-i", "100", "-a", log).CombinedOutput()
		if err != nil || len(strings.Fields(string(text))) < 2 {
			t.Errorf("%s: %v: %s", log, err, text)
		}
	}
}

// readAsPlotter reads what fio-plot reads, and as it does: numbers of options by int(), floats as floats.
func readAsPlotter(t *testing.T, text []byte) {
	var parsed struct {
		Version string `json:"fio version"`
		Jobs    []struct {
			Options map[string]string  `json:"job options"`
			Read    map[string]any     `json:"read"`
			NS      map[string]float64 `json:"latency_ns"`
			US      map[string]float64 `json:"latency_us"`
			MS      map[string]float64 `json:"latency_ms"`
			User    *float64           `json:"usr_cpu"`
			System  *float64           `json:"sys_cpu"`
		}
	}
	if text[0] != '{' {
		t.Error("something stands in front of the JSON")
	}
	if err := json.Unmarshal(text, &parsed); err != nil {
		t.Fatal(err)
	}
	j := parsed.Jobs[0]
	for name, want := range map[string]string{"rw": "randrw", "iodepth": "4", "numjobs": "1", "bs": "4k"} {
		if j.Options[name] != want {
			t.Errorf("job options: %s is %q, not %q", name, j.Options[name], want)
		}
	}
	for _, key := range []string{"bw", "iops", "iops_stddev", "lat_ns"} {
		if j.Read[key] == nil {
			t.Errorf("read has no %s", key)
		}
	}
	if len(j.NS) != 10 || len(j.US) != 10 || len(j.MS) != 12 || j.User == nil || j.System == nil || !strings.HasPrefix(parsed.Version, "fio-") {
		t.Errorf("distributions of %d, %d and %d classes, version %q", len(j.NS), len(j.US), len(j.MS), parsed.Version)
	}
}

// The lines and fields of fio's human and terse forms are there, in its order.
func TestHumanAndTerseHaveFiosLines(t *testing.T) {
	needFio(t)
	command := words("--name=x --rw=randrw --size=1m --fsync=16 --ioengine=libaio --iodepth=4 --description=hello", "--filename="+file(t, 1<<20))
	result := runJobs(t, command...)
	for _, version := range []int{3, 5} {
		cmd := exec.Command("fio", append(command, "--thread", "--output-format=terse", fmt.Sprint("--terse-version=", version), "--disk_util=0")...)
		theirs, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		result.Disks = nil
		if err := report.Terse(&out, result, version); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(theirs)), "\n")
		a, b := strings.Count(out.String(), ";"), strings.Count(lines[len(lines)-1], ";")
		if a != b {
			t.Errorf("terse version %d has %d separators, fio's %d:\n%s%s", version, a, b, out.String(), theirs)
		}
	}
	theirs, err := exec.Command("fio", append(command, "--thread", "--output-format=normal")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := report.Human(&out, result); err != nil {
		t.Fatal(err)
	}
	ours := beginnings(out.String())
	for _, want := range beginnings(string(theirs)) {
		if !slices.Contains(ours, want) && !strings.HasPrefix(want, "Disk") && !strings.HasPrefix(want, "  vd") {
			t.Errorf("no line %q in\n%s", want, out.String())
		}
	}
}

// beginnings are the fixed parts of a report's lines.
func beginnings(text string) (all []string) {
	start := strings.Index(text, "x: (groupid=")
	for line := range strings.Lines(text[max(start, 0):]) {
		before, _, found := strings.Cut(strings.TrimRight(line, "\n"), "=")
		if at := strings.IndexByte(before, '('); at >= 0 {
			before = before[:at] // The unit depends on the values.
		}
		if found && strings.Contains(before, ":") && !strings.HasPrefix(before, "  vd") {
			all = append(all, strings.TrimRight(strings.SplitAfter(before, ":")[0], " "))
		}
	}
	sort.Strings(all)
	return slices.Compact(all)
}

// page is a report of several arms, as HTML.
func page(t *testing.T) string {
	t.Helper()
	command := words("--rw=randrw --size=1m --time_based --runtime=350ms", "--filename="+file(t, 1<<20))
	var arms []report.Arm
	for _, engine := range []string{"psync", "goread", "libaio"} {
		arm := report.Arm{Choices: []stats.Option{{Name: "ioengine", Value: engine}}}
		for range 2 {
			arm.Results = append(arm.Results, runJobs(t, append([]string{"--name=x<y", "--iodepth=4", "--ioengine=" + engine}, command...)...))
		}
		arms = append(arms, arm)
	}
	var out bytes.Buffer
	if err := report.HTML(&out, arms); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// The page stands alone, and its charts say what they show in which unit.
func TestPageStandsAlone(t *testing.T) {
	text := page(t)
	for _, forbidden := range []string{"<script", "http://", "https://", "url(", "NaN", "Inf", "x<y"} {
		if strings.Contains(text, forbidden) {
			t.Errorf("the page holds %q", forbidden)
		}
	}
	for _, wanted := range []string{"completion latency", "percentile of I/Os (%)", "share of I/Os (%)", "bandwidth (MiB/s)", "time (s)",
		"I/Os per second", "CPU per I/O (ns)"} {
		if !strings.Contains(text, wanted) {
			t.Errorf("no chart says %q", wanted)
		}
	}
}

// Each arm and repeat has a file of its own, in directories that are a sweep each.
func TestDirectoryOfSweeps(t *testing.T) {
	plan, err := jobfile.ParseCommandLine(words("--name=x --ioengine=null --rw=randread --size=64k --engine=null,psync --matrix=bs=4k,16k --matrix=iodepth=1,8 --matrix=gtod_reduce=0,1 --repeats=2 --filename="+file(t, 64<<10)),
		jobfile.Environment{})
	if err != nil {
		t.Fatal(err)
	}
	arms, err := workload.RunArms(t.Context(), plan.Arms, plan.Repeats, workload.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := report.WriteDirectory(dir, arms); err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		again, err := report.ReadJSON(bytes.NewReader(text))
		if err != nil || len(again.Jobs) != 1 {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if want := 2 * len(arms); err != nil || files != want || len(arms) != 16 {
		t.Errorf("%d files of %d arms, not %d: %v", files, len(arms), want, err)
	}
	if _, err := os.Stat(dir + "/repeat-2/null/gtod_reduce=1/16k/randread-8-1.json"); err != nil {
		t.Error(err)
	}
}
