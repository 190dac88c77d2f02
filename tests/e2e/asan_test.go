// SPDX-License-Identifier: MIT

//go:build asan

package e2e

func init() { buildFlags = append(buildFlags, "-asan") }
