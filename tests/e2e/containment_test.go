// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

const secret = "what is outside stays outside"

// containmentModes open files in the two ways there are: at once or on the ring, and on the ring only.
var containmentModes = [][]string{{"--sendfile=auto"}, {"--cache=off", "--sendfile=splice"}}

// house makes a site, inside, and beside it what must not be reached.
func house(t testing.TB) (inside, outside string) {
	base := site(t)
	inside, outside = base+"/inside", base+"/outside"
	write(t, inside+"/file", []byte("content"))
	write(t, inside+"/sub/file", []byte("below"))
	write(t, outside+"/file", []byte(secret))
	write(t, base+"/inside-too/file", []byte(secret))
	return inside, outside
}

func TestNothingOutsideByName(t *testing.T) {
	inside, outside := house(t)
	var targets []string
	for _, dots := range []string{"..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..%00", "%c0%ae%c0%ae", "..;", ".../..", "\xc0\xae."} {
		for _, slash := range []string{"/", "%2f", "%2F", "\\", "%5c", "//", "/./", "%252f", "%c0%af", "/%2e/"} {
			for _, up := range []string{dots, dots + slash + dots, "sub" + slash + dots + slash + dots} {
				targets = append(targets, "/"+up+slash+"outside"+slash+"file", "/"+up+slash+"inside-too"+slash+"file",
					"/"+up+slash+up+slash+up+slash+up+slash+up+slash+up+slash+"etc"+slash+"passwd")
			}
		}
	}
	targets = append(targets, outside+"/file", "/"+outside+"/file", "//"+outside+"/file", "/%2e%2e"+outside+"/file",
		"/file/../../outside/file", "/missing/../../outside/file", "/proc/self/root"+outside+"/file",
		"http://a/../outside/file", "http://a"+outside+"/file", "/sub/../../inside-too/file", "/..inside-too/file",
		"/.", "/..", "/...", "/%2e", "/%2e%2e", "/%2e%2e/", "/sub/..", "/sub/../..", "/?/../../outside/file")
	for _, flags := range containmentModes {
		s := serve(t, inside, append(flags, "--hidden")...)
		c := newClient(t, s.addresses[0])
		for _, target := range targets {
			a := c.get(target)
			if bytes.Contains(a.body, []byte(secret)) || bytes.Contains(a.body, []byte("root:")) ||
				bytes.Contains(a.body, []byte("inside-too")) {
				t.Errorf("%q gives %v", target, a)
			}
			if a.status == 200 && !strings.Contains(string(a.body), "Index of") {
				t.Errorf("%q gives %v", target, a)
			}
		}
	}
}

func TestLinks(t *testing.T) {
	inside, outside := house(t)
	links := map[string]struct {
		target string
		want   string // "" is 404
	}{
		"absolute":      {outside + "/file", ""},
		"absolute-in":   {inside + "/file", ""}, // leaves the tree at its first step
		"relative":      {"../outside/file", ""},
		"passing":       {"sub/../../inside/file", ""},
		"directory":     {outside, ""},
		"up":            {"..", ""},
		"root":          {"/", ""},
		"magic":         {"/proc/self/cwd", ""},
		"loop":          {"loop", ""},
		"loop-a":        {"loop-b", ""},
		"loop-b":        {"loop-a", ""},
		"dangling":      {"nothing", ""},
		"chain-out":     {"sub/chain-out-2", ""},
		"chain-in":      {"sub/chain-in-2", "content"},
		"within":        {"sub/file", "below"},
		"down-and-up":   {"sub/../file", "content"},
		"here":          {".", ""},
		"sub/up-within": {"../file", "content"},
	}
	for name, link := range links {
		symlink(t, link.target, inside+"/"+name)
	}
	symlink(t, "chain-out-3", inside+"/sub/chain-out-2")
	symlink(t, "../../outside/file", inside+"/sub/chain-out-3")
	symlink(t, "../within-2", inside+"/sub/chain-in-2")
	symlink(t, "file", inside+"/within-2")
	for _, flags := range containmentModes {
		s := serve(t, inside, flags...)
		c := newClient(t, s.addresses[0])
		missing := c.get("/nothing-at-all")
		for name, link := range links {
			for _, below := range []string{"", "/file", "/outside/file", "/"} {
				a := c.get("/" + name + below)
				switch {
				case name == "here" && below == "/file":
					if string(a.body) != "content" {
						t.Errorf("%s%s: %v", name, below, a)
					}
				case name == "here" && (below == "" || below == "/"):
				case below == "" && link.want != "":
					if a.status != 200 || string(a.body) != link.want {
						t.Errorf("%s: %v", name, a)
					}
				case a.status != 404:
					t.Errorf("%s%s -> %s: %v", name, below, link.target, a)
				default: // A client learns no more than that there is nothing.
					a.fields["date"] = missing.fields["date"]
					if fmt.Sprint(a) != fmt.Sprint(missing) {
						t.Errorf("%s%s: %v, what is missing: %v", name, below, a, missing)
					}
				}
			}
		}
		listing := string(c.get("/?format=json").body)
		for name, link := range links {
			if !strings.Contains(name, "/") && link.want == "" && name != "here" && strings.Contains(listing, `"name":"`+name+`"`) {
				t.Errorf("%s cannot be reached, and is listed", name)
			}
		}
		if !strings.Contains(listing, `"name":"within"`) {
			t.Errorf("within is not listed: %s", listing)
		}
	}
}

