// SPDX-License-Identifier: MIT

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newProbeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "probe [--json]",
		Short: "Print what this kernel lets ringo do",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return errors.ErrUnsupported },
	}
}
