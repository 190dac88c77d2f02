// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ringo-io/ringo/cmd/ringo/internal/report"
)

const (
	catChunk    = 512 << 10
	catInFlight = 4
)

func newCatCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cat FILE…",
		Short: "Print files, one after the other",
		Long:  "Print files, one after the other. A single - stands for standard input.",
		Args:  cobra.MinimumNArgs(1),
		RunE:  catFiles,
	}
}

// catFiles leaves signals alone: there is nothing to clean up, and a read of a terminal could not be interrupted.
func catFiles(command *cobra.Command, names []string) error {
	backend, err := chosenBackend(command)
	if err != nil {
		return usageError{err}
	}
	ring := &lazyEngine{backend: backend}
	defer ring.Close()
	printer := &catPrinter{ring: ring, out: os.Stdout}
	failed := false
	for _, name := range names {
		err := printer.print(name)
		if errors.As(err, new(outputError)) {
			return err
		}
		if err != nil {
			failed = true
			fmt.Fprintf(command.ErrOrStderr(), "%s: %v\n", command.CommandPath(), err)
		}
	}
	if failed {
		return exitStatus(exitFailed)
	}
	return nil
}

// outputError is an error of stdout, after which no other file can be printed either.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

type catPrinter struct {
	ring   *lazyEngine
	out    *os.File
	buffer []byte
}

func (p *catPrinter) print(name string) error {
	file := os.Stdin
	if name != "-" {
		var err error
		if file, err = os.Open(name); err != nil {
			return &report.Failure{What: "cannot open", Path: name, Why: err}
		}
		defer file.Close()
	}
	info, err := file.Stat()
	if err != nil {
		return &report.Failure{What: "cannot stat", Path: name, Why: err}
	}
	if info.IsDir() {
		return &report.Failure{What: "cannot print", Path: name, Why: syscall.EISDIR}
	}
	if !info.Mode().IsRegular() {
		return p.stream(file, name)
	}
	from, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return &report.Failure{What: "cannot read", Path: name, Why: err}
	}
	if p.isOutput(info) && from < info.Size() {
		return &report.Failure{What: "cannot print", Path: name, Why: errors.New("input file is output file"),
			Cure: "send the output elsewhere"}
	}
	if info.Size()-from > catChunk {
		if err := p.printByRing(file, name, from, info.Size()); err != nil {
			return err
		}
	}
	// The rest: small files, what was appended meanwhile, and procfs, whose files have no size.
	return p.stream(file, name)
}

func (p *catPrinter) isOutput(info fs.FileInfo) bool {
	out, err := p.out.Stat()
	return err == nil && out.Mode().IsRegular() && os.SameFile(info, out)
}

// catRead is one ring read, perhaps still in flight.
type catRead struct {
	buffer []byte
	done   chan struct{}
	n      int
	err    error
}

// printByRing keeps several reads in flight and prints them in order. It leaves the file offset behind what it printed.
func (p *catPrinter) printByRing(file *os.File, name string, from, size int64) error {
	ring, err := p.ring.file(file)
	if err != nil {
		return &report.Failure{What: "cannot open a ring to read", Path: name, Why: err,
			Cure: "`ringo probe` says what is missing"}
	}
	var pending []*catRead
	defer func() {
		for _, read := range pending {
			<-read.done // The kernel still writes to its buffer, and the caller closes the file.
		}
	}()
	free := make([]*catRead, 0, catInFlight)
	for range catInFlight {
		free = append(free, &catRead{buffer: make([]byte, catChunk)})
	}
	for next := from; from < size; {
		for ; next < size && len(free) > 0; next += catChunk {
			read := free[len(free)-1]
			free = free[:len(free)-1]
			read.start(ring, next, min(catChunk, size-next))
			pending = append(pending, read)
		}
		read := pending[0]
		<-read.done
		pending = pending[1:]
		if err := p.write(read.buffer[:read.n]); err != nil {
			return err
		}
		from += int64(read.n)
		if errors.Is(read.err, io.EOF) {
			break // It shrank.
		}
		if read.err != nil {
			return &report.Failure{What: "cannot read", Path: name, Why: read.err}
		}
		free = append(free, read)
	}
	if _, err := file.Seek(from, io.SeekStart); err != nil {
		return &report.Failure{What: "cannot read", Path: name, Why: err}
	}
	return nil
}

func (r *catRead) start(file io.ReaderAt, offset, length int64) {
	r.done = make(chan struct{})
	go func() {
		defer close(r.done)
		r.n, r.err = file.ReadAt(r.buffer[:length], offset)
		if int64(r.n) == length {
			r.err = nil // The end of the file comes with its last bytes.
		}
	}()
}

// stream prints from the file offset on, until the file ends.
func (p *catPrinter) stream(file *os.File, name string) error {
	if p.buffer == nil {
		p.buffer = make([]byte, catChunk)
	}
	for {
		n, err := file.Read(p.buffer)
		if err := p.write(p.buffer[:n]); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &report.Failure{What: "cannot read", Path: name, Why: err}
		}
	}
}

func (p *catPrinter) write(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if _, err := p.out.Write(data); err != nil {
		return outputError{&report.Failure{What: "cannot write to standard output", Why: err}}
	}
	return nil
}
