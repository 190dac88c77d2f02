// SPDX-License-Identifier: MIT

// Package serve is what `ringo serve` does around the answering: its settings, its listeners, and its life from start to
// graceful stop.
package serve

import (
	"fmt"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/ringo-io/ringo/cmd/ringo/internal/accesslog"
	"github.com/ringo-io/ringo/go/fileserver"
	"github.com/ringo-io/ringo/go/ringo"
)

// Settings are everything that can be said about a server. Each is a flag; Backend is one of the whole command's.
type Settings struct {
	Dir     string
	Backend string
	Listen  []string
	Loops   int

	MaxConns      int // over all addresses
	HeaderTimeout time.Duration
	IdleTimeout   time.Duration
	StallTimeout  time.Duration
	MinRate       int64 // bytes per second
	DrainTimeout  time.Duration

	AccessLog string // empty for none, "-" for stdout
	LogFormat accesslog.Format
	LogDrop   bool

	Metrics string // address, empty for none

	Sandbox string
	User    string // that the worker runs as; empty for the supervisor's

	TurnBudget int // bytes
	Sendfile   ringo.SendfileStrategy
	Cache      string
	Site       fileserver.Options

	origins map[string]string // FILE:LINE of what the configuration has set, by name
}

// UsageError is a setting that cannot be.
type UsageError struct{ error }

// bad is the error of a setting that cannot be, wherever it was set.
func (s *Settings) bad(name, format string, arguments ...any) error {
	where := "--" + name
	if origin, configured := s.origins[name]; configured {
		where = origin + ": " + name
	}
	return UsageError{fmt.Errorf(where+" "+format, arguments...)}
}

// AddFlags makes s hold the defaults, and flags set it.
func (s *Settings) AddFlags(flags *pflag.FlagSet) {
	flags.StringArrayVar(&s.Listen, "listen", []string{"127.0.0.1:8080"},
		"address to listen on: HOST:PORT, unix:PATH[,mode=MODE] or systemd; may be given again")
	flags.IntVar(&s.Loops, "loops", runtime.GOMAXPROCS(0), "rings, each with a thread of its own")
	flags.IntVar(&s.MaxConns, "max-connections", 0,
		"connections at most, others wait (default: what the limit on open files allows)")
	flags.DurationVar(&s.HeaderTimeout, "header-timeout", 10*time.Second, "how long a request may take to come in")
	flags.DurationVar(&s.IdleTimeout, "idle-timeout", 75*time.Second, "how long a connection may be silent between requests")
	flags.DurationVar(&s.StallTimeout, "stall-timeout", 30*time.Second, "how long a client may take less than --min-rate")
	flags.Int64Var(&s.MinRate, "min-rate", 1024, "bytes per second that a client must take of an answer")
	flags.DurationVar(&s.DrainTimeout, "drain-timeout", 10*time.Second,
		"how long answers in progress may take once stopped")
	flags.Var(&choice[ringo.SendfileStrategy]{&s.Sendfile, strategies}, "sendfile",
		"how large files are sent: auto, sendfile, splice, read, zerocopy")
	flags.IntVar(&s.TurnBudget, "turn-budget", 256<<10,
		"bytes of a large file that one connection is sent before the others have their turn")
	s.Cache = "auto"
	flags.Var(&choice[string]{&s.Cache, words("auto", "off")}, "cache",
		"auto: files asked for often are kept open; off: each is opened anew (with --sendfile=splice by the ring)")
	flags.StringVar(&s.AccessLog, "access-log", "", "file to log each answer to, or - for stdout; opened anew on SIGUSR1")
	s.LogFormat = accesslog.Combined
	flags.Var(&choice[accesslog.Format]{&s.LogFormat, accesslog.Formats}, "access-log-format", "how a line looks: common, combined, json")
	flags.BoolVar(&s.LogDrop, "access-log-drop", false, "lose lines that cannot be written quickly enough, instead of waiting")
	flags.StringVar(&s.Metrics, "metrics", "", "address for /metrics, in Prometheus's form, and /healthz")
	s.Sandbox = sandboxAuto
	flags.Var(&choice[string]{&s.Sandbox, words(sandboxAuto, sandboxStrict, sandboxOff)}, "sandbox",
		"confine the worker: auto (by what the kernel has), strict (by all of it, or do not serve), off")
	flags.StringVar(&s.User, "user", "", "user that the worker becomes, when started as root")
	addSiteFlags(flags, &s.Site)
}

