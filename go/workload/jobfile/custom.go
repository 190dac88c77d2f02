// SPDX-License-Identifier: MIT

package jobfile

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The times of a job, for the table.
func runtimeOf(j *Job) *time.Duration                { return &j.Runtime }
func rampTimeOf(j *Job) *time.Duration               { return &j.RampTime }
func rateCycleOf(j *Job) *time.Duration              { return &j.Rate.Cycle }
func thinkTimeOf(j *Job) *time.Duration              { return &j.Think.Time }
func thinkSpinOf(j *Job) *time.Duration              { return &j.Think.Spin }
func thinkIOTimeOf(j *Job) *time.Duration            { return &j.Think.IOTime }
func logEveryOf(j *Job) *time.Duration               { return &j.Logs.Every }
func bwAverageOf(j *Job) *time.Duration              { return &j.BWAverage }
func iopsAverageOf(j *Job) *time.Duration            { return &j.IOPSAverage }
func maxLatencyOf(j *Job) *[Directions]time.Duration { return &j.MaxLatency }

func storeStartDelay(d *draft, v value) error {
	d.StartDelay = DurationRange{time.Duration(v.numbers[0]), time.Duration(v.numbers[1])}
	if d.StartDelay.Min > d.StartDelay.Max {
		return errors.New("the lower time stands first")
	}
	return nil
}

func storeFileSize(d *draft, v value) error {
	d.FileSize = Range{v.numbers[0], v.numbers[1]}
	if d.FileSize.Min > d.FileSize.Max {
		return errors.New("the smaller size stands first")
	}
	return nil
}

// storeFilename adds to the files of the global sections above, as fio does.
func storeFilename(d *draft, v value) error {
	names := splitNames(v.text)
	if len(names) == 0 {
		return errors.New("names no file")
	}
	d.Filenames = append(d.Filenames, names...)
	return nil
}

func storeDirectory(d *draft, v value) error {
	d.Directories = splitNames(v.text)
	if len(d.Directories) == 0 {
		return errors.New("names no directory")
	}
	return nil
}

// splitNames cuts at colons that have no backslash before them, and drops empty names.
func splitNames(text string) (names []string) {
	var name strings.Builder
	for i := 0; i <= len(text); i++ {
		switch {
		case i == len(text) || text[i] == ':':
			if name.Len() > 0 {
				names = append(names, name.String())
			}
			name.Reset()
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == ':':
			name.WriteByte(':')
			i++
		default:
			name.WriteByte(text[i])
		}
	}
	return names
}

var patternNames = []string{"read", "write", "randread", "randwrite", "rw", "readwrite", "randrw", "trim", "randtrim",
	"trimwrite", "randtrimwrite"}

func storePattern(d *draft, v value) error {
	name := v.text
	if v.hasRest {
		name, _, _ = strings.Cut(v.text, ":")
	}
	if strings.Contains(name, "trim") {
		return errors.New(whyNoTrim)
	}
	kind, random := strings.CutPrefix(name, "rand")
	p := Pattern{Random: random, Every: 1}
	p.Reads = kind != "write"
	p.Writes = kind != "read"
	if v.hasRest {
		n, err := parseBytes(v.rest, d.KBBase)
		switch {
		case err != nil:
			return err
		case random && (n < 1 || n > math.MaxInt32 || strings.TrimLeft(v.rest, "0123456789") != ""):
			return fmt.Errorf("behind a random pattern stands a number of I/Os, not %q", v.rest)
		case random:
			p.Every = int(n)
		default:
			p.Skip = n
		}
	}
	d.Pattern = p
	return nil
}

// Parameters of distributions where none are given, as in fio.
const (
	zipfDefault   = 1.1
	paretoDefault = 0.2
)

func storeDistribution(d *draft, v value) error {
	name, _, _ := strings.Cut(v.text, ":")
	var err error
	switch name {
	case "random":
		if v.hasRest {
			return errors.New("random takes no parameter")
		}
		d.Distribution = Distribution{Center: -1}
	case "zipf":
		d.Distribution, err = parseDistribution(Zipf, zipfDefault, v)
	case "pareto":
		d.Distribution, err = parseDistribution(Pareto, paretoDefault, v)
	case "normal":
		d.Distribution, err = parseDistribution(Normal, 0, v)
	default:
		err = errors.New("distributions by zones are not supported")
	}
	return err
}

