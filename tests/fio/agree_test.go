// SPDX-License-Identifier: MIT

package fio

import (
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// A probe is a job text that fio and ringo are both asked about.
type probe struct {
	text string
	// differs is the reason why they do not agree, where that is meant; the test then fails if they do agree.
	differs string
	// corrected is an option whose number a rule of fio's changes, so that it is not the one that was read.
	corrected string
}

// TestAgreesWithFio asks the installed fio about every probe, and compares: taken or refused, the effective values, and
// the line that fio prints for each job. fio goes as far as it does before it would run.
func TestAgreesWithFio(t *testing.T) {
	needFio(t)
	probes := slices.Concat(optionProbes(), jobProbes, changed, refusalProbes)
	if len(probes) < 500 {
		t.Errorf("%d probes are too few", len(probes))
	}
	seen := map[string]bool{}
	for _, p := range probes {
		if seen[p.text] {
			t.Errorf("asked twice:\n%s", p.text)
		}
		seen[p.text] = true
	}
	const askers = 4
	var asking sync.WaitGroup
	verdicts := make([][]verdict, askers)
	for i := range askers {
		asking.Add(1)
		go func() {
			defer asking.Done()
			verdicts[i] = askFio(t, textsOf(probes, i, askers))
		}()
	}
	asking.Wait()
	t.Setenv("RINGO_TEST_SIZE", "8m")
	accepted, refused, different := 0, 0, 0
	for i, p := range probes {
		fio := verdicts[i%askers][i/askers]
		plan, err := parseText(p.text)
		difference := p.compare(fio, plan, err)
		switch {
		case p.differs == "" && difference != "":
			t.Errorf("%s\nof\n%s\nfio: %s\nringo: %v", difference, p.text, fio.message, err)
		case p.differs != "" && difference == "":
			t.Errorf("no difference (%s) any more:\n%s\nfio: %s\nringo: %v", p.differs, p.text, fio.message, err)
		case p.differs != "":
			different++
		case fio.accepted:
			accepted++
		default:
			refused++
		}
	}
	t.Logf("%d job texts: %d taken by both with equal values, %d refused by both, %d different on purpose",
		len(probes), accepted, refused, different)
}

func textsOf(probes []probe, first, step int) (texts []string) {
	for i := first; i < len(probes); i += step {
		texts = append(texts, probes[i].text)
	}
	return texts
}

// parseText parses a job text as a job file.
func parseText(text string) (*jobfile.Plan, error) {
	return jobfile.ParseCommandLine([]string{"-"}, jobfile.Environment{Stdin: strings.NewReader(text), Lookup: os.LookupEnv})
}

// compare says in what fio and ringo differ, or "".
func (p probe) compare(fio verdict, plan *jobfile.Plan, err error) string {
	switch {
	case fio.accepted && errors.Is(err, jobfile.ErrNoJobs):
		return "" // fio says so only when it is about to run.
	case fio.accepted && err != nil:
		return "only ringo refuses it"
	case !fio.accepted && err == nil:
		return "only fio refuses it"
	case err != nil:
		return ""
	}
	var sections []fioSection
	for _, s := range fio.sections {
		if !strings.HasPrefix(s.name, "global") && s.name != "stop" {
			sections = append(sections, s)
		}
	}
	jobs := plan.Arms[0].Jobs
	if len(sections) != len(jobs) {
		return fmt.Sprintf("fio has %d jobs, ringo %d", len(sections), len(jobs))
	}
	for i, job := range jobs {
		if job.Section != sections[i].name {
			return fmt.Sprintf("job %d is %q to fio, %q to ringo", i, sections[i].name, job.Section)
		}
		if difference := compareNumbers(sections[i], job, p.corrected); difference != "" {
			return difference
		}
		if difference := comparePreamble(sections[i], job); difference != "" {
			return difference
		}
		if fio, ringo := sections[i].group-sections[0].group, job.Group; fio != ringo {
			return fmt.Sprintf("job %d is in group %d to fio, %d to ringo", i, fio, ringo)
		}
	}
	return ""
}

// compareNumbers compares the numbers of the section's own options with where the job keeps them.
func compareNumbers(section fioSection, job *jobfile.Job, corrected string) string {
	defaults, err := parseText("[defaults]\n")
	if err != nil {
		return err.Error()
	}
	for name, numbers := range section.numbers {
		effective, known := effectiveNumbers[name]
		if !known || len(numbers) == 0 || name == corrected {
			continue
		}
		want := place(effective(defaults.Arms[0].Jobs[0]), numbers)
		if name == "percentile_list" {
			want = slices.Sorted(slices.Values(numbers)) // fio sorts them when it reports.
		}
		if got := effective(job); !slices.Equal(got, want) {
			return fmt.Sprintf("%s is %d to fio, %d to ringo", name, want, got)
		}
	}
	return ""
}

// place puts the numbers of a list where fio puts them: an empty place keeps what was there, and what follows the last
// number is equal to it.
func place(there, numbers []int64) []int64 {
	there = slices.Clone(there)
	for i, n := range numbers {
		if i < len(there) && n != noNumber {
			there[i] = n
		}
	}
	last := len(numbers) - 1
	for i := last + 1; i < len(there) && numbers[last] != noNumber; i++ {
		there[i] = numbers[last]
	}
	return there
}

var preambleForm = regexp.MustCompile(`^rw=(\S+), bs=\(R\) (\S+)-(\S+), \(W\) (\S+)-(\S+),` +
	`(?: \(T\) (\S+)-(\S+),| (bs_is_seq_rand),)? ioengine=(\S+), iodepth=(\d+)$`)

// comparePreamble compares the line that fio prints for a job.
func comparePreamble(section fioSection, job *jobfile.Job) string {
	m := preambleForm.FindStringSubmatch(section.preamble)
	if m == nil {
		return fmt.Sprintf("fio says of the job %q", section.preamble)
	}
	if m[1] != patternName(job.Pattern) {
		return fmt.Sprintf("rw is %s to fio, %s to ringo", m[1], patternName(job.Pattern))
	}
	for i, r := range job.BlockSize {
		for j, size := range []int64{r.Min, r.Max} {
			text := m[2+2*i+j]
			if text != "" && !roughly(text, size) {
				return fmt.Sprintf("the block sizes are %q to fio, %d to ringo", section.preamble, job.BlockSize)
			}
		}
	}
	if engine := map[string]string{"ringo": "io_uring"}[job.Engine.Name]; m[9] != engine && m[9] != job.Engine.Name {
		return fmt.Sprintf("the engine is %s to fio, %s to ringo", m[9], job.Engine.Name)
	}
	if depth := strconv.Itoa(job.Depth.Limit); m[10] != depth {
		return fmt.Sprintf("the depth is %s to fio, %s to ringo", m[10], depth)
	}
	return ""
}

func patternName(p jobfile.Pattern) string {
	name := map[[2]bool]string{{true, false}: "read", {false, true}: "write", {true, true}: "rw"}[[2]bool{p.Reads, p.Writes}]
	if p.Random {
		return "rand" + name
	}
	return name
}

// roughly compares a size with what fio prints of it: four figures and a unit.
func roughly(text string, size int64) bool {
	end := strings.IndexFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	number, err := strconv.ParseFloat(text[:end], 64)
	exponent, known := map[string]int{"B": 0, "KiB": 1, "MiB": 2, "GiB": 3, "TiB": 4, "PiB": 5, "kB": -1, "MB": -2, "GB": -3,
		"TB": -4}[text[end:]]
	if err != nil || !known {
		return false
	}
	number *= math.Pow(1024, float64(max(exponent, 0))) * math.Pow(1000, float64(max(-exponent, 0)))
	return math.Abs(number-float64(size)) <= float64(size)/1000
}

// effectiveNumbers gives the numbers that a job holds for an option, as fio counts them: times in microseconds, and
// percentages from -1 downwards.
var effectiveNumbers = map[string]func(*jobfile.Job) []int64{
	"numjobs":          func(j *jobfile.Job) []int64 { return []int64{int64(j.NumJobs)} },
	"group_reporting":  func(j *jobfile.Job) []int64 { return bit(j.GroupReporting) },
	"new_group":        func(j *jobfile.Job) []int64 { return bit(j.NewGroup) },
	"exitall_on_error": func(j *jobfile.Job) []int64 { return bit(j.ExitAllOnError) },
	"runtime":          func(j *jobfile.Job) []int64 { return micros(j.Runtime) },
	"ramp_time":        func(j *jobfile.Job) []int64 { return micros(j.RampTime) },
	"startdelay": func(j *jobfile.Job) []int64 {
		return []int64{j.StartDelay.Min.Microseconds(), j.StartDelay.Max.Microseconds()}
	},
	"loops":             func(j *jobfile.Job) []int64 { return []int64{int64(j.Loops)} },
	"nrfiles":           func(j *jobfile.Job) []int64 { return []int64{int64(j.NumFiles)} },
	"openfiles":         func(j *jobfile.Job) []int64 { return []int64{int64(j.OpenFiles)} },
	"direct":            func(j *jobfile.Job) []int64 { return bit(j.Direct) },
	"buffered":          func(j *jobfile.Job) []int64 { return bit(!j.Direct) },
	"unlink":            func(j *jobfile.Job) []int64 { return bit(j.Unlink) },
	"percentage_random": func(j *jobfile.Job) []int64 { return each(j.PercentageRandom) },
	"rwmixread":         func(j *jobfile.Job) []int64 { return []int64{int64(j.RWMixRead)} },
	"rwmixwrite":        func(j *jobfile.Job) []int64 { return []int64{int64(100 - j.RWMixRead)} },
	"norandommap":       func(j *jobfile.Job) []int64 { return bit(j.NoRandomMap) },
	"randseed":          func(j *jobfile.Job) []int64 { return []int64{int64(j.RandSeed)} },
	"ba":                func(j *jobfile.Job) []int64 { return each(j.BlockAlign) },
	"bs_unaligned":      func(j *jobfile.Job) []int64 { return bit(j.BlockUnaligned) },
	"bs_is_seq_rand":    func(j *jobfile.Job) []int64 { return bit(j.BlockIsSeqRand) },
	"size":              func(j *jobfile.Job) []int64 { return share(j.Size) },
	"io_size":           func(j *jobfile.Job) []int64 { return share(j.IOSize) },
	"filesize":          func(j *jobfile.Job) []int64 { return []int64{j.FileSize.Min, j.FileSize.Max} },
	"offset":            func(j *jobfile.Job) []int64 { return share(j.Offset) },
	"offset_increment":  func(j *jobfile.Job) []int64 { return share(j.OffsetIncrement) },
	"offset_align":      func(j *jobfile.Job) []int64 { return []int64{j.OffsetAlign} },
	"number_ios":        func(j *jobfile.Job) []int64 { return []int64{j.NumberIOs} },
	"fill_device":       func(j *jobfile.Job) []int64 { return bit(j.FillDevice) },
	"zonesize":          func(j *jobfile.Job) []int64 { return []int64{j.Zone.Size} },
	"zonerange":         func(j *jobfile.Job) []int64 { return []int64{j.Zone.Range} },
	"zoneskip":          func(j *jobfile.Job) []int64 { return []int64{j.Zone.Skip} },
	"zero_buffers":      func(j *jobfile.Job) []int64 { return bit(j.Buffers.Zero) },
	"refill_buffers":    func(j *jobfile.Job) []int64 { return bit(j.Buffers.Refill) },
	"scramble_buffers":  func(j *jobfile.Job) []int64 { return bit(j.Buffers.Scramble) },
	"buffer_compress_percentage": func(j *jobfile.Job) []int64 {
		if j.Buffers.Zero {
			return []int64{100}
		}
		return []int64{int64(j.Buffers.Compress)}
	},
	"buffer_compress_chunk":      func(j *jobfile.Job) []int64 { return []int64{j.Buffers.CompressChunk} },
	"dedupe_percentage":          func(j *jobfile.Job) []int64 { return []int64{int64(j.Buffers.Dedupe)} },
	"iomem_align":                func(j *jobfile.Job) []int64 { return []int64{j.Buffers.Align} },
	"fixedbufs":                  func(j *jobfile.Job) []int64 { return bit(j.Engine.FixedBuffers) },
	"registerfiles":              func(j *jobfile.Job) []int64 { return bit(j.Engine.RegisterFiles) },
	"sqthread_poll":              func(j *jobfile.Job) []int64 { return bit(j.Engine.SQPoll) },
	"sqthread_poll_cpu":          func(j *jobfile.Job) []int64 { return []int64{int64(j.Engine.SQPollCPU)} },
	"hipri":                      func(j *jobfile.Job) []int64 { return bit(j.Engine.HiPri) },
	"force_async":                func(j *jobfile.Job) []int64 { return []int64{int64(j.Engine.ForceAsync)} },
	"uncached":                   func(j *jobfile.Job) []int64 { return bit(j.Engine.Uncached) },
	"nowait":                     func(j *jobfile.Job) []int64 { return bit(j.Engine.NoWait) },
	"userspace_reap":             func(j *jobfile.Job) []int64 { return bit(j.Engine.UserspaceReap) },
	"iodepth":                    func(j *jobfile.Job) []int64 { return []int64{int64(j.Depth.Limit)} },
	"iodepth_batch":              func(j *jobfile.Job) []int64 { return []int64{int64(j.Depth.Submit)} },
	"iodepth_batch_complete_min": func(j *jobfile.Job) []int64 { return []int64{int64(j.Depth.CompleteMin)} },
	"iodepth_batch_complete_max": func(j *jobfile.Job) []int64 { return []int64{int64(j.Depth.CompleteMax)} },
	"iodepth_low":                func(j *jobfile.Job) []int64 { return []int64{int64(j.Depth.Low)} },
	"rate":                       func(j *jobfile.Job) []int64 { return each(j.Rate.Bytes) },
	"rate_min":                   func(j *jobfile.Job) []int64 { return each(j.Rate.MinBytes) },
	"rate_iops":                  func(j *jobfile.Job) []int64 { return each(j.Rate.IOPS) },
	"rate_iops_min":              func(j *jobfile.Job) []int64 { return each(j.Rate.MinIOPS) },
	"rate_cycle":                 func(j *jobfile.Job) []int64 { return []int64{j.Rate.Cycle.Milliseconds()} },
	"rate_ignore_thinktime":      func(j *jobfile.Job) []int64 { return bit(j.Rate.IgnoreThink) },
	"thinktime":                  func(j *jobfile.Job) []int64 { return micros(j.Think.Time) },
	"thinktime_spin":             func(j *jobfile.Job) []int64 { return micros(j.Think.Spin) },
	"thinktime_blocks":           func(j *jobfile.Job) []int64 { return []int64{int64(j.Think.Blocks)} },
	"thinktime_iotime":           func(j *jobfile.Job) []int64 { return micros(j.Think.IOTime) },
	"max_latency": func(j *jobfile.Job) []int64 {
		return []int64{j.MaxLatency[0].Microseconds(), j.MaxLatency[1].Microseconds(), j.MaxLatency[2].Microseconds()}
	},
	"fsync":                  func(j *jobfile.Job) []int64 { return []int64{j.FsyncEvery} },
	"fdatasync":              func(j *jobfile.Job) []int64 { return []int64{j.FdatasyncEvery} },
	"end_fsync":              func(j *jobfile.Job) []int64 { return bit(j.EndFsync) },
	"fsync_on_close":         func(j *jobfile.Job) []int64 { return bit(j.FsyncOnClose) },
	"invalidate":             func(j *jobfile.Job) []int64 { return bit(j.Invalidate) },
	"pre_read":               func(j *jobfile.Job) []int64 { return bit(j.PreRead) },
	"create_fsync":           func(j *jobfile.Job) []int64 { return bit(j.CreateFsync) },
	"create_on_open":         func(j *jobfile.Job) []int64 { return bit(j.CreateOnOpen) },
	"create_only":            func(j *jobfile.Job) []int64 { return bit(j.CreateOnly) },
	"allow_file_create":      func(j *jobfile.Job) []int64 { return bit(j.AllowCreate) },
	"allow_mounted_write":    func(j *jobfile.Job) []int64 { return bit(j.AllowMountWrite) },
	"do_verify":              func(j *jobfile.Job) []int64 { return bit(j.Verify.After) },
	"verify_only":            func(j *jobfile.Job) []int64 { return bit(j.Verify.Only) },
	"verify_interval":        func(j *jobfile.Job) []int64 { return []int64{j.Verify.Interval} },
	"verify_offset":          func(j *jobfile.Job) []int64 { return []int64{j.Verify.HeaderOffset} },
	"verify_fatal":           func(j *jobfile.Job) []int64 { return bit(j.Verify.Fatal) },
	"verify_dump":            func(j *jobfile.Job) []int64 { return bit(j.Verify.Dump) },
	"verify_backlog":         func(j *jobfile.Job) []int64 { return []int64{j.Verify.Backlog} },
	"verify_backlog_batch":   func(j *jobfile.Job) []int64 { return []int64{j.Verify.BacklogBatch} },
	"clat_percentiles":       func(j *jobfile.Job) []int64 { return bit(j.Latencies.ClatPercentiles) },
	"lat_percentiles":        func(j *jobfile.Job) []int64 { return bit(j.Latencies.LatPercentiles) },
	"slat_percentiles":       func(j *jobfile.Job) []int64 { return bit(j.Latencies.SlatPercentiles) },
	"gtod_reduce":            func(j *jobfile.Job) []int64 { return bit(j.Latencies.DisableLat) },
	"disable_lat":            func(j *jobfile.Job) []int64 { return bit(j.Latencies.DisableLat) },
	"disable_clat":           func(j *jobfile.Job) []int64 { return bit(j.Latencies.DisableClat) },
	"disable_slat":           func(j *jobfile.Job) []int64 { return bit(j.Latencies.DisableSlat) },
	"disable_bw_measurement": func(j *jobfile.Job) []int64 { return bit(j.Latencies.DisableBW) },
	"stats":                  func(j *jobfile.Job) []int64 { return bit(j.Stats) },
	"disk_util":              func(j *jobfile.Job) []int64 { return bit(j.DiskUtil) },
	"significant_figures":    func(j *jobfile.Job) []int64 { return []int64{int64(j.Significant)} },
	"per_job_logs":           func(j *jobfile.Job) []int64 { return bit(j.Logs.PerJob) },
	"log_avg_msec":           func(j *jobfile.Job) []int64 { return []int64{j.Logs.Every.Milliseconds()} },
	"log_max_value":          func(j *jobfile.Job) []int64 { return bit(j.Logs.MaxValue) },
	"log_offset":             func(j *jobfile.Job) []int64 { return bit(j.Logs.Offset) },
	"log_unix_epoch":         func(j *jobfile.Job) []int64 { return bit(j.Logs.UnixEpoch) },
	"percentile_list": func(j *jobfile.Job) []int64 {
		var millionths []int64
		for _, f := range j.Percentiles {
			millionths = append(millionths, int64(math.Round(f*1e6)))
		}
		return millionths
	},
	"bwavgtime":   func(j *jobfile.Job) []int64 { return []int64{j.BWAverage.Milliseconds()} },
	"iopsavgtime": func(j *jobfile.Job) []int64 { return []int64{j.IOPSAverage.Milliseconds()} },
}

func bit(b bool) []int64 {
	if b {
		return []int64{1}
	}
	return []int64{0}
}

func micros(d time.Duration) []int64 { return []int64{d.Microseconds()} }

func each[T ~int | ~int64](values [jobfile.Directions]T) []int64 {
	return []int64{int64(values[0]), int64(values[1]), int64(values[2])}
}

func share(a jobfile.Amount) []int64 {
	if a.Percent > 0 {
		return []int64{int64(-1 - a.Percent)}
	}
	return []int64{a.Bytes}
}
