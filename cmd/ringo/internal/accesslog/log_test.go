// SPDX-License-Identifier: MIT

package accesslog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ringo-io/ringo/go/fileserver"
)

func answer() *fileserver.Answer {
	return &fileserver.Answer{
		Peer:   netip.MustParseAddr("192.0.2.7"),
		Began:  time.Date(2026, 3, 1, 9, 8, 7, 6_543_000, time.FixedZone("", -9000)),
		Took:   1_000_042 * time.Microsecond,
		Method: []byte("GET"), Target: []byte("/a?b"), Minor: 1, Host: []byte("example.org"),
		Referer: []byte("https://example.org/"), UserAgent: []byte("curl/8"),
		Status: 200, Bytes: 1234, Whole: true,
	}
}

func line(f Format, a *fileserver.Answer) string { return string(appendLine(nil, f, new(stamp), a)) }

func TestLines(t *testing.T) {
	odd := answer()
	odd.Peer, odd.Referer, odd.UserAgent = netip.Addr{}, nil, []byte("a\"b\\c\n\x1b[2J\x7f\xc3\xa9\xff\xc2\x85")
	unread := answer()
	unread.Method, unread.Target, unread.Referer, unread.UserAgent, unread.Status = nil, nil, nil, nil, 400
	unread.Peer = netip.MustParseAddr("2001:db8::1")
	for _, row := range []struct {
		f    Format
		a    *fileserver.Answer
		want string
	}{
		{Common, answer(), `192.0.2.7 - - [01/Mar/2026:09:08:07 -0230] "GET /a?b HTTP/1.1" 200 1234`},
		{Combined, answer(), `192.0.2.7 - - [01/Mar/2026:09:08:07 -0230] "GET /a?b HTTP/1.1" 200 1234 "https://example.org/" "curl/8"`},
		{Combined, odd, `- - - [01/Mar/2026:09:08:07 -0230] "GET /a?b HTTP/1.1" 200 1234 "-" "a\x22b\x5cc\x0a\x1b[2J\x7f\xc3\xa9\xff\xc2\x85"`},
		{Combined, unread, `2001:db8::1 - - [01/Mar/2026:09:08:07 -0230] "-" 400 1234 "-" "-"`},
		{JSON, answer(), `{"time":"2026-03-01T09:08:07.006-02:30","remote":"192.0.2.7","method":"GET","target":"/a?b",` +
			`"protocol":"HTTP/1.1","host":"example.org","status":200,"bytes":1234,"seconds":1.000042,` +
			`"referer":"https://example.org/","user_agent":"curl/8","complete":true}`},
	} {
		if got := line(row.f, row.a); got != row.want+"\n" {
			t.Errorf("%s", got)
		}
	}
	got := line(JSON, odd)
	var object struct{ User_agent, Remote string }
	if err := json.Unmarshal([]byte(got), &object); err != nil || object.User_agent != "a\"b\\c\n\x1b[2J\x7fé\ufffd\u0085" {
		t.Errorf("%q, %v", object.User_agent, err)
	}
	if strings.ContainsAny(got[:len(got)-1], "\n\x1b\x7f") || strings.Contains(got, "\u0085") {
		t.Errorf("control characters in %q", got)
	}
}

// TestNoLineIsLost: loops that are far quicker than the writer are slowed down.
func TestNoLineIsLost(t *testing.T) {
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	const loops, each = 3, 20_000
	l := Start(in, Options{Format: Combined, Loops: loops, Complain: func(s string) { t.Error(s) }})
	var logging sync.WaitGroup
	for loop := range loops {
		logging.Add(1)
		go func() {
			defer logging.Done()
			a := answer()
			a.Loop = loop
			for i := range each {
				a.Bytes = int64(i)
				l.Answered(a)
			}
		}()
	}
	go func() { logging.Wait(); l.Close() }()
	lines := 0
	for scanner := bufio.NewScanner(out); scanner.Scan(); lines++ {
		if !strings.HasSuffix(scanner.Text(), `"curl/8"`) {
			t.Fatalf("%q", scanner.Text())
		}
	}
	if lines != loops*each || l.Dropped() != 0 || l.Lost() != 0 {
		t.Errorf("%d lines, %d dropped, %d lost", lines, l.Dropped(), l.Lost())
	}
}

// TestDrop: with it loops never wait, and what is missing is counted.
func TestDrop(t *testing.T) {
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l := Start(in, Options{Loops: 1, Drop: true, Complain: func(s string) { t.Error(s) }})
	a := answer()
	logged := uint64(0)
	for ; l.Dropped() < 10; logged++ { // Nobody reads, so this ends only when lines are dropped.
		l.Answered(a)
	}
	written := make(chan uint64)
	go func() {
		n := uint64(0)
		for scanner := bufio.NewScanner(out); scanner.Scan(); n++ {
		}
		written <- n
	}()
	l.Close()
	if n := <-written; n+l.Dropped() != logged {
		t.Errorf("%d lines written, %d dropped of %d", n, l.Dropped(), logged)
	}
}

// TestFullDisk: it is said once, and counted, and the next file gets whole lines again.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	said := make(chan string, 10)
	l := Start(full, Options{Loops: 1, Complain: func(s string) { said <- s }})
	for l.Lost() == 0 {
		l.Answered(answer())
	}
	if s := <-said; !strings.Contains(s, syscall.ENOSPC.Error()) {
		t.Errorf("%q", s)
	}
	name := filepath.Join(t.TempDir(), "log")
	file, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	l.Reopen(file)
	l.Answered(answer())
	l.Close()
	text, _ := os.ReadFile(name)
	if want := line(Common, answer()); !bytes.HasSuffix(text, []byte(want)) || len(text)%len(want) != 0 {
		t.Errorf("%q", text)
	}
	if s := <-said; len(said) != 0 || !strings.Contains(s, fmt.Sprint(l.Lost())) {
		t.Errorf("%q and %d more, %d lost", s, len(said), l.Lost())
	}
}

// TestTornLine: what a full disk has cut is ended before the next line.
func TestTornLine(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	file, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	l := &Log{file: file, torn: true, options: Options{Complain: func(s string) { t.Error(s) }}}
	l.write([]byte("whole\n"))
	if text, _ := os.ReadFile(name); string(text) != "\nwhole\n" || l.torn {
		t.Errorf("%q", text)
	}
}

func TestOpen(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{fifo, t.TempDir(), t.TempDir() + "/no/log"} {
		if file, err := Open(name); err == nil {
			file.Close()
			t.Errorf("%s can be logged to", name)
		}
	}
}

// BenchmarkAnswered is what a line costs a loop: no memory.
func BenchmarkAnswered(b *testing.B) {
	for name, format := range Formats {
		b.Run(name, func(b *testing.B) {
			null, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
			if err != nil {
				b.Fatal(err)
			}
			l := Start(null, Options{Format: format, Loops: 1, Complain: func(s string) { b.Error(s) }})
			defer l.Close()
			a := answer()
			b.ReportAllocs()
			for b.Loop() {
				l.Answered(a)
			}
		})
	}
}
