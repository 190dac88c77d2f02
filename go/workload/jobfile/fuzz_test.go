// SPDX-License-Identifier: MIT

package jobfile

import (
	"os"
	"strings"
	"testing"
)

// FuzzJobFile looks for texts that make the parser panic, and for jobs that break what the runner relies on.
func FuzzJobFile(f *testing.F) {
	for _, text := range []string{
		"[global]\nioengine=libaio\nsize=50%\nbs=8k,,16k\n[a]\nrw=randrw:8\nrwmixread=75\n[b c]\nstonewall\nrw=write:112k\n",
		"[a]\nsize=${SIZE}*$mb_memory ; comment\nbssplit=4k/10:64k/:8k/,16k\nrate=1m,500k\nstartdelay=5-9\n",
		"[a]\nioengine=ringo\nbatch=auto\nfixedbufs\nsqthread_poll=1\nverify=crc32c\nverify_pattern=\"ab\"%o-12\n",
		"[a]\nrandom_distribution=zipf:1.2:0.5\npercentile_list=99.5:50\nignore_error=EIO,28\ncpus_allowed=0-1\n",
		"[a\nsize=1.5m\n[]\nnonsense=4x\nbs=4k-64k\nsize=(1m)\nkb_base=1000\nsize=4KiB\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "include") || strings.Contains(text, "'") {
			return // It would read files.
		}
		plan, err := parseText(text)
		if err == nil {
			checkPlan(t, plan)
		} else if plan == nil || err.Error() == "" {
			t.Errorf("%q: an error without words", text)
		}
	})
}

// FuzzCommandLine does the same for command lines, whose words are separated by line ends here.
func FuzzCommandLine(f *testing.F) {
	f.Add("-name=a\n-rw=randread\n--iodepth_b=3\n--section=b\n--set\nbs=8k\n--engine=ringo,psync\n--eta=never")
	f.Add("--preset=article\n--matrix=bs=1k,2k\n--set\nsize=1m")
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Split(line, "\n")
		for _, word := range words {
			if !strings.HasPrefix(word, "-") || strings.Contains(word, "'") {
				return // It would read files.
			}
		}
		plan, err := ParseCommandLine(words, Environment{Stdin: strings.NewReader("[a]\nsize=1m\n"), Lookup: os.LookupEnv})
		if err == nil {
			checkPlan(t, plan)
		}
	})
}

// checkPlan checks what holds for every plan that was not refused.
func checkPlan(t *testing.T, plan *Plan) {
	t.Helper()
	if plan.Repeats < 1 || len(plan.Report.Formats) == 0 && plan.Print == "" {
		t.Errorf("%+v", plan)
	}
	for _, arm := range plan.Arms {
		for _, j := range arm.Jobs {
			ok := j.NumJobs > 0 && j.Loops > 0 && j.NumFiles > 0 && j.OpenFiles > 0 && j.OpenFiles <= j.NumFiles &&
				j.Depth.Limit > 0 && j.Depth.Submit > 0 && j.Depth.Submit <= j.Depth.Limit && j.Depth.Low <= j.Depth.Limit &&
				j.Depth.CompleteMin <= j.Depth.CompleteMax && j.Runtime >= 0 && j.StartDelay.Min <= j.StartDelay.Max &&
				j.FileSize.Min <= j.FileSize.Max && j.RWMixRead >= 0 && j.RWMixRead <= 100 && j.Name != "" && j.Pattern.Every > 0
			for i, r := range j.BlockSize {
				ok = ok && r.Min > 0 && r.Min <= r.Max && j.BlockAlign[i] > 0 && j.Rate.Bytes[i] >= 0 && j.MaxLatency[i] >= 0
				sum := 0
				for _, m := range j.BlockSplit[i] {
					sum += m.Percent
				}
				ok = ok && (j.BlockSplit[i] == nil || sum == 100)
			}
			if !ok {
				t.Errorf("%+v", j)
			}
		}
	}
}
