// SPDX-License-Identifier: Apache-2.0

package jsonvalue

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
)

// Up to fewKeys keys are compared pairwise, which takes less time than sorting them.
const fewKeys = 16

// A span is the position of a key's text, without its quotes.
type span struct {
	from, to uint32
	escaped  bool
}

// unique fails at the first key that occurs a second time. It changes the order of keys.
func (c *checker) unique(keys []span) bool {
	if len(keys) <= fewKeys {
		for i := 1; i < len(keys); i++ {
			for _, other := range keys[:i] {
				if !keys[i].escaped && !other.escaped && keys[i].to-keys[i].from != other.to-other.from {
					continue
				}
				if c.compare(keys[i], other) == 0 {
					return c.twice(keys[i])
				}
			}
		}
		return true
	}
	slices.SortFunc(keys, func(a, b span) int {
		if order := c.compare(a, b); order != 0 {
			return order
		}
		return cmp.Compare(a.from, b.from)
	})
	var first *span
	for i := 1; i < len(keys); i++ {
		if c.compare(keys[i-1], keys[i]) == 0 && (first == nil || keys[i].from < first.from) {
			first = &keys[i]
		}
	}
	return first == nil || c.twice(*first)
}

func (c *checker) twice(k span) bool {
	c.fail(int(k.from)-1, "the key "+strconv.Quote(unquote(c.src[k.from:k.to]))+" a second time")
	return false
}

// compare compares the bytes of decoded keys.
func (c *checker) compare(a, b span) int {
	x, y := c.src[a.from:a.to], c.src[b.from:b.to]
	if a.escaped {
		c.scratch[0] = appendUnescaped(c.scratch[0][:0], x)
		x = c.scratch[0]
	}
	if b.escaped {
		c.scratch[1] = appendUnescaped(c.scratch[1][:0], y)
		y = c.scratch[1]
	}
	return bytes.Compare(x, y)
}
