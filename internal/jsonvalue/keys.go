package jsonvalue

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
)

// fewKeys is how many keys are compared each with each, which takes less time than sorting them.
const fewKeys = 16

// A span is where a key's text stands, without its quotes.
type span struct {
	from, to uint32
	escaped  bool
}

// unique checks the keys of an object, and changes their order. The first one that is there a second
// time is wrong.
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
	c.fail(int(k.from)-1, "the key "+strconv.Quote(string(c.key(k, &c.scratch[0])))+" a second time")
	return false
}

// compare compares what the keys stand for by its bytes.
func (c *checker) compare(a, b span) int {
	return bytes.Compare(c.key(a, &c.scratch[0]), c.key(b, &c.scratch[1]))
}

// key returns what a key stands for, in scratch where it is not the text itself.
func (c *checker) key(k span, scratch *[]byte) []byte {
	text := c.src[k.from:k.to]
	if !k.escaped {
		return text
	}
	*scratch = AppendUnescaped((*scratch)[:0], text)
	return *scratch
}
