// SPDX-License-Identifier: Apache-2.0

package jsonvalue

import (
	"math"
	"slices"
)

// Object checks the object that begins at b[i], after white space if there is any, and returns the
// position after it. It calls member for each member, with the key and the position where the value
// begins. member must return the position after the value, found by [Value], [Skip], Object or
// [Array]; a negative one means that b ends inside the value. An error of member ends the walk and is
// returned as it is. Other errors are *Error; a key that occurs twice is found only after member was called for both. A key
// without escapes shares b's memory.
func Object(b []byte, i int, member func(key string, at int) (end int, err error)) (end int, err error) {
	c := checker{src: b}
	if i = c.skip(i); i >= len(b) || b[i] != '{' {
		return -1, &Error{Offset: i, Reason: "not a JSON object"}
	}
	end = c.object(i+1, member)
	return end, c.err()
}

// Array is [Object] for an array: it calls element with the position where each element begins.
func Array(b []byte, i int, element func(at int) (end int, err error)) (end int, err error) {
	c := checker{src: b}
	if i = c.skip(i); i >= len(b) || b[i] != '[' {
		return -1, &Error{Offset: i, Reason: "not a JSON array"}
	}
	end = c.array(i+1, func(_ string, at int) (int, error) { return element(at) })
	return end, c.err()
}

// visit lets the caller of Object or Array read a value.
func (c *checker) visit(read visitor, key []byte, at int) int {
	end, err := read(unquote(key), at)
	switch {
	case err != nil:
		c.visitErr = err
		return -1
	case end < 0:
		return c.fail(len(c.src), "the text ends inside a value")
	case end == at:
		return c.fail(at, "not a JSON value")
	}
	return end
}

type visitor = func(key string, at int) (end int, err error)

func (c *checker) array(i int, read visitor) int {
	if i = c.skip(i); i < len(c.src) && c.src[i] == ']' {
		return i + 1
	}
	for {
		if i = c.skip(i); read == nil {
			i = c.value(i)
		} else {
			i = c.visit(read, nil, i)
		}
		if i < 0 {
			return i
		}
		i = c.skip(i)
		if i >= len(c.src) {
			return c.fail(i, "the text ends inside an array")
		}
		switch c.src[i] {
		case ',':
			i++
		case ']':
			return i + 1
		default:
			return c.fail(i, "neither comma nor ] after an array's element")
		}
	}
}

func (c *checker) object(i int, read visitor) int {
	if i = c.skip(i); i < len(c.src) && c.src[i] == '}' {
		return i + 1
	}
	if uint64(len(c.src)) > math.MaxUint32 { // more than a span can describe
		return c.fail(0, "an object in a text of 4 GiB or more")
	}
	var space [fewKeys]span
	keys, ascending := space[:0], true
	for {
		i = c.skip(i)
		if i >= len(c.src) || c.src[i] != '"' {
			return c.fail(i, "no key where an object's key is due")
		}
		end, escaped := c.text(i + 1)
		if end < 0 {
			return end
		}
		if len(keys) == cap(keys) {
			keys = slices.Grow(keys, len(keys)) // twice as many
		}
		keys = append(keys, span{uint32(i + 1), uint32(end - 1), escaped})
		n := len(keys)
		if n > 1 && ascending {
			ascending = c.compare(keys[n-2], keys[n-1]) < 0
		}
		if i = c.skip(end); i >= len(c.src) || c.src[i] != ':' {
			return c.fail(i, "no colon after an object's key")
		}
		if i = c.skip(i + 1); read == nil {
			i = c.value(i)
		} else {
			i = c.visit(read, c.src[keys[n-1].from:keys[n-1].to], i)
		}
		if i < 0 {
			return i
		}
		i = c.skip(i)
		if i >= len(c.src) {
			return c.fail(i, "the text ends inside an object")
		}
		switch c.src[i] {
		case ',':
			i++
		case '}':
			if ascending { // so no key occurs twice
				return i + 1
			}
			if c.ordered = false; !c.unique(keys) {
				return -1
			}
			return i + 1
		default:
			return c.fail(i, "neither comma nor } after an object's value")
		}
	}
}