// words are a choice that stands for itself.
func words(list ...string) map[string]string {
	m := map[string]string{}
	for _, word := range list {
		m[word] = word
	}
	return m
}

// strategies are the values of --sendfile.
var strategies = map[string]ringo.SendfileStrategy{
	"auto":     ringo.SendfileAuto,
	"sendfile": ringo.SendfileSyscall,
	"splice":   ringo.SendfileSplice,
	"read":     ringo.SendfileCopy,
	"zerocopy": ringo.SendfileZeroCopy,
}

// The values of --sandbox.
const (
	sandboxAuto   = "auto"
	sandboxStrict = "strict"
	sandboxOff    = "off"
)

// check refuses what cannot be.
func (s *Settings) check() error {
	if s.TurnBudget < 4096 || s.TurnBudget > 1<<30 {
		return s.bad("turn-budget", "is %d, it must be from 4096 to %d", s.TurnBudget, 1<<30)
	}
	if s.Loops < 1 {
		return s.bad("loops", "is %d, it must be at least 1", s.Loops)
	}
	if s.MinRate < 0 {
		return s.bad("min-rate", "is %d, it must not be negative", s.MinRate)
	}
	if s.MaxConns < 0 {
		return s.bad("max-connections", "is %d, it must not be negative", s.MaxConns)
	}
	for _, limit := range []struct {
		name string
		time time.Duration
	}{{"header-timeout", s.HeaderTimeout}, {"idle-timeout", s.IdleTimeout}, {"stall-timeout", s.StallTimeout}} {
		if limit.time < time.Second {
			return s.bad(limit.name, "is %v, it must be at least 1s", limit.time)
		}
	}
	if s.DrainTimeout < 0 {
		return s.bad("drain-timeout", "is %v, it must not be negative", s.DrainTimeout)
	}
	if s.Metrics == "systemd" {
		return s.bad("metrics", "is %q, it must be HOST:PORT or unix:PATH", s.Metrics)
	}
	return nil
}

// completeMaxConns settles how many connections there may be, where nothing was said.
func (s *Settings) completeMaxConns() {
	if s.MaxConns == 0 {
		s.MaxConns = connectionsAllowed()
	}
}

// connectionsAllowed leaves each connection a descriptor for its socket, one for its file and two for a pipe, and some
// for everything else.
func connectionsAllowed() int {
	const most, others = 20000, 64
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 4*most+others {
		return most
	}
	return max((int(limit.Cur)-others)/4, 1)
}

// server is the server that the settings describe, but for its engine.
func (s *Settings) server() *fileserver.Server {
	rate := s.MinRate
	if rate == 0 {
		rate = -1 // For the server 0 is the default, as it is of the drain timeout.
	}
	return &fileserver.Server{
		Root:     s.Dir,
		Options:  s.Site,
		Sendfile: s.Sendfile,
		RingOnly: s.Cache == "off" && s.Sendfile == ringo.SendfileSplice,
		NoCache:  s.Cache == "off",

		MaxConns:      s.MaxConns,
		HeaderTimeout: s.HeaderTimeout,
		IdleTimeout:   s.IdleTimeout,
		StallTimeout:  s.StallTimeout,
		MinRate:       rate,
		DrainTimeout:  max(s.DrainTimeout, time.Nanosecond),
	}
}
