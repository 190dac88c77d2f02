package workload

import (
	"context"

	"github.com/ringo-io/ringo/go/workload/jobfile"
	"github.com/ringo-io/ringo/go/workload/report"
	"github.com/ringo-io/ringo/go/workload/stats"
)

// RunArms runs every arm so many times, all arms in turn: what disturbs the machine for a while disturbs all
// of them. It stops early when ctx ends, and returns what it has; done, unless nil, hears of every result.
func RunArms(ctx context.Context, arms []jobfile.Arm, repeats int, options Options,
	done func(arm, repeat int, result *stats.Result)) ([]report.Arm, error) {
	results := make([]report.Arm, len(arms))
	for i, a := range arms {
		results[i].Work = a.Work()
		for _, choice := range a.Choices {
			results[i].Choices = append(results[i].Choices, option(choice))
		}
	}
	for repeat := range max(repeats, 1) {
		for i, a := range arms {
			if ctx.Err() != nil {
				return results, nil
			}
			result, err := Run(ctx, a.Jobs, options)
			if err != nil {
				return results, err
			}
			results[i].Results = append(results[i].Results, result)
			if done != nil {
				done(i, repeat, result)
			}
		}
	}
	return results, nil
}
