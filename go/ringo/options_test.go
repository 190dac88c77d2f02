package ringo

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOptionsOutOfRange: New fails, and names the option, the value and the range.
func TestOptionsOutOfRange(t *testing.T) {
	for _, c := range []struct {
		option Option
		want   string
	}{
		{WithLoops(0), "WithLoops(0): must be from 1 to 1024"},
		{WithLoops(1025), "WithLoops(1025)"},
		{WithDepth(0), "WithDepth(0): must be from 1 to 32768"},
		{WithDepth(32769), "WithDepth(32769)"},
		{WithDepth(-1), "WithDepth(-1)"},
		{WithReserve(0), "WithReserve(0): must be from 1 to 262144"},
		{WithReserve(262145), "WithReserve(262145)"},
		{WithSubmitThreshold(0, time.Second), "WithSubmitThreshold(0): must be from 1 to 32768"},
		{WithSubmitThreshold(1, 0), "WithSubmitThreshold delay in µs(0): must be from 1 to 1000000"},
		{WithSubmitThreshold(1, 2*time.Second), "WithSubmitThreshold delay in µs(2000000)"},
		{WithWaitBatch(0, time.Second), "WithWaitBatch(0)"},
		{WithWaitBatch(1, -time.Second), "WithWaitBatch delay in µs(-1000000)"},
		{WithRingSize(0, 8), "WithRingSize submission(0)"},
		{WithRingSize(32769, 65536), "WithRingSize submission(32769)"},
		{WithRingSize(8, 4), "WithRingSize completion(4): must be from 8 to 65536"},
		{WithRingSize(8, 65537), "WithRingSize completion(65537)"},
		{WithWorkers(0, 1), "WithWorkers bounded(0)"},
		{WithWorkers(1, 1025), "WithWorkers unbounded(1025)"},
		{WithReceiveBuffers(0, 4096), "WithReceiveBuffers(0)"},
		{WithReceiveBuffers(3, 4096), "WithReceiveBuffers(3): must be a power of two"},
		{WithReceiveBuffers(4, 63), "WithReceiveBuffers size(63): must be from 64 to 1048576"},
		{WithReceiveBuffers(4, 1<<21), "WithReceiveBuffers size(2097152)"},
		{WithTurnBudget(4095), "WithTurnBudget(4095): must be from 4096 to 1073741824"},
		{WithReadLimit(-1), "WithReadLimit(-1): must not be negative"},
		{WithBackend("epoll"), `WithBackend("epoll"): must be auto, uring or threads`},
	} {
		e, err := New(c.option)
		if err == nil {
			t.Errorf("%s: accepted", c.want)
			e.Close()
			continue
		}
		if !strings.HasPrefix(err.Error(), "ringo: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %q, want %q", err, c.want)
		}
		if errors.Is(err, ErrUnavailable) {
			t.Errorf("%q: a mistake in an option is not a lack of io_uring", err)
		}
	}
}

// TestOptionsTogether: what each allows may still not fit the others; and a later option does not
// hide the mistake in an earlier one.
func TestOptionsTogether(t *testing.T) {
	for _, options := range [][]Option{
		{WithDepth(4), WithSubmitThreshold(5, time.Second)},
		{WithDepth(4), WithWaitBatch(5, time.Second)},
		{WithDepth(0), WithDepth(8)},
	} {
		e, err := New(options...)
		if err == nil {
			t.Error("accepted")
			e.Close()
			continue
		}
		if errors.Is(err, ErrUnavailable) || !(errors.Is(err, syscall.EINVAL) || strings.Contains(err.Error(), "must be")) {
			t.Errorf("got %v", err)
		}
	}
}

// TestOptionsAtTheirLimits: the ends of the ranges are in them.
func TestOptionsAtTheirLimits(t *testing.T) {
	for _, options := range [][]Option{
		{WithLoops(16), WithDepth(1), WithReserve(1)},
		{WithLoops(1), WithDepth(32768), WithReserve(262144)},
		{WithDepth(1), WithSubmitThreshold(1, time.Microsecond), WithWaitBatch(1, time.Second)},
		{WithLoops(1), WithRingSize(1, 1)},
		{WithLoops(1), WithRingSize(32768, 65536)},
		{WithLoops(1), WithWorkers(1, 1), WithTurnBudget(4096)},
		{WithLoops(1), WithReceiveBuffers(1, 64)},
		{WithLoops(1), WithReceiveBuffers(32768, 64)},
		{WithBackend("auto"), WithReadLimit(0)},
		{WithBackend("threads"), WithBackend("")},
	} {
		e := open(t, options...)
		onLoop(t, e, func() {})
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestProbe(t *testing.T) {
	f, err := Probe()
	if err != nil {
		t.Fatal(err)
	}
	e := open(t)
	again, err := e.Features()
	if err != nil || again.Backend != f.Backend || len(again.Ops) != len(f.Ops) {
		t.Errorf("Features: %+v, %v", again, err)
	}
	if f.Backend == "threads" {
		if f.Why == "" || f.Liburing == "" || f.SetupFlags != 0 || f.RingFeatures != 0 {
			t.Errorf("%+v", f)
		}
	} else if f.Backend != "uring" || f.Why != "" || f.Liburing == "" || f.SetupFlags == 0 || f.RingFeatures == 0 {
		t.Errorf("%+v", f)
	}
	ringOnly := []string{"files_update", "buffers_update", "install_fd", "send_zc", "sendmsg_zc", "message_ring"}
	seen := map[string]bool{}
	for _, op := range f.Ops {
		supported := op.Supported || f.Backend == "threads" && slices.Contains(ringOnly, op.Name)
		if op.Name == "" || op.Kernel == "" || seen[op.Name] || !supported {
			t.Errorf("%+v", op)
		}
		seen[op.Name] = true
	}
	if !seen["readfile"] || !seen["sendfile"] || !seen["nop"] {
		t.Errorf("%v", seen)
	}
}
