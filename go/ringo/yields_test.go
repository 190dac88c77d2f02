package ringo

import (
	"testing"
	"time"
)

// TestYields: a busy goroutine yields once in yieldAfter, and with one processor always.
func TestYields(t *testing.T) {
	y := yields{last: time.Now().Add(time.Hour)}
	for i := range 10 * yieldCheck {
		if y.due(i % 50) {
			t.Fatal("too early")
		}
	}
	y.last = time.Now().Add(-yieldAfter)
	y.work = 0
	for turn := 1; turn <= 4; turn++ {
		if due := y.due(0); due != (turn == 4) {
			t.Errorf("turn %d without completions: %v", turn, due)
		}
	}
	y.last = time.Now().Add(-yieldAfter)
	if !y.due(yieldCheck) {
		t.Error("a turn that brings many completions is not looked at")
	}
	y.always = true
	if !y.due(0) {
		t.Error("one processor, and it does not yield")
	}
}
