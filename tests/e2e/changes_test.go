// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
)

// largeSize is more than both ends of a connection hold.
const largeSize = 24 << 20

// begin asks for /file, and reads the head of the answer and a
// little more.
func begin(t testing.TB, address string) (c *client, head *answer, first []byte) {
	t.Helper()
	c = newClient(t, address)
	c.write(request("GET", "/file"))
	head, err := readHead(c.in)
	if err != nil || head.status != 200 || head.length != largeSize {
		t.Fatalf("%v, %v", head, err)
	}
	first = make([]byte, 100)
	if _, err := io.ReadFull(c.in, first); err != nil {
		t.Fatal(err)
	}
	return c, head, first
}

// TestFileShrinksWhileSent: the connection ends, and nothing is made up for what is missing.
func TestFileShrinksWhileSent(t *testing.T) {
	data := content("file", largeSize)
	inModes(t, func(t *testing.T, flags []string) {
		directory := site(t)
		s := serve(t, directory, flags...)
		for _, left := range []int64{0, 1 << 20, 20 << 20} {
			write(t, directory+"/file", data)
			c, _, got := begin(t, s.addresses[0])
			c.write(request("GET", "/file")) // which must not be answered in the middle of a body
			if err := os.Truncate(directory+"/file", left); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(c.in)
			if err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Error(err)
			}
			got = append(got, rest...)
			if len(got) >= largeSize || int64(len(got)) < left {
				t.Fatalf("cut to %d: %d bytes", left, len(got))
			}
			// The socket holds pages of the file, not copies: what is cut off may be zeros by then.
			if rest := got[left:]; !bytes.Equal(got[:left], data[:left]) || !sameOrZero(rest, data[left:]) {
				t.Errorf("cut to %d: %d bytes that were never in the file", left, len(got))
			}
		}
		write(t, directory+"/file", []byte("short"))
		mustServe(t, s.addresses[0], "/file", []byte("short"))
	})
}

func sameOrZero(got, want []byte) bool {
	for i := range got {
		if got[i] != 0 && got[i] != want[i] {
			return false
		}
	}
	return true
}

// TestFileIsReplacedWhileSent: by rename the old one goes out whole; the next request gets the new.
func TestFileIsReplacedWhileSent(t *testing.T) {
	old, grown := content("file", largeSize), content("grown", 1000)
	inModes(t, func(t *testing.T, flags []string) {
		directory := site(t)
		write(t, directory+"/file", old)
		s := serve(t, directory, flags...)
		for name, change := range map[string]func() error{
			"replaced": func() error {
				write(t, directory+"/new", []byte("new"))
				return os.Rename(directory+"/new", directory+"/file")
			},
			"removed": func() error { return os.Remove(directory + "/file") },
			"grown": func() error {
				f, err := os.OpenFile(directory+"/file", os.O_APPEND|os.O_WRONLY, 0)
				if err == nil {
					_, err = f.Write(grown)
					err = errors.Join(err, f.Close())
				}
				return err
			},
		} {
			_ = os.Remove(directory + "/file")
			write(t, directory+"/file", old)
			c, head, got := begin(t, s.addresses[0])
			if err := change(); err != nil {
				t.Fatal(err)
			}
			rest := make([]byte, largeSize-len(got))
			if _, err := io.ReadFull(c.in, rest); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !bytes.Equal(append(got, rest...), old) {
				t.Errorf("%s: not the old file", name)
			}
			a := c.get("/file")
			switch name {
			case "replaced":
				if string(a.body) != "new" {
					t.Errorf("%s: %v", name, a)
				}
			case "removed":
				if a.status != 404 {
					t.Errorf("%s: %v", name, a)
				}
			default:
				if !bytes.Equal(a.body[largeSize:], grown) || a.field("etag") == head.field("etag") {
					t.Errorf("%s: %v", name, a)
				}
			}
		}
	})
}

// TestFileIsOverwrittenWhileSent: as many bytes as announced, each of the old or of the new.
func TestFileIsOverwrittenWhileSent(t *testing.T) {
	old, new := bytes.Repeat([]byte("a"), largeSize), bytes.Repeat([]byte("b"), largeSize)
	inModes(t, func(t *testing.T, flags []string) {
		directory := site(t)
		write(t, directory+"/file", old)
		s := serve(t, directory, flags...)
		c, _, got := begin(t, s.addresses[0])
		f, err := os.OpenFile(directory+"/file", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.Write(new); err != nil {
			t.Fatal(err)
		}
		rest := make([]byte, largeSize-len(got))
		if _, err := io.ReadFull(c.in, rest); err != nil {
			t.Fatal(err)
		}
		got = append(got, rest...)
		if a, b := bytes.Count(got, []byte("a")), bytes.Count(got, []byte("b")); a+b != largeSize || a == 0 || b == 0 {
			t.Errorf("%d old and %d new bytes of %d", a, b, largeSize)
		}
		c.alive()
	})
}

// TestEveryChangeIsSeenAtOnce: what is asked for after a change has returned is answered as changed.
func TestEveryChangeIsSeenAtOnce(t *testing.T) {
	inModes(t, func(t *testing.T, flags []string) {
		directory := site(t)
		s := serve(t, directory, flags...)
		c := newClient(t, s.addresses[0])
		check := func(i int, what string, status int, want []byte) {
			t.Helper()
			if a := c.get("/d/file"); a.status != status || status == 200 && !bytes.Equal(a.body, want) {
				t.Fatalf("round %d, %s: %v", i, what, a)
			}
		}
		for i := range 60 {
			size := []int{10, 5000, 20000, 100000}[i%4]
			data := content(fmt.Sprint(i), size)
			write(t, directory+"/d/file", data)
			check(i, "written", 200, data)
			data = content(fmt.Sprint(i, "in place"), size)
			if err := os.WriteFile(directory+"/d/file", data, 0o644); err != nil {
				t.Fatal(err)
			}
			check(i, "overwritten", 200, data)
			data = data[:size/2]
			if err := os.Truncate(directory+"/d/file", int64(len(data))); err != nil {
				t.Fatal(err)
			}
			check(i, "truncated", 200, data)
			data = content(fmt.Sprint(i, "replaced"), size)
			write(t, directory+"/d/new", data)
			if err := os.Rename(directory+"/d/new", directory+"/d/file"); err != nil {
				t.Fatal(err)
			}
			check(i, "replaced", 200, data)
			if err := os.Rename(directory+"/d", directory+"/e"); err != nil {
				t.Fatal(err)
			}
			check(i, "directory renamed", 404, nil)
			if err := os.Rename(directory+"/e", directory+"/d"); err != nil {
				t.Fatal(err)
			}
			check(i, "directory back", 200, data)
			if err := os.Remove(directory + "/d/file"); err != nil {
				t.Fatal(err)
			}
			check(i, "removed", 404, nil)
		}
	})
}

// TestPermissionIsSeenAtOnce is about chmod, of which root sees nothing.
func TestPermissionIsSeenAtOnce(t *testing.T) {
	directory := site(t)
	write(t, directory+"/file", []byte("content"))
	s := serveBy(t, asNobody(t), directory)
	c := newClient(t, s.addresses[0])
	for range 50 {
		for mode, status := range map[os.FileMode]int{0o644: 200, 0: 404} {
			if err := os.Chmod(directory+"/file", mode); err != nil {
				t.Fatal(err)
			}
			if a := c.get("/file"); a.status != status {
				t.Fatalf("mode %o: %v", mode, a)
			}
		}
	}
}
