package main

import (
	"strings"
	"time"

	"github.com/igniter-store/igniter/wire"
)

// instantHelp says what parseInstant reads.
const instantHelp = "2026-11-24T10:00:00Z, 2026-11-24 (UTC), seconds since 1970, now, or -90m for that long ago"

// parseInstant reads a point in time that people write.
func parseInstant(flag, text string) (time.Time, error) {
	if text == "now" {
		return time.Now(), nil
	}
	if d, err := time.ParseDuration(text); err == nil && strings.HasPrefix(text, "-") {
		return time.Now().Add(d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", time.DateTime} {
		if t, err := time.Parse(layout, text); err == nil && !t.IsZero() { // the zero time would be no time
			return t, nil
		}
	}
	if t, err := wire.ParseTime([]byte(text)); err == nil && !t.IsZero() {
		return t, nil
	}
	return time.Time{}, usage("--%s %q is no time: write %s", flag, text, instantHelp)
}
