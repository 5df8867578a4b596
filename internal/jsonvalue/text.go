// SPDX-License-Identifier: Apache-2.0

package jsonvalue

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// Text returns the text that v stands for, which shares v's memory if it has no escapes. ok is false
// if v is not a string.
func Text(v []byte) (s string, ok bool) {
	if len(v) < 2 || v[0] != '"' {
		return "", false
	}
	return unquote(v[1 : len(v)-1]), true
}

// PlainText reads a string from after its opening quote at b[i] to after its closing one. It takes any
// bytes: ok is false if the string has an escape, a control character, invalid UTF-8 or no end. s
// shares b's memory.
func PlainText(b []byte, i int) (s string, end int, ok bool) {
	start, ascii := i, true
	for {
		i = plainEnd(b, i)
		switch {
		case i >= len(b):
			return "", i, false
		case b[i] == '"':
			return view(b[start:i]), i + 1, ascii || utf8.Valid(b[start:i])
		case b[i] < 0x80:
			return "", i, false
		}
		ascii = false
		i = skipUnicode(b, i)
	}
}

// AppendText appends s, which is valid UTF-8, as a canonical JSON string.
func AppendText(dst []byte, s string) []byte {
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	dst = append(dst, '"')
	for start := 0; ; {
		end := skipUnicode(b, plainEnd(b, start))
		if dst = append(dst, b[start:end]...); end == len(b) {
			return append(dst, '"')
		}
		dst = appendEscaped(dst, b[end])
		start = end + 1
	}
}

// view returns b as a string that shares its memory.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// text checks a string from after its opening quote to after its closing one.
func (c *checker) text(i int) (end int, escaped bool) {
	src := c.src
	for {
		i = plainEnd(src, i)
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

// stringEnd returns the position after the closing quote of the string whose text begins at b[i], or
// -1 if none exists. It looks at nothing but quotes and backslashes.
func stringEnd(b []byte, i int) int {
	for i < len(b) {
		i = plainEnd(b, i)
		switch {
		case i >= len(b):
		case b[i] == '"':
			return i + 1
		case b[i] == '\\':
			i += 2
		default:
			i = skipUnicode(b, i+1)
		}
	}
	return -1
}

func skipUnicode(b []byte, i int) int {
	for i < len(b) && b[i] >= 0x80 {
		i++
	}
	return i
}

// plainEnd returns the first position from i on whose byte does not stand for itself in a JSON string,
// or is not ASCII: a quote, a backslash, a control character or a part of a longer character.
func plainEnd(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for i < len(b) && b[i]-0x20 < 0x60 && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// Eight bytes at a time: ones has a 1 in each, high the top bit of each.
const (
	ones = 0x0101010101010101
	high = 0x8080808080808080
)

// special returns a word whose lowest set bit is the top bit of the first byte of w that is a quote, a
// backslash, a control character or not ASCII; 0 if none exists.
func special(w uint64) uint64 {
	quote := w ^ ones*'"'
	slash := w ^ ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*0x20)&^w | w) & high
}

const hexDigits = "0123456789abcdef"

// appendEscaped appends b in its canonical escape, or as it is if it needs none.
func appendEscaped(dst []byte, b byte) []byte {
	switch {
	case b == '"' || b == '\\':
		return append(dst, '\\', b)
	case b >= 0x20:
		return append(dst, b)
	case b == '\b':
		return append(dst, '\\', 'b')
	case b == '\t':
		return append(dst, '\\', 't')
	case b == '\n':
		return append(dst, '\\', 'n')
	case b == '\f':
		return append(dst, '\\', 'f')
	case b == '\r':
		return append(dst, '\\', 'r')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
}

// unquote returns the text of a string without its quotes; if it has no escapes, it shares src's
// memory.
func unquote(src []byte) string {
	if bytes.IndexByte(src, '\\') < 0 {
		return view(src)
	}
	return string(appendUnescaped(make([]byte, 0, len(src)), src))
}

// appendUnescaped appends the text of a string that passed Check, without its quotes.
func appendUnescaped(dst, src []byte) []byte {
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
