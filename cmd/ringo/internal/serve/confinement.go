// SPDX-License-Identifier: MIT

package serve

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/ringo-io/ringo/cmd/ringo/internal/sandbox"
	"github.com/ringo-io/ringo/go/fileserver"
)

// A confinement is what a worker's sandbox is made of.
type confinement struct {
	Landlock int    // its version, 0 for none
	Seccomp  bool   // system calls are filtered
	Rings    bool   // rings do only the operations that a server needs
	NoRings  bool   // there are none: the backend is threads
	User     string // that it runs as, if another one than the supervisor
}

// missing is what strict insists on and this confinement lacks.
func (c *confinement) missing() []string {
	var missing []string
	if c.Landlock == 0 {
		missing = append(missing, "landlock (Linux 5.13, and lsm=landlock)")
	}
	if !c.Seccomp {
		missing = append(missing, "seccomp")
	}
	if !c.Rings && !c.NoRings {
		missing = append(missing, "restricted rings")
	}
	return missing
}

func (c *confinement) String() string {
	parts := []string{"no landlock"}
	if c.Landlock > 0 {
		parts[0] = fmt.Sprintf("landlock (version %d)", c.Landlock)
	}
	if c.Seccomp {
		parts = append(parts, "seccomp")
	} else {
		parts = append(parts, "no seccomp")
	}
	switch {
	case c.NoRings:
	case c.Rings:
		parts = append(parts, "restricted rings")
	default:
		parts = append(parts, "unrestricted rings")
	}
	if c.User != "" {
		parts = append(parts, "user "+c.User)
	}
	return strings.Join(parts, ", ")
}

// readable is what a worker may open: what it serves, and what starting a program of its kind takes.
func (s *Settings) readable() (sandbox.Files, error) {
	code, err := mappedCode()
	if err != nil {
		return sandbox.Files{}, err
	}
	files := sandbox.Files{Read: []string{s.Dir, "/etc/ld.so.cache"}, Execute: append(code, "/proc/self/exe")}
	if s.Site.Symlinks == fileserver.SymlinksAll {
		files.Read = append(files.Read, "/")
	}
	return files, nil
}

// mappedCode lists the files that this process has mapped: its libraries and their loader, which the worker, being the
// same program, needs as well, and nothing else.
func mappedCode() (names []string, err error) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		// proc_pid_maps(5): five fields, and a name that may hold spaces.
		fields := strings.SplitN(lines.Text(), "/", 2)
		if len(fields) == 2 && strings.Contains(fields[0], "x") {
			name := "/" + strings.TrimSuffix(fields[1], " (deleted)")
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, lines.Err()
}
