// SPDX-License-Identifier: MIT

package serve

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// configure reads a configuration behind a command line.
func configure(t *testing.T, text string, arguments ...string) (*Settings, *pflag.FlagSet, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("c.toml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, flags := new(Settings), pflag.NewFlagSet("serve", pflag.ContinueOnError)
	s.AddFlags(flags)
	flags.StringVar(&s.Backend, "backend", "threads", "")
	for _, name := range notConfigurable {
		flags.String(name, "", "")
	}
	if err := flags.Parse(arguments); err != nil {
		t.Fatal(err)
	}
	return s, flags, s.Configure("c.toml", flags)
}

func TestConfigurationIsRefused(t *testing.T) {
	for _, row := range []struct{ text, says string }{
		{"lops = 3", "c.toml:1: there is no setting lops; the nearest is loops"},
		{"\n\nacces-log = \"x\"", "c.toml:3: there is no setting acces-log; the nearest is access-log"},
		{"check = true", "c.toml:1: there is no setting check"},
		{"config = \"c.toml\"", "c.toml:1: there is no setting config"},
		{"# text\nloops = \"3\"", "c.toml:2: loops must be a number"},
		{"loops = [3]", "c.toml:1: loops must be a number"},
		{"loops = 3.5", "c.toml:1: loops must be a number"},
		{"loops = 99999999999999999999", "c.toml:1: loops is \"99999999999999999999\""},
		{"hidden = 1", "c.toml:1: hidden must be true or false"},
		{"index = true", "c.toml:1: index must be a string"},
		{"index = [\"a\"]", "c.toml:1: index must be a string"},
		{"cors = [1]", "c.toml:1: cors must be a string, or a list of them"},
		{"sandbox = \"on\"", "c.toml:1: sandbox is \"on\": it must be one of auto, off, strict"},
		{"header-timeout = \"soon\"", "c.toml:1: header-timeout is \"soon\""},
		{"error-page = [\"404=a\",\n\"x\"]", "c.toml:1: error-page is"},
		{"loops = 1\nloops = 2", "c.toml:2: loops is set already, in c.toml:1"},
		{"dir = 1", "c.toml:1: dir must be a string"},
		{"dir = \"a\"\ndir = \"b\"", "c.toml:2: dir is set already"},
		{"[serve]\nloops = 1", "c.toml:1: serve is a table"},
		{"[[serve]]", "c.toml:1: serve is a table"},
		{"serve.loops = 1", "c.toml:1: serve.loops is a table"},
		{"hidden = false\nloops = ", "c.toml:2: no TOML"},
		{"hidden = maybe", "c.toml:1: no TOML"},
		{"\xff = 1", "c.toml:1: no TOML"},
	} {
		_, _, err := configure(t, row.text)
		if err == nil || !strings.HasPrefix(err.Error(), row.says) || !errors.As(err, new(UsageError)) {
			t.Errorf("%q: %v", row.text, err)
		}
	}
	s := new(Settings)
	if err := s.Configure(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, os.ErrNotExist) || errors.As(err, new(UsageError)) {
		t.Errorf("no file: %v", err)
	}
}

// TestValuesOfTheConfigurationAreChecked like those of flags, with the place named.
func TestValuesOfTheConfigurationAreChecked(t *testing.T) {
	for _, row := range []struct{ text, says string }{
		{"\nloops = 0", "c.toml:2: loops is 0"},
		{"max-connections = -1", "c.toml:1: max-connections is -1"},
		{"idle-timeout = \"1ms\"", "c.toml:1: idle-timeout is 1ms"},
		{"metrics = \"systemd\"", "c.toml:1: metrics is \"systemd\""},
	} {
		s, flags, err := configure(t, row.text)
		if err != nil {
			t.Fatal(err)
		}
		s.Dir = "."
		if err := s.Check(flags, new(strings.Builder)); err == nil || !strings.HasPrefix(err.Error(), row.says) {
			t.Errorf("%q: %v", row.text, err)
		}
	}
}

const whole = `# everything
dir = "."
listen = ["[::1]:80", # one
	"unix:a b"]
loops = 1_0
hidden = true
min-rate = 5
header-timeout = "1m"
cors = "*"
error-page = ["404=404.html", "500=a\"b.html"]
cache-control = ["*.css=max-age=1", "**=no-cache"]
etag = "inode"
sendfile = "splice"
backend = "threads"
`

func TestCommandLineWins(t *testing.T) {
	s, flags, err := configure(t, whole, "--loops=3", "--listen=:1", "--hidden=false", "--error-page=500=x")
	if err != nil {
		t.Fatal(err)
	}
	if s.Loops != 3 || strings.Join(s.Listen, " ") != ":1" || s.Site.Hidden || len(s.Site.ErrorPages) != 1 ||
		s.Dir != "." || s.MinRate != 5 || strings.Join(s.Site.CORS, " ") != "*" || len(s.Site.CacheControl) != 2 {
		t.Errorf("%+v", s)
	}
	var text strings.Builder
	if err := s.Check(flags, &text); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"loops = 3  # command line", "min-rate = 5  # c.toml:7", "listen = [\":1\"]  # command line",
		"idle-timeout = \"1m15s\"", "dir = \".\"  # c.toml:2"} {
		if !strings.Contains(text.String(), line+"\n") {
			t.Errorf("no line %s in\n%s", line, text.String())
		}
	}
}

// TestCheckPrintsAConfiguration that means the same.
func TestCheckPrintsAConfiguration(t *testing.T) {
	s, flags, err := configure(t, whole)
	if err != nil {
		t.Fatal(err)
	}
	var first, second strings.Builder
	if err := s.Check(flags, &first); err != nil {
		t.Fatal(err)
	}
	again, flags, err := configure(t, first.String())
	if err != nil {
		t.Fatalf("%v in\n%s", err, first.String())
	}
	if err := again.Check(flags, &second); err != nil {
		t.Fatal(err)
	}
	plain := func(text string) (lines []string) {
		for line := range strings.Lines(text) {
			setting, _, _ := strings.Cut(line, "  #")
			lines = append(lines, strings.TrimSpace(setting))
		}
		return lines
	}
	if a, b := plain(first.String()), plain(second.String()); strings.Join(a, "\n") != strings.Join(b, "\n") {
		t.Errorf("%q\n%q", a, b)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"listen", "loops", "log", "index"}
	for name, want := range map[string]string{"listens": "listen", "idx": "index", "": "log"} {
		if got := nearest(name, names); got != want {
			t.Errorf("%q: %s, not %s", name, got, want)
		}
	}
}
