package main

import (
	"bytes"
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
	s := &server{name, port, cmd}
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

// nginx at its best: descriptors and errors cached, heads and bodies in one segment, and on the aio
// server what is not in the page cache left to threads.
const nginxConf = `worker_processes 1; daemon off; error_log stderr crit; pid %[1]s/nginx.%[2]d.pid;
load_module modules/ngx_http_brotli_static_module.so;
events { worker_connections 20000; multi_accept on; }
worker_rlimit_nofile 40000;
http {
	sendfile on; tcp_nopush on; access_log off; default_type application/octet-stream; server_tokens off; %[3]s
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

// cpu is the CPU time of the server, in ticks of 10 ms; io-wq's workers are threads of it.
func (s *server) cpu() (total time.Duration, err error) {
	for _, pid := range s.pids() {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			return 0, err
		}
		// The name, which may hold anything, ends at the last parenthesis; utime and stime are
		// the 12th and 13th fields after it (proc(5)).
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		for _, field := range fields[11:13] {
			ticks, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, err
			}
			total += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return total, nil
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
