// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSignalledBenchKeepsWhatItHas: a run that a signal ends reports what was measured, and exits as fio does.
func TestSignalledBenchKeepsWhatItHas(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, engine := range []string{"psync", "io_uring", "goread"} {
			command := ringoCommand("bench", "--name=x", "--filename="+name, "--rw=randread", "--size=1m", "--iodepth=4", "--ioengine="+engine,
				"--time_based", "--runtime=1h", "--output-format=json", "--eta=always", "--eta-interval=250ms", "--eta-newline=250ms")
			stdout, err := command.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			stderr, err := command.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(stderr)
			for seen := ""; !strings.Contains(seen, "[r="); { // It has read something.
				b, err := lines.ReadByte()
				if err != nil {
					t.Fatalf("%v after %q", err, seen)
				}
				seen += string(b)
			}
			if err := command.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			go io.Copy(io.Discard, lines)
			var report struct {
				Jobs []struct {
					Error int
					Read  struct {
						IOs int `json:"total_ios"`
					}
				}
			}
			if err := json.NewDecoder(stdout).Decode(&report); err != nil {
				t.Errorf("%v, %s: %v", signal, engine, err)
			}
			_ = command.Wait()
			if code := command.ProcessState.ExitCode(); code != exitSignalled || len(report.Jobs) != 1 || report.Jobs[0].Read.IOs == 0 || report.Jobs[0].Error != 0 {
				t.Errorf("%v, %s: exit code %d, %+v", signal, engine, code, report)
			}
		}
	}
}
