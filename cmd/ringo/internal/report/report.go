// SPDX-License-Identifier: MIT

// Package report has the one way in which every ringo command words what could not be done. It prints nothing itself.
package report

import "github.com/ringo-io/ringo/go/treecopy"

// Failure is one thing that could not be done.
type Failure = treecopy.Failure

// Quote keeps a path on one line and free of terminal escapes.
func Quote(path string) string { return treecopy.Quote(path) }
