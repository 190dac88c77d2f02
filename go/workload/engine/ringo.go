package engine

import "errors"

// RingOptions are the knobs of the ringo engine.
type RingOptions struct {
	Backend string
}

// OpenRingo opens a window of a ringo engine.
func OpenRingo(Setup, RingOptions) (Queue, error) { return nil, errors.New("no window yet") }
