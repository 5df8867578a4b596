// SPDX-License-Identifier: Apache-2.0

package query

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/igniter-store/igniter/wire"
)

// TimeHelp describes the texts that ParseTime reads.
const TimeHelp = "2026-11-24T10:00:00Z, 2026-11-24T10:00 or 2026-11-24 (UTC), seconds since 1970 (1795514400, or with a point as in 5.0), now, or 7d, -7d, 90m for so long ago"

var errTime = errors.New("not a time: write " + TimeHelp)

// ParseTime parses a point in time as people write it. A whole number of fewer than nine digits, such as 2026, 20261124 or 90,
// is an error: it could be a year, a day, or a number of seconds.
func ParseTime(text string, now time.Time) (time.Time, error) {
	if text == "now" {
		return now, nil
	}
	if digits := strings.TrimPrefix(text, "-"); len(digits) < 9 && strings.Trim(digits, "0123456789") == "" {
		return time.Time{}, errTime
	}
	if t, err := wire.ParseTime([]byte(text)); err == nil && !t.IsZero() { // the zero time would be no time
		return t, nil
	}
	if d, ok := duration(strings.TrimPrefix(text, "-")); ok {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", time.DateTime, "2006-01-02 15:04"} {
		if t, err := time.Parse(layout, text); err == nil && !t.IsZero() {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errTime
}

// duration parses a duration, which may begin with days.
func duration(text string) (time.Duration, bool) {
	var days time.Duration
	rest := text
	if strings.HasPrefix(text, "+") { // it would be later, not ago
		return 0, false
	}
	if n, after, ok := strings.Cut(text, "d"); ok {
		f, err := strconv.ParseFloat(n, 64)
		if err != nil || !(f >= 0 && f <= 36_500) {
			return 0, false
		}
		days, rest = time.Duration(math.Round(f*24*3600))*time.Second, after
	}
	if rest == "" {
		return days, text != ""
	}
	d, err := time.ParseDuration(rest)
	return days + d, err == nil && d >= 0
}

// ParseMoment parses a seq, or else a time.
func ParseMoment(text string, now time.Time) (m Moment, err error) {
	if seq, err := strconv.ParseUint(text, 10, 64); err == nil && seq > 0 {
		return Moment{Seq: seq}, nil
	}
	m.Time, err = ParseTime(text, now)
	return m, err
}
