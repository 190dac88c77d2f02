// SPDX-License-Identifier: MIT

//go:build ringo_attempts

package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/go/ringo"
)

// handleAttempts makes a worker attempt on demand what an attacker in it would, from all kinds of places, and tell what
// came of it. It is only in builds that test the sandbox.
func handleAttempts(mux *http.ServeMux, engine *ringo.Engine) {
	mux.HandleFunc("GET /attempts", func(w http.ResponseWriter, r *http.Request) {
		inside, outside := r.FormValue("inside"), r.FormValue("outside")
		outcomes := map[string]string{}
		note := func(from string, made map[string]error) {
			for what, err := range made {
				outcomes[from+": "+what] = fmt.Sprint(err)
			}
		}
		note("goroutine of net/http", attempts(inside, outside))
		onLoop := make(chan map[string]error)
		if err := engine.NopFunc(func(error) { onLoop <- attempts(inside, outside) }); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		note("thread of a loop", <-onLoop)
		note("operation of a loop", attemptOps(r.Context(), engine, inside, outside))
		_ = json.NewEncoder(w).Encode(outcomes)
	})
}

// attempts are system calls on the caller's own thread.
func attempts(inside, outside string) map[string]error {
	made := map[string]error{}
	note := func(what string, fd int, err error) {
		if errno, bare := err.(syscall.Errno); bare && errno == 0 {
			err = nil
		}
		if err == nil && fd >= 0 {
			unix.Close(fd)
		}
		made[what] = err
	}
	fd, err := unix.Open(inside, unix.O_RDONLY, 0)
	note("allowed: read inside", fd, err)
	fd, err = unix.Open(outside, unix.O_RDONLY, 0)
	note("open outside", fd, err)
	fd, err = unix.Openat2(unix.AT_FDCWD, outside, &unix.OpenHow{Flags: unix.O_RDONLY})
	note("openat2 outside", fd, err)
	fd, err = unix.Open(filepath.Dir(outside), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	note("list outside", fd, err)
	fd, err = unix.Open(inside, unix.O_WRONLY, 0)
	note("write inside", fd, err)
	fd, err = unix.Open(inside+".new", unix.O_WRONLY|unix.O_CREAT, 0o600)
	note("create inside", fd, err)
	fd, err = unix.Open(inside, unix.O_RDONLY|unix.O_TRUNC, 0)
	note("truncate inside", fd, err)
	note("truncate(2) inside", -1, unix.Truncate(inside, 0))
	note("unlink inside", -1, unix.Unlink(inside))
	note("rename inside", -1, unix.Rename(inside, inside+".renamed"))
	note("chmod inside", -1, unix.Chmod(inside, 0o777))
	note("mkdir inside", -1, unix.Mkdir(inside+".directory", 0o777))
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	note("socket", fd, err)
	note("connect", -1, unix.Connect(controlFD, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}))
	ring, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(new([128]byte))), 0)
	note("set up a ring", int(ring), errno)
	note("exec", -1, syscall.Exec("/proc/self/exe", []string{"ringo", "version"}, nil))
	_, err = os.StartProcess("/proc/self/exe", []string{"ringo", "version"}, &os.ProcAttr{})
	note("start a process", -1, err)
	_, err = unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	note("map executable memory", -1, err)
	note("kill the supervisor", -1, unix.Kill(os.Getppid(), 0))
	_, err = unix.PtraceGetEventMsg(os.Getppid())
	note("trace the supervisor", -1, err)
	return made
}

// attemptOps are operations that a loop does.
func attemptOps(ctx context.Context, engine *ringo.Engine, inside, outside string) map[string]error {
	made := map[string]error{}
	_, made["allowed: read inside"] = engine.ReadFile(ctx, inside)
	_, made["read outside"] = engine.ReadFile(ctx, outside)
	made["write inside"] = engine.WriteFile(ctx, inside, []byte("attacked"), 0o600)
	made["create inside"] = engine.WriteFile(ctx, inside+".new", []byte("attacked"), 0o600)
	made["replace inside"] = engine.WriteFile(ctx, inside, []byte("attacked"), 0o600, ringo.Atomic)
	made["connect"] = engine.AttemptConnect(ctx, controlFD)
	made["create outside"] = engine.WriteFile(ctx, outside+".new", []byte("attacked"), 0o600)
	return made
}
