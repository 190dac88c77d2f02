package fileserver

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ringo-io/ringo/go/ringo"
)

// beginKeeping serves one old file of some size, so that the one loop may keep it open.
func beginKeeping(t *testing.T, size int) (r *running, counters *Counters, data []byte) {
	t.Helper()
	root := t.TempDir()
	data = bytes.Repeat([]byte("ringo"), (size+4)/5)[:size]
	if err := os.WriteFile(root+"/file", data, 0o644); err != nil {
		t.Fatal(err)
	}
	c := newCache(descriptorOf(t, root), openHow(SymlinksBeneath), 1)
	if c == nil {
		t.Skip("SKIPPED: nothing is kept on the file system of TMPDIR")
	}
	time.Sleep(2 * time.Duration(clockGrain))
	engine, err := ringo.New(EngineOptions(1, 10)...)
	if err != nil {
		t.Fatal(err)
	}
	counters = new(Counters)
	return begin(t, &Server{Root: root, Engine: engine, Counters: counters}), counters, data
}

func descriptorOf(t *testing.T, root string) int {
	t.Helper()
	dir, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return int(dir.Fd())
}

// askAll sends all requests at once and reads the answers' bodies.
func askAll(t *testing.T, r *running, requests ...string) (bodies [][]byte) {
	t.Helper()
	conn, in := r.dial()
	defer conn.Close()
	if _, err := io.WriteString(conn, strings.Join(requests, "")); err != nil {
		t.Fatal(err)
	}
	for range requests {
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	return bodies
}

// TestLargeFileIsSharedByRangesAlone: a part of a large file is sent from the one that is kept open, all of
// it from one opened anew.
func TestLargeFileIsSharedByRangesAlone(t *testing.T) {
	r, counters, data := beginKeeping(t, 3*sharedMost)
	part := "GET /file HTTP/1.1\r\nHost: a\r\nRange: bytes=1000000-1065535\r\n\r\n"
	most := "GET /file HTTP/1.1\r\nHost: a\r\nRange: bytes=5-\r\n\r\n"
	for _, row := range []struct {
		request string
		want    []byte
		opened  uint64
	}{
		{part, data[1000000:1065536], 4}, // it and the three forms beside it, asked for the first time
		{part, data[1000000:1065536], 0},
		{part, data[1000000:1065536], 0},
		{most, data[5:], 1},
		{getText("/file"), data, 1},
		{part, data[1000000:1065536], 0},
	} {
		before := counters.Counts().Opened
		if body := askAll(t, r, row.request)[0]; !bytes.Equal(body, row.want) {
			t.Errorf("%q: %d bytes, or others", row.request, len(body))
		}
		if opened := counters.Counts().Opened - before; opened != row.opened {
			t.Errorf("%q: %d names were opened, want %d", row.request, opened, row.opened)
		}
	}
}

// TestWarmFileIsNotRead: what the page cache just had goes out by sendfile(2), if it is not tiny.
func TestWarmFileIsNotRead(t *testing.T) {
	for _, row := range []struct {
		size       int
		read, sent uint64
	}{
		{smallWarmFile, 4, 0},
		{smallWarmFile + 1, 2, 2}, // first it is not known, then it is not known to be warm
		{smallFile + 1, 0, 4},
	} {
		r, counters, data := beginKeeping(t, row.size)
		for i, body := range askAll(t, r, getText("/file"), getText("/file"), getText("/file"), getText("/file")) {
			if !bytes.Equal(body, data) {
				t.Errorf("answer %d: %d bytes, or others", i, len(body))
			}
		}
		if n := counters.Counts(); n.FilesRead != row.read || n.FilesSent != row.sent {
			t.Errorf("%d bytes: read %d times, sent %d times, want %d and %d", row.size, n.FilesRead, n.FilesSent, row.read, row.sent)
		}
	}
}

// TestAlignFile: what sendfile(2) would send in one piece more than it has to begins with a page.
func TestAlignFile(t *testing.T) {
	data := bytes.Repeat([]byte("ringo"), 50_000)
	name := t.TempDir() + "/file"
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := readCached(int(file.Fd()), make([]byte, 1), 0); err != nil {
		t.Skipf("SKIPPED: the file system of TMPDIR reads nothing without waiting: %v", err)
	}
	for _, row := range []struct {
		part  byteRange
		room  int
		moved int
	}{
		{byteRange{5000, 64 << 10}, 8 << 10, 8192 - 5000},
		{byteRange{5000, 64 << 10}, 8192 - 5000, 8192 - 5000},
		{byteRange{5000, 64 << 10}, 8191 - 5000, 0},         // no room
		{byteRange{5000, 64<<10 - 5000 + 4096}, 8 << 10, 0}, // 16 pages
		{byteRange{5000, 64<<10 - 4999 + 4096}, 8 << 10, 8192 - 5000},
		{byteRange{8192, 128 << 10}, 8 << 10, 0},
		{byteRange{249_999, 64 << 10}, 8 << 10, 0}, // the file became shorter
	} {
		c := &conn{exchange: new(exchange), service: &service{server: new(Server)}, file: openFile{fd: int(file.Fd())}}
		c.plan.fileOff, c.plan.fileLen = row.part.off, row.part.len
		c.out = append(make([]byte, 0, len("head")+row.room), "head"...)
		if c.alignFile() != (row.moved > 0) {
			t.Errorf("%v with room for %d: it reports %v", row.part, row.room, row.moved == 0)
		}
		want := "head" + string(data[row.part.off:][:row.moved])
		if string(c.out) != want || c.plan.fileOff != row.part.off+int64(row.moved) || c.plan.fileLen != row.part.len-int64(row.moved) {
			t.Errorf("%v with room for %d: %d bytes moved, %v is left", row.part, row.room, len(c.out)-len("head"),
				byteRange{c.plan.fileOff, c.plan.fileLen})
		}
	}
}

// TestRangesAreAligned: a range that begins within a page goes out in two parts, as TestAlignFile wants it.
func TestRangesAreAligned(t *testing.T) {
	for first, read := range map[int]uint64{5000: 1, 8192: 0} {
		r, counters, data := beginKeeping(t, 256<<10)
		request := get("/file", fmt.Sprintf("Range: bytes=%d-135000", first))
		if body := askAll(t, r, request)[0]; !bytes.Equal(body, data[first:135001]) {
			t.Errorf("%q: %d bytes, or others", request, len(body))
		}
		if n := counters.Counts(); n.FilesRead != read || n.FilesSent != 1 {
			t.Errorf("%q: read %d times, sent %d times, want %d and 1", request, n.FilesRead, n.FilesSent, read)
		}
	}
}

// TestWarmth: which part counts as being in the page cache, and for how long.
func TestWarmth(t *testing.T) {
	var e entry
	if e.isWarm(byteRange{0, 10}, warmTime) {
		t.Error("warm from the start")
	}
	const now = int64(time.Hour)
	e.warm(byteRange{100, 100}, now)
	e.warm(byteRange{120, 10}, now+warmTime/2) // No news, and less.
	for _, row := range []struct {
		part byteRange
		at   int64
		want bool
	}{
		{byteRange{100, 100}, now, true},
		{byteRange{199, 1}, now + warmTime - 1, true},
		{byteRange{100, 100}, now + warmTime, false},
		{byteRange{99, 2}, now, false},
		{byteRange{199, 2}, now, false},
	} {
		if got := e.isWarm(row.part, row.at); got != row.want {
			t.Errorf("%v after %v: %v", row.part, time.Duration(row.at-now), got)
		}
	}
	e.warm(byteRange{0, 100}, now+warmTime)
	if !e.isWarm(byteRange{0, 50}, now+warmTime) || e.isWarm(byteRange{100, 100}, now+warmTime) {
		t.Errorf("after another part: %+v", e.warmPart)
	}
}
