// Package generate says what a job does next: which file, where, how much, in which direction, and with
// what data. It is the same for every engine, so that engines can be compared on the same I/O: a seed
// and a clone's number give one sequence, always.
//
// The meaning of every option is fio's. The sequences are not: fio's own depend on its version.
package generate
