// SPDX-License-Identifier: MIT

package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/ringo-io/ringo/go/fileserver"
	"github.com/ringo-io/ringo/go/ringo"
)

// OpenEngine opens an engine by the backend of that name.
type OpenEngine func(backend string, options ...ringo.Option) (*ringo.Engine, error)

// Run serves until ctx ends and what was begun by then is answered.
func Run(ctx context.Context, s *Settings, open OpenEngine) error {
	if err := s.check(); err != nil {
		return err
	}
	if err := s.server().Check(); err != nil {
		return err
	}
	listeners, err := listenAll(s.Listen)
	if err != nil {
		return err
	}
	defer closeAll(listeners)
	if err := s.completeMaxConns(len(listeners)); err != nil {
		return err
	}
	server := s.server()
	server.MaxConns = s.MaxConns / len(listeners)
	// The loops' threads are in C nearly all the time; one more P runs what else there is to run.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), s.Loops+1))
	server.Engine, err = open(s.Backend, fileserver.EngineOptions(s.Loops, s.MaxConns)...)
	if err != nil {
		return err
	}
	defer server.Engine.Close()
	return serveAll(ctx, server, listeners)
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
	tell(daemon.SdNotifyReady)
	<-ctx.Done()
	tell(daemon.SdNotifyStopping)
	running.Wait()
	return errors.Join(errs...)
}

// tell tells a service manager that waits for it (sd_notify(3)). One that cannot be told is none of the clients' concern.
func tell(state string) { _, _ = daemon.SdNotify(false, state) }
