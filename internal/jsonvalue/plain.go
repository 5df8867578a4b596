package jsonvalue

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// Eight bytes at a time: ones has a 1 in each, high the top bit of each.
const (
	ones = 0x0101010101010101
	high = 0x8080808080808080
)

// special returns a word with the top bit set in the lowest byte of w that is a quote, a
// backslash, a control character or not ASCII; 0 if none is. Higher bytes mean nothing then.
func special(w uint64) uint64 {
	quote := w ^ ones*'"'
	slash := w ^ ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*0x20)&^w | w) & high
}

// plainLen returns how many bytes at the start of s stand for themselves in a JSON string and are
// ASCII.
func plainLen[T string | []byte](s T) int {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		if m := special(w); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(s); i++ {
		if b := s[i]; b < 0x20 || b >= 0x80 || b == '"' || b == '\\' {
			break
		}
	}
	return i
}

// AppendText appends s, which is valid UTF-8, as the inside of a canonical JSON string, without the quotes.
func AppendText[T string | []byte](dst []byte, s T) []byte {
	for {
		n := plainLen(s)
		for n < len(s) && s[n] >= 0x80 {
			n++
		}
		dst = append(dst, s[:n]...)
		if s = s[n:]; len(s) == 0 {
			return dst
		}
		dst = appendEscaped(dst, s[0]) // as it is, after a run of non-ASCII
		s = s[1:]
	}
}

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

// PlainText returns the string whose text begins at b[i], after its opening quote, and the place after
// its closing one. The string shares b's memory. ok is false if the string has an escape, a control
// character, invalid UTF-8 or no end.
func PlainText(b []byte, i int) (s string, next int, ok bool) {
	end, ok := plainEnd(b, i)
	if !ok {
		return "", i, false
	}
	return view(b[i:end]), end + 1, true
}

// plainEnd finds the quote that ends the string whose text begins at b[i]. ok is false where the
// string has an escape, a control character or bytes that are not UTF-8, or no end.
func plainEnd(b []byte, i int) (end int, ok bool) {
	start, ascii := i, true
	for {
		for ; i+8 <= len(b); i += 8 {
			if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				goto found
			}
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i]-0x20 < 0x60 {
			i++
		}
		if i >= len(b) {
			return i, false
		}
	found:
		switch {
		case b[i] == '"':
			return i, ascii || utf8.Valid(b[start:i])
		case b[i] < 0x80:
			return i, false
		}
		ascii = false
		for i < len(b) && b[i] >= 0x80 {
			i++
		}
	}
}