// TestLinkRace: a name that is now a directory, now a link to one outside, gives never a byte of that.
func TestLinkRace(t *testing.T) {
	inside, outside := house(t)
	for i := range 100 {
		write(t, fmt.Sprintf("%s/hidden-%d", outside, i), []byte(secret))
	}
	if err := os.Mkdir(inside+"/flip", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, inside+"/flip/file", []byte("content"))
	symlink(t, outside, inside+"/flop")
	stop := make(chan struct{})
	stopped := make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := unix.Renameat2(unix.AT_FDCWD, inside+"/flip", unix.AT_FDCWD, inside+"/flop", unix.RENAME_EXCHANGE); err != nil {
				stopped <- err
				return
			}
		}
	}()
	for _, flags := range containmentModes {
		s := serve(t, inside, flags...)
		var good, missing, listed atomic.Int64
		errs := make(chan error)
		for _, target := range []string{"/flip/file", "/flop/file", "/flip/../flop/./file", "/flip/?format=json"} {
			c := newClient(t, s.addresses[0])
			go func() {
				for i := 0; i < 3000 || good.Load() == 0 || missing.Load() == 0; i++ {
					if i > 300_000 {
						errs <- fmt.Errorf("%d good, %d missing: no race", good.Load(), missing.Load())
						return
					}
					if _, err := c.conn.Write([]byte(request("GET", target))); err != nil {
						errs <- err
						return
					}
					a, err := readAnswer(c.in, "GET")
					switch {
					case err != nil:
						errs <- err
						return
					case a.status == 200 && string(a.body) == "content":
						good.Add(1)
					case a.status == 200 && strings.HasPrefix(string(a.body), "[") && !strings.Contains(string(a.body), "hidden"):
						listed.Add(1)
					case a.status == 404 && !strings.Contains(a.String(), secret):
						missing.Add(1)
					default:
						errs <- fmt.Errorf("%s: %v", target, a)
						return
					}
				}
				errs <- nil
			}()
		}
		for range 4 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		t.Logf("%v: %d times the file, %d times nothing, %d listings", flags, good.Load(), missing.Load(), listed.Load())
	}
	close(stop)
	if err := <-stopped; err != nil {
		skip(t, "no exchange of names here: %v", err)
	}
}

