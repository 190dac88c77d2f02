// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ringo-io/ringo/cmd/ringo/internal/serve"
)

func newServeCommand() *cobra.Command {
	var settings serve.Settings
	var config string
	var check bool
	command := &cobra.Command{
		Use:   "serve [flags] DIR",
		Short: "Serve a directory over HTTP",
		Long: `Serve the files below DIR over HTTP/1.1 until interrupted.

Nothing outside DIR can be reached, by name or by link, nor what begins with a dot (but /.well-known).
The first Ctrl-C lets answers in progress end, the second ends at once.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			settings.Dir = strings.Join(args, "")
			err := settle(command, &settings, config)
			if err == nil && check {
				err = settings.Check(command.Flags(), os.Stdout)
			} else if err == nil {
				ctx, stop := untilSignal(command.Context(), os.Interrupt, syscall.SIGTERM)
				defer stop()
				err = serve.Run(ctx, &settings)
			}
			if errors.As(err, new(serve.UsageError)) {
				return usageError{err}
			}
			return err
		},
	}
	settings.AddFlags(command.Flags())
	command.Flags().StringVar(&config, "config", "", "TOML file with flags by their names, and dir; the command line wins")
	command.Flags().BoolVar(&check, "check", false, "check everything and print what is in force, instead of serving")
	return command
}

// settle adds what the configuration says to what the command line does.
func settle(command *cobra.Command, settings *serve.Settings, config string) (err error) {
	if config != "" {
		if err := settings.Configure(config, command.Flags()); err != nil {
			return err
		}
	}
	if settings.Dir == "" {
		return usageError{errors.New("it is not said which DIR to serve")}
	}
	settings.Backend, err = chosenBackend(command)
	if where := settings.Origin("backend"); err != nil && where != "" {
		return usageError{fmt.Errorf("%s: backend must be one of %s", where, strings.Join(backends, ", "))}
	}
	return err
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
