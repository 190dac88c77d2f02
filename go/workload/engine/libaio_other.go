//go:build !linux

package engine

import "errors"

// OpenLibaio fails: there is no libaio here.
func OpenLibaio(Setup) (Queue, error) { return nil, errors.New("libaio is Linux's own") }
