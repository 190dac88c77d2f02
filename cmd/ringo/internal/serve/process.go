// SPDX-License-Identifier: MIT

package serve

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/ringo-io/ringo/cmd/ringo/internal/report"
	"github.com/ringo-io/ringo/cmd/ringo/internal/sandbox"
)

// WorkerCommand is the subcommand that a worker is: the supervisor starts its own program with it.
const WorkerCommand = "serve-worker"

// controlFD is where a worker finds its end of the control; listeners and the others follow.
const controlFD = 3

// A task is what a worker is to do. Its descriptors come by number: the listeners first, then those that are there.
type task struct {
	Settings  Settings
	Listeners int
	Metrics   bool // a listener for the metrics
	Log       bool // the access log
	Landlock  int  // what it is confined by already
	User      string
	Zone      []byte // the local time zone, whose file it cannot read
	Restarts  int    // of workers before it
}

// A process is a running worker.
type process struct {
	control *control
	pid     int
	ended   chan struct{} // closed when it has
	state   *os.ProcessState
	err     error // why it could not be waited for
}

// start starts a worker, which is not known to serve before it has said so.
//
// The thread that starts it is restricted first, for a worker is born with the restrictions of that thread; it can be
// used for nothing else afterwards, so it only waits, and ends with the worker. It must not end earlier: a worker gets
// SIGKILL when the thread is gone that started it, as it is when the supervisor dies.
func (u *supervisor) start() (*process, error) {
	ours, theirs, err := newControl()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	files, closeFiles, err := u.descriptors(theirs)
	defer closeFiles()
	if err != nil {
		ours.close()
		return nil, err
	}
	p := &process{control: ours, ended: make(chan struct{})}
	started := make(chan error, 1)
	task := u.task
	go func() {
		runtime.LockOSThread() // for ever
		defer close(p.ended)
		child, err := u.startRestricted(&task, files)
		if err == nil {
			p.pid = child.Pid
		}
		started <- err
		if err == nil {
			p.state, p.err = child.Wait()
		}
	}()
	if err = <-started; err == nil {
		err = ours.send(order{Task: &task}, nil)
	}
	if err != nil {
		ours.close()
		return nil, fmt.Errorf("cannot start a worker: %w", err)
	}
	return p, nil
}

// descriptors are those of a worker: the standard ones, the control, and what its task says. Closing them closes
// duplicates.
func (u *supervisor) descriptors(control *os.File) (files []*os.File, closeAll func(), err error) {
	var opened []*os.File
	closeAll = func() {
		for _, file := range opened {
			file.Close()
		}
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, closeAll, err
	}
	opened = append(opened, null)
	files = []*os.File{null, os.Stdout, os.Stderr, control}
	listeners := u.listeners
	if u.metrics != nil {
		listeners = append(listeners[:len(listeners):len(listeners)], u.metrics)
	}
	for _, ln := range listeners {
		file, err := ln.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			return nil, closeAll, err
		}
		opened, files = append(opened, file), append(files, file)
	}
	if u.log != nil {
		files = append(files, u.log)
	}
	return files, closeAll, nil
}

// startRestricted restricts the calling thread for good and starts the worker on it.
func (u *supervisor) startRestricted(t *task, files []*os.File) (*os.Process, error) {
	attributes := &os.ProcAttr{Files: files, Env: workerEnvironment(t.Settings.Loops),
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: u.credential}}
	if t.Settings.Sandbox != sandboxOff {
		if err := sandbox.LimitPrivileges(); err != nil {
			return nil, err
		}
		var err error
		if t.Landlock, err = sandbox.RestrictThread(u.readable); err != nil {
			return nil, err
		}
	}
	// The program that runs, also where its file has been replaced.
	return os.StartProcess("/proc/self/exe", []string{os.Args[0], WorkerCommand}, attributes)
}

// workerEnvironment leaves out what is none of a worker's concern, for it may hold secrets.
func workerEnvironment(loops int) []string {
	var kept []string
	for _, variable := range os.Environ() {
		for _, prefix := range []string{"GO", "RINGO_", "LD_LIBRARY_PATH=", "ASAN_", "UBSAN_", "LSAN_", "TSAN_"} {
			if strings.HasPrefix(variable, prefix) {
				kept = append(kept, variable)
				break
			}
		}
	}
	// The limit of a control group is in files that it cannot read. The loops' threads are in C nearly all the time; one
	// more P runs what else there is to run.
	return append(kept, fmt.Sprintf("GOMAXPROCS=%d", max(runtime.GOMAXPROCS(0), loops+1)))
}

// credential is that of the user that --user names; nil when it is empty.
func (s *Settings) credential() (*syscall.Credential, error) {
	name := s.User
	if name == "" {
		return nil, nil
	}
	if os.Geteuid() != 0 {
		return nil, &report.Failure{What: "cannot become the user " + name, Why: syscall.EPERM,
			Cure: "start it as root, or leave --user out"}
	}
	found, err := user.Lookup(name)
	if errors.As(err, new(user.UnknownUserError)) {
		found, err = user.LookupId(name)
	}
	if err != nil {
		return nil, s.bad("user", "is %q: %v", name, err)
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	credential := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	groups, err := found.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("groups of %s: %w", name, err)
	}
	for _, group := range groups {
		if id, err := strconv.ParseUint(group, 10, 32); err == nil {
			credential.Groups = append(credential.Groups, uint32(id))
		}
	}
	return credential, nil
}

// outcome says how a worker has ended.
func (p *process) outcome() string {
	if p.err != nil {
		return p.err.Error()
	}
	return p.state.String()
}

// inherited makes listeners of a worker's descriptors.
func inherited(from, count int) (listeners []net.Listener, err error) {
	for fd := from; fd < from+count; fd++ {
		ln, err := net.FileListener(os.NewFile(uintptr(fd), "listener"))
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, ln)
	}
	return listeners, nil
}
