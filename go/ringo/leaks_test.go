package ringo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long anything may take before a test calls it hung. It is not a measure of
// speed: two cores may be shared with a sanitizer and three other builds.
const patience = time.Minute

// TestMain fails the run when a test has left a goroutine or a descriptor behind. The default
// engine, which is never closed, is opened before the count.
func TestMain(m *testing.M) {
	_, _ = Default()
	settle()
	before := descriptors()
	code := m.Run()
	if code == 0 && leaked(before) {
		code = 1
	}
	os.Exit(code)
}

// leaked prints what is left over. Kernel and runtime let go of things a moment later than they
// say, so it looks more than once.
func leaked(before map[string]string) bool {
	var fds, stacks []string
	for range 100 {
		settle()
		fds, stacks = newDescriptors(before), strayGoroutines()
		if len(fds) == 0 && len(stacks) == 0 {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	fmt.Printf("LEAKED descriptors: %v\n", fds)
	fmt.Printf("LEAKED goroutines: %d\n%s\n", len(stacks), strings.Join(stacks, "\n\n"))
	return true
}

// settle closes what only the garbage collector knows to be unused.
func settle() {
	runtime.GC()
	runtime.GC()
}

// descriptors maps the open descriptors to what they are.
func descriptors() map[string]string {
	open := map[string]string{}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		// The directory being read is among them, and gone by now.
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			open[e.Name()] = target
		}
	}
	return open
}

func newDescriptors(before map[string]string) (added []string) {
	now := descriptors()
	for _, fd := range slices.Sorted(maps.Keys(now)) {
		if _, ok := before[fd]; !ok && now[fd] != "anon_inode:[eventpoll]" && now[fd] != "anon_inode:[eventfd]" {
			added = append(added, fd+" "+now[fd])
		}
	}
	// The runtime's poller opens one of each when first used.
	if n := countTargets(now, "[event") - countTargets(before, "[event"); n > 2 {
		added = append(added, fmt.Sprintf("%d of event", n))
	}
	return added
}

func countTargets(open map[string]string, part string) (n int) {
	for _, target := range open {
		if strings.Contains(target, part) {
			n++
		}
	}
	return n
}

// strayGoroutines gives the stacks that are neither this one nor the default engine's loops.
func strayGoroutines() (stacks []string) {
	allowed := 0
	if e, err := Default(); err == nil {
		allowed = len(e.loops)
	}
	buf := make([]byte, 16<<20)
	for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		switch {
		case strings.Contains(stack, "testing.(*M).Run"), strings.Contains(stack, "ringo.TestMain"),
			strings.Contains(stack, "os/signal"):
		case strings.Contains(stack, "(*loop).run") && allowed > 0:
			allowed--
		default:
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// open opens an engine for the time of a test, and checks that it closes well.
func open(t testing.TB, options ...Option) *Engine {
	t.Helper()
	e, err := New(options...)
	if errors.Is(err, ErrUnavailable) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	opened.Store(e, true)
	t.Cleanup(func() {
		defer opened.Delete(e)
		within(t, "Engine.Close", func() {
			if err := e.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	})
	return e
}

// opened has the engines that tests have open.
var opened sync.Map

// within fails the test, with what is in flight and the stacks of all goroutines, if f hangs.
func within(t testing.TB, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		var flights strings.Builder
		opened.Range(func(e, _ any) bool { return e.(*Engine).DumpInFlight(&flights) == nil })
		buf := make([]byte, 1<<20)
		t.Fatalf("%s hangs:\n%s\n%s", what, &flights, buf[:runtime.Stack(buf, true)])
	}
}

// eventually waits for a condition that something else brings about.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// onLoop runs f in a callback, on a loop's goroutine, and waits for it.
func onLoop(t testing.TB, e *Engine, f func()) {
	t.Helper()
	done := make(chan struct{})
	nopWhenRoom(t, e, func(error) { f(); close(done) })
	within(t, "callback", func() { <-done })
}

// nopWhenRoom is NopFunc for a test that has used the engine fully: an operation's place is free when
// the delivery that called its callback has ended.
func nopWhenRoom(t testing.TB, e *Engine, callback func(error)) {
	t.Helper()
	within(t, "room for a callback form", func() {
		err := e.NopFunc(callback)
		for ; errors.Is(err, ErrFull); err = e.NopFunc(callback) {
			runtime.Gosched()
		}
		if err != nil {
			t.Error(err)
		}
	})
}

// canceled is a context that has ended.
func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
