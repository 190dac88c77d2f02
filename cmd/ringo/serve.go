// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ringo-io/ringo/cmd/ringo/internal/serve"
)

func newServeCommand() *cobra.Command {
	var settings serve.Settings
	command := &cobra.Command{
		Use:   "serve [flags] DIR",
		Short: "Serve a directory over HTTP",
		Long: `Serve the files below DIR over HTTP/1.1 until interrupted.

Nothing outside DIR can be reached, by name or by link, nor what begins with a dot (but /.well-known).
The first Ctrl-C lets answers in progress end, the second ends at once.`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) (err error) {
			if settings.Backend, err = chosenBackend(command); err != nil {
				return err
			}
			settings.Dir = args[0]
			ctx, stop := untilSignal(command.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			err = serve.Run(ctx, &settings)
			if errors.As(err, new(serve.UsageError)) {
				return usageError{err}
			}
			return err
		},
	}
	settings.AddFlags(command.Flags())
	return command
}

// newWorkerCommand is what serve starts to do the answering. It is of no use to people.
func newWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    serve.WorkerCommand,
		Short:  "Answer for a running ringo serve",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			err := serve.Work()
			if errors.Is(err, serve.ErrWorkerFailed) {
				return exitStatus(exitFailed)
			}
			return err
		},
	}
}
