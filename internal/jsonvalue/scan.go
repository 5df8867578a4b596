package jsonvalue

import (
	"bytes"
	"iter"
	"math"
	"strconv"
	"unsafe"
)

// IsNull reports whether v is the JSON value null, with or without white space around it.
func IsNull(v []byte) bool {
	return string(v) == "null" || len(v) > 4 && string(bytes.Trim(v, " \t\r\n")) == "null"
}

// TrimSpace returns v without the JSON white space around it, which is no part of a value.
func TrimSpace(v []byte) []byte {
	for len(v) > 0 && IsSpace(v[0]) {
		v = v[1:]
	}
	for len(v) > 0 && IsSpace(v[len(v)-1]) {
		v = v[:len(v)-1]
	}
	return v
}

// IsSpace reports whether b is JSON white space.
func IsSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\t' || b == '\r' }

// Members yields the keys and values of an object that is well-formed.
func Members(object []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		i := SkipSpace(object, 1)
		for object[i] != '}' {
			end := stringEnd(object, i+1)
			name := unquote(object[i+1 : end-1])
			i = SkipSpace(object, SkipSpace(object, end)+1)
			end = Skip(object, i)
			if !yield(name, object[i:end:end]) {
				return
			}
			if i = SkipSpace(object, end); object[i] == ',' {
				i = SkipSpace(object, i+1)
			}
		}
	}
}

// Member returns the value of an object's key; nil if there is none, or if v is no object.
func Member(v []byte, name string) []byte {
	if v = TrimSpace(v); len(v) == 0 || v[0] != '{' {
		return nil
	}
	for key, value := range Members(v) {
		if key == name {
			return value
		}
	}
	return nil
}

// Elements yields the places and the elements of an array that is well-formed; nothing for another value.
func Elements(array []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		if len(array) == 0 || array[0] != '[' {
			return
		}
		at := SkipSpace(array, 1)
		for i := 0; array[at] != ']'; i++ {
			end := Skip(array, at)
			if !yield(i, array[at:end:end]) {
				return
			}
			if at = SkipSpace(array, end); array[at] == ',' {
				at = SkipSpace(array, at+1)
			}
		}
	}
}

// SkipSpace returns the first place from i on that has no white space.
func SkipSpace(b []byte, i int) int {
	for i < len(b) && IsSpace(b[i]) {
		i++
	}
	return i
}

// Text returns what the well-formed string v stands for; without escapes it shares v's memory. ok is
// false if v is no string.
func Text(v []byte) (s string, ok bool) {
	if len(v) < 2 || v[0] != '"' {
		return "", false
	}
	return unquote(v[1 : len(v)-1]), true
}

// AppendValue appends a value without the white space around it; null if v is empty.
func AppendValue(dst, v []byte) []byte {
	if v = TrimSpace(v); len(v) == 0 {
		return append(dst, "null"...)
	}
	return append(dst, v...)
}

// unquote returns what the inside of a well-formed string stands for.
func unquote(src []byte) string {
	if bytes.IndexByte(src, '\\') < 0 {
		return view(src)
	}
	return string(AppendUnescaped(make([]byte, 0, len(src)), src))
}

// Skip returns where the JSON value that begins at b[i] ends, or -1 if b ends inside it. It trusts the
// value to be well-formed; if it is not, the result is any place up to the end of b, or -1.
func Skip(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch c := b[i]; c {
		case '"':
			if i = stringEnd(b, i+1); i < 0 {
				return -1
			}
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']', ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i // the end of a number or word
			}
			if c == '}' || c == ']' {
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
		i++
	}
	if depth == 0 {
		return i
	}
	return -1
}

// stringEnd returns the place after the quote that ends the string whose text begins at b[i].
func stringEnd(b []byte, i int) int {
	for {
		for i+8 <= len(b) && plainLen(b[i:i+8]) == 8 {
			i += 8
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' {
			i++
		}
		if i >= len(b) {
			return -1
		}
		if b[i] == '"' {
			return i + 1
		}
		i += 2
	}
}

// ParseUint parses a JSON number without sign, point and exponent.
func ParseUint(text []byte) (uint64, bool) {
	if len(text) == 0 || text[0] == '0' && len(text) > 1 {
		return 0, false
	}
	n := uint64(0)
	for i, b := range text {
		digit := uint64(b - '0')
		if digit >= 10 || i >= 19 && n > (math.MaxUint64-digit)/10 {
			return 0, false
		}
		n = n*10 + digit
	}
	return n, true
}

// Excerpt returns at most 64 bytes of v for an error's text.
func Excerpt(v []byte) string {
	if len(v) > 64 {
		return strconv.Quote(string(v[:64])) + "..."
	}
	return strconv.Quote(string(v))
}

// view returns b as a string that shares its memory.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
