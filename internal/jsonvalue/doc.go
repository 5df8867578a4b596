// SPDX-License-Identifier: Apache-2.0

// Package jsonvalue reads JSON (RFC 8259) as bytes, without building a tree, and writes it in
// canonical form. No other package scans JSON by hand.
//
// Some functions trust their input and some do not:
//
//   - [Check], [Value], [Object] and [Array] take any bytes and report the first error.
//   - [Skip] takes any bytes too, but follows only quotes and brackets: it finds where a value ends,
//     and a later Check says whether it is one.
//   - The others take a value that passed Check. Given anything else they return nonsense, but they
//     do not panic.
//
// Where a function takes bytes and a position, it reads one value that begins there and returns the
// position after it, so that a caller walks through a large text once.
package jsonvalue
