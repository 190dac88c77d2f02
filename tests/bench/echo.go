package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"time"
)

// The servers of tests/bench/echo, each on a core of its own with one loop. A ringo loop is a thread
// that stays in C, so the scheduler gets a processor beside it, as `ringo serve` has.
var echoServers = []struct{ name, procs string }{{"ringo", "2"}, {"net", "1"}, {"gnet", "1"}}

const (
	echoPort   = 18090
	idleConns  = 10_000
	idleSettle = 2 * time.Second
)

// benchEcho compares messages of 512 bytes, sent back, on 1, 64 and 1,000 connections; only is a
// pattern of these numbers.
func benchEcho(rounds int, seconds float64, only string) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	servers, err := startEchoServers()
	if err != nil {
		return err
	}
	defer stopAll(servers)
	for _, conns := range []int{1, 64, 1000} {
		if !wanted.MatchString(fmt.Sprint(conns)) {
			continue
		}
		var arms []arm
		for i, s := range echoServers {
			arms = append(arms, arm{s.name, func() (sample, error) { return servers[i].echo(conns, seconds) }})
		}
		if _, err := interleave(1, arms...); err != nil { // warm
			return err
		}
		samples, err := interleave(rounds, arms...)
		if err != nil {
			return err
		}
		fmt.Printf("echo: 512 bytes, connections: %d; one core for the server and one for the client\n", conns)
		medians("ringo, Engine.Serve", samples[0])
		medians("net, a goroutine each", samples[1])
		medians("gnet v2.9.7", samples[2])
		for i, other := range []string{"net", "gnet"} {
			ratios("CPU per message to "+other, samples[0], samples[i+1], sample.cpuPerOp)
			ratios("messages/s to "+other, samples[0], samples[i+1], sample.perSecond)
			ratios("p99 to "+other, samples[0], samples[i+1], func(s sample) float64 { return float64(s.p99) })
			ratios("median to "+other, samples[0], samples[i+1], func(s sample) float64 { return float64(s.p50) })
		}
	}
	return nil
}

func startEchoServers() (servers []*server, err error) {
	for i, s := range echoServers {
		port := echoPort + i
		started, err := startServer(s.name, port, "env", "GOMAXPROCS="+s.procs, "build/bench/echo-servers", s.name, fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			stopAll(servers)
			return nil, fmt.Errorf("%s (make bench builds it): %w", s.name, err)
		}
		servers = append(servers, started)
	}
	return servers, nil
}

func stopAll(servers []*server) {
	for _, s := range servers {
		s.stop()
	}
}

// echo puts tests/bench/c/echo.c on the server.
func (s *server) echo(conns int, seconds float64) (sample, error) {
	before, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	out, err := exec.Command("taskset", "-c", clientCore, "build/bench/echo", fmt.Sprint(s.port), fmt.Sprint(conns), fmt.Sprint(seconds)).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("build/bench/echo: %w: %s", err, out)
	}
	after, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	var messages, wall, p50, p99 int64
	if _, err := fmt.Sscan(string(out), &messages, &wall, &p50, &p99); err != nil {
		return sample{}, err
	}
	return sample{ops: float64(messages), wall: time.Duration(wall), cpu: after - before,
		p50: time.Duration(p50), p99: time.Duration(p99)}, nil
}

// benchIdle compares what a connection that says nothing costs in memory: proportional set size of
// the process with 10,000 of them, less that with none.
func benchIdle() error {
	servers, err := startEchoServers()
	if err != nil {
		return err
	}
	defer stopAll(servers)
	fmt.Printf("idle: bytes of the process (PSS) for each of %d connections that were opened and say nothing\n", idleConns)
	var costs []float64
	for i, s := range echoServers {
		cost, err := servers[i].idle()
		if err != nil {
			return err
		}
		fmt.Printf("  %-28s %8.0f\n", s.name, cost)
		costs = append(costs, cost)
	}
	fmt.Printf("  %-28s %.2fx\n  %-28s %.2fx\n", "ringo to net", costs[0]/costs[1], "ringo to gnet", costs[0]/costs[2])
	return nil
}

func (s *server) idle() (perConnection float64, err error) {
	before, err := s.pss()
	if err != nil {
		return 0, err
	}
	client := exec.Command("build/bench/echo", fmt.Sprint(s.port), fmt.Sprint(idleConns), "0")
	hold, err := client.StdinPipe()
	if err != nil {
		return 0, err
	}
	said, err := client.StdoutPipe()
	if err != nil {
		return 0, err
	}
	client.Stderr = os.Stderr
	if err := client.Start(); err != nil {
		return 0, err
	}
	defer client.Wait()
	defer hold.Close()
	if _, err := bufio.NewReader(said).ReadString('\n'); err != nil {
		return 0, fmt.Errorf("build/bench/echo: %w", err)
	}
	time.Sleep(idleSettle) // until the server has accepted the last of them
	after, err := s.pss()
	return (after - before) / idleConns, err
}
