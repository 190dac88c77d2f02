// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ringo-io/ringo/cmd/ringo/internal/report"
	"github.com/ringo-io/ringo/go/fileserver"
	"github.com/ringo-io/ringo/go/ringo"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	listen   []string
	loops    int
	maxConns int
	sendfile string
	cache    string
	drain    time.Duration
	site     fileserver.Options
}

func newServeCommand() *cobra.Command {
	var f serveFlags
	command := &cobra.Command{
		Use:   "serve [flags] DIR",
		Short: "Serve a directory over HTTP",
		Long: `Serve the files below DIR over HTTP/1.1 until interrupted.

Nothing outside DIR can be reached, by name or by link, nor what begins with a dot (but /.well-known).
The first Ctrl-C lets answers in progress end, the second ends at once.`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			backend, err := chosenBackend(command)
			if err != nil {
				return err
			}
			return f.serve(command.Context(), backend, args[0])
		},
	}
	f.register(command.Flags())
	return command
}

func (f *serveFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.listen, "listen", []string{"127.0.0.1:8080"},
		"address to listen on: HOST:PORT or unix:PATH; may be given again")
	flags.IntVar(&f.loops, "loops", runtime.GOMAXPROCS(0), "rings, each with a thread of its own")
	flags.IntVar(&f.maxConns, "max-connections", 0,
		"connections at most, others wait (default: what the limit on open files allows)")
	flags.StringVar(&f.sendfile, "sendfile", "auto", "how large files are sent: auto, sendfile, splice, read")
	flags.StringVar(&f.cache, "cache", "auto",
		"auto, or off: with --sendfile=splice every step of a request goes by the ring")
	flags.DurationVar(&f.drain, "drain-timeout", 10*time.Second,
		"how long answers in progress may take once stopped")
	flags.StringVar(&f.site.Index, "index", "index.html", "file served for a directory")
	flags.BoolVar(&f.site.NoListing, "no-listing", false, "answer 404 for a directory without an index file")
	flags.BoolVar(&f.site.Hidden, "hidden", false, "serve names that begin with a dot")
}

// strategies are the values of --sendfile.
var strategies = map[string]ringo.SendfileStrategy{
	"auto":     ringo.SendfileAuto,
	"sendfile": ringo.SendfileSyscall,
	"splice":   ringo.SendfileSplice,
	"read":     ringo.SendfileCopy,
}

// server makes the server that the flags describe.
func (f *serveFlags) server(dir string) (*fileserver.Server, error) {
	strategy, known := strategies[f.sendfile]
	if !known {
		return nil, usageError{fmt.Errorf("--sendfile is %q, it must be auto, sendfile, splice or read", f.sendfile)}
	}
	if f.cache != "auto" && f.cache != "off" {
		return nil, usageError{fmt.Errorf("--cache is %q, it must be auto or off", f.cache)}
	}
	if f.loops < 1 {
		return nil, usageError{fmt.Errorf("--loops is %d, it must be at least 1", f.loops)}
	}
	if f.maxConns < 0 {
		return nil, usageError{fmt.Errorf("--max-connections is %d, it must not be negative", f.maxConns)}
	}
	if f.maxConns == 0 {
		f.maxConns = connectionsAllowed()
	}
	return &fileserver.Server{
		Root:     dir,
		Options:  f.site,
		Sendfile: strategy,
		RingOnly: f.cache == "off" && f.sendfile == "splice",
		// The addresses share the engine, so each has its part of the limit.
		MaxConns:     max(f.maxConns/len(f.listen), 1),
		DrainTimeout: max(f.drain, time.Nanosecond),
	}, nil
}

// connectionsAllowed leaves each connection a descriptor for its socket, one for its file and two
// for a pipe, and some for everything else.
func connectionsAllowed() int {
	const most, others = 20000, 64
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 4*most+others {
		return most
	}
	return max((int(limit.Cur)-others)/4, 1)
}

func (f *serveFlags) serve(parent context.Context, backend, dir string) error {
	server, err := f.server(dir)
	if err != nil {
		return err
	}
	if err := server.Check(); err != nil {
		return err
	}
	ctx, stop := untilSignal(parent, os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The loops' threads are in C nearly all the time; one more P runs what else there is to run.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), f.loops+1))
	server.Engine, err = newEngine(backend, fileserver.EngineOptions(f.loops, f.maxConns)...)
	if err != nil {
		return err
	}
	defer server.Engine.Close()
	listeners, err := listenAll(f.listen)
	if err != nil {
		return err
	}
	return serveAll(ctx, server, listeners)
}

// listenAll opens all addresses or none.
func listenAll(addresses []string) ([]net.Listener, error) {
	var listeners []net.Listener
	for _, address := range addresses {
		network := "tcp"
		if path, unix := strings.CutPrefix(address, "unix:"); unix {
			network, address = "unix", path
		}
		ln, err := net.Listen(network, address)
		if err != nil {
			for _, opened := range listeners {
				opened.Close()
			}
			return nil, &report.Failure{What: "cannot listen on " + address, Why: err, Cure: listenCure(err)}
		}
		listeners = append(listeners, ln)
	}
	return listeners, nil
}

func listenCure(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "choose another address with --listen, or stop what listens there"
	case errors.Is(err, syscall.EACCES):
		return "choose a port from 1024 up with --listen, or give the program CAP_NET_BIND_SERVICE"
	}
	return "choose another address with --listen"
}

// serveAll serves all listeners until ctx ends or one of them fails.
func serveAll(parent context.Context, server *fileserver.Server, listeners []net.Listener) error {
	ctx, stop := context.WithCancel(parent)
	defer stop()
	var running sync.WaitGroup
	errs := make([]error, len(listeners))
	for i, ln := range listeners {
		fmt.Fprintf(os.Stderr, "serving %s on %s\n", server.Root, urlOf(ln.Addr()))
		running.Add(1)
		go func() {
			defer running.Done()
			defer stop()
			errs[i] = server.Serve(ctx, ln)
		}()
	}
	running.Wait()
	return errors.Join(errs...)
}

// urlOf is what a person puts into a browser to get there.
func urlOf(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return "unix:" + addr.String()
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(tcp.Port)) + "/"
}
