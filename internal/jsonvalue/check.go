package jsonvalue

import (
	"fmt"
	"math"
	"slices"
)

// A Error says where and why a text is not the JSON that facts hold.
type Error struct {
	Offset int    // in bytes
	Reason string // what is wrong there
}

func (e *Error) Error() string { return fmt.Sprintf("at byte %d: %s", e.Offset, e.Reason) }

// Check reports whether src is one JSON value (RFC 8259) with nothing but white space around
// it, as facts hold it: at most depth arrays and objects inside each other (a negative depth
// counts as 0), valid UTF-8, no object with the same key twice, no lone surrogate. The first
// thing wrong is a *Error. It allocates nothing for objects of up to 16 keys without escapes, and
// some bytes a key for larger ones. A src of 4 GiB or more is refused.
func Check(src []byte, depth int) error {
	_, err := CheckOrdered(src, depth)
	return err
}

// CheckOrdered is Check, and also reports whether src is ordered: without white space between its
// parts and escapes in its strings, and with the keys of each object in the order of their bytes. Such
// a text is its own canonical form.
func CheckOrdered(src []byte, depth int) (ordered bool, err error) {
	if uint64(len(src)) > math.MaxUint32 {
		return false, &Error{Reason: "a text of 4 GiB or more"}
	}
	c := checker{src: src, depth: depth, ordered: true}
	i := c.value(c.skip(0))
	if i >= 0 {
		if i = c.skip(i); i == len(src) {
			return c.ordered, nil
		}
		c.fail(i, "more after the end of the value")
	}
	return false, &Error{Offset: c.at, Reason: c.reason}
}

// A checker walks a JSON text once. Its methods take the place to start at, and return the place
// after what they checked, or -1 after fail.
type checker struct {
	src     []byte
	depth   int  // how many more levels may open
	ordered bool // so far, see CheckOrdered
	at      int
	reason  string

	scratch [2][]byte // keys without their escapes
}

func (c *checker) fail(at int, reason string) int {
	c.at, c.reason = at, reason
	return -1
}

func (c *checker) skip(i int) int {
	if i >= len(c.src) || c.src[i] > ' ' {
		return i
	}
	return c.skipSpace(i)
}

func (c *checker) skipSpace(i int) int {
	for i < len(c.src) && (c.src[i] == ' ' || c.src[i] == '\n' || c.src[i] == '\t' || c.src[i] == '\r') {
		i++
		c.ordered = false
	}
	return i
}

func (c *checker) value(i int) int {
	if i >= len(c.src) {
		return c.fail(i, "the text ends where a value is due")
	}
	switch b := c.src[i]; b {
	case '"':
		end, _ := c.text(i + 1)
		return end
	case '{', '[':
		if c.depth <= 0 {
			return c.fail(i, "nested too deeply")
		}
		c.depth--
		if b == '{' {
			i = c.object(i + 1)
		} else {
			i = c.array(i + 1)
		}
		c.depth++
		return i
	case 't':
		return c.word(i, "true")
	case 'f':
		return c.word(i, "false")
	case 'n':
		return c.word(i, "null")
	}
	return c.number(i)
}

func (c *checker) word(i int, word string) int {
	if len(c.src)-i < len(word) || string(c.src[i:i+len(word)]) != word {
		return c.fail(i, "not a JSON value")
	}
	return i + len(word)
}

func (c *checker) array(i int) int {
	if i = c.skip(i); i < len(c.src) && c.src[i] == ']' {
		return i + 1
	}
	for {
		if i = c.value(c.skip(i)); i < 0 {
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

func (c *checker) object(i int) int {
	if i = c.skip(i); i < len(c.src) && c.src[i] == '}' {
		return i + 1
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
		if n := len(keys); n > 1 && ascending {
			ascending = c.compare(keys[n-2], keys[n-1]) < 0
		}
		if i = c.skip(end); i >= len(c.src) || c.src[i] != ':' {
			return c.fail(i, "no colon after an object's key")
		}
		if i = c.value(c.skip(i + 1)); i < 0 {
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
			if ascending { // so no key is there twice
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

func (c *checker) number(i int) int {
	start := i
	if i < len(c.src) && c.src[i] == '-' {
		i++
	}
	switch {
	case i < len(c.src) && c.src[i] == '0':
		i++
	case i < len(c.src) && '1' <= c.src[i] && c.src[i] <= '9':
		i = c.digits(i)
	default:
		return c.fail(start, "not a JSON value")
	}
	if i < len(c.src) && c.src[i] == '.' {
		from := i + 1
		if i = c.digits(from); i == from {
			return c.fail(i, "a number with no digit after its point")
		}
	}
	if i < len(c.src) && (c.src[i] == 'e' || c.src[i] == 'E') {
		i++
		if i < len(c.src) && (c.src[i] == '+' || c.src[i] == '-') {
			i++
		}
		from := i
		if i = c.digits(from); i == from {
			return c.fail(i, "a number with no digit in its exponent")
		}
	}
	return i
}

func (c *checker) digits(i int) int {
	for i < len(c.src) && '0' <= c.src[i] && c.src[i] <= '9' {
		i++
	}
	return i
}
