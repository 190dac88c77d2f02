// SPDX-License-Identifier: MIT

//go:build race || asan

package jobfile

func init() { everyNth = 10 }
