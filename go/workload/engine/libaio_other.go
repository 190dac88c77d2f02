//go:build !linux

package engine

import "errors"

// Aio is how a Libaio engine is used.
type Aio struct {
	UserspaceReap bool
	Flags         uint32
}

// OpenLibaio fails: there is no libaio here.
func OpenLibaio(Setup, Aio) (Queue, error) { return nil, errors.New("libaio is Linux's own") }
