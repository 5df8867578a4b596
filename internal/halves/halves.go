// Package halves does what is to be done for many things on two processors.
package halves

import "cmp"

// many is from how many things on it pays to wake another goroutine: each takes about a microsecond.
const many = 32

// Do calls do for the elements of from and the elements of into at the same places: once for all of them or, if they are
// many, for each half at the same time. It returns the error of the first half that has one, once both have ended. With a do
// that is no closure it allocates nothing for few.
func Do[From, Into any](from []From, into []Into, do func(from []From, into []Into) error) error {
	n := len(from)
	if n < many {
		return do(from, into)
	}
	second := make(chan error, 1)
	go func() { second <- do(from[n/2:], into[n/2:n]) }()
	return cmp.Or(do(from[:n/2], into[:n/2]), <-second)
}
