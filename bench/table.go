// SPDX-License-Identifier: Apache-2.0

package main

import "errors"

// A table is a contender that keeps values by key. Calls may be concurrent.
type table interface {
	// put gives a key a value. Seqs ascend; a historian keeps earlier values.
	put(seq int, key string, value []byte) error

	// get looks at the first byte of a key's value.
	get(key string) error

	close() error
}

// A historian is a table that can read the past.
type historian interface {
	// getAt looks at the value that a key had after seq.
	getAt(key string, seq int) error
}

// A selector is a table that finds values by a field.
type selector interface {
	late() (int, error) // lists the values whose status is "late"
}

// An orderer is a table that lists values in the order of a field.
type orderer interface {
	top() (int, error) // lists the 20 values with the greatest amounts
}

var errKey = errors.New("a key's value was not found")

// found returns an error unless value can be a record's.
func found(value []byte) error {
	if len(value) == 0 || value[0] != '{' {
		return errKey
	}
	return nil
}

// A task is a record's value, for tables that keep Go values.
type task struct {
	Key    string  `json:"-"`
	Amount float64 `json:"amount"`
	Status string  `json:"status"`
	Value  []byte  `json:"-"`
}
