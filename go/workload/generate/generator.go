package generate

import (
	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// A Region is the part of a file that a job works on, in bytes.
type Region struct {
	Start, Length int64
	FileSize      int64 // no I/O goes beyond it
}

// A Request is one I/O to do.
type Request struct {
	Direction jobfile.Direction
	File      int
	Offset    int64
	Length    int64
}

// A Generator says what one clone of a job does, I/O by I/O. It is for one goroutine.
type Generator struct {
	job   *jobfile.Job
	files []file
	sizes sizes
	// Random streams of their own.
	mix, sequential *Random
	chooser         *chooser
	untilRandom     int // I/Os until the next random offset, of rw=rand…:N
	// unending says that a file is begun again at its end: there is more to do than it holds.
	unending bool
}

// Options are what a generator needs beside the job.
type Options struct {
	Seed     uint64 // of this clone
	MixSeed  uint64 // of what is not an offset: differs from run to run unless allrandrepeat
	Unending bool   // more I/O was asked for than the regions hold, or for a time
}

// New makes the generator of one clone over its files.
func New(job *jobfile.Job, regions []Region, options Options) *Generator {
	g := &Generator{
		job:         job,
		sizes:       sizes{job: job, random: NewRandom(options.MixSeed, ForSizes, false)},
		mix:         NewRandom(options.MixSeed, ForMix, false),
		sequential:  NewRandom(options.MixSeed, ForSequential, false),
		untilRandom: 1,
		unending:    options.Unending,
	}
	for i, region := range regions {
		g.files = append(g.files, newFile(job, region, SeedOf(options.Seed, i)))
	}
	g.chooser = newChooser(job, len(regions), options.MixSeed)
	return g
}

// Restart begins the regions anew, as each of several loops does. Random sequences go on.
func (g *Generator) Restart() {
	for i := range g.files {
		g.files[i].restart()
	}
	g.chooser.restart()
}

// Direction says whether the next I/O reads or writes.
func (g *Generator) Direction() jobfile.Direction {
	p := &g.job.Pattern
	switch {
	case p.Reads && p.Writes:
		if g.mix.Percent(g.job.RWMixRead) {
			return jobfile.Read
		}
		return jobfile.Write
	case p.Writes:
		return jobfile.Write
	case p.Trims:
		return jobfile.Trim
	}
	return jobfile.Read
}

// Next fills in where the next I/O of a direction goes. It is false when all regions are used up.
func (g *Generator) Next(d jobfile.Direction, r *Request) bool {
	jump := g.jump()
	for {
		index := g.chooser.next()
		if index < 0 {
			return false
		}
		r.Direction, r.File = d, index
		if g.inFile(&g.files[index], jump, r) {
			return true
		}
		g.chooser.finished(index)
	}
}

// jump says whether this I/O goes to a new random offset, or on from the last one.
func (g *Generator) jump() bool {
	if !g.job.Pattern.Random {
		return false
	}
	if g.untilRandom--; g.untilRandom > 0 {
		return false
	}
	g.untilRandom = max(g.job.Pattern.Every, 1)
	return true
}

func (g *Generator) inFile(f *file, jump bool, r *Request) bool {
	if g.tryFile(f, jump, r) {
		return true
	}
	if !g.unending {
		return false
	}
	f.restart()
	return g.tryFile(f, jump, r)
}

func (g *Generator) tryFile(f *file, jump bool, r *Request) bool {
	atRandom := jump && g.atRandom(r.Direction)
	offset, ok := int64(0), false
	switch {
	case atRandom:
		offset, ok = f.random(r.Direction)
	case g.job.Pattern.Random && !jump && g.job.Sequencer == jobfile.SequencerIdentical:
		offset, ok = f.last[r.Direction], true
	default:
		offset, ok = f.sequential(r.Direction)
		if !ok && g.job.Pattern.Random {
			offset, ok = f.random(r.Direction)
		}
	}
	if !ok {
		return false
	}
	r.Offset = offset
	r.Length = g.sizes.next(r.Direction, atRandom, f.end(r.Direction, atRandom)-offset)
	if g.job.Pattern.Random && f.used != nil {
		r.Length = f.claim(offset, r.Length)
	}
	if r.Length <= 0 {
		return false
	}
	f.moved(r)
	return true
}

func (g *Generator) atRandom(d jobfile.Direction) bool {
	percent := g.job.PercentageRandom[d]
	return percent >= 100 || g.sequential.Percent(percent)
}
