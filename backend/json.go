package backend

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// IsNull reports whether v is the JSON value null, with or without white space around it.
func IsNull(v []byte) bool {
	return string(v) == "null" || len(v) > 4 && string(bytes.Trim(v, " \t\r\n")) == "null"
}

// A JSONError says where and why a text is not the JSON that facts hold.
type JSONError struct {
	Offset int    // in bytes
	Reason string // what is wrong there
}

func (e *JSONError) Error() string { return fmt.Sprintf("at byte %d: %s", e.Offset, e.Reason) }

// CheckJSON reports whether src is one JSON value (RFC 8259) with nothing but white space around
// it, as facts hold it: at most depth arrays and objects inside each other (a negative depth
// counts as 0), valid UTF-8, no object with the same key twice, no lone surrogate. The first
// thing wrong is a *JSONError. It allocates nothing for objects of up to 16 keys without escapes.
func CheckJSON(src []byte, depth int) error {
	c := checker{src: src, depth: depth}
	i := c.value(c.skip(0))
	if i >= 0 {
		if i = c.skip(i); i == len(src) {
			return nil
		}
		c.fail(i, "more after the end of the value")
	}
	return &JSONError{Offset: c.at, Reason: c.reason}
}

// A checker walks a JSON text once. Its methods take the place to start at, and return the place
// after what they checked, or -1 after fail.
type checker struct {
	src    []byte
	depth  int // how many more levels may open
	at     int
	reason string
}

// A span is where a key's text stands, without its quotes.
type span struct {
	from, to int
	escaped  bool
}

func (c *checker) fail(at int, reason string) int {
	c.at, c.reason = at, reason
	return -1
}

func (c *checker) skip(i int) int {
	for i < len(c.src) && (c.src[i] == ' ' || c.src[i] == '\n' || c.src[i] == '\t' || c.src[i] == '\r') {
		i++
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
	var space [16]span
	keys := space[:0]
	for {
		i = c.skip(i)
		if i >= len(c.src) || c.src[i] != '"' {
			return c.fail(i, "no key where an object's key is due")
		}
		end, escaped := c.text(i + 1)
		if end < 0 {
			return end
		}
		keys = append(keys, span{i + 1, end - 1, escaped})
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
			if !c.unique(keys) {
				return -1
			}
			return i + 1
		default:
			return c.fail(i, "neither comma nor } after an object's value")
		}
	}
}

// unique checks the keys of an object.
func (c *checker) unique(keys []span) bool {
	if len(keys) > 16 {
		seen := make(map[string]struct{}, len(keys))
		for _, k := range keys {
			name := string(c.key(k))
			if _, ok := seen[name]; ok {
				c.fail(k.from-1, "the key "+strconv.Quote(name)+" a second time")
				return false
			}
			seen[name] = struct{}{}
		}
		return true
	}
	for i := 1; i < len(keys); i++ {
		for _, other := range keys[:i] {
			if !keys[i].escaped && !other.escaped && keys[i].to-keys[i].from != other.to-other.from {
				continue
			}
			if name := c.key(keys[i]); bytes.Equal(name, c.key(other)) {
				c.fail(keys[i].from-1, "the key "+strconv.Quote(string(name))+" a second time")
				return false
			}
		}
	}
	return true
}

func (c *checker) key(k span) []byte {
	text := c.src[k.from:k.to]
	if !k.escaped {
		return text
	}
	return AppendUnescaped(make([]byte, 0, len(text)), text)
}

// plain has true for the bytes that stand for themselves inside a string: ASCII without control
// characters, quote and backslash.
var plain = func() (t [256]bool) {
	for b := 0x20; b < 0x80; b++ {
		t[b] = b != '"' && b != '\\'
	}
	return t
}()

// text checks a string from after its opening quote to after its closing one.
func (c *checker) text(i int) (end int, escaped bool) {
	src := c.src
	for {
		for i < len(src) && plain[src[i]] {
			i++
		}
		if i >= len(src) {
			return c.fail(i, "the text ends inside a string"), false
		}
		switch b := src[i]; {
		case b == '"':
			return i + 1, escaped
		case b == '\\':
			escaped = true
			if i = c.escape(i); i < 0 {
				return i, false
			}
		case b < 0x20:
			return c.fail(i, "a control character inside a string: write it as an escape"), false
		default:
			r, size := utf8.DecodeRune(src[i:])
			if r == utf8.RuneError && size <= 1 {
				return c.fail(i, "not valid UTF-8"), false
			}
			i += size
		}
	}
}

// escape checks one escape, or the two of a surrogate pair, from its backslash on.
func (c *checker) escape(i int) int {
	if i+1 >= len(c.src) {
		return c.fail(i, "the text ends inside an escape")
	}
	switch c.src[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		r, ok := hex4(c.src[i+2:])
		if !ok {
			return c.fail(i, "\\u without four hex digits")
		}
		if !utf16.IsSurrogate(r) {
			return i + 6
		}
		if next := c.src[i+6:]; len(next) >= 6 && next[0] == '\\' && next[1] == 'u' {
			if low, ok := hex4(next[2:]); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
				return i + 12
			}
		}
		return c.fail(i, "a lone surrogate")
	}
	return c.fail(i, "no such escape in JSON")
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

// AppendUnescaped appends to dst what the text of a JSON string stands for: src is what is between
// its quotes, in a value that passed [CheckJSON].
func AppendUnescaped(dst, src []byte) []byte {
	for len(src) > 0 {
		i := bytes.IndexByte(src, '\\')
		if i < 0 || i+1 >= len(src) {
			return append(dst, src...)
		}
		dst = append(dst, src[:i]...)
		b := src[i+1]
		src = src[i+2:]
		switch b {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(src)
			src = src[min(4, len(src)):]
			if utf16.IsSurrogate(r) && len(src) >= 6 {
				low, _ := hex4(src[2:])
				r = utf16.DecodeRune(r, low)
				src = src[6:]
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, b)
		}
	}
	return dst
}

// hex4 reads the four hex digits at the start of b.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, d := range b[:4] {
		switch {
		case '0' <= d && d <= '9':
			d -= '0'
		case 'a' <= d && d <= 'f':
			d -= 'a' - 10
		case 'A' <= d && d <= 'F':
			d -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}