func parseDistribution(shape Shape, parameter float64, v value) (Distribution, error) {
	dist := Distribution{Shape: shape, Parameter: parameter, Center: -1}
	var err error
	if v.hasRest {
		first, second, hasCenter := strings.Cut(v.rest, ":")
		if dist.Parameter, err = parseFloat(first); err != nil {
			return dist, err
		}
		if hasCenter {
			if dist.Center, err = parseFloat(second); err != nil {
				return dist, err
			}
			if dist.Center < 0 || dist.Center > 1 {
				return dist, fmt.Errorf("the center is from 0 to 1, not %s", second)
			}
		}
	}
	p := dist.Parameter
	switch {
	case shape == Zipf && (p == 1 || p <= 0):
		err = errors.New("theta of zipf is positive and not 1")
	case shape == Pareto && (p <= 0 || p >= 1):
		err = fmt.Errorf("h of pareto is between 0 and 1, not %v", p)
	case shape == Normal && (p < 0 || p >= 100):
		err = fmt.Errorf("the deviation of normal is from 0 to under 100 percent, not %v", p)
	}
	return dist, err
}

func storeFileService(d *draft, v value) error {
	name, _, _ := strings.Cut(v.text, ":")
	service := FileService{Every: 1, Distribution: Distribution{Center: -1}}
	var err error
	switch name {
	case "zipf":
		service.Distribution, err = parseDistribution(Zipf, zipfDefault, v)
	case "pareto":
		service.Distribution, err = parseDistribution(Pareto, paretoDefault, v)
	case "normal", "gauss":
		service.Distribution, err = parseDistribution(Normal, 0, v)
	default:
		service.Order = map[string]ServiceOrder{"random": ServiceRandom, "roundrobin": ServiceRoundRobin,
			"sequential": ServiceSequential}[name]
		if v.hasRest {
			service.Every, err = strconv.Atoi(v.rest)
			if err != nil || service.Every < 1 {
				err = fmt.Errorf("behind the colon stands a number of I/Os, not %q", v.rest)
			}
		}
	}
	if service.Distribution.Shape != Uniform {
		service.Order = ServiceDistributed
	}
	d.FileService = service
	return err
}

func storeBlockSize(d *draft, v value) error {
	for i := range d.bs {
		if v.given[i] {
			d.bs[i] = v.numbers[i]
		}
	}
	return nil
}

func storeBlockRange(d *draft, v value) error {
	parts := strings.Split(v.text, ",")
	switch {
	case len(parts) > int(Directions):
		return fmt.Errorf("takes at most %d ranges, not %d", Directions, len(parts))
	case strings.Trim(v.text, ", ") == "":
		return errors.New("has no range; write LOW-HIGH")
	}
	for i, part := range parts {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		r, err := parseRange(part, d.KBBase)
		if err != nil {
			return err
		}
		d.BlockSize[i] = r
		for j := i + 1; j < int(Directions) && i == len(parts)-1; j++ {
			d.BlockSize[j] = r
		}
	}
	return nil
}

func parseRange(text string, kbBase int) (Range, error) {
	parts := splitPair(text)
	if len(parts) != 2 {
		return Range{}, fmt.Errorf("%q is no range; write LOW-HIGH", text)
	}
	low, err := parseBytes(strings.TrimSpace(parts[0]), kbBase)
	if err != nil {
		return Range{}, err
	}
	high, err := parseBytes(strings.TrimSpace(parts[1]), kbBase)
	if err != nil {
		return Range{}, err
	}
	if min(low, high) < 1 {
		return Range{}, fmt.Errorf("%q: a block has at least 1 byte", text)
	}
	return Range{min(low, high), max(low, high)}, nil // fio swaps them too.
}

func storeAllRandRepeat(d *draft, v value) error {
	d.allRepeat = v.numbers[0] == 1
	return nil
}

