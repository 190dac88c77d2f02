// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestConditions(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", []byte("0123456789"))
	c := newClient(t, serve(t, directory).addresses[0])
	first := c.get("/file")
	etag, date := first.field("etag"), first.field("last-modified")
	if !strings.HasPrefix(etag, `"`) || date == "" {
		t.Fatalf("%v", first)
	}
	modified, _ := time.Parse(time.RFC1123, date)
	before := modified.Add(-time.Second).Format(http.TimeFormat)
	after := modified.Add(time.Second).Format(http.TimeFormat)
	for _, row := range []struct {
		fields string
		status int
		body   string
	}{
		{"If-None-Match: " + etag, 304, ""},
		{"If-None-Match: W/" + etag, 304, ""},
		{"If-None-Match: \"x\", " + etag, 304, ""},
		{"If-None-Match: \"x\"\r\nIf-None-Match: " + etag, 304, ""},
		{"If-None-Match: *", 304, ""},
		{"If-None-Match: \"x\"", 200, "0123456789"},
		{"If-None-Match: \"x\"\r\nIf-Modified-Since: " + date, 200, "0123456789"},
		{"If-Modified-Since: " + date, 304, ""},
		{"If-Modified-Since: " + after, 304, ""},
		{"If-Modified-Since: " + before, 200, "0123456789"},
		{"If-Modified-Since: nonsense", 200, "0123456789"},
		{"If-Match: " + etag, 200, "0123456789"},
		{"If-Match: W/" + etag, 412, ""},
		{"If-Match: \"x\"", 412, ""},
		{"If-Unmodified-Since: " + before, 412, ""},
		{"If-Unmodified-Since: " + date, 200, "0123456789"},
		{"Range: bytes=2-3\r\nIf-Range: " + etag, 206, "23"},
		{"Range: bytes=2-3\r\nIf-Range: W/" + etag, 200, "0123456789"},
		{"Range: bytes=2-3\r\nIf-Range: \"x\"", 200, "0123456789"},
		{"Range: bytes=2-3\r\nIf-Range: " + date, 206, "23"},
		{"Range: bytes=2-3\r\nIf-Range: " + before, 200, "0123456789"},
		{"Range: bytes=2-3\r\nIf-None-Match: " + etag, 304, ""},
		{"Range: bytes=20-\r\nIf-Range: \"x\"", 200, "0123456789"},
		{"Range: lines=2-3", 200, "0123456789"},
		{"Range: bytes=0-1,4-5\r\nIf-Range: \"x\"", 200, "0123456789"},
		{"Range: bytes=0-1,4-5", 206, ""},
	} {
		a := c.get("/file", row.fields)
		if a.status != row.status || row.body != "" && string(a.body) != row.body {
			t.Errorf("%q: %v", row.fields, a)
		}
		if a.status == 304 && (a.field("etag") != etag || a.field("content-type") != "") {
			t.Errorf("%q: %v", row.fields, a)
		}
	}
}

// TestConditionsAsNetHTTP asks ringo and net/http, which is given ringo's tag, the same questions.
func TestConditionsAsNetHTTP(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", []byte("0123456789"))
	mine := newClient(t, serve(t, directory).addresses[0])
	first := mine.get("/file")
	etag, date := first.field("etag"), first.field("last-modified")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(directory))
	other := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		files.ServeHTTP(w, r)
	})}
	go func() { _ = other.Serve(ln) }()
	t.Cleanup(func() { _ = other.Close() })
	theirs := newClient(t, ln.Addr().String())

	modified, _ := time.Parse(time.RFC1123, date)
	at := func(seconds int) string {
		return modified.Add(time.Duration(seconds) * time.Second).Format(http.TimeFormat)
	}
	dates := []string{"", "", date, at(-1), at(1), at(-100000), at(1000), "nonsense", modified.Format(time.RFC850),
		modified.Format(time.ANSIC)}
	tags := []string{"", "", etag, "W/" + etag, `"x"`, "*", `"x", ` + etag, `"x",W/` + etag, "nonsense", `"a,b"`}
	values := map[string][]string{
		"If-Match": tags, "If-None-Match": tags, "If-Modified-Since": dates, "If-Unmodified-Since": dates,
		"If-Range": append(tags[:5:5], dates[2:]...),
		"Range":    {"", "", "bytes=0-0", "bytes=-3", "bytes=5-", "bytes=20-", "bytes=2-100", "bytes=x"},
	}
	names := []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"}
	order := rand.New(rand.NewPCG(3, 4))
	statuses := map[int]int{}
	for range 3000 {
		var fields []string
		for _, name := range names {
			if value := values[name][order.IntN(len(values[name]))]; value != "" && order.IntN(2) == 0 {
				fields = append(fields, name+": "+value)
			}
		}
		a, b := mine.get("/file", fields...), theirs.get("/file", fields...)
		if a.status != b.status || a.status < 300 && !bytes.Equal(a.body, b.body) ||
			a.status == 206 && a.field("content-range") != b.field("content-range") {
			t.Errorf("%q:\nringo    %v\nnet/http %v", fields, a, b)
		}
		statuses[a.status]++
	}
	for _, status := range []int{200, 206, 304, 412, 416} {
		if statuses[status] < 20 {
			t.Errorf("%d came %d times", status, statuses[status])
		}
	}
}

// TestValidatorsFollowTheFile: a file of another time or size has another tag.
func TestValidatorsFollowTheFile(t *testing.T) {
	directory := site(t)
	c := newClient(t, serve(t, directory).addresses[0])
	seen := map[string]string{}
	for i := range 50 {
		write(t, directory+"/file", content("file", 10+i%3))
		then := time.Unix(1_600_000_000, int64(i/3)*1000)
		if err := os.Chtimes(directory+"/file", then, then); err != nil {
			t.Fatal(err)
		}
		etag := c.get("/file").field("etag")
		if what := fmt.Sprint(i%3, i/3); seen[etag] != "" || etag == "" {
			t.Errorf("%s and %s have the tag %q", what, seen[etag], etag)
		} else {
			seen[etag] = what
		}
		if a := c.get("/file", "If-None-Match: "+etag); a.status != 304 {
			t.Errorf("%v", a)
		}
	}
	// Just written: another write could get the same time stamp.
	if err := os.WriteFile(directory+"/new", []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	now := time.Now().Add(time.Hour)
	if err := os.Chtimes(directory+"/new", now, now); err != nil {
		t.Fatal(err)
	}
	a := c.get("/new")
	if !strings.HasPrefix(a.field("etag"), `W/"`) {
		t.Errorf("%v", a)
	}
	if shown, err := http.ParseTime(a.field("last-modified")); err != nil || shown.After(time.Now()) {
		t.Errorf("Last-Modified in the future: %v", a)
	}
}
