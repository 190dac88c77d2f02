package main

import (
	"errors"
	"fmt"
	"math/rand"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// serveOptions are what benchServe is told.
type serveOptions struct {
	rounds  int
	seconds float64
	dir     string // where the site is made
	ringo   string // the command
	caddy   string // its command, or empty
	only    string // a regular expression for the names of rows
	json    string // file for the figures, or empty
}

// A load is what one client asks for.
type load struct {
	path    string
	count   int // of paths, where path holds %d
	conns   int
	status  int
	headers []string
}

// A row is one line of the table: a load, on each of the servers.
type row struct {
	name    string
	load    load
	beside  *load // large downloads at the same time, whose bytes count too
	cold    bool  // their files are dropped from the page cache before each round
	servers []string
}

var serveRows = []row{
	{name: "1 KiB, 64 connections", load: load{path: "/1k", conns: 64}, servers: []string{"ringo", "nginx", "net/http", "caddy", "ringo threads", "ringo --cache=off"}},
	{name: "1 KiB, 1 connection", load: load{path: "/1k", conns: 1}, servers: []string{"ringo", "nginx", "net/http"}},
	{name: "1 KiB, 400 files", load: load{path: "/many/%d", count: 400, conns: 64}, servers: []string{"ringo", "nginx", "net/http"}},
	{name: "16 KiB", load: load{path: "/16k", conns: 64}, servers: []string{"ringo", "nginx", "net/http", "caddy"}},
	{name: "64 KiB", load: load{path: "/64k", conns: 64}, servers: []string{"ringo", "nginx", "net/http", "caddy"}},
	{name: "256 KiB", load: load{path: "/256k", conns: 16}, servers: []string{"ringo", "nginx", "net/http"}},
	{name: "1 MiB", load: load{path: "/1m", conns: 16}, servers: []string{"ringo", "nginx", "net/http", "caddy"}},
	{name: "16 MiB", load: load{path: "/16m", conns: 16}, servers: []string{"ringo", "nginx", "net/http"}},
	{name: "precompressed, br", load: load{path: "/packed/app.js", conns: 64, headers: []string{"Accept-Encoding: br"}}, servers: []string{"ringo", "nginx"}},
	{name: "precompressed, gzip", load: load{path: "/packed/app.js", conns: 64, headers: []string{"Accept-Encoding: gzip"}}, servers: []string{"ringo", "nginx"}},
	{name: "404", load: load{path: "/missing", conns: 64, status: 404}, servers: []string{"ringo", "nginx", "net/http", "caddy"}},
	{name: "304", load: load{path: "/1k", conns: 64, status: 304, headers: []string{"If-Modified-Since: " + siteTime.Format(http.TimeFormat)}}, servers: []string{"ringo", "nginx", "net/http"}},
	{name: "64 KiB of 16 MiB", load: load{path: "/16m", conns: 64, status: 206, headers: []string{"Range: bytes=5000000-5065535"}}, servers: []string{"ringo", "nginx, no tcp_nopush", "nginx", "net/http"}},
	{name: "1 KiB beside cold downloads", load: load{path: "/1k", conns: 8}, beside: &load{path: "/large/%d", count: 64, conns: 4}, cold: true, servers: []string{"ringo", "nginx aio", "nginx"}},
	{name: "1 KiB beside cached downloads", load: load{path: "/1k", conns: 8}, beside: &load{path: "/large/%d", count: 64, conns: 4}, servers: []string{"ringo", "nginx", "nginx aio"}},
	{name: "JSON access log", load: load{path: "/1k", conns: 64}, servers: []string{"ringo logging", "ringo"}},
	{name: "sendfile, 1 MiB", load: load{path: "/1m", conns: 16}, servers: []string{"ringo --sendfile=sendfile", "ringo", "ringo --sendfile=splice", "ringo --sendfile=read", "ringo --sendfile=zerocopy"}},
	{name: "sandbox", load: load{path: "/1k", conns: 64}, servers: []string{"ringo", "ringo --sandbox=off"}},
}

// siteTime is when all files were written last; nginx takes a condition for fulfilled by this time alone.
var siteTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// benchServe compares servers on one core, row by row; the first server of a row is the one the
// others are compared with.
func benchServe(o serveOptions) error {
	wanted, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	site := &site{dir: filepath.Join(o.dir, "ringo-bench"), options: o, running: map[string]*server{}}
	if err := site.make(); err != nil {
		return err
	}
	defer site.stop()
	var results []rowResult
	for _, r := range serveRows {
		if !wanted.MatchString(r.name) {
			continue
		}
		result, err := site.run(r)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		result.print()
		results = append(results, result)
		site.stop()
	}
	if wanted.MatchString("10,000 idle connections") {
		if err := site.idle(10000); err != nil {
			return err
		}
	}
	if o.json == "" {
		return nil
	}
	return writeResults(o.json, results)
}

// A site is the files that are served, and the servers that have been started.
type site struct {
	dir     string
	options serveOptions
	running map[string]*server
	started int // servers, ever
}

func (s *site) root() string { return filepath.Join(s.dir, "site") }

func (s *site) make() error {
	sizes := map[string]int{"1k": 1 << 10, "16k": 16 << 10, "64k": 64 << 10, "256k": 256 << 10, "1m": 1 << 20, "16m": 16 << 20,
		"packed/app.js": 40000, "packed/app.js.gz": 12000, "packed/app.js.br": 10000}
	for i := range 400 {
		sizes[fmt.Sprintf("many/%d", i)] = 1 << 10
	}
	for i := range 64 {
		sizes[fmt.Sprintf("large/%d", i)] = 16 << 20
	}
	data := make([]byte, 16<<20)
	rand.New(rand.NewSource(1)).Read(data)
	for name, size := range sizes {
		name = filepath.Join(s.root(), name)
		if st, err := os.Stat(name); err == nil && st.Size() == int64(size) && st.ModTime().Equal(siteTime) {
			continue
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, data[:size], 0o644),
			os.Chtimes(name, siteTime, siteTime)); err != nil {
			return err
		}
	}
	return nil
}