func TestHiddenFiles(t *testing.T) {
	inside, _ := house(t)
	for _, name := range []string{".env", ".git/config", "sub/.htpasswd", ".well-known/acme", ".well-known/.secret",
		"sub/.well-known/acme", "..odd", ".well-knownx/acme"} {
		write(t, inside+"/"+name, []byte(name))
	}
	hidden, open := serve(t, inside), serve(t, inside, "--hidden")
	for target, served := range map[string]bool{
		"/.env": false, "/%2eenv": false, "/sub/../.env": false, "/.git/config": false, "/.git": false, "/.git/": false,
		"/sub/.htpasswd": false, "/.well-known/acme": true, "/.well-known/.secret": false, "/..odd": false,
		"/sub/.well-known/acme": false, "/.well-knownx/acme": false, "/.well-known/": true,
	} {
		c := newClient(t, hidden.addresses[0])
		if a := c.get(target); a.status != map[bool]int{true: 200, false: 404}[served] {
			t.Errorf("%s: %v", target, a)
		}
		c = newClient(t, open.addresses[0])
		if a := c.get(target); a.status != 200 && a.status != 301 {
			t.Errorf("%s with --hidden: %v", target, a)
		}
	}
	for _, format := range []string{"/?format=json", "/?format=html"} {
		if a := newClient(t, hidden.addresses[0]).get(format); bytes.Contains(a.body, []byte(".env")) ||
			!bytes.Contains(a.body, []byte(".well-known")) {
			t.Errorf("%v", a)
		}
		if a := newClient(t, open.addresses[0]).get(format); !bytes.Contains(a.body, []byte(".env")) {
			t.Errorf("%v", a)
		}
	}
}

// TestSpecialFiles: what is no regular file is not there, and opening it blocks nobody.
func TestSpecialFiles(t *testing.T) {
	inside, _ := house(t)
	if err := unix.Mkfifo(inside+"/fifo", 0o666); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", inside+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	names := []string{"fifo", "socket"}
	for name, device := range map[string]uint64{"null": unix.Mkdev(1, 3), "zero": unix.Mkdev(1, 5), "tty": unix.Mkdev(5, 0),
		"no-such-device": unix.Mkdev(250, 77)} {
		if err := unix.Mknod(inside+"/"+name, unix.S_IFCHR|0o666, int(device)); err == nil {
			names = append(names, name)
		} else if asRoot() {
			t.Log("SKIPPED:", name, err)
		}
	}
	if err := unix.Mknod(inside+"/block", unix.S_IFBLK|0o666, int(unix.Mkdev(7, 250))); err == nil {
		names = append(names, "block")
	}
	inModes(t, func(t *testing.T, flags []string) {
		s := serve(t, inside, flags...)
		before := s.idleDescriptors("/file")
		c := newClient(t, s.addresses[0])
		for range 20 {
			for _, name := range names {
				if a := c.get("/" + name); a.status != 404 {
					t.Errorf("%s: %v", name, a)
				}
			}
		}
		if a := c.get("/?format=json"); bytes.Contains(a.body, []byte("fifo")) || bytes.Contains(a.body, []byte("socket")) {
			t.Errorf("listed: %s", a.body)
		}
		c.conn.Close()
		s.settlesTo(before)
	})
}

// asNobody is how to run a command without rights; nil where that is what the test itself does.
func asNobody(t testing.TB) []string {
	if !asRoot() {
		return nil
	}
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		skip(t, "no setpriv")
	}
	if err := os.Chmod(filepath.Dir(command), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--no-new-privs"}
}

func TestUnreadableFiles(t *testing.T) {
	inside, _ := house(t)
	write(t, inside+"/closed/file", []byte(secret))
	write(t, inside+"/blind/file", []byte("content")) // may be entered, not listed
	write(t, inside+"/locked", []byte(secret))
	for name, mode := range map[string]os.FileMode{"closed": 0, "blind": 0o711, "locked": 0} {
		if err := os.Chmod(inside+"/"+name, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(inside+"/closed", 0o700) })
	for _, flags := range containmentModes {
		s := serveBy(t, asNobody(t), inside, flags...)
		c := newClient(t, s.addresses[0])
		for target, want := range map[string]int{"/locked": 404, "/closed": 301, "/closed/": 404, "/closed/file": 404,
			"/blind/file": 200, "/file": 200} {
			if a := c.get(target); a.status != want && !(target == "/closed" && a.status == 404) || bytes.Contains(a.body, []byte(secret)) {
				t.Errorf("%s: %v", target, a)
			}
		}
		if a := c.get("/blind/"); asRoot() && a.status != 404 {
			t.Errorf("%v", a)
		}
		c.alive()
	}
}

