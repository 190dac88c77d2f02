// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/cmd/ringo/internal/sandbox"
	"github.com/ringo-io/ringo/go/ringo"
)

// probeReport is what `ringo probe` prints, and the shape of its JSON.
type probeReport struct {
	Kernel    string       `json:"kernel"`
	Liburing  string       `json:"liburing"`
	Backend   string       `json:"backend"`
	Why       string       `json:"why,omitempty"`
	Setup     []string     `json:"setup_flags"`
	Ops       []probeOp    `json:"ops"`
	Abilities []probeOp    `json:"abilities"`
	Sandbox   probeSandbox `json:"sandbox"`
	Limits    []probeLimit `json:"limits"`
	Hints     []string     `json:"hints"`
}

type probeOp struct {
	Name      string `json:"name"`
	Supported bool   `json:"supported"`
	Emulated  bool   `json:"emulated,omitempty"`
	Kernel    string `json:"first_kernel"`
}

type probeLimit struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// probeSandbox is what the kernel has to confine the worker of serve.
type probeSandbox struct {
	Landlock int  `json:"landlock"` // its version, 0 for none
	Seccomp  bool `json:"seccomp"`
}

func newProbeCommand() *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "probe [--json]",
		Short: "Print what this kernel lets ringo do",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			found, err := probe()
			if err != nil {
				return err
			}
			if asJSON {
				encoder := json.NewEncoder(os.Stdout)
				encoder.SetIndent("", "  ")
				return encoder.Encode(found)
			}
			return found.print(os.Stdout)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON and nothing else")
	return command
}

func probe() (*probeReport, error) {
	features, err := ringo.Probe()
	if err != nil {
		return nil, err
	}
	p := &probeReport{Kernel: kernelRelease(), Liburing: features.Liburing, Backend: features.Backend,
		Why: features.Why, Setup: setupFlagNames(features.SetupFlags), Limits: limits(), Hints: []string{}}
	for _, op := range features.Ops {
		p.Ops = append(p.Ops, probeOp{op.Name, op.Supported, op.Emulated, op.Kernel})
	}
	for _, a := range features.Abilities {
		p.Abilities = append(p.Abilities, probeOp{a.Name, a.Supported, a.Emulated, a.Kernel})
	}
	abilities := sandbox.Probe()
	p.Sandbox = probeSandbox{Landlock: abilities.Landlock, Seccomp: abilities.Seccomp}
	p.Hints = append(p.Hints, hints(p)...)
	return p, nil
}

func kernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// setupFlags are IORING_SETUP_* of linux/io_uring.h, by bit.
var setupFlags = []string{"IOPOLL", "SQPOLL", "SQ_AFF", "CQSIZE", "CLAMP", "ATTACH_WQ", "R_DISABLED", "SUBMIT_ALL",
	"COOP_TASKRUN", "TASKRUN_FLAG", "SQE128", "CQE32", "SINGLE_ISSUER", "DEFER_TASKRUN", "NO_MMAP",
	"REGISTERED_FD_ONLY", "NO_SQARRAY", "HYBRID_IOPOLL", "CQE_MIXED"}

func setupFlagNames(flags uint32) []string {
	names := []string{}
	for bit, name := range setupFlags {
		if flags>>bit&1 != 0 {
			names = append(names, name)
		}
	}
	return names
}

func limits() []probeLimit {
	return []probeLimit{
		{"locked memory (RLIMIT_MEMLOCK)", rlimit(unix.RLIMIT_MEMLOCK)},
		{"open files (RLIMIT_NOFILE)", rlimit(unix.RLIMIT_NOFILE)},
		{"kernel.io_uring_disabled", sysctl("kernel/io_uring_disabled")},
		{"fs.pipe-max-size", sysctl("fs/pipe-max-size")},
		{"fs.pipe-user-pages-soft", sysctl("fs/pipe-user-pages-soft")},
		{"fs.inotify.max_user_watches", sysctl("fs/inotify/max_user_watches")},
		{"net.core.somaxconn", sysctl("net/core/somaxconn")},
	}
}

func rlimit(which int) string {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(which, &limit); err != nil {
		return "unknown"
	}
	if limit.Cur == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return fmt.Sprint(limit.Cur)
}

func sysctl(name string) string {
	value, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return "absent"
	}
	return strings.TrimSpace(string(value))
}

func hints(p *probeReport) (hints []string) {
	if p.Why != "" {
		hints = append(hints, p.Why)
	}
	if p.Sandbox.Landlock == 0 {
		hints = append(hints, "without landlock the worker of `ringo serve` is kept below its directory by openat2 alone; "+
			"it is there from Linux 5.13 on, where lsm= on the kernel's command line has landlock")
	}
	if p.Why != "" {
		return hints
	}
	for _, op := range p.Ops {
		if op.Emulated {
			hints = append(hints, fmt.Sprintf("%s goes by a system call here; on the ring from Linux %s", op.Name, op.Kernel))
		}
	}
	return hints
}

func (p *probeReport) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "kernel\t%s\nliburing\t%s\nbackend\t%s\n", p.Kernel, p.Liburing, p.Backend)
	fmt.Fprintf(t, "setup flags\t%s\n\nop\there\tfirst kernel\n", strings.Join(p.Setup, " "))
	for _, op := range p.Ops {
		fmt.Fprintf(t, "%s\t%s\t%s\n", op.Name, howSupported(op), op.Kernel)
	}
	fmt.Fprint(t, "\nability\there\tfirst kernel\n")
	for _, a := range p.Abilities {
		fmt.Fprintf(t, "%s\t%s\t%s\n", a.Name, howAbility(a), a.Kernel)
	}
	fmt.Fprintf(t, "\nsandbox\there\nlandlock\t%s\nseccomp\t%s\n", p.Sandbox.landlock(), yesOrNo(p.Sandbox.Seccomp))
	fmt.Fprint(t, "\nlimit\tvalue\n")
	for _, limit := range p.Limits {
		fmt.Fprintf(t, "%s\t%s\n", limit.Name, limit.Value)
	}
	for _, hint := range p.Hints {
		fmt.Fprintf(t, "\nhint: %s\n", hint)
	}
	return t.Flush()
}

func howAbility(a probeOp) string {
	if a.Emulated {
		return "by ringo itself"
	}
	return howSupported(a)
}

func (s probeSandbox) landlock() string {
	if s.Landlock == 0 {
		return "no"
	}
	return fmt.Sprintf("version %d", s.Landlock)
}

func yesOrNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func howSupported(op probeOp) string {
	switch {
	case op.Emulated:
		return "by system call"
	}
	return yesOrNo(op.Supported)
}
