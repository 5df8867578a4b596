package jsonvalue

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

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
			escaped, c.ordered = true, false
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

// AppendUnescaped appends to dst what the text of a JSON string stands for: src is what is between
// its quotes, in a value that passed [Check].
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