// oddNames are legal, every one.
var oddNames = []string{"a b", " ", "a+b", "100%", "%41", "a;b", "a&b=c", "it's", `"quoted"`, "<script>alert(1)<",
	"grüße", "日本語.txt", "\xff\xfe", "a?b", "a#b", "a:b", "javascript:alert(1)", "~", "a\\b", "{}", "[x]", "a|b", "a^b", "a`b",
	"-", "*", "$(x)", "e\u0301", "\u202eabc", "&lt;", "trailing.", "con", strings.Repeat("n", 255), strings.Repeat("ü", 127)}

func TestOddNames(t *testing.T) {
	directory := site(t)
	for _, name := range oddNames {
		write(t, directory+"/"+name, content(name, 100))
		write(t, directory+"/dirs/"+name+"/x", []byte(name))
	}
	write(t, directory+"/new\nline", []byte(secret)) // cannot be asked for
	for _, flags := range containmentModes {
		s := serve(t, directory, flags...)
		c := newClient(t, s.addresses[0])
		for _, name := range oddNames {
			if a := c.get("/" + url.PathEscape(name)); !bytes.Equal(a.body, content(name, 100)) {
				t.Errorf("%q: %v", name, a)
			}
			var all strings.Builder // every byte escaped
			for i := range len(name) {
				fmt.Fprintf(&all, "%%%02x", name[i])
			}
			if a := c.get("/" + all.String()); !bytes.Equal(a.body, content(name, 100)) {
				t.Errorf("%q escaped: %v", name, a)
			}
			if !strings.ContainsAny(name, " %?#") {
				if a := c.get("/" + name); !bytes.Equal(a.body, content(name, 100)) {
					t.Errorf("%q as it is: %v", name, a)
				}
			}
			// The redirect of a directory leads to it, and to nowhere else.
			a := c.get("/dirs/" + url.PathEscape(name) + "?q=1")
			base, _ := url.Parse("http://host/dirs/x")
			to, err := base.Parse(a.field("location"))
			if err != nil || a.status != 301 || to.Host != "host" || to.Path != "/dirs/"+name+"/" || to.RawQuery != "q=1" {
				t.Errorf("%q: redirect to %q, %v: %v", name, a.field("location"), to, err)
				continue
			}
			if a := c.get(to.EscapedPath() + "x"); string(a.body) != name {
				t.Errorf("%q: %v", name, a)
			}
		}
		for _, target := range []string{"/new%0Aline", "/" + strings.Repeat("n", 256), "/" + strings.Repeat("n/", 2100)} {
			if a := c.get(target); a.status != 404 && a.status != 400 {
				t.Errorf("%.40s: %v", target, a)
			}
		}
	}
}

