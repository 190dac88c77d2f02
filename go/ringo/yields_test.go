package ringo

import (
	"testing"
	"time"
)

// TestYields: a busy goroutine yields once in yieldAfter, and with one processor always.
func TestYields(t *testing.T) {
	y := yields{last: time.Now().Add(time.Hour)}
	for range 10 * yieldCheck {
		if y.due() {
			t.Fatal("too early")
		}
	}
	y.last = time.Now().Add(-yieldAfter)
	due := 0
	for range yieldCheck {
		if y.due() {
			due++
			y.last = y.last.Add(time.Hour)
		}
	}
	if due != 1 {
		t.Errorf("yields %d times", due)
	}
	y.always = true
	if !y.due() {
		t.Error("one processor, and it does not yield")
	}
}
