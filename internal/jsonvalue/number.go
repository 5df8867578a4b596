// SPDX-License-Identifier: Apache-2.0

package jsonvalue

import (
	"bytes"
	"cmp"
	"strconv"
)

// A Number is a JSON number by its value: 0.d1d2d3… times ten to the power of exp, without zeros at
// either end of the digits. Zero has no digits, and no sign. The canonical form does not use it:
// [AppendCanonical] keeps the text of a number.
type Number struct {
	negative bool
	digits   []byte
	exp      int
}

// maxExp limits the exponent: numbers beyond it have the same exponent.
const maxExp = 1 << 30

// ParseNumber returns the value of a number that passed [Check]. It writes the digits to buf if they
// fit.
func ParseNumber(text, buf []byte) (n Number) {
	n.digits = buf[:0]
	point := false
	for i, c := range text {
		switch {
		case c == '-' && i == 0:
			n.negative = true
		case c == '.':
			point = true
		case c == 'e' || c == 'E':
			exp, err := strconv.Atoi(string(text[i+1:]))
			if err != nil { // more than an int holds
				exp = maxExp
				if bytes.HasPrefix(text[i+1:], []byte("-")) {
					exp = -maxExp
				}
			}
			n.exp += max(-maxExp, min(exp, maxExp))
			return n.trim()
		case c == '0' && len(n.digits) == 0: // a leading zero
			if point {
				n.exp--
			}
		default:
			n.digits = append(n.digits, c)
			if !point {
				n.exp++
			}
		}
	}
	return n.trim()
}

func (n Number) trim() Number {
	n.digits = bytes.TrimRight(n.digits, "0")
	if len(n.digits) == 0 {
		return Number{}
	}
	return n
}

// Compare orders numbers by value.
func (n Number) Compare(o Number) int {
	switch {
	case n.negative != o.negative:
		if n.negative {
			return -1
		}
		return 1
	case n.negative:
		n.negative, o.negative = false, false
		return o.Compare(n)
	case len(n.digits) == 0 || len(o.digits) == 0:
		return cmp.Compare(len(n.digits), len(o.digits))
	case n.exp != o.exp:
		return cmp.Compare(n.exp, o.exp)
	}
	return bytes.Compare(n.digits, o.digits)
}

// maxPlain is the largest number of digits, significant or not, that Append writes without an exponent.
const maxPlain = 21

// Append appends a text that is the same for all equal numbers: 100 and 1.5, and 1e-7 or 1e+22 if that is much shorter.
func (n Number) Append(dst []byte) []byte {
	count := len(n.digits)
	if count == 0 {
		return append(dst, '0')
	}
	if n.negative {
		dst = append(dst, '-')
	}
	switch {
	case n.exp >= count && n.exp <= max(count, maxPlain):
		dst = append(dst, n.digits...)
		return append(dst, bytes.Repeat([]byte("0"), n.exp-count)...)
	case n.exp > 0 && n.exp < count:
		dst = append(append(dst, n.digits[:n.exp]...), '.')
		return append(dst, n.digits[n.exp:]...)
	case n.exp <= 0 && n.exp > -6:
		dst = append(append(dst, "0."...), bytes.Repeat([]byte("0"), -n.exp)...)
		return append(dst, n.digits...)
	}
	dst = append(dst, n.digits[0])
	if count > 1 {
		dst = append(append(dst, '.'), n.digits[1:]...)
	}
	dst = append(dst, 'e')
	if n.exp > 0 {
		dst = append(dst, '+')
	}
	return strconv.AppendInt(dst, int64(n.exp-1), 10)
}

// AppendEqual appends src in a form that is the same for equal values: the canonical form, with each
// number written by its value. If src does not pass [Check] with depth, the error is Check's and dst
// is returned unchanged.
func AppendEqual(dst, src []byte, depth int) ([]byte, error) {
	start := len(dst)
	dst, err := AppendCanonical(dst, src, depth)
	if err != nil || isEqualForm(dst[start:]) {
		return dst, err
	}
	form := bytes.Clone(dst[start:])
	dst = dst[:start]
	for i := 0; i < len(form); {
		end := i + 1
		switch c := form[i]; {
		case c == '"':
			end = stringEnd(form, end)
		case c == '-' || c >= '0' && c <= '9':
			end = Skip(form, i)
			var buf [32]byte
			dst = ParseNumber(form[i:end], buf[:0]).Append(dst)
			i = end
			continue
		}
		dst = append(dst, form[i:end]...)
		i = end
	}
	return dst, nil
}

// isEqualForm reports whether canonical JSON obviously is in the form of AppendEqual: a string, a word
// or a short integer.
func isEqualForm(form []byte) bool {
	switch c := form[0]; {
	case c == '"' || c == 't' || c == 'f' || c == 'n':
		return true
	case c >= '1' && c <= '9' && len(form) < maxPlain:
		for _, c := range form {
			if c < '0' || c > '9' {
				return false
			}
		}
		return true
	}
	return false
}
