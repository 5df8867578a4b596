// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"errors"
	"strconv"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// Times of facts are in the years 1 to 9999.
const (
	minSecond = -62135596800
	maxSecond = 253402300799
)

// Time returns t in the form of a parsed fact: in UTC and without a monotonic clock reading, so that equal times are equal
// values.
func Time(t time.Time) time.Time { return time.Unix(t.Unix(), int64(t.Nanosecond())).UTC() }

// AppendTime appends t as decimal seconds since 1970 UTC, with one to nine decimals and no further
// trailing zeros: 5.0, 1795467633.8167136.
func AppendTime(dst []byte, t time.Time) []byte {
	sec, nsec := t.Unix(), t.Nanosecond()
	if sec < 0 && nsec > 0 {
		sec, nsec = sec+1, 1e9-nsec
		if sec == 0 {
			dst = append(dst, '-')
		}
	}
	dst = strconv.AppendInt(dst, sec, 10)
	dst = append(dst, '.')
	digits := [9]byte{}
	for i := 8; i >= 0; i-- {
		digits[i] = byte('0' + nsec%10)
		nsec /= 10
	}
	n := 9
	for n > 1 && digits[n-1] == '0' {
		n--
	}
	return append(dst, digits[:n]...)
}

// ParseTime parses a JSON number as seconds since 1970 UTC. It reads the digits and never goes through a
// float, so that AppendTime restores a text in its own form. The number may have an exponent. Fractions of a nanosecond are
// cut off. A time outside the years 1 to 9999, or the zero time.Time, is an error.
func ParseTime(text []byte) (time.Time, error) {
	t, ok := parseTime(text)
	if !ok {
		return t, badTime("time", text)
	}
	return t, nil
}

func badTime(field string, text []byte) error {
	return &backend.InvalidError{Field: field, Reason: jsonvalue.Excerpt(text) + " is not a number of seconds in the years 1 to 9999"}
}

func parseTime(text []byte) (time.Time, bool) {
	digits, negative := text, false
	if len(digits) > 0 && digits[0] == '-' {
		digits, negative = digits[1:], true
	}
	sec, nsec := int64(0), int64(0)
	i := 0
	for ; i < len(digits) && '0' <= digits[i] && digits[i] <= '9'; i++ {
		if sec > maxSecond {
			return parseExponent(text)
		}
		sec = sec*10 + int64(digits[i]-'0')
	}
	if i == 0 || digits[0] == '0' && i > 1 {
		return time.Time{}, false
	}
	if i < len(digits) && digits[i] == '.' {
		i++
		from, unit := i, int64(1e8)
		for ; i < len(digits) && '0' <= digits[i] && digits[i] <= '9'; i++ {
			nsec += int64(digits[i]-'0') * unit
			unit /= 10
		}
		if i == from {
			return time.Time{}, false
		}
	}
	if i < len(digits) {
		return parseExponent(text)
	}
	return makeTime(sec, nsec, negative)
}

// parseExponent parses the rarer forms: with an exponent, or with too many digits for parseTime. It moves the point and
// parses the resulting plain form.
func parseExponent(text []byte) (time.Time, bool) {
	if end, err := jsonvalue.Value(text, 0, 0); err != nil || end < len(text) {
		return time.Time{}, false
	}
	negative := text[0] == '-'
	if negative {
		text = text[1:]
	}
	mantissa, shift := text, 0
	for i, b := range text {
		if b == 'e' || b == 'E' {
			var err error
			if shift, err = strconv.Atoi(string(text[i+1:])); err != nil && !errors.Is(err, strconv.ErrRange) {
				return time.Time{}, false
			}
			mantissa = text[:i]
			break
		}
	}
	digits, point := make([]byte, 0, len(mantissa)), len(mantissa)
	for i, b := range mantissa {
		if b == '.' {
			point = i
		} else {
			digits = append(digits, b)
		}
	}
	for len(digits) > 0 && digits[0] == '0' {
		digits, point = digits[1:], point-1
	}
	if len(digits) == 0 || shift < -len(text)-20 {
		return makeTime(0, 0, false)
	}
	if shift > len(text)+20 || point+shift > 12 { // the last second of the year 9999 has 12 digits
		return time.Time{}, false
	}
	point += shift
	at := func(place int) int64 { // the digit at a place before the point; place 0 has the ones
		if i := point - 1 - place; i >= 0 && i < len(digits) {
			return int64(digits[i] - '0')
		}
		return 0
	}
	sec, nsec := int64(0), int64(0)
	for place := 11; place >= 0; place-- {
		sec = sec*10 + at(place)
	}
	for place := -1; place >= -9; place-- {
		nsec = nsec*10 + at(place)
	}
	return makeTime(sec, nsec, negative)
}

func makeTime(sec, nsec int64, negative bool) (time.Time, bool) {
	if negative {
		sec, nsec = -sec, -nsec
	}
	if sec > maxSecond || sec < minSecond || sec == minSecond && nsec <= 0 {
		return time.Time{}, false
	}
	return time.Unix(sec, nsec).UTC(), true
}
