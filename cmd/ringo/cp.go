// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/go/treecopy"
)

func newCpCommand() *cobra.Command {
	var recursive bool
	command := &cobra.Command{
		Use:   "cp [-r] SRC… DST",
		Short: "Copy files and directories, with all that cp -a keeps",
		Long: `Copy files and directories, keeping modes, times, owners (as root), extended
attributes, ACLs, symbolic links, hard links and holes, as cp -a does. Each file
goes the cheapest way there is: reflink, copy_file_range, ring reads and writes.
An interruption or an error leaves no half-written file.`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(command *cobra.Command, args []string) error {
			return copyTrees(command, args[:len(args)-1], args[len(args)-1], recursive)
		},
	}
	command.Flags().BoolVarP(&recursive, "recursive", "r", false, "copy directories and what is below them")
	return command
}

func copyTrees(command *cobra.Command, sources []string, destination string, recursive bool) error {
	backend, err := chosenBackend(command)
	if err != nil {
		return usageError{err}
	}
	// These would kill the command in the middle of a file: a closed stderr, and a file above ulimit -f.
	signal.Ignore(unix.SIGPIPE, unix.SIGXFSZ)
	unix.Umask(0) // Modes are copied; what is not copied yet is made for the owner alone.
	ctx, stop := untilSignal(command.Context(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()

	ring := &lazyEngine{backend: backend}
	defer ring.Close()
	if err := ring.insist(); err != nil {
		return err
	}
	bar := newProgress(os.Stderr)
	copier := treecopy.New(treecopy.Options{
		Recursive: recursive,
		Ring:      func(f *os.File) (treecopy.RingFile, error) { return ring.file(f) },
		Report:    func(err error) { bar.say(command.ErrOrStderr(), fmt.Sprintf("%s: %v", command.CommandPath(), err)) },
	})
	bar.start(copier.Done, func(ctx context.Context) int64 { return treecopy.Measure(ctx, sources) })
	err = copier.Run(ctx, sources, destination)
	bar.stop()
	switch {
	case errors.Is(err, treecopy.ErrIncomplete):
		return exitStatus(exitFailed)
	case errors.Is(err, errInterrupted):
		return errors.New("interrupted; what was half written has been removed, run it again to copy the rest")
	}
	return err
}
