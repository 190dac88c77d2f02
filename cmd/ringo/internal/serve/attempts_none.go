// SPDX-License-Identifier: MIT

//go:build !ringo_attempts

package serve

import (
	"net/http"

	"github.com/ringo-io/ringo/go/ringo"
)

// handleAttempts is for tests of the sandbox, and only in builds for them.
func handleAttempts(*http.ServeMux, *ringo.Engine) {}
