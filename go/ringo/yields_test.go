package ringo

import (
	"testing"
	"time"
)

// TestYields: a busy goroutine yields once in yieldAfter, when it has woken many, and with one processor always.
func TestYields(t *testing.T) {
	y := yields{last: time.Now().Add(time.Hour)}
	for i := range 10 * yieldCheck {
		if y.due(i%50, yieldWoken-1) {
			t.Fatal("too early")
		}
	}
	y.last = time.Now().Add(-yieldAfter)
	y.work = 0
	for turn := 1; turn <= 4; turn++ {
		if due := y.due(0, 0); due != (turn == 4) {
			t.Errorf("turn %d without completions: %v", turn, due)
		}
	}
	y.last = time.Now().Add(-yieldAfter)
	if !y.due(yieldCheck, 0) {
		t.Error("a turn that brings many completions is not looked at")
	}
	if y = (yields{last: time.Now().Add(time.Hour)}); !y.due(yieldWoken, yieldWoken) {
		t.Error("many were woken, and it does not yield")
	}
	y.always = true
	if !y.due(0, 0) {
		t.Error("one processor, and it does not yield")
	}
}
