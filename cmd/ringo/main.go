// SPDX-License-Identifier: MIT

// Command ringo copies, prints and serves files by io_uring, and measures storage.
//
// Every subcommand has its own file; this one has what they share: the exit codes, the flags and how errors are printed.
// Exit codes: 0 done, 1 the work failed, 2 wrong usage; those of bench are fio's. Results go to stdout, everything else
// to stderr.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

// exitStatus is an error that has been printed already, or that has nothing to be printed: only the code is left.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// usageError is wrong usage that only the subcommand itself can see.
type usageError struct{ error }

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stderr))
}

func run(ctx context.Context, args []string, stderr io.Writer) int {
	root, started := newRootCommand()
	root.SetArgs(args)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	var status exitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	case *started && errors.Is(err, syscall.EPIPE):
		return 0 // Whoever read our output has had enough of it.
	case *started && !errors.As(err, new(usageError)):
		fmt.Fprintf(stderr, "%s: %s\n", command.CommandPath(), oneLine(err))
		return exitFailed
	}
	fmt.Fprintf(stderr, "%s: %s; see %s --help\n", command.CommandPath(), oneLine(err), command.CommandPath())
	return exitUsage
}

// newRootCommand also gives a flag that is set once a subcommand's own work begins: any error before that comes from
// reading the command line, whichever part of cobra it comes from.
func newRootCommand() (root *cobra.Command, started *bool) {
	root = &cobra.Command{
		Use:           "ringo",
		Short:         "Serve, print and copy files by io_uring, and measure storage",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          refuseUnknown,
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("no command given")}
		},
		PersistentPreRunE: func(command *cobra.Command, _ []string) error {
			_, err := chosenBackend(command)
			return err
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().String("backend", defaultBackend(),
		"how to do I/O: "+strings.Join(backends, ", ")+" (or RINGO_BACKEND)")
	_ = root.RegisterFlagCompletionFunc("backend", cobra.FixedCompletions(backends, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(newServeCommand(), newWorkerCommand(), newCatCommand(), newCpCommand(), newBenchCommand(), newProbeCommand(),
		newVersionCommand(), newCompletionCommand())
	started = new(bool)
	noteStart(root, started)
	return root, started
}

func noteStart(command *cobra.Command, started *bool) {
	if work := command.RunE; work != nil {
		command.RunE = func(command *cobra.Command, args []string) error {
			*started = true
			return work(command, args)
		}
	}
	for _, below := range command.Commands() {
		noteStart(below, started)
	}
}

func refuseUnknown(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	near := ""
	if names := root.SuggestionsFor(args[0]); len(names) > 0 {
		near = fmt.Sprintf(", did you mean %s?", strings.Join(names, " or "))
	}
	return fmt.Errorf("unknown command %q%s", args[0], near)
}

// backends are the values of --backend and RINGO_BACKEND.
var backends = []string{"auto", "uring", "threads"}

func defaultBackend() string {
	if name := os.Getenv("RINGO_BACKEND"); name != "" {
		return name
	}
	return "auto"
}

// chosenBackend is the value of --backend, or of RINGO_BACKEND where the flag is not given.
func chosenBackend(command *cobra.Command) (string, error) {
	flag := command.Flag("backend")
	if flag == nil {
		return "auto", nil
	}
	name := flag.Value.String()
	if slices.Contains(backends, name) {
		return name, nil
	}
	from := "--backend"
	if !flag.Changed {
		from = "RINGO_BACKEND"
	}
	return "", fmt.Errorf("%s is %q, it must be one of %s", from, name, strings.Join(backends, ", "))
}

// oneLine keeps cobra's errors, some of which go on for lines, to one.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), " ")
}