func storeZoneMode(d *draft, v value) error {
	if v.text == "zbd" {
		return errors.New(whyNoZBD)
	}
	d.strided = v.text == "strided"
	return nil
}

func storeMemory(_ *draft, v value) error {
	switch kind, _, _ := strings.Cut(v.text, ":"); {
	case strings.HasSuffix(kind, "huge"):
		return errors.New("buffers of huge pages are not supported")
	case v.hasRest || kind == "mmapshared":
		return errors.New("buffers in a file are not supported")
	}
	return nil
}

// storeDedupe refills buffers, or every write would repeat the one before.
func storeDedupe(d *draft, v value) error {
	d.Buffers.Dedupe, d.Buffers.Refill = int(v.numbers[0]), true
	return nil
}

func storeBufferPattern(d *draft, v value) error {
	data, err := parsePayload(v.text, false)
	if err != nil {
		return err
	}
	d.Buffers.Data = data
	// What a read leaves in a buffer would be written otherwise.
	d.Buffers.Refill = d.Buffers.Compress != 0 || d.Pattern.Reads
	d.Buffers.Scramble, d.Buffers.Zero = false, false
	return nil
}

func storeVerifyPattern(d *draft, v value) (err error) {
	d.Verify.Data, err = parsePayload(v.text, true)
	return err
}

func storePercentiles(d *draft, v value) error {
	d.Percentiles = slices.Sorted(slices.Values(v.floats))
	return nil
}

func storeClockReduce(d *draft, v value) error {
	if v.numbers[0] == 1 {
		d.Latencies = Latencies{DisableSlat: true, DisableClat: true, DisableLat: true, DisableBW: true}
	}
	return nil
}

// storeLog stores the prefix of a log; finish puts the job's name where a bare option leaves it open.
func storeLog(field func(*Job) *string) func(*draft, value) error {
	return func(d *draft, v value) error {
		*field(&d.Job) = v.text
		if v.text == "" {
			*field(&d.Job) = logByJob
		}
		return nil
	}
}

// logByJob stands for the job's name, which is not known before the end of the section.
const logByJob = "\x00"

func storeIgnoreError(d *draft, v value) error {
	lists := strings.Split(v.text, ",")
	if len(lists) > int(ErrorKinds) {
		return fmt.Errorf("takes at most %d lists, not %d", ErrorKinds, len(lists))
	}
	for kind, list := range lists {
		var errnos []syscall.Errno
		for _, name := range strings.Split(list, ":") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			errno, err := parseErrno(name)
			if err != nil {
				return err
			}
			errnos = append(errnos, errno)
		}
		if errnos != nil {
			d.IgnoreError[kind] = errnos
			d.ContinueOnError |= ErrorScope(1) << kind
		}
	}
	return nil
}

func storeCPUs(d *draft, v value) error {
	var cpus []int
	for _, part := range strings.Split(v.text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		low, high, isRange := strings.Cut(part, "-")
		first, err1 := strconv.Atoi(low)
		last := first
		var err2 error
		if isRange {
			last, err2 = strconv.Atoi(high)
		}
		switch {
		case err1 != nil || err2 != nil || first < 0 || last < first:
			return fmt.Errorf("%q is neither a processor nor a range of them", part)
		case last >= configuredCPUs():
			return fmt.Errorf("there is no processor %d; they go from 0 to %d", last, configuredCPUs()-1)
		}
		for cpu := first; cpu <= last; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return d.setCPUs(cpus)
}

func storeCPUMask(d *draft, v value) error {
	var cpus []int
	for cpu := range 32 {
		if v.numbers[0]>>cpu&1 == 0 {
			continue
		}
		if cpu >= configuredCPUs() {
			return fmt.Errorf("there is no processor %d; they go from 0 to %d", cpu, configuredCPUs()-1)
		}
		cpus = append(cpus, cpu)
	}
	return d.setCPUs(cpus)
}

func (d *draft) setCPUs(cpus []int) error {
	if len(cpus) == 0 {
		return errors.New("names no processor")
	}
	slices.Sort(cpus)
	d.CPUsAllowed = slices.Compact(cpus)
	return nil
}
