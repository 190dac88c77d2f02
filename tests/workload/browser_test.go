//go:build browser

package workload

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A browser draws every chart of the page and has nothing to complain of.
func TestPageInABrowser(t *testing.T) {
	text, dir := page(t), t.TempDir()
	if err := os.WriteFile(dir+"/page.html", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	dom, log := chromium(t, dir, "--dump-dom")
	if n := strings.Count(dom, "</svg>"); n != strings.Count(text, "</svg>") || n < 8 {
		t.Errorf("the browser found %d charts of %d", n, strings.Count(text, "</svg>"))
	}
	if strings.Contains(log, "CONSOLE") {
		t.Errorf("the browser complains: %s", log)
	}
	if keep := os.Getenv("SCREENSHOTS"); keep != "" {
		chromium(t, dir, "--screenshot="+keep+"/bench-report.png", "--window-size=1200,4000")
	}
}

// chromium opens page.html of a directory.
func chromium(t *testing.T, dir string, args ...string) (out, log string) {
	t.Helper()
	args = append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + dir + "/profile", "--enable-logging=stderr"}, args...)
	cmd := exec.Command("chromium", append(args, "file://"+dir+"/page.html")...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	return stdout.String(), stderr.String()
}
