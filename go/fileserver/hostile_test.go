package fileserver

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// canary lies outside the root, in every place that hostile paths aim at.
const canary = "CANARY-7f3a91: nobody may see this"

// TestHostilePaths: thousands of ways to write a path out of the root, while links in the root are
// swapped; no answer may hold a byte of what lies outside.
func TestHostilePaths(t *testing.T) {
	base := t.TempDir()
	root := base + "/outer/root"
	for _, name := range []string{"outer/secret", "secret", "outer/root.bak/secret", "outer/root/d/e/f/plain", "outer/root/plain", "outer/d/secret"} {
		data := canary
		if strings.HasSuffix(name, "plain") {
			data = "plain"
		}
		writeAt(t, base+"/"+name, data)
	}
	for link, to := range map[string]string{"abs": base + "/secret", "rel": "../secret", "dir": "..", "deep": "d/e/../../../../secret", "chain": "rel",
		"proc": "/proc/self/root", "swap": "plain", "d/swap": "../d"} {
		if err := os.Symlink(to, root+"/"+link); err != nil {
			t.Fatal(err)
		}
	}
	paths := hostilePaths(base)
	if len(paths) < 5000 {
		t.Fatalf("%d paths", len(paths))
	}
	addresses := arms(t, root, Options{Hidden: true})
	defer swapLinks(t, root, base)()
	for arm, address := range addresses {
		t.Run(arm, func(t *testing.T) {
			t.Parallel()
			attack(t, address, paths)
		})
	}
}

func attack(t *testing.T, address net.Addr, paths []string) {
	var conn net.Conn
	var in *bufio.Reader
	statuses := map[int]int{}
	for _, path := range paths {
		if conn == nil {
			var err error
			if conn, err = net.Dial(address.Network(), address.String()); err != nil {
				t.Fatal(err)
			}
			in = bufio.NewReader(conn)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path)
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%q: %v", path, err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatalf("%q: %v", path, err)
		}
		var head bytes.Buffer
		_ = answer.Header.Write(&head)
		if bytes.Contains(body, []byte("CANARY")) || bytes.Contains(head.Bytes(), []byte("CANARY")) {
			t.Fatalf("%q: %q", path, body)
		}
		statuses[answer.StatusCode]++
		if answer.Close {
			conn.Close()
			conn = nil
		}
	}
	if conn != nil {
		conn.Close()
	}
	if statuses[200] == 0 || statuses[400] == 0 || statuses[404] == 0 {
		t.Errorf("of all paths there were %v: too few kinds of answers to mean anything", statuses)
	}
}

// hostilePaths combines ways to write a dot, a slash and a name with shapes that lead out.
func hostilePaths(base string) []string {
	dots := []string{"..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..%00", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%uff0e%uff0e", "..;", "..%20", "...", "..%5c", "．．", "..%0a", "..#"}
	slashes := []string{"/", "//", "%2f", "%2F", "%252f", "\\", "%5c", "/./", "%c0%af", "%e0%80%af", "/%2e/", ";/"}
	shapes := []string{"/@", "/d/@", "/d/e/f/@", "/@plain/@", "/missing/@", "/swap/@", "/dir/@", "/d/swap/@"}
	seen := map[string]bool{}
	var paths []string
	add := func(path string) {
		if !seen[path] && !strings.ContainsAny(path, " \r\n") && path[0] == '/' {
			seen[path] = true
			paths = append(paths, path)
		}
	}
	for _, dot := range dots {
		for _, slash := range slashes {
			for _, shape := range shapes {
				for depth := 1; depth <= 4; depth++ {
					add(strings.ReplaceAll(shape, "@", strings.Repeat(dot+slash, depth)) + "secret")
				}
			}
		}
	}
	for _, target := range []string{"/abs", "/rel", "/dir/secret", "/deep", "/chain", "/proc/etc/passwd", "/proc", "/dir/", "/dir", "/swap", "/d/swap/secret",
		"/swap/secret", "/" + base + "/secret", "//" + base + "/secret", "/file://" + base + "/secret", "/plain", "/d/e/f/plain", "/d/e/../e/f/plain"} {
		add(target)
		add(target + "?x=/../secret")
		add("/" + url.PathEscape(target[1:]))
		add(strings.ToUpper(target))
	}
	random := rand.New(rand.NewSource(1))
	pieces := []string{"..", "/", "%2e", "%2f", ".", "secret", "dir", "d", "swap", "%", "%00", "\\", "rel", "plain", "%25", "\xff", ";", "root.bak"}
	for len(paths) < 6500 {
		var b strings.Builder
		b.WriteByte('/')
		for range 1 + random.Intn(9) {
			b.WriteString(pieces[random.Intn(len(pieces))])
		}
		add(b.String())
	}
	return paths
}

// swapLinks makes a link and a directory lead out and back in all the while.
func swapLinks(t *testing.T, root, base string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Add(1)
	go func() {
		defer running.Done()
		for i := 0; ctx.Err() == nil; i++ {
			for name, targets := range map[string][2]string{"swap": {"plain", base + "/secret"}, "d/swap": {"../d", base}} {
				if err := os.Symlink(targets[i%2], root+"/.new"); err != nil {
					t.Error(err)
					return
				}
				if err := os.Rename(root+"/.new", root+"/"+name); err != nil {
					t.Error(err)
					return
				}
			}
			time.Sleep(50 * time.Microsecond)
		}
	}()
	return func() { cancel(); running.Wait() }
}
