// SPDX-License-Identifier: MIT

package jobfile

import (
	"os"
	"slices"
	"time"
)

// finish applies fio's rules between options, in fio's order where it matters, and refuses what cannot be run.
func (b *builder) finish(d *draft) {
	b.finishAccess(d)
	b.finishZones(d)
	b.finishBlocks(d)
	b.finishDepth(d)
	b.finishFiles(d)
	b.finishTime(d)
	b.finishRates(d)
	b.finishVerify(d)
	b.finishBuffers(d)
	b.finishRandom(d)
	b.noteEngine(d)
	d.finishReports()
}

func (b *builder) finishAccess(d *draft) {
	if b.readOnly && d.Pattern.Writes {
		b.wrong(d, "rw", "the job writes, and --readonly forbids it")
	}
	if d.Pattern.Reads {
		d.Overwrite = true // What is read must be there.
	}
	if d.PreRead {
		d.Invalidate = false
	}
}

func (b *builder) finishZones(d *draft) {
	switch {
	case !d.strided && d.Zone.Size > 0:
		b.wrong(d, "zonesize", "zones need zonemode=strided")
	case d.strided && d.Zone.Size == 0:
		b.wrong(d, "zonemode", "zonemode=strided needs zonesize")
	case d.strided && d.OpenFiles > 1:
		b.corrected(d, "openfiles", "zones are for one open file at a time; the job runs with zonemode=none")
		d.Zone = Zone{}
	case d.strided && d.Zone.Range == 0:
		d.Zone.Range = d.Zone.Size
	case !d.strided:
		d.Zone = Zone{}
	}
}

func (b *builder) finishBlocks(d *draft) {
	if d.given["bs"] && (d.given["bsrange"] || d.given["bssplit"]) && d.BlockSize[Read].Min > 0 {
		b.corrected(d, "bs", "is not used, because bsrange or bssplit is given as well")
	}
	for i := range d.BlockSize {
		r := &d.BlockSize[i]
		if r.Min == 0 {
			r.Min = d.bs[i]
		}
		if r.Max == 0 {
			r.Max = d.bs[i]
		}
	}
	aligned := true
	for i := range d.BlockAlign {
		if d.BlockAlign[i] == 0 || !d.Pattern.Random {
			d.BlockAlign[i] = d.BlockSize[i].Min
		}
		aligned = aligned && d.BlockAlign[i] == d.BlockSize[i].Min
	}
	if !aligned && !d.NoRandomMap {
		b.corrected(d, "ba", "turns off the map of visited blocks, as norandommap does")
		d.NoRandomMap = true
	}
	if d.BlockUnaligned && d.Direct {
		b.corrected(d, "bs_unaligned", "may fail with direct=1")
	}
	if least := d.smallestBlock(); d.Size.Bytes > 0 && d.Size.Bytes < least {
		b.wrong(d, "size", "size is less than the smallest block size: %d < %d", d.Size.Bytes, least)
	}
}

func (d *draft) smallestBlock() int64 {
	return min(d.BlockSize[Read].Min, d.BlockSize[Write].Min, d.BlockSize[Trim].Min)
}

func (d *draft) fixedBlocks() bool {
	first := d.BlockSize[Read]
	return first.Min == first.Max && d.BlockSize[Write] == first && d.BlockSize[Trim] == first
}

func (b *builder) finishDepth(d *draft) {
	depth := &d.Depth
	if depth.Low > depth.Limit || depth.Low == 0 {
		depth.Low = depth.Limit
	}
	if depth.Submit > depth.Limit || depth.Submit == 0 {
		depth.Submit = depth.Limit
	}
	depth.CompleteMax = max(depth.CompleteMax, depth.CompleteMin)
	if d.Engine.Engine == EnginePsync && depth.Limit > 1 {
		b.notes.add("%s: [%s] engine %s has one I/O in flight at a time, whatever iodepth says",
			d.at("iodepth").Source, d.Section, d.Engine.Name)
	}
}

func (b *builder) finishFiles(d *draft) {
	for _, dir := range d.Directories {
		if info, err := os.Stat(dir); !b.parseOnly && (err != nil || !info.IsDir()) {
			b.wrong(d, "directory", "%s is not a directory", dir)
		}
	}
	if len(d.Filenames) > 0 {
		d.NumFiles = len(d.Filenames)
	}
	if d.OpenFiles > 0 && d.OpenFiles < d.NumFiles {
		b.wrong(d, "openfiles", "is less than nrfiles: %d < %d; all files are open here", d.OpenFiles, d.NumFiles)
	}
	d.OpenFiles = d.NumFiles
	if d.given["filename"] && slices.ContainsFunc(d.Globals, isFilename) && slices.ContainsFunc(d.Given, isFilename) &&
		!slices.ContainsFunc(b.set, func(s setting) bool { return s.key == "filename" }) {
		b.corrected(d, "filename", "adds to the files of a global section; the job uses them all")
	}
}

func isFilename(s Setting) bool { return s.Name == "filename" }

func (b *builder) finishTime(d *draft) {
	if d.TimeBased && d.Runtime == 0 {
		b.corrected(d, "time_based", "needs runtime; the job runs as without time_based")
		d.TimeBased = false
	}
	d.Loops = max(d.Loops, 1)
	d.Think.Spin = min(d.Think.Spin, d.Think.Time)
}

