package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The server under test has core 0, wrk core 1.
const (
	serverCore = "0"
	clientCore = "1"
	wrkConns   = "64"
)

const nginxConf = `worker_processes 1; daemon off; error_log stderr crit; pid %[1]s/nginx.pid;
events { worker_connections 4096; multi_accept on; }
http {
	sendfile on; tcp_nopush on; access_log off; default_type application/octet-stream;
	open_file_cache max=1000 inactive=60s; open_file_cache_valid 60s; open_file_cache_min_uses 1;
	keepalive_requests 1000000000;
	server { listen %[2]s backlog=4096; root %[1]s; }
}
`

// benchServe compares CPU time per request with nginx on the same core, with its best settings.
func benchServe(rounds int, seconds float64, dir, ringo string) error {
	root := filepath.Join(dir, "ringo-bench-site")
	if err := makeSite(root); err != nil {
		return err
	}
	ours, err := startServer("127.0.0.1:18081", ringo, "serve", "--loops=1", "--listen=127.0.0.1:18081", root)
	if err != nil {
		return err
	}
	defer ours.stop()
	conf := filepath.Join(root, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, root, "127.0.0.1:18082"), 0o644); err != nil {
		return err
	}
	theirs, err := startServer("127.0.0.1:18082", "nginx", "-c", conf)
	if err != nil {
		return err
	}
	defer theirs.stop()
	for _, name := range []string{"1k", "1m"} {
		if err := compareServers(rounds, seconds, name, ours, theirs); err != nil {
			return err
		}
	}
	return nil
}

func makeSite(root string) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	for name, size := range map[string]int{"1k": 1 << 10, "1m": 1 << 20} {
		data := make([]byte, size)
		rand.New(rand.NewSource(1)).Read(data)
		if err := os.WriteFile(filepath.Join(root, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func compareServers(rounds int, seconds float64, name string, ours, theirs *server) error {
	arms := []arm{
		{"ringo", func() (sample, error) { return ours.load(name, seconds) }},
		{"nginx", func() (sample, error) { return theirs.load(name, seconds) }},
	}
	if _, err := interleave(1, arms...); err != nil { // warm
		return err
	}
	samples, err := interleave(rounds, arms...)
	if err != nil {
		return err
	}
	fmt.Printf("serve: %s, %s connections of wrk -t1, one core for the server and one for wrk\n", name, wrkConns)
	medians("ringo", samples[0])
	medians(nginxVersion(), samples[1])
	ratios("CPU per request", samples[0], samples[1], sample.cpuPerOp)
	ratios("requests/s", samples[0], samples[1], sample.perSecond)
	ratios("p99", samples[0], samples[1], func(s sample) float64 { return float64(s.p99) })
	return nil
}

func nginxVersion() string {
	out, _ := exec.Command("nginx", "-v").CombinedOutput()
	return strings.TrimSpace(strings.TrimPrefix(string(out), "nginx version: "))
}

// A server is a process that answers on an address.
type server struct {
	address string
	command *exec.Cmd
}

func startServer(address, name string, args ...string) (*server, error) {
	command := exec.Command("taskset", append([]string{"-c", serverCore, name}, args...)...)
	var said bytes.Buffer
	command.Stderr = &said
	if err := command.Start(); err != nil {
		return nil, err
	}
	s := &server{address, command}
	for range 100 {
		if conn, err := net.Dial("tcp", address); err == nil {
			return s, conn.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.stop()
	return nil, fmt.Errorf("%s does not answer on %s: %s", name, address, said.String())
}

func (s *server) stop() {
	s.command.Process.Signal(syscall.SIGTERM)
	s.command.Wait()
}

var (
	wrkRequests = regexp.MustCompile(`(\d+) requests in ([\d.]+)(s|m)`)
	wrkP99      = regexp.MustCompile(`99%\s+([\d.]+(?:us|ms|s))`)
	wrkTrouble  = regexp.MustCompile(`Socket errors:.*|Non-2xx.*`)
)

// load puts wrk on the server and reads what it cost; any error of wrk's is ours.
func (s *server) load(name string, seconds float64) (sample, error) {
	before, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	out, err := exec.Command("taskset", "-c", clientCore, "wrk", "-t1", "-c"+wrkConns, "--latency",
		fmt.Sprintf("-d%.0fs", seconds), "http://"+s.address+"/"+name).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	after, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	if trouble := wrkTrouble.Find(out); trouble != nil {
		return sample{}, fmt.Errorf("wrk: %s", trouble)
	}
	requests, p99 := wrkRequests.FindSubmatch(out), wrkP99.FindSubmatch(out)
	if requests == nil || p99 == nil {
		return sample{}, fmt.Errorf("wrk says nothing known: %s", out)
	}
	result := sample{cpu: after - before}
	result.ops, _ = strconv.ParseFloat(string(requests[1]), 64)
	result.wall, _ = time.ParseDuration(string(requests[2]) + string(requests[3]))
	result.p99, _ = time.ParseDuration(string(p99[1]))
	return result, nil
}

// cpu is the CPU time, in ticks of 10 ms, of the process and its children, whichever thread started them.
func (s *server) cpu() (total time.Duration, err error) {
	pids := []string{strconv.Itoa(s.command.Process.Pid)}
	lists, _ := filepath.Glob("/proc/" + pids[0] + "/task/*/children")
	for _, list := range lists {
		children, _ := os.ReadFile(list) // The thread may have ended.
		pids = append(pids, strings.Fields(string(children))...)
	}
	for _, pid := range pids {
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