// TestListings: names do no harm in them, and each link leads to its file.
func TestListings(t *testing.T) {
	directory := site(t)
	for _, name := range oddNames {
		write(t, directory+"/"+name, content(name, 100))
	}
	s := serve(t, directory)
	c := newClient(t, s.addresses[0])
	page := c.get("/")
	if !strings.HasPrefix(page.field("content-type"), "text/html") || page.field("content-security-policy") == "" {
		t.Errorf("%v", page)
	}
	for _, harm := range []string{"<script", "<bdi>\"quoted\"", "href=\"javascript:", "href=\"a:b", "\xff"} {
		if bytes.Contains(page.body, []byte(harm)) {
			t.Errorf("the page has %q", harm)
		}
	}
	hrefs := strings.Split(string(page.body), "<tr><td><a href=\"")[1:]
	if len(hrefs) != len(oddNames) {
		t.Errorf("%d links for %d files", len(hrefs), len(oddNames))
	}
	for _, href := range hrefs {
		href, _, _ = strings.Cut(href, `"`)
		href = html.UnescapeString(href)
		name, err := url.PathUnescape(href)
		if err != nil {
			t.Errorf("%q: %v", href, err)
		}
		if a := c.get("/" + href); !bytes.Equal(a.body, content(name, 100)) {
			t.Errorf("%q leads to %v", href, a)
		}
	}

	for _, a := range []*answer{c.get("/?format=json"), c.get("/", "Accept: application/json")} {
		var entries []struct {
			Name, URL, Type string
			Size            *int64
		}
		if err := json.Unmarshal(a.body, &entries); err != nil || a.field("content-type") != "application/json" {
			t.Fatalf("%v: %v", err, a)
		}
		if len(entries) != len(oddNames) {
			t.Errorf("%d entries for %d files", len(entries), len(oddNames))
		}
		for _, entry := range entries {
			name, _ := url.PathUnescape(entry.URL)
			if a := c.get("/" + entry.URL); !bytes.Equal(a.body, content(name, 100)) || entry.Type != "file" || *entry.Size != 100 {
				t.Errorf("%v leads to %v", entry, a)
			}
		}
	}
	if a := c.ask("HEAD", "/"); a.status != 200 || a.length != int64(len(page.body)) {
		t.Errorf("HEAD: %v", a)
	}
	for _, target := range []string{"/?format=json", "/"} {
		if a := newClient(t, serve(t, directory, "--no-listing").addresses[0]).get(target); a.status != 404 {
			t.Errorf("with --no-listing: %v", a)
		}
	}
}

// TestLargeListing is one that takes several sends.
func TestLargeListing(t *testing.T) {
	directory := site(t)
	const count = 3000
	for i := range count {
		if err := os.WriteFile(directory+"/"+strings.Repeat("long-name-", 15)+strconv.Itoa(i), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, flags := range containmentModes {
		c := newClient(t, serve(t, directory, flags...).addresses[0])
		c.write(strings.Repeat(request("GET", "/"), 3) + request("GET", "/?format=json"))
		for range 3 {
			if a := c.read("GET"); bytes.Count(a.body, []byte("<tr><td>")) != count || !bytes.HasSuffix(a.body, []byte("</html>\n")) {
				t.Errorf("%d rows", bytes.Count(a.body, []byte("<tr><td>")))
			}
		}
		var entries []any
		if err := json.Unmarshal(c.read("GET").body, &entries); err != nil || len(entries) != count {
			t.Errorf("%d entries, %v", len(entries), err)
		}
		c.alive()
	}
}

func TestDirectories(t *testing.T) {
	directory := site(t)
	write(t, directory+"/index.html", []byte("home"))
	write(t, directory+"/other/home.txt", []byte("other home"))
	write(t, directory+"/sub/file", nil)
	if err := os.MkdirAll(directory+"/odd/index.html", 0o755); err != nil { // a directory by that name
		t.Fatal(err)
	}
	s := serve(t, directory)
	c := newClient(t, s.addresses[0])
	for _, row := range []struct {
		target   string
		status   int
		location string
		body     string
	}{
		{"/", 200, "", "home"},
		{"/index.html", 200, "", "home"},
		{"/sub", 301, "sub/", ""},
		{"/sub?", 301, "sub/?", ""},
		{"/sub?a=b&c=/d?e", 301, "sub/?a=b&c=/d?e", ""},
		{"//sub", 301, "sub/", ""},
		{"//evil.com/..//sub", 301, "sub/", ""},
		{"/sub/../sub", 301, "sub/", ""},
		{"/sub/.", 200, "", ""},
		{"/sub/", 200, "", ""},
		{"/odd/", 200, "", ""},
		{"/", 200, "", "home"},
	} {
		a := c.get(row.target)
		if a.status != row.status || a.field("location") != row.location || row.body != "" && string(a.body) != row.body {
			t.Errorf("%s: %v", row.target, a)
		}
	}
	c = newClient(t, serve(t, directory, "--index=home.txt").addresses[0])
	if a := c.get("/other/"); string(a.body) != "other home" || !strings.HasPrefix(a.field("content-type"), "text/plain") {
		t.Errorf("%v", a)
	}
	if a := c.get("/"); !bytes.Contains(a.body, []byte("Index of")) {
		t.Errorf("%v", a)
	}
}
