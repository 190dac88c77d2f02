// SPDX-License-Identifier: MIT

//go:build race

package e2e

import "os"

func init() {
	buildFlags = append(buildFlags, "-race")
	// Else every process waits for a second at its end.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
}