// metricsAbove is how far the port of ringo's metrics is above that of its files.
const metricsAbove = 1000

// server gives a running server, started when it is first asked for; nil when there is none here.
func (s *site) server(name string) (*server, error) {
	if known := s.running[name]; known != nil {
		return known, nil
	}
	port := 18100 + s.started
	s.started++
	var started *server
	var err error
	kind, flags, _ := strings.Cut(name, " ")
	switch {
	case name == "nginx":
		started, err = startNginx(name, port, s.dir, s.root(), "tcp_nopush on;")
	case name == "nginx, no tcp_nopush":
		started, err = startNginx(name, port, s.dir, s.root(), "")
	case name == "nginx aio":
		started, err = startNginx(name, port, s.dir, s.root(), "tcp_nopush on; aio threads;")
	case name == "net/http":
		self, errSelf := os.Executable()
		if errSelf != nil {
			return nil, errSelf
		}
		started, err = startServer(name, port, self, "net-http", fmt.Sprint(port), s.root())
	case name == "caddy" && s.options.caddy == "":
		return nil, nil
	case name == "caddy":
		started, err = startServer(name, port, s.options.caddy, "file-server", "--root", s.root(), "--listen", fmt.Sprintf("127.0.0.1:%d", port))
	case kind == "ringo":
		args := []string{"serve", "--loops=1", fmt.Sprintf("--listen=127.0.0.1:%d", port), fmt.Sprintf("--metrics=127.0.0.1:%d", port+metricsAbove)}
		switch {
		case flags == "threads":
			args = append(args, "--backend=threads")
		case flags == "logging":
			args = append(args, "--access-log="+filepath.Join(s.dir, "access.log"), "--access-log-format=json")
		case flags != "":
			args = append(args, flags)
		}
		if started, err = startServer(name, port, s.options.ringo, append(args, s.root())...); err == nil {
			started.metrics = port + metricsAbove
		}
	}
	if err == nil {
		s.running[name] = started
	}
	return started, err
}

