// SPDX-License-Identifier: MIT

package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/ringo-io/ringo/cmd/ringo/internal/accesslog"
	"github.com/ringo-io/ringo/cmd/ringo/internal/report"
	"github.com/ringo-io/ringo/cmd/ringo/internal/sandbox"
	"github.com/ringo-io/ringo/go/ringo"
)

const (
	// A worker that has crashed is followed by another after restartDelay, which doubles each time up to the most, and
	// is the first one again after a worker that lived for restartCalm.
	restartDelay, restartDelayMost = 100 * time.Millisecond, 10 * time.Second
	restartCalm                    = time.Minute
	// stopGrace is how much longer than the drain timeout a worker may take to end.
	stopGrace = 5 * time.Second
)

// A supervisor keeps what outlives a worker: sockets, configuration and logs. It answers nothing itself.
type supervisor struct {
	settings   *Settings
	listeners  []net.Listener
	metrics    net.Listener // nil for none
	log        *os.File     // nil for none
	readable   sandbox.Files
	credential *syscall.Credential
	task       task
}

// Run serves until ctx ends and what was begun by then is answered.
func Run(ctx context.Context, s *Settings) error {
	u, err := newSupervisor(s)
	if err != nil {
		return err
	}
	defer u.close()
	reopen := make(chan os.Signal, 1)
	signal.Notify(reopen, syscall.SIGUSR1)
	defer signal.Stop(reopen)
	return u.run(ctx, reopen)
}

// newSupervisor checks the settings and opens what can be refused, so that it is refused before anything is served.
func newSupervisor(s *Settings) (u *supervisor, err error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if err := s.server().Check(); err != nil {
		return nil, err
	}
	if err := s.settleBackend(); err != nil {
		return nil, err
	}
	u = &supervisor{settings: s}
	defer func() {
		if err != nil {
			u.close()
		}
	}()
	if u.credential, err = s.credential(); err != nil {
		return u, err
	}
	if u.readable, err = s.readable(); err != nil {
		return u, err
	}
	if u.listeners, err = listenAll(s.Listen); err != nil {
		return u, err
	}
	s.completeMaxConns()
	if s.Metrics != "" {
		if u.metrics, err = listenMetrics(s.Metrics); err != nil {
			return u, err
		}
	}
	if s.AccessLog != "" {
		if u.log, err = openLog(s.AccessLog); err != nil {
			return u, err
		}
	}
	u.task = task{Settings: *s, Listeners: len(u.listeners), Metrics: u.metrics != nil, Log: u.log != nil, User: s.User,
		Zone: localZone()}
	return u, nil
}

func (u *supervisor) close() {
	closeAll(u.listeners)
	if u.metrics != nil {
		u.metrics.Close()
	}
	if u.log != nil {
		u.log.Close()
	}
}

// settleBackend finds out which backend it will be, and says so where it is not the best: a worker cannot read why.
func (s *Settings) settleBackend() error {
	features, err := ringo.Probe()
	if err != nil {
		return err
	}
	switch {
	case s.Backend == "uring" && features.Why != "":
		return errors.New(features.Why)
	case s.Backend == "auto":
		s.Backend = features.Backend
		if features.Why != "" {
			fmt.Fprintf(os.Stderr, "ringo: using threads: %v\n", features.Why)
		}
	}
	return s.checkStrategy(features)
}

// checkStrategy refuses a way to send files that cannot be had here.
func (s *Settings) checkStrategy(features ringo.Features) error {
	if s.Sendfile != ringo.SendfileZeroCopy {
		return nil
	}
	if s.Backend == "threads" {
		return errors.New("--sendfile=zerocopy needs a ring, and the backend is threads; use --sendfile=read")
	}
	for _, op := range features.Ops {
		if op.Name == "send_zc" && !op.Supported {
			return fmt.Errorf("--sendfile=zerocopy needs %s, which this kernel lacks (Linux %s has it); use --sendfile=read", op.Name, op.Kernel)
		}
	}
	return nil
}

// localZone is the file of the local time zone; none is UTC.
func localZone() []byte {
	name := "/etc/localtime"
	if zone, set := os.LookupEnv("TZ"); set {
		if name = strings.TrimPrefix(zone, ":"); name != "" && !strings.HasPrefix(name, "/") {
			name = "/usr/share/zoneinfo/" + name
		}
	}
	zone, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	return zone
}

