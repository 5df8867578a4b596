package jsonvalue

import (
	"bytes"
	"cmp"
	"strconv"
)

// A Number is a JSON number by its value: 0.d1d2d3… times ten to the power of exp, without zeros at
// either end of the digits. Zero has no digits, and no sign.
type Number struct {
	negative bool
	digits   []byte
	exp      int
}

// maxExp is how far exponents tell numbers apart: those beyond it are taken for one another.
const maxExp = 1 << 30

// ParseNumber returns the value of a JSON number. The digits are appended to buf.
func ParseNumber(text, buf []byte) (d Number) {
	d.digits = buf[:0]
	point := false
	for i, c := range text {
		switch {
		case c == '-' && i == 0:
			d.negative = true
		case c == '.':
			point = true
		case c == 'e' || c == 'E':
			exp, err := strconv.Atoi(string(text[i+1:]))
			if err != nil { // more than an int has
				exp = maxExp
				if text[i+1] == '-' {
					exp = -maxExp
				}
			}
			d.exp += max(-maxExp, min(exp, maxExp))
			return d.trim()
		case c == '0' && len(d.digits) == 0: // leads nowhere
			if point {
				d.exp--
			}
		default:
			d.digits = append(d.digits, c)
			if !point {
				d.exp++
			}
		}
	}
	return d.trim()
}

func (d Number) trim() Number {
	d.digits = bytes.TrimRight(d.digits, "0")
	if len(d.digits) == 0 {
		return Number{}
	}
	return d
}

// compare orders numbers by value.
func (d Number) Compare(o Number) int {
	switch {
	case d.negative != o.negative:
		if d.negative {
			return -1
		}
		return 1
	case d.negative:
		d.negative, o.negative = false, false
		return o.Compare(d)
	case len(d.digits) == 0 || len(o.digits) == 0:
		return cmp.Compare(len(d.digits), len(o.digits))
	case d.exp != o.exp:
		return cmp.Compare(d.exp, o.exp)
	}
	return bytes.Compare(d.digits, o.digits)
}

// maxPlain is how many digits a number has at most that append writes without an exponent, beyond
// those that say something.
const maxPlain = 21

// append writes the number in the one way in which numbers of its value are written: 100 and 1.5, and
// 1e-7 or 1e+22 where that is much shorter.
func (d Number) Append(dst []byte) []byte {
	n := len(d.digits)
	if n == 0 {
		return append(dst, '0')
	}
	if d.negative {
		dst = append(dst, '-')
	}
	switch {
	case d.exp >= n && d.exp <= max(n, maxPlain):
		dst = append(dst, d.digits...)
		return append(dst, bytes.Repeat([]byte("0"), d.exp-n)...)
	case d.exp > 0 && d.exp < n:
		dst = append(append(dst, d.digits[:d.exp]...), '.')
		return append(dst, d.digits[d.exp:]...)
	case d.exp <= 0 && d.exp > -6:
		dst = append(append(dst, "0."...), bytes.Repeat([]byte("0"), -d.exp)...)
		return append(dst, d.digits...)
	}
	dst = append(dst, d.digits[0])
	if n > 1 {
		dst = append(append(dst, '.'), d.digits[1:]...)
	}
	dst = append(dst, 'e')
	if d.exp > 0 {
		dst = append(dst, '+')
	}
	return strconv.AppendInt(dst, int64(d.exp-1), 10)
}