func (b *builder) finishRates(d *draft) {
	rate := &d.Rate
	if anySet(rate.Bytes) && anySet(rate.IOPS) {
		b.wrong(d, "rate_iops", "rate and rate_iops exclude each other")
	}
	if anySet(rate.MinBytes) && anySet(rate.MinIOPS) {
		b.wrong(d, "rate_iops_min", "rate_min and rate_iops_min exclude each other")
	}
	for i := range Directions {
		if rate.Bytes[i] > 0 && rate.Bytes[i] < rate.MinBytes[i] {
			b.wrong(d, "rate_min", "is higher than rate: %d > %d", rate.MinBytes[i], rate.Bytes[i])
		}
		if rate.IOPS[i] > 0 && rate.IOPS[i] < rate.MinIOPS[i] {
			b.wrong(d, "rate_iops_min", "is higher than rate_iops: %d > %d", rate.MinIOPS[i], rate.IOPS[i])
		}
	}
}

func anySet(values [Directions]int64) bool {
	return slices.ContainsFunc(values[:], func(v int64) bool { return v > 0 })
}

func (b *builder) finishVerify(d *draft) {
	v := &d.Verify
	if v.Data.Bytes != nil && !d.given["verify"] {
		v.Checksum = VerifyPatternHeader
	}
	if v.Checksum == VerifyPattern && v.Data.Bytes == nil {
		b.wrong(d, "verify", "verify=pattern needs verify_pattern")
	}
	if v.Only && d.TimeBased && d.Pattern.Writes {
		b.wrong(d, "verify_only", "nobody can tell how much an earlier run with time_based has written")
	}
	if v.Checksum == VerifyNone {
		return
	}
	if d.NoRandomMap && !d.fixedBlocks() {
		b.corrected(d, "norandommap", "with varying block sizes, blocks may overlap; verification is limited")
	}
	shared := len(d.Filenames) > 0
	if d.Pattern.Writes && v.After && d.NumJobs > 1 && shared {
		b.corrected(d, "numjobs", "clones may overwrite each other's blocks, which verification then reports")
	}
	if d.Pattern.Writes && v.After && d.Runtime > 0 && d.TimeBased && !d.Pattern.Reads && v.Backlog == 0 {
		b.corrected(d, "time_based", "writing uses all of runtime, so nothing will be verified; use verify_backlog")
	}
	if !d.given["refill_buffers"] {
		d.Buffers.Refill = true
	}
	v.fitInterval(d.BlockSize[Write], d.BlockSize[Read], d.Pattern.Reads)
}

// fitInterval makes the interval a divisor of the smallest and the largest block.
func (v *Verify) fitInterval(write, read Range, reads bool) {
	if write.Max != write.Min && v.Interval == 0 {
		v.Interval = write.Min
	}
	if v.Interval > write.Min {
		v.Interval = write.Min
	} else if reads && v.Interval > read.Min {
		v.Interval = read.Min
	}
	if v.Interval == 0 || write.Min%v.Interval != 0 || write.Max%v.Interval != 0 {
		v.Interval = greatestDivisor(write.Min, write.Max)
	}
}

func greatestDivisor(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func (b *builder) finishBuffers(d *draft) {
	buffers := &d.Buffers
	switch {
	case buffers.Compress == 100:
		buffers.Zero, buffers.Compress = true, 0
	case buffers.Compress > 0 && !d.given["refill_buffers"]:
		buffers.Refill = true
	}
}

func (b *builder) finishRandom(d *draft) {
	if d.Distribution.Shape != Uniform {
		d.NoRandomMap = true
	}
	d.RandRepeat = d.RandRepeat || d.allRepeat || d.given["randseed"]
}

func (b *builder) noteEngine(d *draft) {
	e := &d.Engine
	if e.Name != e.Engine.String() && e.Engine != EngineFio && e.Name != "io_uring" {
		b.notes.add("%s: [%s] ioengine=%s is run as %s", d.at("ioengine").Source, d.Section, e.Name, e.Engine)
	}
}

func (d *draft) finishReports() {
	l := &d.Latencies
	l.LatPercentiles = l.LatPercentiles && !l.DisableLat
	l.ClatPercentiles = l.ClatPercentiles && !l.DisableClat
	l.SlatPercentiles = l.SlatPercentiles && !l.DisableSlat
	for _, prefix := range []*string{&d.Logs.Bandwidth, &d.Logs.Latency, &d.Logs.IOPS} {
		if *prefix == logByJob {
			*prefix = d.Name
		}
	}
	if d.Logs.Bandwidth != "" {
		d.BWAverage = logAverage(d.BWAverage, d.Logs.Every, d.given["bwavgtime"])
	}
	if d.Logs.IOPS != "" {
		d.IOPSAverage = logAverage(d.IOPSAverage, d.Logs.Every, d.given["iopsavgtime"])
	}
}

// logAverage is the time over which bandwidth or IOPS are sampled where they are logged: log_avg_msec, or the shorter
// of it and the option of their own.
func logAverage(own, every time.Duration, given bool) time.Duration {
	if every == 0 || given && own < every {
		return own
	}
	return every
}