// stop stops all servers: each row begins with new ones, for a loop's longest turn is since its start.
func (s *site) stop() {
	for name, server := range s.running {
		server.stop()
		delete(s.running, name)
	}
}

// run measures a row: every server is warmed, and then takes its turn in each round.
func (s *site) run(r row) (result rowResult, err error) {
	result.Name = r.name
	var arms []arm
	for _, name := range r.servers {
		server, err := s.server(name)
		if err != nil {
			return result, err
		}
		if server == nil {
			continue
		}
		result.Servers = append(result.Servers, name)
		arms = append(arms, arm{name, func() (sample, error) { return s.measure(r, server, s.options.seconds) }})
	}
	for i := range arms {
		server, err := s.server(result.Servers[i])
		if err != nil {
			return result, err
		}
		if _, err := s.measure(r, server, 0.3); err != nil {
			return result, fmt.Errorf("%s: %w", result.Servers[i], err)
		}
	}
	if result.samples, err = interleave(s.options.rounds, arms...); err != nil {
		return result, err
	}
	for _, name := range result.Servers {
		turn, err := s.running[name].longestTurn()
		if err != nil {
			return result, err
		}
		result.turns = append(result.turns, turn)
	}
	return result, nil
}

func (s *site) measure(r row, server *server, seconds float64) (sample, error) {
	if r.cold {
		if err := s.dropLarge(); err != nil {
			return sample{}, err
		}
	}
	before, err := server.cpu()
	if err != nil {
		return sample{}, err
	}
	var beside *exec.Cmd
	var said strings.Builder
	if r.beside != nil {
		beside = r.beside.command(server, seconds)
		beside.Stdout, beside.Stderr = &said, &said
		if err := beside.Start(); err != nil {
			return sample{}, err
		}
	}
	result, err := r.load.run(server, seconds)
	if beside != nil {
		if waited := beside.Wait(); waited != nil {
			return sample{}, errors.Join(err, fmt.Errorf("%w: %s", waited, said.String()))
		}
		other, errOther := parseLoad(said.String())
		result.beside = other.bytes / other.wall.Seconds()
		err = errors.Join(err, errOther)
	}
	if err != nil {
		return sample{}, err
	}
	after, err := server.cpu()
	result.cpu = after - before
	return result, err
}

// dropLarge puts the large files out of the page cache.
func (s *site) dropLarge() error {
	names, err := filepath.Glob(filepath.Join(s.root(), "large", "*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		if err := errors.Join(unix.Fsync(int(f.Fd())), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// command is the client's, on its core.
func (l load) command(s *server, seconds float64) *exec.Cmd {
	args := []string{"-c", clientCore, "build/bench/load", fmt.Sprint(s.port), fmt.Sprint(l.conns), fmt.Sprint(seconds),
		fmt.Sprint(max(l.status, 200)), fmt.Sprint(max(l.count, 1)), l.path}
	return exec.Command("taskset", append(args, l.headers...)...)
}

func (l load) run(s *server, seconds float64) (sample, error) {
	out, err := l.command(s, seconds).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("%w: %s", err, out)
	}
	return parseLoad(string(out))
}

// parseLoad reads what the client prints.
func parseLoad(out string) (sample, error) {
	var answers, bytes float64
	var wall, p50, p99, p999 int64
	if _, err := fmt.Sscan(out, &answers, &bytes, &wall, &p50, &p99, &p999); err != nil {
		return sample{}, fmt.Errorf("the client says %q: %w", out, err)
	}
	return sample{ops: answers, bytes: bytes, wall: time.Duration(wall), p99: time.Duration(p99)}, nil
}
