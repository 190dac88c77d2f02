// SPDX-License-Identifier: MIT

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newServeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve [flags] DIR",
		Short: "Serve a directory over HTTP",
		Args:  cobra.ExactArgs(1),
		RunE:  func(*cobra.Command, []string) error { return errors.ErrUnsupported },
	}
}
