package workload

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/ringo-io/ringo/go/workload"
	"github.com/ringo-io/ringo/go/workload/jobfile"
	"github.com/ringo-io/ringo/go/workload/stats"
)

// runAsProgram runs a command line in a process of its own, and prints how many bytes were written so far.
func runAsProgram(words []string) int {
	plan, err := jobfile.ParseCommandLine(words, jobfile.Environment{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	result, err := workload.Run(context.Background(), plan.Arms[0].Jobs, workload.Options{StatusEvery: 5 * time.Millisecond,
		Status: func(s stats.Status) { fmt.Println(s.Bytes[stats.Write]) }})
	if err != nil || result.Failed() {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
