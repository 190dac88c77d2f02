// Package report writes the outcome of a run: as fio prints it, as fio's JSON, as a page of HTML, as a
// table that compares engines; and compares the JSON of two runs, fio's own included.
package report
