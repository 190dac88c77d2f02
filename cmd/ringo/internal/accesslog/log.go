// SPDX-License-Identifier: MIT

// Package accesslog writes a line for each answer of a file server, off its loops: a loop formats the line into a lane
// of its own, and one goroutine writes what the lanes hold.
package accesslog

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringo-io/ringo/go/fileserver"
)

const (
	// laneSize is how much a loop can be ahead of the writer. It holds the longest line: a target and fields of 24 KiB,
	// each byte escaped by four, or six in JSON.
	laneSize = 256 << 10
	// gatherTime is how long a line may wait for others to be written with.
	gatherTime = 100 * time.Millisecond
)

// Options are how a log is kept.
type Options struct {
	Format Format
	Loops  int
	// Drop loses lines that find their lane full, instead of making the loop wait.
	Drop bool
	// Complain is told, in a sentence without an end, that lines are being lost, and that they are no more.
	Complain func(string)
}

// A Log is an access log. Answered is for the loops; the other methods are safe everywhere.
type Log struct {
	options Options
	lanes   []*lane
	begun   chan struct{} // a lane has begun to fill
	pressed chan struct{} // a lane is half full
	files   chan *os.File
	closing chan struct{}
	done    chan struct{}
	dropped atomic.Uint64
	lost    atomic.Uint64

	// The writer's own.
	file    *os.File
	torn    bool // the last line in the file has no end
	failing bool
}

// A lane is what one loop has logged and nobody has written yet.
type lane struct {
	stamp stamp  // the loop's own
	line  []byte // the loop's own

	mu    sync.Mutex
	room  sync.Cond
	text  []byte
	spare []byte // the writer's own
}

// Start begins to log to file, which is the log's from now on.
func Start(file *os.File, o Options) *Log {
	l := &Log{options: o, file: file, begun: make(chan struct{}, 1), pressed: make(chan struct{}, 1),
		files: make(chan *os.File), closing: make(chan struct{}), done: make(chan struct{})}
	for range o.Loops {
		a := &lane{text: make([]byte, 0, laneSize), spare: make([]byte, 0, laneSize)}
		a.room.L = &a.mu
		l.lanes = append(l.lanes, a)
	}
	go l.run()
	return l
}

// Answered logs an answer; it is a Server's OnAnswer. It waits while the loop's lane is full, unless lines are dropped
// then. After Close it does nothing.
func (l *Log) Answered(a *fileserver.Answer) {
	lane := l.lanes[a.Loop]
	lane.line = appendLine(lane.line[:0], l.options.Format, &lane.stamp, a)
	lane.mu.Lock()
	for len(lane.text)+len(lane.line) > laneSize {
		if l.options.Drop {
			lane.mu.Unlock()
			l.dropped.Add(1)
			return
		}
		lane.room.Wait() // The writer was told when the lane was half full.
	}
	before := len(lane.text)
	lane.text = append(lane.text, lane.line...)
	after := len(lane.text)
	lane.mu.Unlock()
	switch {
	case after > laneSize/2:
		ring(l.pressed)
	case before == 0:
		ring(l.begun)
	}
}

func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// Reopen goes on in another file, which is the log's from now on. What was logged before it may go to either.
func (l *Log) Reopen(file *os.File) {
	select {
	case l.files <- file:
	case <-l.done:
		file.Close()
	}
}

// Close writes what is logged, and closes the file. Nothing may be logged any more.
func (l *Log) Close() {
	close(l.closing)
	<-l.done
}

// Dropped is how many lines found no room, Lost how many could not be written.
func (l *Log) Dropped() uint64 { return l.dropped.Load() }

// Lost is how many lines could not be written.
func (l *Log) Lost() uint64 { return l.lost.Load() }

func (l *Log) run() {
	defer close(l.done)
	for {
		select {
		case <-l.begun:
			l.gather()
		case <-l.pressed:
		case file := <-l.files:
			l.file.Close()
			l.file, l.torn = file, false
		case <-l.closing:
			l.drain()
			l.file.Close()
			return
		}
		l.drain()
	}
}

// gather waits for more lines, for a while.
func (l *Log) gather() {
	timer := time.NewTimer(gatherTime)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.pressed:
	case <-l.closing:
	}
}

// drain writes what the lanes hold.
func (l *Log) drain() {
	for _, lane := range l.lanes {
		lane.mu.Lock()
		lane.text, lane.spare = lane.spare[:0], lane.text
		lane.room.Broadcast()
		lane.mu.Unlock()
		if len(lane.spare) > 0 {
			l.write(lane.spare)
		}
	}
}

// write gives up lines that cannot be written: the disk may stay full for hours.
func (l *Log) write(text []byte) {
	if l.torn {
		if _, err := l.file.WriteString("\n"); err != nil {
			l.lose(text, err)
			return
		}
		l.torn = false
	}
	n, err := l.file.Write(text)
	if err != nil {
		l.torn = n > 0 && text[n-1] != '\n'
		l.lose(text[n:], err)
		return
	}
	if l.failing {
		l.failing = false
		l.options.Complain(fmt.Sprintf("the access log is written again; %d lines were lost so far", l.lost.Load()))
	}
}

func (l *Log) lose(text []byte, err error) {
	l.lost.Add(uint64(bytes.Count(text, []byte("\n"))))
	if !l.failing {
		l.failing = true
		l.options.Complain(fmt.Sprintf("the access log loses lines: %v", err))
	}
}
