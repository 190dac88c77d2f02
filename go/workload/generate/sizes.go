package generate

import "github.com/ringo-io/ringo/go/workload/jobfile"

// sizes draws block sizes.
type sizes struct {
	job    *jobfile.Job
	random *Random
}

// next gives the length of an I/O; room is how much fits behind its offset. 0 says that nothing fits.
func (s *sizes) next(d jobfile.Direction, atRandom bool, room int64) int64 {
	if s.job.BlockIsSeqRand {
		d = jobfile.Read
		if atRandom {
			d = jobfile.Write
		}
	}
	bounds := s.job.BlockSize[d]
	if split := s.job.BlockSplit[d]; split != nil {
		return fit(s.split(split), bounds.Min, room)
	}
	if bounds.Min == bounds.Max {
		return fit(bounds.Min, bounds.Min, room)
	}
	length := bounds.Min + int64(s.random.Below(uint64(bounds.Max-bounds.Min+1)))
	if !s.job.BlockUnaligned {
		length -= length % bounds.Min
	}
	return fit(length, bounds.Min, room)
}

func (s *sizes) split(mix []jobfile.SizeMix) int64 {
	drawn := int(s.random.Below(100))
	for _, m := range mix {
		if drawn < m.Percent {
			return m.Size
		}
		drawn -= m.Percent
	}
	return mix[len(mix)-1].Size
}

// fit shortens what does not fit to a multiple of the smallest size.
func fit(length, smallest, room int64) int64 {
	if length <= room {
		return length
	}
	return room - room%smallest
}
