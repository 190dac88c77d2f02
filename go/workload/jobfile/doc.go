// SPDX-License-Identifier: MIT

//go:generate go run ./internal/document ../../..

// Package jobfile reads fio's job files and command lines.
//
// [ParseCommandLine] takes the words of a command line as fio takes them, reads the job files they name, and gives a
// [Plan]: the jobs in order, each a [Job] with the effective value of every option, and what the command line says
// about the run as a whole. Whatever is wrong is an [Error] with file and line, and nothing has been touched by then.
//
// There is one table of options ([Options]). Parsing, defaults, messages, the manual page and docs/bench.md are all
// made from it.
package jobfile
