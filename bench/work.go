// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// A unit is the unit of a row's figures.
type unit struct {
	name  string
	lower bool // less is better
}

var (
	perSecond   = unit{name: "records/s"}
	deliveries  = unit{name: "deliveries/s"}
	nanoseconds = unit{name: "ns", lower: true}
	micros      = unit{name: "µs", lower: true}
	seconds     = unit{name: "s", lower: true}
	bytesEach   = unit{name: "B a record", lower: true}
)

// A row is one piece of work that several contenders do.
type row struct {
	section string
	name    string
	unit    unit
	entries []entry
}

// An entry is one contender's way to do the work of a row.
type entry struct {
	name    string // the contender
	promise string // its durability promise, and the options used
	kind    kind
	prepare func(t *turn) error // called once before the first turn; nil: nothing is to be prepared
	run     func(t *turn) (sample, error)
	cleanup func() // called once after the last turn; may be nil
}

type kind int

const (
	peer  kind = iota
	ours       // this project
	limit      // what the machine can do at most: no contender
)

// A sample is the measurement of one turn.
type sample struct {
	Value   float64   `json:"value"`             // in the row's unit
	Latency []float64 `json:"latency,omitempty"` // p50, p99 and p99.9 in µs; nil: not measured
}

// A turn is one entry's turn. Files go to dir, which is the entry's own and empty at the first turn.
type turn struct {
	dir   string
	span  time.Duration // how long to measure
	quick bool
}

// scaled returns n, or a tenth of it if the run is quick.
func (t *turn) scaled(n int) int {
	if t.quick {
		return n / 10
	}
	return n
}

// A skipError says why an entry can't take part on this machine.
type skipError struct{ reason string }

func (e *skipError) Error() string { return e.reason }

func skipf(format string, args ...any) error { return &skipError{fmt.Sprintf(format, args...)} }

func skipped(err error) bool {
	_, ok := errors.AsType[*skipError](err)
	return ok
}

// rows returns the rows whose section and name match a pattern.
func rows(pattern *regexp.Regexp) (chosen []row) {
	for _, part := range [][]row{appendRows(), readRows(), networkRows(), streamRows(), engineRows(), growthRows()} {
		for _, r := range part {
			if pattern.MatchString(r.section + ": " + r.name) {
				chosen = append(chosen, r)
			}
		}
	}
	return chosen
}
