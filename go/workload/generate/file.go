package generate

import "github.com/ringo-io/ringo/go/workload/jobfile"

// A file is where a job is in one of its files.
type file struct {
	job    *jobfile.Job
	region Region
	// Per direction: where the last I/O began, and where the next sequential one does.
	last, next [jobfile.Directions]int64
	offsets    *Random
	shape      *distribution
	register   *lfsr
	used       *blockMap // of blocks of the smallest size; nil where blocks may repeat
	block      int64
	zone       int64 // start of the current zone
	inZone     int64 // bytes done in it
}

func newFile(job *jobfile.Job, region Region, seed uint64) file {
	f := file{job: job, region: region, offsets: NewRandom(seed, ForOffsets, job.RandomGenerator == jobfile.Tausworthe64),
		block: smallestBlock(job), zone: region.Start}
	for d := range f.next {
		f.next[d], f.last[d] = region.Start, region.Start
	}
	blocks := region.Length / f.block
	switch {
	case !job.Pattern.Random || blocks <= 0:
	case job.Distribution.Shape != jobfile.Uniform:
		f.shape = newDistribution(job.Distribution, uint64(blocks), seed)
	case job.RandomGenerator == jobfile.LFSR:
		f.register = newLFSR(uint64(blocks), seed)
	case !job.NoRandomMap && job.Zone.Size == 0:
		f.used = newBlockMap(blocks)
	}
	return f
}

// smallestBlock is the unit of the map of blocks.
func smallestBlock(job *jobfile.Job) int64 {
	smallest := int64(0)
	for d := range job.BlockSize {
		uses := [...]bool{job.Pattern.Reads, job.Pattern.Writes, job.Pattern.Trims}[d]
		if size := job.BlockSize[d].Min; uses && (smallest == 0 || size < smallest) {
			smallest = size
		}
	}
	return max(smallest, 1)
}

// restart begins the region anew.
func (f *file) restart() {
	for d := range f.next {
		f.next[d] = f.region.Start
	}
	if f.used != nil {
		f.used.clear()
	}
	if f.register != nil {
		f.register.restart()
	}
	f.zone, f.inZone = f.region.Start, 0
}

// end is the first byte that an I/O must not touch.
func (f *file) end(d jobfile.Direction, atRandom bool) int64 {
	if atRandom || f.job.BlockSize[d].Min != f.job.BlockSize[d].Max || f.job.BlockSplit[d] != nil {
		return f.region.Start + f.region.Length
	}
	// A sequential I/O of a fixed size may reach over the region's end, as in fio, if the file is longer.
	return f.region.FileSize
}

// random draws the next block. It is false when all blocks were used.
func (f *file) random(d jobfile.Direction) (int64, bool) {
	align := f.job.BlockAlign[d]
	start, length := f.window()
	blocks := length / align
	if blocks <= 0 {
		return 0, false
	}
	var block int64
	switch {
	case f.shape != nil:
		block = f.shape.next() % blocks
	case f.register != nil:
		drawn, ok := f.register.next()
		if !ok {
			return 0, false
		}
		block = int64(drawn) % blocks
	default:
		block = int64(f.offsets.Below(uint64(blocks)))
	}
	offset := block * align
	if f.used != nil {
		if f.used.full() {
			return 0, false
		}
		if index := min(offset/f.block, f.used.blocks-1); f.used.isUsed(index) {
			offset = f.used.nextFree(index) * f.block
		}
	}
	return start + offset, true
}

// window is the part of the region that random offsets are drawn from: all of it, or a zone.
func (f *file) window() (start, length int64) {
	if f.job.Zone.Size == 0 {
		return f.region.Start, f.region.Length
	}
	f.enterZone()
	return f.zone, min(max(f.job.Zone.Range, f.job.Zone.Size), f.region.FileSize-f.zone)
}

// sequential goes on where the last I/O of the direction ended. It is false at the region's end.
func (f *file) sequential(d jobfile.Direction) (int64, bool) {
	if f.job.Zone.Size > 0 && f.enterZone() {
		f.next[d] = f.zone
	}
	offset := f.next[d]
	limit := f.region.FileSize
	if skip := f.job.Pattern.Skip; skip != 0 && !f.job.Pattern.Random && offset != f.region.Start {
		offset += skip
		if skip < 0 && offset < f.region.Start {
			offset = f.region.Start + f.region.Length + skip
		}
	}
	if f.job.Zone.Size == 0 {
		limit = f.region.Start + f.region.Length
	}
	if offset >= limit || offset < 0 {
		return 0, false
	}
	return offset, true
}

// enterZone goes on to the next zone when the current one has had its I/O, and says whether it did.
func (f *file) enterZone() bool {
	z := &f.job.Zone
	if f.inZone < z.Size {
		return false
	}
	f.inZone = 0
	f.zone += max(z.Range, z.Size) + z.Skip
	if f.zone >= f.region.FileSize {
		f.zone = f.region.Start
	}
	return true
}

// claim marks the blocks of an I/O as used, and shortens it in front of one that is used already.
func (f *file) claim(offset, length int64) int64 {
	first := (offset - f.region.Start) / f.block
	if first >= f.used.blocks {
		return length // A remainder behind the last whole block, reached sequentially.
	}
	wanted := (length + f.block - 1) / f.block
	if free := f.used.set(first, wanted); free < wanted {
		return max(free, 1) * f.block
	}
	return length
}

// moved notes an I/O that will be done.
func (f *file) moved(r *Request) {
	f.last[r.Direction] = r.Offset
	f.next[r.Direction] = r.Offset + r.Length
	f.inZone += r.Length
}
