// SPDX-License-Identifier: MIT

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// memory is what only this server's worker has in memory, in bytes (Pss of proc_pid_smaps(5)).
func (s *server) memory() int64 {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", s.pid()))
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "Pss:"); found {
			kilobytes, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	s.t.Fatal("no Pss")
	return 0
}

// A siege is many clients that send or take a byte a second, each followed by another when it is ended.
type siege struct {
	address string
	over    chan struct{}
	running sync.WaitGroup
	served  atomic.Int64 // to the end, which none may be
}

func (s *siege) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// add begins so many clients, which do the one thing until the server ends them, and counts how many it has ended.
func (s *siege) add(clients int, slowly func(net.Conn) error) (ended *atomic.Int64) {
	ended = new(atomic.Int64)
	for range clients {
		s.running.Add(1)
		go func() {
			defer s.running.Done()
			for !s.isOver() {
				conn, err := net.DialTimeout("tcp", s.address, patience)
				if err != nil {
					continue // The backlog is full of the others.
				}
				if slowly(conn) != nil {
					ended.Add(1)
				}
				conn.Close()
			}
		}()
	}
	return ended
}

// send sends a request a byte a second; an error is the server's end of it.
func (s *siege) send(conn net.Conn) error {
	for _, b := range []byte(request("GET", "/small", "X-Long: "+strings.Repeat("x", 1000))) {
		if s.isOver() {
			return nil
		}
		if _, err := conn.Write([]byte{b}); err != nil {
			return err
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := conn.Read(make([]byte, 1)); err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return io.EOF
		}
	}
	s.served.Add(1)
	return nil
}

// take takes an answer a byte a second.
func (s *siege) take(conn net.Conn) error {
	_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	if _, err := io.WriteString(conn, request("GET", "/large")); err != nil {
		return err
	}
	for !s.isOver() {
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			return err
		}
		if isReset(conn) {
			return io.EOF
		}
		select {
		case <-time.After(time.Second):
		case <-s.over:
		}
	}
	return nil
}

// isReset tells whether the peer has reset the connection, which what was received before hides from reads.
func isReset(conn net.Conn) (reset bool) {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return true
	}
	const closed = 7 // TCP_CLOSE of linux/tcp_states.h
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		reset = err != nil || info.State == closed
	})
	return reset || err != nil
}

// pace asks for a small file again and again for a while, and gives the time that one answer in a hundred took longer than.
func pace(t *testing.T, address string, want []byte, clients int, during time.Duration) (p99 time.Duration, answers int) {
	t.Helper()
	results := make(chan []time.Duration)
	for range clients {
		go func() {
			var times []time.Duration
			defer func() { results <- times }()
			conn, err := net.DialTimeout("tcp", address, patience)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(during + patience))
			in := bufio.NewReader(conn)
			for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
				began := time.Now()
				if _, err := io.WriteString(conn, request("GET", "/small")); err != nil {
					t.Error(err)
					return
				}
				if a, err := readAnswer(in, "GET"); err != nil || string(a.body) != string(want) {
					t.Errorf("%v, %v", a, err)
					return
				}
				times = append(times, time.Since(began))
			}
		}()
	}
	var all []time.Duration
	for range clients {
		all = append(all, <-results...)
	}
	if len(all) == 0 {
		t.Fatal("no answer at all")
	}
	slices.Sort(all)
	return all[len(all)*99/100], len(all)
}

// TestSlowClients: those who send and those who take a byte a second are ended, cost no memory and keep nobody from being
// served. The long form is a minute of a thousand each with the default limits, and looks at the pace of the others.
func TestSlowClients(t *testing.T) {
	directory := site(t)
	small := content("small", 1024)
	write(t, directory+"/small", small)
	sparse(t, directory+"/large", 1<<30)
	each, during := 100, 7*time.Second
	flags := []string{"--metrics=127.0.0.1:0", "--header-timeout=2s", "--stall-timeout=2s", "--max-connections=4000"}
	if long {
		each, during = 1000, time.Minute
		flags = []string{"--metrics=127.0.0.1:0", "--max-connections=4000"}
	}
	s := serve(t, directory, flags...)
	before, n := pace(t, s.addresses[0], small, 8, during/6)
	t.Logf("alone: %d answers, p99 %v", n, before)

	slow := &siege{address: s.addresses[0], over: make(chan struct{})}
	senders := slow.add(each, slow.send)
	takers := slow.add(each, slow.take)
	eventually(t, "all slow clients are there", func() bool { return s.metric("ringo_http_connections") >= float64(2*each) })
	start := s.memory()
	first, n1 := pace(t, s.addresses[0], small, 8, during/2)
	middle := s.memory() // The collector has its pace by now.
	second, n2 := pace(t, s.addresses[0], small, 8, during/2)
	end, beside := s.memory(), max(first, second)
	t.Logf("beside %d slow ones: %d answers, p99 %v (%.2f times); %d and %d ended; memory %d KiB, %d in the middle, then %d",
		2*each, n1+n2, beside, float64(beside)/float64(before), senders.Load(), takers.Load(), start>>10, middle>>10, end>>10)
	// Each has been there for more than one term of its limit by now.
	eventually(t, "the slow are ended", func() bool {
		return senders.Load() >= int64(each) && takers.Load() >= int64(each)
	})
	close(slow.over)
	slow.running.Wait()
	if slow.served.Load() > 0 {
		t.Errorf("%d were served", slow.served.Load())
	}
	if grown := end - middle; grown > 4<<20 {
		t.Errorf("%d bytes more in memory since the middle", grown)
	}
	if grown := end - start; grown > 4<<20+int64(2*each)*8<<10 { // 4 MiB are the runtime's own, until it has its pace.
		t.Errorf("%d bytes more in memory", grown)
	}
	if long && beside > 2*before && beside > 2*time.Millisecond {
		t.Errorf("p99 %v beside slow clients, %v without", beside, before)
	}
	eventually(t, "all are gone", func() bool { return s.metric("ringo_http_connections") == 0 })
}

// TestIdleMemory measures what a connection costs that has been answered and waits.
func TestIdleMemory(t *testing.T) {
	if !long {
		skip(t, "measures, and takes 10,000 connections; RINGO_LONG=1 runs it")
	}
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	s := serve(t, directory, "--max-connections=12000")
	mustServe(t, s.addresses[0], "/file", []byte("content"))
	const connections = 10_000
	before := s.memory()
	for range connections {
		newClient(t, s.addresses[0]).get("/file")
	}
	cost := float64(s.memory()-before) / connections
	t.Logf("%.0f bytes for each of %d idle connections", cost, connections)
	if cost > 1536 {
		t.Errorf("%.0f bytes for a connection", cost)
	}
}
