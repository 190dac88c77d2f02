package ringo

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/trace"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	var h Histogram
	if h.Count() != 0 || h.Quantile(0.5) != 0 {
		t.Error("an empty one counts")
	}
	h.Buckets[0], h.Buckets[3], h.Buckets[len(h.Buckets)-1] = 10, 80, 10
	for q, want := range map[float64]uint64{0: 0, 0.1: 0, 0.11: 7, 0.9: 7, 0.91: math.MaxUint64, 1: math.MaxUint64} {
		if got := h.Quantile(q); got != want {
			t.Errorf("quantile %v: %d, want %d", q, got, want)
		}
	}
	if h.Count() != 100 || h.Bound(0) != 0 || h.Bound(1) != 1 || h.Bound(10) != 1023 {
		t.Error(h.Count(), h.Bound(0), h.Bound(1), h.Bound(10))
	}
}

// TestStats: each operation is counted once, by kind and by the way it went.
func TestStats(t *testing.T) {
	data := randomBytes(100_000)
	name, small := writeTemp(t, data), writeTemp(t, data[:100])
	for policy, way := range map[Policy]func(*Stats) uint64{
		Plain: func(s *Stats) uint64 { return s.Plain }, Loop: func(s *Stats) uint64 { return s.Looped },
	} {
		e := open(t, WithPolicy(policy))
		f, err := e.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			if _, err := f.ReadAt(make([]byte, 100), int64(i)*100); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
		if _, err := e.ReadFile(t.Context(), small); err != nil {
			t.Fatal(err)
		}
		for _, err := range e.ReadFiles(t.Context(), []string{small, small}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		s := e.Stats()
		if n := s.Plain + s.Cached + s.Looped; n != 50 || way(&s) != 50 || s.Ops["read"] != s.Looped || s.Ops["readfile"] != 1 || s.Batched < 2 {
			t.Errorf("policy %d: %+v", policy, s)
		}
		ops := uint64(0)
		for _, n := range s.Ops {
			ops += n
		}
		if s.Latency.Count() != ops || s.Delivered.Count() != s.Deliveries || s.Delivered.Sum != s.Completions ||
			s.TurnTime.Count() < s.Turns || s.Latency.Sum == 0 {
			t.Errorf("policy %d: histograms do not agree with %d operations: %+v", policy, ops, s)
		}
	}
}

// TestSlowCallback: it is counted each time, and reported once, by name.
func TestSlowCallback(t *testing.T) {
	var log bytes.Buffer
	e := open(t, WithLoops(1), WithSlowCallback(time.Millisecond), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	for range 3 {
		onLoop(t, e, func() { time.Sleep(2 * time.Millisecond) })
	}
	onLoop(t, e, func() {}) // The one before is counted by now.
	if n := e.Stats().Slow; n < 3 {
		t.Errorf("%d were counted", n)
	}
	if text := log.String(); strings.Count(text, "slow") != 1 || !strings.Contains(text, "op=nop") {
		t.Errorf("logged %q", text)
	}
}

// TestCrashes: what must end the program says which operation's callback it was. The program is this
// test, run again.
func TestCrashes(t *testing.T) {
	crashes := map[string]struct {
		do   func()
		want string
	}{
		"panic":      {func() { panic("deliberate") }, "ringo: panic in a callback or handler, at the end of nop: deliberate"},
		"error":      {func() { panic(errors.New("deliberate")) }, "at the end of nop: deliberate"},
		"Goexit":     {runtime.Goexit, "ringo: runtime.Goexit (of testing: FailNow, SkipNow) in a callback or handler, at the end of nop"},
		"nil memory": {func() { var p *int; *p = 1 }, "at the end of nop: runtime error: invalid memory address"},
	}
	if how := os.Getenv("RINGO_TEST_CRASH"); how != "" {
		e := open(t, WithLoops(1))
		e.NopFunc(func(error) { crashes[how].do() })
		select {}
	}
	for name, crash := range crashes {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCrashes$", "-test.timeout=60s")
		cmd.Env = append(os.Environ(), "RINGO_TEST_CRASH="+name)
		out, err := cmd.CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte(crash.want)) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	p := &CallbackPanic{"nop", os.ErrNotExist}
	if !errors.Is(p, os.ErrNotExist) || errors.Is(&CallbackPanic{"nop", 1}, os.ErrNotExist) {
		t.Error("Unwrap")
	}
}

// TestDumpInFlight names what waits, for whom, and how long, of engines that are idle, full or stuck
// in a callback.
func TestDumpInFlight(t *testing.T) {
	e := open(t, WithLoops(1), WithDepth(1))
	s := serve(t, e, nil, func(*Conn) Handler { return Defaults{} })
	s.dial()
	dump := func() string {
		var b strings.Builder
		if err := e.DumpInFlight(&b); err != nil {
			t.Error(err)
		}
		return b.String()
	}
	eventually(t, "a connection that receives", func() bool {
		text := dump()
		return strings.Contains(text, "1 connections") && strings.Contains(text, "recv") &&
			strings.Contains(text, "for ringo.Defaults") && strings.Contains(text, "accept") && strings.Contains(text, "for Serve")
	})
	onLoop(t, e, func() {
		if text := dump(); !strings.Contains(text, "accept") {
			t.Errorf("in a callback: %s", text)
		}
	})
	stuck, release := make(chan struct{}), make(chan struct{})
	nopWhenRoom(t, e, func(error) { close(stuck); <-release }) // It is full now, as well.
	<-stuck
	text := dump()
	close(release)
	if !strings.Contains(text, "does not answer") || !strings.Contains(text, "TestDumpInFlight") {
		t.Errorf("stuck: %s", text)
	}
	s.stop()
	e.Close()
	if text := dump(); text != "loop 0: closed\n" {
		t.Errorf("closed: %s", text)
	}
}

// TestCallbackExecutor: callbacks run elsewhere, where they may block, and each once.
func TestCallbackExecutor(t *testing.T) {
	var running sync.WaitGroup
	e := open(t, WithLoops(1), WithCallbackExecutor(func(f func()) { go f() }))
	name := writeTemp(t, []byte("text"))
	running.Add(3)
	check := func(what string, err error) {
		defer running.Done()
		if e.onSomeLoop() {
			t.Errorf("%s: on the loop", what)
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if data, err := e.ReadFile(t.Context(), name); len(data) != 4 || err != nil { // It blocks.
			t.Errorf("%s: %q, %v", what, data, err)
		}
	}
	err := errors.Join(
		e.NopFunc(func(err error) { check("NopFunc", err) }),
		e.ReadFileFunc(name, func(_ []byte, err error) { check("ReadFileFunc", err) }),
		e.WriteFileFunc(name+"2", []byte("text"), 0o600, func(err error) { check("WriteFileFunc", err) }))
	if err != nil {
		t.Fatal(err)
	}
	within(t, "callbacks", running.Wait)
}

// TestTrace: an execution trace shows blocking calls and deliveries as regions.
func TestTrace(t *testing.T) {
	var out bytes.Buffer
	if err := trace.Start(&out); err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	e := open(t, WithLoops(1))
	name := writeTemp(t, []byte("text"))
	_, err := e.ReadFile(t.Context(), name)
	f, openErr := e.Open(name)
	if err := errors.Join(err, openErr); err != nil {
		t.Fatal(err)
	}
	f.engine.policy = Loop
	f.ReadAt(make([]byte, 4), 0)
	f.Close()
	e.Close()
	trace.Stop()
	for _, region := range []string{"ringo: read", "ringo: delivery"} {
		if !bytes.Contains(out.Bytes(), []byte(region)) {
			t.Errorf("the trace has no region %q", region)
		}
	}
}

// TestLoggerFallback: an engine that has to do without io_uring says so once.
func TestLoggerFallback(t *testing.T) {
	var log bytes.Buffer
	e := open(t, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if (e.Fallback() != nil) != strings.Contains(log.String(), "threads") {
		t.Errorf("%v, but logged %q", e.Fallback(), &log)
	}
	if _, err := New(WithSlowCallback(0)); err == nil {
		t.Error("WithSlowCallback(0) was taken")
	}
}