func openLog(name string) (*os.File, error) {
	file, err := accesslog.Open(name)
	if err != nil {
		return nil, &report.Failure{What: "cannot write the access log", Path: name, Why: err}
	}
	return file, nil
}

// run keeps a worker running until ctx ends.
func (u *supervisor) run(ctx context.Context, reopen <-chan os.Signal) error {
	delay := restartDelay
	for u.task.Restarts = 0; ; u.task.Restarts++ {
		began := time.Now()
		p, err := u.begin()
		switch {
		case err != nil && u.task.Restarts == 0:
			return err
		case err == nil:
			if u.task.Restarts == 0 {
				u.announce()
			}
			if u.attend(ctx, p, reopen) {
				return u.stop(p)
			}
			err = p.cause()
		}
		if time.Since(began) > restartCalm {
			delay = restartDelay
		}
		fmt.Fprintf(os.Stderr, "ringo: the worker ended (%v); starting another in %v\n", err, delay)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil
		}
		delay = min(2*delay, restartDelayMost)
	}
}

// begin starts a worker, and returns when it serves.
func (u *supervisor) begin() (*process, error) {
	p, err := u.start()
	if err != nil {
		return nil, err
	}
	var said notice
	_, err = p.control.receive(&said)
	if err == nil && said.Serving != nil {
		fmt.Fprintf(os.Stderr, "sandbox: %v\n", u.describe(said.Serving))
		return p, nil
	}
	<-p.ended
	p.control.close()
	if said.Failed != "" {
		return nil, errors.New(said.Failed)
	}
	return nil, fmt.Errorf("the worker ended before it served: %s", p.outcome())
}

// cause is why a worker that served has ended: what it had to say, or how it ended.
func (p *process) cause() error {
	defer p.control.close()
	var said notice
	if _, err := p.control.receive(&said); err == nil && said.Failed != "" {
		return errors.New(said.Failed)
	}
	return errors.New(p.outcome())
}

func (u *supervisor) describe(c *confinement) string {
	if u.settings.Sandbox == sandboxOff {
		return "off"
	}
	return c.String()
}

// announce says where the server can be found.
func (u *supervisor) announce() {
	for _, ln := range u.listeners {
		fmt.Fprintf(os.Stderr, "serving %s on %s\n", u.settings.Dir, urlOf(ln.Addr()))
	}
	if u.metrics != nil {
		fmt.Fprintf(os.Stderr, "metrics on %s\n", urlOf(u.metrics.Addr()))
	}
	tell(daemon.SdNotifyReady)
}

// tell tells a service manager that waits for it (sd_notify(3)). One that cannot be told is none of the clients' concern.
func tell(state string) { _, _ = daemon.SdNotify(false, state) }

// attend does what is asked for while a worker runs, and returns whether it is to stop; else it has ended by itself.
func (u *supervisor) attend(ctx context.Context, p *process, reopen <-chan os.Signal) (stop bool) {
	for {
		select {
		case <-ctx.Done():
			return true
		case <-p.ended:
			return false
		case <-reopen:
			u.reopenLog(p)
		}
	}
}

// reopenLog opens the access log anew, after its file was renamed; when that fails the old one is kept.
func (u *supervisor) reopenLog(p *process) {
	if u.log == nil {
		return
	}
	file, err := openLog(u.settings.AccessLog)
	if err == nil {
		err = p.control.send(order{NewLog: true}, file)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "ringo: %v; the log goes on as it was\n", err)
		if file != nil {
			file.Close()
		}
		return
	}
	u.log.Close()
	u.log = file
}

// stop lets a worker end what it has begun.
func (u *supervisor) stop(p *process) error {
	tell(daemon.SdNotifyStopping)
	defer p.control.close()
	if err := p.control.send(order{Stop: true}, nil); err != nil {
		return u.kill(p)
	}
	select {
	case <-p.ended:
	case <-time.After(u.settings.DrainTimeout + stopGrace):
		return u.kill(p)
	}
	if p.err != nil || !p.state.Success() {
		return fmt.Errorf("the worker ended while it stopped: %s", p.outcome())
	}
	return nil
}

func (u *supervisor) kill(p *process) error {
	_ = syscall.Kill(p.pid, syscall.SIGKILL) // It may have ended this moment.
	<-p.ended
	return errors.New("the worker did not stop and was killed")
}
