// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"time"
)

// signalGrace is how long after the first signal others still count as the same one: timeout(1) signals its child and
// then the whole group, and one Ctrl-C may come both from the terminal and from a parent that passes it on.
const signalGrace = 250 * time.Millisecond

// errInterrupted is the cause of a context that a signal has ended.
var errInterrupted = errors.New("interrupted")

// untilSignal ends the context at the first of the signals. Soon after they do what they do by default, so a second one
// ends the process at once. Signals that the parent process had ignored, as nohup and `&` do, stay ignored.
func untilSignal(parent context.Context, signals ...os.Signal) (context.Context, context.CancelFunc) {
	var heeded []os.Signal
	for _, s := range signals {
		if !signal.Ignored(s) {
			heeded = append(heeded, s)
		}
	}
	ctx, end := context.WithCancelCause(parent)
	if len(heeded) == 0 {
		return ctx, func() { end(nil) }
	}
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, heeded...)
	go func() {
		select {
		case <-caught:
			end(errInterrupted)
			time.Sleep(signalGrace)
			signal.Stop(caught)
		case <-ctx.Done():
			signal.Stop(caught)
		}
	}()
	return ctx, func() { end(nil) }
}
