package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Servers under test have core 0, their clients core 1.
const (
	serverCore = "0"
	clientCore = "1"
)

// A server is a process, with its children, that answers on a port.
type server struct {
	name    string
	port    int
	metrics int // its port, of ringo
	command *exec.Cmd
}

// startServer runs a command on the server's core and waits until it answers.
func startServer(name string, port int, command string, args ...string) (*server, error) {
	cmd := exec.Command("taskset", append([]string{"-c", serverCore, command}, args...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{name: name, port: port, command: cmd}
	for range 100 {
		if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return s, conn.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.stop()
	return nil, fmt.Errorf("%s does not answer on port %d: %s", name, port, said.String())
}

func (s *server) stop() {
	s.command.Process.Signal(syscall.SIGTERM)
	s.command.Wait()
}

// nginx at its best: descriptors and errors cached, heads and bodies in one segment (tcp_nopush; but not for
// ranges that begin within a page, where it would wait for acknowledgements), and on the aio server what is
// not in the page cache left to threads.
const nginxConf = `worker_processes 1; daemon off; error_log stderr crit; pid %[1]s/nginx.%[2]d.pid;
load_module modules/ngx_http_brotli_static_module.so;
events { worker_connections 20000; multi_accept on; }
worker_rlimit_nofile 40000;
http {
	sendfile on; access_log off; default_type application/octet-stream; server_tokens off; %[3]s
	open_file_cache max=10000 inactive=60s; open_file_cache_valid 60s; open_file_cache_min_uses 1; open_file_cache_errors on;
	keepalive_requests 1000000000; keepalive_timeout 3600s; log_not_found off;
	client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3; uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
	add_header X-Content-Type-Options nosniff;
	server {
		listen 127.0.0.1:%[2]d backlog=4096; root %[4]s;
		location /packed/ { gzip_static on; brotli_static on; }
	}
}
`

func startNginx(name string, port int, dir, root, more string) (*server, error) {
	conf := filepath.Join(dir, fmt.Sprintf("nginx.%d.conf", port))
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, port, more, root), 0o644); err != nil {
		return nil, err
	}
	// Its worker must be able to read the site, whoever that worker is.
	return startServer(name, port, "nginx", "-p", "/usr/share/nginx", "-c", conf)
}

// netHTTP is the program that `bench net-http PORT DIR` is: net/http's own file server, with the header
// fields that the others send.
func netHTTP(port, dir string) error {
	files := http.FileServer(http.Dir(dir))
	return http.ListenAndServe("127.0.0.1:"+port, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"18527a1b2c3d4e5f-400"`)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		files.ServeHTTP(w, r)
	}))
}

// pids are the process and all that it has started.
func (s *server) pids() []string {
	all := []string{strconv.Itoa(s.command.Process.Pid)}
	for i := 0; i < len(all); i++ {
		tasks, _ := filepath.Glob("/proc/" + all[i] + "/task/*/children")
		for _, task := range tasks {
			children, _ := os.ReadFile(task)
			all = append(all, strings.Fields(string(children))...)
		}
	}
	return all
}

// cpu is the CPU time of the server; io-wq's workers are threads of it.
func (s *server) cpu() (total time.Duration, err error) {
	for _, pid := range s.pids() {
		number, err := strconv.Atoi(pid)
		if err != nil {
			return 0, err
		}
		var used unix.Timespec
		if err := unix.ClockGettime(cpuClock(number), &used); err != nil {
			return 0, fmt.Errorf("CPU time of %s: %w", s.name, err)
		}
		total += time.Duration(used.Nano())
	}
	return total, nil
}

// cpuClock is the clock of a process's CPU time, as clock_getcpuclockid(3) makes it.
func cpuClock(pid int) int32 { return int32(^pid<<3 | 2) }

// A longestTurn is how long a loop of ringo's was busy without looking at its other connections at most since it was
// started; zero of a server that does not say.
type longestTurn struct{ wall, cpu time.Duration }

func (l longestTurn) String() string {
	if l.wall == 0 {
		return ""
	}
	return fmt.Sprint(l.wall.Round(10*time.Microsecond), ", ", l.cpu.Round(10*time.Microsecond))
}

// longestTurn asks the server's metrics.
func (s *server) longestTurn() (l longestTurn, err error) {
	if s.metrics == 0 {
		return l, nil
	}
	answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", s.metrics))
	if err != nil {
		return l, err
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		var seconds float64
		if n, _ := fmt.Sscanf(lines.Text(), "ringo_loop_longest_turn_seconds %g", &seconds); n == 1 {
			l.wall = time.Duration(seconds * float64(time.Second))
		}
		if n, _ := fmt.Sscanf(lines.Text(), "ringo_loop_longest_turn_cpu_seconds %g", &seconds); n == 1 {
			l.cpu = time.Duration(seconds * float64(time.Second))
		}
	}
	if l.wall == 0 || l.cpu == 0 {
		return l, errors.New("the metrics tell of no longest turn")
	}
	return l, nil
}

// pss is the server's memory in bytes, shared pages divided among those who share them.
func (s *server) pss() (total float64, err error) {
	for _, pid := range s.pids() {
		rollup, err := os.ReadFile("/proc/" + pid + "/smaps_rollup")
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(rollup)) {
			if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
				kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
				if err != nil {
					return 0, err
				}
				total += kb * 1024
			}
		}
	}
	return total, nil
}
