package workload

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/ringo-io/ringo/go/workload/engine"
	"github.com/ringo-io/ringo/go/workload/generate"
	"github.com/ringo-io/ringo/go/workload/jobfile"
	"github.com/ringo-io/ringo/go/workload/verify"
)

// backlogDue says that enough was written since the last check.
func (s *source) backlogDue() bool {
	v := &s.clone.job.Verify
	if s.history == nil || v.Backlog == 0 || int64(s.history.Waiting()) < v.Backlog {
		return false
	}
	s.checkLeft = v.BacklogBatch
	if s.checkLeft == 0 {
		s.checkLeft = v.Backlog
	}
	return true
}

// checkAll makes the source hand out reads of everything that was written and not checked yet.
func (s *source) checkAll() {
	s.checking, s.checkLeft, s.held = true, unlimited, false
}

// checkNumbers is where the numbers of reads that check writes begin: those of writes are in their blocks, and must not
// depend on what was checked between them.
const checkNumbers = 1 << 63

// nextCheck prepares a read that checks a write.
func (s *source) nextCheck(io *engine.IO, buffer []byte) verdict {
	if s.checkLeft > 0 {
		if r, ok := s.history.Next(); ok {
			s.checkLeft--
			s.checked++
			number := checkNumbers + s.checked
			record := *r
			s.checks[number] = &record
			io.Op, io.File, io.Offset = engine.Read, r.File, r.Offset
			io.Whole = buffer[:r.Length]
			io.Buffer = io.Whole
			io.Direction, io.Number = int8(jobfile.Read), number
			return proceed
		}
	}
	s.checking = false
	if s.checkLeft == unlimited {
		return over
	}
	return drain // Before anything that was checked is written again.
}

// rehearse goes through the I/Os of a pass and does none of them: what an earlier run wrote is then known.
func (s *source) rehearse() {
	for !s.clone.stopping.Load() && s.draw() == proceed {
		s.number++
		if s.history != nil && s.request.Direction == jobfile.Write {
			s.history.End(s.history.Begin(s.recordOf(&s.request)), true)
		}
	}
}

// recordOf is what the write of the current number leaves behind.
func (s *source) recordOf(request *generate.Request) verify.Record {
	return verify.Record{File: request.File, Length: int(request.Length), Block: verify.Block{Offset: request.Offset,
		Number: s.number, Seed: generate.SeedOf(s.clone.seed, int(s.number))}}
}

// check compares what was read with what was written.
func (s *source) check(io *engine.IO) {
	record := s.checks[io.Number]
	delete(s.checks, io.Number)
	if io.Result < 0 {
		return
	}
	if record == nil && s.history != nil {
		return // A read of a job that also writes, of what may never have been written.
	}
	var written *verify.Block
	if record != nil {
		written = &record.Block
	}
	if m := s.codec.Check(io.Whole, io.Offset, written); m != nil {
		s.mismatch(io, m)
	}
}

// mismatch reports data that is not what was written. The job fails, at once or, unless verify_fatal is set
// and if continue_on_error allows it, at its end.
func (s *source) mismatch(io *engine.IO, m *verify.Mismatch) {
	c := s.clone
	path := c.files[io.File].path
	text := fmt.Sprintf("verify failed at file %s offset %d, length %d: %v", path, io.Offset, len(io.Whole), m)
	if c.job.Verify.Dump {
		for suffix, data := range map[string][]byte{"received": m.Received, "expected": m.Whole} {
			if data == nil {
				continue
			}
			name := fmt.Sprintf("%s.%d.%s", filepath.Base(path), m.Interval, suffix)
			if err := os.WriteFile(name, data, 0o644); err != nil {
				c.options.log("%s: %v", c.job.Name, err)
			}
		}
	}
	if c.job.ContinueOnError&jobfile.ContinueVerify != 0 && !c.job.Verify.Fatal {
		c.options.log("%s: %s", c.job.Name, text)
		c.countError(syscall.EILSEQ)
		return
	}
	c.fail(syscall.EILSEQ, "%s", text)
}
