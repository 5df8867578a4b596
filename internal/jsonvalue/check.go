// SPDX-License-Identifier: Apache-2.0

package jsonvalue

import "fmt"

// An Error says where and why a text is not valid JSON.
type Error struct {
	Offset int    // in bytes
	Reason string // what is wrong there
}

func (e *Error) Error() string { return fmt.Sprintf("at byte %d: %s", e.Offset, e.Reason) }

// Check reports whether src is one JSON value with nothing but white space around it. It is stricter
// than RFC 8259: at most depth arrays and objects inside each other (a negative depth counts as 0),
// valid UTF-8, no object with the same key twice, no lone surrogate, no object in 4 GiB or more. The
// first violation is returned as an *Error. Check allocates nothing for objects of up to 16 keys without
// escapes, and a few bytes per key for larger ones.
func Check(src []byte, depth int) error {
	_, err := checkOrdered(src, depth)
	return err
}

// checkOrdered is Check, and also reports whether src is ordered: it has no white space between its parts and no escapes in
// its strings, and the keys of each object are in the order of their bytes. Such a text is its own canonical form.
func checkOrdered(src []byte, depth int) (ordered bool, err error) {
	c := checker{src: src, depth: depth, ordered: true}
	if i := c.value(c.skip(0)); i >= 0 {
		c.end(i)
	}
	return c.ordered, c.err()
}

// Value checks the value that begins at b[i], as [Check] does, and returns the position after it. No
// white space is allowed before it; what follows it is not read.
func Value(b []byte, i, depth int) (end int, err error) {
	c := checker{src: b, depth: depth}
	end = c.value(i)
	return end, c.err()
}

// End reports an error unless b has nothing but white space from position i on.
func End(b []byte, i int) error {
	c := checker{src: b}
	c.end(i)
	return c.err()
}

// A checker walks a JSON text once. Its methods take the position to start at. They return the position after the checked
// part, or -1 after fail.
type checker struct {
	src      []byte
	depth    int  // how many more levels may open
	ordered  bool // so far, see checkOrdered
	at       int
	reason   string // "": nothing is wrong so far
	visitErr error  // of a visitor

	scratch [2][]byte // keys without their escapes
}

func (c *checker) fail(at int, reason string) int {
	c.at, c.reason = at, reason
	return -1
}

func (c *checker) err() error {
	switch {
	case c.visitErr != nil:
		return c.visitErr
	case c.reason != "":
		return &Error{Offset: c.at, Reason: c.reason}
	}
	return nil
}

func (c *checker) end(i int) {
	if i = c.skip(i); i < len(c.src) {
		c.fail(i, "more after the end of the value")
	}
}

func (c *checker) skip(i int) int {
	if i >= len(c.src) || c.src[i] > ' ' {
		return i
	}
	return c.skipSpace(i)
}

func (c *checker) skipSpace(i int) int {
	for i < len(c.src) && isSpace(c.src[i]) {
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
			i = c.object(i+1, nil)
		} else {
			i = c.array(i+1, nil)
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
