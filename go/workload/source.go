package workload

import (
	"sync"
	"time"

	"github.com/ringo-io/ringo/go/workload/engine"
	"github.com/ringo-io/ringo/go/workload/generate"
	"github.com/ringo-io/ringo/go/workload/jobfile"
	"github.com/ringo-io/ringo/go/workload/verify"
)

// A verdict says what a lane does next.
type verdict int

const (
	proceed verdict = iota // do the I/O
	drain                  // let what is in flight end, rest as long as the source says, and ask again
	over                   // let what is in flight end
)

// A source gives out a clone's I/Os, one by one, within its limits and at its rate. Lanes of one clone share
// it; lock is nil where there is one lane.
type source struct {
	clone *clone
	lock  *sync.Mutex
	gen   *generate.Generator
	data  *generate.Data
	pace  *pace // nil: as fast as can be

	bytesLeft, iosLeft int64  // of this pass; of all passes
	number             uint64 // of the last I/O
	writes             int64  // since the last sync
	syncing            bool
	filled             map[int]bool // slots whose buffer has its first data
	rest               time.Duration
	thought            thinking

	codec     *verify.Codec // nil: nothing is verified
	history   *verify.History
	checking  bool  // handing out reads that check writes
	checkLeft int64 // of a backlog's batch
	checked   uint64
	request   generate.Request
	held      bool // request was drawn, but it must wait for a write in flight
	checks    map[uint64]*verify.Record
	wrote     map[uint64]int // by number: index in the history
}

const unlimited = int64(1) << 62

func newSource(c *clone, shared bool) (*source, error) {
	j := c.job
	s := &source{clone: c, filled: make(map[int]bool), iosLeft: unlimited, data: generate.NewData(&j.Buffers, c.other)}
	if shared {
		s.lock = new(sync.Mutex)
	}
	if j.NumberIOs > 0 {
		s.iosLeft = j.NumberIOs
	}
	var regions []generate.Region
	var sizes []int64
	for _, t := range c.files {
		regions = append(regions, t.region)
		sizes = append(sizes, t.region.FileSize)
	}
	s.bytesLeft = c.passBytes()
	s.gen = generate.New(j, regions, generate.Options{Seed: c.seed, MixSeed: c.other,
		Unending: j.TimeBased || s.bytesLeft > c.regionBytes()})
	s.pace = newPace(c)
	s.thought = thinking{job: j}
	if j.Verify.Checksum == jobfile.VerifyNone {
		return s, nil
	}
	codec, err := verify.New(&j.Verify, c.smallestBlock())
	if err != nil {
		return nil, err
	}
	s.codec = codec
	s.checks = make(map[uint64]*verify.Record)
	s.wrote = make(map[uint64]int)
	if j.Pattern.Writes {
		s.history = verify.NewHistory(sizes, c.smallestBlock())
	}
	return s, nil
}

// regionBytes is how much the clone's regions hold.
func (c *clone) regionBytes() (bytes int64) {
	for _, t := range c.files {
		bytes += t.region.Length
	}
	return bytes
}

// passBytes is how much I/O one pass does.
func (c *clone) passBytes() int64 {
	j, region := c.job, c.regionBytes()
	switch {
	case j.IOSize.Bytes > 0:
		return j.IOSize.Bytes
	case j.IOSize.Percent > 0:
		return region * int64(j.IOSize.Percent) / 100
	case j.Size.Bytes > 0:
		return min(j.Size.Bytes, region)
	}
	return region
}

// restart begins another pass.
func (s *source) restart() {
	s.bytesLeft = s.clone.passBytes()
	s.gen.Restart()
	s.syncing, s.writes, s.held = false, 0, false
	if s.history != nil {
		s.history.Forget()
	}
}

// next prepares an I/O in a slot's IO.
func (s *source) next(io *engine.IO, buffer []byte) verdict {
	if s.lock != nil {
		s.lock.Lock()
		defer s.lock.Unlock()
	}
	s.rest = 0
	io.Intended = 0
	if s.checking {
		return s.nextCheck(io, buffer)
	}
	if s.backlogDue() {
		s.checking = true
		return drain
	}
	if rest, due := s.thought.due(s.clone); due {
		s.rest = rest
		return drain
	}
	if s.syncDue(io) {
		return proceed
	}
	if verdict := s.draw(); verdict != proceed {
		return verdict
	}
	s.prepare(io, buffer, &s.request)
	return proceed
}

// draw takes the next request from the generator, unless a limit is reached or it must wait.
func (s *source) draw() verdict {
	request := &s.request
	if !s.held {
		direction := s.gen.Direction()
		if s.pace != nil {
			direction = s.pace.prefer(direction, s.clone.now())
		}
		if s.bytesLeft <= 0 || s.iosLeft <= 0 || !s.gen.Next(direction, request) {
			return over
		}
	}
	s.held = s.history != nil && request.Direction == jobfile.Write &&
		s.history.InFlight(request.File, request.Offset, int(request.Length))
	if s.held {
		return drain
	}
	s.bytesLeft -= request.Length
	s.iosLeft--
	return proceed
}

func (s *source) prepare(io *engine.IO, buffer []byte, request *generate.Request) {
	s.number++
	s.thought.issued()
	io.File, io.Offset = request.File, request.Offset
	io.Whole = buffer[:request.Length]
	io.Buffer = io.Whole
	io.Direction, io.Number = int8(request.Direction), s.number
	if s.pace != nil {
		io.Intended = s.pace.next(request.Direction, request.Length)
	}
	if request.Direction == jobfile.Read {
		io.Op = engine.Read
		return
	}
	io.Op = engine.Write
	s.writes++
	s.syncing = false
	s.fill(io, buffer, request)
}

// fill makes a write's part of its slot's buffer ready.
func (s *source) fill(io *engine.IO, buffer []byte, request *generate.Request) {
	if s.codec != nil {
		record := s.recordOf(request)
		s.codec.Seal(io.Buffer, record.Block)
		if s.history != nil {
			s.wrote[s.number] = s.history.Begin(record)
		}
		return
	}
	if s.clone.withoutFiles() {
		return
	}
	if !s.filled[io.Slot] {
		s.filled[io.Slot] = true
		s.data.First(buffer)
	}
	s.data.Next(io.Buffer, request.Offset)
}

// syncDue makes an I/O a sync when enough was written.
func (s *source) syncDue(io *engine.IO) bool {
	j := s.clone.job
	due := func(every int64) bool {
		return every > 0 && s.writes > 0 && s.writes%every == 0 && !s.syncing && s.bytesLeft > 0
	}
	switch {
	case due(j.FsyncEvery):
		io.Op = engine.Fsync
	case due(j.FdatasyncEvery):
		io.Op = engine.Fdatasync
	default:
		return false
	}
	s.syncing = true
	io.Buffer, io.Whole, io.Offset = nil, nil, 0
	return true
}

// ended takes back an I/O whose bytes were all moved, or that failed.
func (s *source) ended(io *engine.IO) {
	if s.codec == nil && s.thought.job.Think.Time == 0 {
		return
	}
	if s.lock != nil {
		s.lock.Lock()
		defer s.lock.Unlock()
	}
	s.thought.completed()
	if s.codec == nil {
		return
	}
	switch io.Op {
	case engine.Write:
		if index, ok := s.wrote[io.Number]; ok {
			delete(s.wrote, io.Number)
			s.history.End(index, io.Result >= 0)
		}
	case engine.Read:
		s.check(io)
	}
}
