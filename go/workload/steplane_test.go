package workload

import (
	"context"
	"testing"

	"github.com/ringo-io/ringo/go/workload/engine"
	"github.com/ringo-io/ringo/go/workload/jobfile"
	"github.com/ringo-io/ringo/go/workload/stats"
)

// halves moves half of what it is asked for, as a system call may.
type halves struct{ engine.Synchronous }

func (h halves) Do(io *engine.IO) {
	whole := io.Buffer
	io.Buffer = whole[:(len(whole)+1)/2]
	h.Synchronous.Do(io)
	io.Buffer = whole
}

// An I/O that is done in parts counts once, and is written and verified as the whole that it is.
func TestShortTransfers(t *testing.T) {
	name := t.TempDir() + "/file"
	for _, rw := range []string{"randwrite", "read"} {
		c, flows := inHalves(t, "--name=x", "--rw="+rw, "--bs=4k", "--size=64k", "--verify=crc32c", "--filename="+name)
		if c.failed() {
			t.Fatalf("%s: %s", rw, c.reason)
		}
		for d, f := range flows[:jobfile.Trim] {
			used := jobfile.Direction(d) == jobfile.Read || rw == "randwrite"
			if used && (f.IOs != 16 || f.Bytes != 64<<10 || f.Short == 0) {
				t.Errorf("%s, direction %d: %d I/Os, continued %d times, of %d bytes", rw, d, f.IOs, f.Short, f.Bytes)
			}
		}
	}
}

// inHalves runs a job on a synchronous engine whose transfers are short.
func inHalves(t *testing.T, words ...string) (*clone, *[stats.Directions]stats.Flow) {
	r, err := newRun(parse(t, words...), Options{})
	if err == nil {
		err = r.prepare(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	c := r.clones[0]
	if err := c.open(); err != nil {
		t.Fatal(err)
	}
	defer c.close()
	w, err := c.newWork()
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	lane := w.lanes[0].(*stepLane)
	lane.engine = halves{lane.engine}
	c.passes(w)
	return c, &lane.record.stats.Flows
}
