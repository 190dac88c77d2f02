// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// newBenchCommand reads its words itself: they are fio's, with rules of their own.
func newBenchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "bench [OPTION...] JOBFILE... | --name=NAME [JOB OPTION...]",
		Short: "Measure storage with fio's job files and command lines",
		Long: `Run fio's job files and command lines, on ringo and on what you would use instead.

ringo bench --help lists the options of a run, ringo bench --cmdhelp those of jobs.`,
		DisableFlagParsing: true,
		RunE: func(command *cobra.Command, words []string) error {
			if len(words) > 0 && words[0] == "compare" {
				return compareRuns(words[1:])
			}
			return bench(command, words)
		},
	}
}

func bench(command *cobra.Command, words []string) error {
	plan, err := jobfile.ParseCommandLine(words, jobfile.Environment{Stdin: os.Stdin, Lookup: os.LookupEnv})
	for _, note := range plan.Notes {
		fmt.Fprintln(os.Stderr, "note: "+note)
	}
	if err == nil {
		err = chooseBackend(command, plan)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitStatus(exitFailed) // As fio, for wrong options too.
	}
	switch {
	case plan.Version:
		_, err = fmt.Println("ringo bench " + versionName())
	case plan.Print != "":
		_, err = fmt.Print(plan.Print)
	case plan.ShowCmd:
		_, err = fmt.Print(strings.Join(append(plan.Commands, ""), "\n"))
	case !plan.ParseOnly:
		err = runPlan(command.Context(), plan)
	}
	return err
}

// chooseBackend settles the backend: --backend may stand among fio's words, where cobra does not look.
func chooseBackend(command *cobra.Command, plan *jobfile.Plan) (err error) {
	if plan.Backend != "" {
		if err := command.Flags().Set("backend", plan.Backend); err != nil {
			return err
		}
	}
	plan.Backend, err = chosenBackend(command)
	return err
}
