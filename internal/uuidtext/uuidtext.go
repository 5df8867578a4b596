// SPDX-License-Identifier: Apache-2.0

// Package uuidtext converts UUIDs between their 16 bytes and their usual text, in lower case (RFC 9562).
// Append restores a parsed text byte for byte, so that 16 bytes can stand for it.
package uuidtext

import "encoding/hex"

// Len is the length of the text.
const Len = 36

// groups are the groups of hex digits: where each begins in the text, and its range of bytes.
var groups = [...]struct{ at, from, to int }{{0, 0, 4}, {9, 4, 6}, {14, 6, 8}, {19, 8, 10}, {24, 10, 16}}

// Parse returns the UUID whose usual text is text. ok is false for any other text, upper case included.
// It does not allocate.
func Parse[T string | []byte](text T) (id [16]byte, ok bool) {
	if len(text) != Len || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return id, false
	}
	for _, g := range groups {
		if !DecodeHex(id[g.from:g.to], text[g.at:]) {
			return id, false
		}
	}
	return id, true
}

// Append appends the text of id.
func Append(dst []byte, id [16]byte) []byte {
	var text [Len]byte
	for i, g := range groups {
		if i > 0 {
			text[g.at-1] = '-'
		}
		hex.Encode(text[g.at:], id[g.from:g.to])
	}
	return append(dst, text[:]...)
}

// String returns the text of id.
func String(id [16]byte) string {
	var text [Len]byte
	return string(Append(text[:0], id))
}

// DecodeHex fills dst from the lower-case hex digits that text begins with; text is long enough. It
// reports false for any other byte, and does not allocate.
func DecodeHex[T string | []byte](dst []byte, text T) bool {
	for i := range dst {
		high, low := digits[text[2*i]], digits[text[2*i+1]]
		if high|low > 15 {
			return false
		}
		dst[i] = high<<4 | low
	}
	return true
}

// digits has the value of each lower-case hex digit, and more than 15 for other bytes.
var digits = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i, d := range "0123456789abcdef" {
		t[d] = byte(i)
	}
	return t
}()
