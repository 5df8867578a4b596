// SPDX-License-Identifier: Apache-2.0

package jsonvalue

import (
	"math"
	"strconv"
)

// Skip returns the position after the value that begins at b[i], or -1 if b ends inside it. It follows quotes and brackets
// and checks nothing else: if the bytes are not a value, the result is any position from i to the end of b, or -1. It needs
// no memory, however deep the value is.
func Skip(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = stringEnd(b, i+1); i < 0 || depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth <= 1 {
				return i + depth // the end of a number or word is before the bracket
			}
			depth--
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	if depth == 0 {
		return i
	}
	return -1
}

// Member returns the value of a key in the object v, and shares v's memory; nil if v does not have the key or is not an
// object.
func Member(v []byte, key string) []byte {
	for i := firstMember(v); ; {
		name, value, next := memberAt(v, i)
		if next < 0 || name == key {
			return value
		}
		i = next
	}
}

// MemberFunc is [Member] for the last key that match accepts.
func MemberFunc(v []byte, match func(key string) bool) (last []byte) {
	for i := firstMember(v); ; {
		name, value, next := memberAt(v, i)
		if next < 0 {
			return last
		}
		if match(name) {
			last = value
		}
		i = next
	}
}

// firstMember returns the position of an object's first member, if it has one; len(v) if v is not an object.
func firstMember(v []byte) int {
	if i := skipSpace(v, 0); i < len(v) && v[i] == '{' {
		return skipSpace(v, i+1)
	}
	return len(v)
}

// memberAt returns the member of an object at v[i], and the position of the next one; next is negative if there is no
// member.
func memberAt(v []byte, i int) (name string, value []byte, next int) {
	if i >= len(v) || v[i] != '"' {
		return "", nil, -1
	}
	end := stringEnd(v, i+1)
	if end < 0 {
		return "", nil, -1
	}
	name = unquote(v[i+1 : end-1])
	start := skipSpace(v, skipSpace(v, end)+1) // after the colon
	if i = Skip(v, start); i < 0 {
		return "", nil, -1
	}
	value = v[start:i:i]
	if i = skipSpace(v, i); i < len(v) && v[i] == ',' {
		return name, value, skipSpace(v, i+1)
	}
	return name, value, len(v)
}

// IsNull reports whether v is the value null, with or without white space around it.
func IsNull(v []byte) bool {
	return string(v) == "null" || len(v) > 4 && string(TrimSpace(v)) == "null"
}

// TrimSpace returns v without the white space around it.
func TrimSpace(v []byte) []byte {
	v = v[skipSpace(v, 0):]
	for len(v) > 0 && isSpace(v[len(v)-1]) {
		v = v[:len(v)-1]
	}
	return v
}

// AppendValue appends v without the white space around it; null if v is empty.
func AppendValue(dst, v []byte) []byte {
	if v = TrimSpace(v); len(v) == 0 {
		return append(dst, "null"...)
	}
	return append(dst, v...)
}

func isSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\t' || b == '\r' }

// skipSpace returns the first position from i on that is not white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

// ParseUint parses a number that has no sign, no point and no exponent. It takes any bytes.
func ParseUint(text []byte) (n uint64, ok bool) {
	if len(text) == 0 || text[0] == '0' && len(text) > 1 {
		return 0, false
	}
	for i, b := range text {
		digit := uint64(b - '0')
		if digit >= 10 || i >= 19 && n > (math.MaxUint64-digit)/10 {
			return 0, false
		}
		n = n*10 + digit
	}
	return n, true
}

// Excerpt returns the first 64 bytes of v in quotes, for the text of an error.
func Excerpt(v []byte) string {
	if len(v) > 64 {
		return strconv.Quote(string(v[:64])) + "..."
	}
	return strconv.Quote(string(v))
}
