// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"path/filepath"
	"testing"
)

const root = "../../../../.."

// TestPagesAreAsTheTable fails where somebody has changed the table of options, or a page, and not run `make docs`.
func TestPagesAreAsTheTable(t *testing.T) {
	for _, p := range pages {
		text, err := os.ReadFile(filepath.Join(root, p.name))
		if err != nil {
			t.Fatal(err)
		}
		updated, err := p.update(string(text))
		if err != nil {
			t.Fatal(err)
		}
		if updated != string(text) {
			t.Errorf("%s is not as the table of options; run make docs", p.name)
		}
	}
}

func TestUpdateNeedsTheMarks(t *testing.T) {
	for _, p := range pages {
		if _, err := p.update("a page without marks\n"); err == nil {
			t.Errorf("%s: no error", p.name)
		}
	}
}
