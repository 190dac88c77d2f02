// SPDX-License-Identifier: MIT

package jobfile

import (
	"maps"
	"slices"
	"time"
)

// A draft is a job while options are applied to it.
type draft struct {
	Job
	given     map[string]bool   // options set by a job file or command line, by canonical name
	bs        [Directions]int64 // bs=, which bsrange and bssplit override
	strided   bool              // zonemode=strided
	allRepeat bool              // allrandrepeat
}

func newDraft() *draft {
	d := &draft{given: map[string]bool{}}
	for _, option := range options {
		if option.Default == "" || option.store == nil {
			continue
		}
		v, err := option.parse(option.Default, false, 1024)
		if err == nil {
			err = option.store(d, v)
		}
		if err != nil {
			panic("jobfile: default of " + option.Name + ": " + err.Error())
		}
	}
	return d
}

// clone copies what a global section has set, for the next section to go on from.
func (d *draft) clone() *draft {
	next := *d
	next.given = maps.Clone(d.given)
	next.Filenames = slices.Clone(d.Filenames)
	next.Given = slices.Clone(d.Given)
	return &next
}

// The functions below make the store of an option from the field of Job that it sets.

func toBool(field func(*Job) *bool) func(*draft, value) error {
	return func(d *draft, v value) error {
		*field(&d.Job) = v.numbers[0] == 1
		return nil
	}
}

func toInt[T ~int | ~int64 | ~uint64](field func(*Job) *T) func(*draft, value) error {
	return func(d *draft, v value) error {
		*field(&d.Job) = T(v.numbers[0])
		return nil
	}
}

// toEach stores the values that were given for a direction and leaves the others.
func toEach[T ~int | ~int64](field func(*Job) *[Directions]T) func(*draft, value) error {
	return func(d *draft, v value) error {
		values := field(&d.Job)
		for i := range values {
			if v.given[i] {
				values[i] = T(v.numbers[i])
			}
		}
		return nil
	}
}

func toAmount(field func(*Job) *Amount) func(*draft, value) error {
	return func(d *draft, v value) error {
		if v.percent {
			*field(&d.Job) = Amount{Percent: int(v.numbers[0])}
		} else {
			*field(&d.Job) = Amount{Bytes: v.numbers[0]}
		}
		return nil
	}
}

// toMillis is for whole numbers that count milliseconds.
func toMillis(field func(*Job) *time.Duration) func(*draft, value) error {
	return func(d *draft, v value) error {
		*field(&d.Job) = time.Duration(v.numbers[0]) * time.Millisecond
		return nil
	}
}

func toText(field func(*Job) *string) func(*draft, value) error {
	return func(d *draft, v value) error {
		*field(&d.Job) = v.text
		return nil
	}
}

// toChoice stores the value that stands where the chosen name stands in the option's Values.
func toChoice[T any](field func(*Job) *T, values ...T) func(*draft, value) error {
	return func(d *draft, v value) error {
		*field(&d.Job) = values[v.choice]
		return nil
	}
}
