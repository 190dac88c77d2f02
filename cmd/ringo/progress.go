// SPDX-License-Identifier: MIT

// The bar that long work shows on a terminal. It draws on one line of stderr and never on anything that is no terminal,
// and it makes way for messages.

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"
)

const (
	// barDelay spares short work a bar that would only flicker.
	barDelay = 300 * time.Millisecond
	barEvery = 200 * time.Millisecond
	clearBar = "\r\x1b[K"
)

// progress is a bar, or nothing at all where stderr is no terminal.
type progress struct {
	terminal *os.File // nil: draw nothing
	began    time.Time
	total    atomic.Int64 // 0 until it is known
	cancel   context.CancelFunc
	finished sync.WaitGroup

	line  sync.Mutex // who writes to the terminal's line
	drawn bool
}

func newProgress(stderr *os.File) *progress {
	if !term.IsTerminal(int(stderr.Fd())) || os.Getenv("TERM") == "dumb" {
		return &progress{}
	}
	return &progress{terminal: stderr}
}

// start draws what done returns until stop. The total is measured meanwhile, for no work should wait for its own bar.
func (p *progress) start(done func() int64, measure func(context.Context) int64) {
	if p.terminal == nil {
		return
	}
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(context.Background())
	p.began = time.Now()
	p.finished.Add(2)
	go func() {
		defer p.finished.Done()
		p.total.Store(measure(ctx))
	}()
	go func() {
		defer p.finished.Done()
		p.redraw(ctx, done)
	}()
}

func (p *progress) redraw(ctx context.Context, done func() int64) {
	wait := time.NewTimer(barDelay)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
			p.draw(done())
			wait.Reset(barEvery)
		}
	}
}

// stop takes the bar away.
func (p *progress) stop() {
	if p.terminal == nil {
		return
	}
	p.cancel()
	p.finished.Wait()
	p.line.Lock()
	defer p.line.Unlock()
	p.clear()
}

// say prints a message on a line of its own; the bar comes back below it.
func (p *progress) say(out io.Writer, message string) {
	p.line.Lock()
	defer p.line.Unlock()
	p.clear()
	fmt.Fprintln(out, message)
}

// clear is called with the line held.
func (p *progress) clear() {
	if p.drawn {
		p.drawn = false
		_, _ = io.WriteString(p.terminal, clearBar)
	}
}

func (p *progress) draw(done int64) {
	width, _, err := term.GetSize(int(p.terminal.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	text := barText(done, p.total.Load(), time.Since(p.began), width-1)
	p.line.Lock()
	defer p.line.Unlock()
	p.drawn = true
	_, _ = io.WriteString(p.terminal, clearBar+text)
}

// barText fits into width columns. Without a total it has no bar, no percentage and no end in sight.
func barText(done, total int64, took time.Duration, width int) string {
	rate := float64(done) / max(took.Seconds(), 0.001)
	text := fmt.Sprintf("%s  %s/s", bytesText(done), bytesText(int64(rate)))
	if total > 0 {
		done = min(done, total)
		text = fmt.Sprintf("%3d%%  %s / %s  %s/s", done*100/total, bytesText(done), bytesText(total), bytesText(int64(rate)))
		if rate > 0 {
			text += "  eta " + timeText(time.Duration(float64(total-done)/rate*float64(time.Second)))
		}
		if room := min(width-len(text)-4, 40); room >= 10 {
			filled := int(float64(done) / float64(total) * float64(room))
			text = "[" + strings.Repeat("=", filled) + strings.Repeat(" ", room-filled) + "] " + text
		}
	}
	return text[:min(len(text), max(width, 0))]
}

func bytesText(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1024, 0
	for value >= 999.95 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}

func timeText(d time.Duration) string {
	seconds := int64(d.Round(time.Second) / time.Second)
	if seconds >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	}
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}
