package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/store"
	"github.com/igniter-store/igniter/wire"
)

// withMoment gives a command the flags that say as of when it reads.
func withMoment(cmd *cobra.Command, at *store.Moment) *cobra.Command {
	flags := cmd.Flags()
	flags.Func("as-of", "read what the log held at that `time`: "+instantHelp, instant(&at.Time))
	flags.Uint64Var(&at.Seq, "at-seq", 0, "read what the log held when that `seq` was its last")
	flags.Func("valid-at", "read what was true at that `time`, as far as the log knew", instant(&at.Valid))
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if flags.Changed("at-seq") && at.Seq == 0 {
			return errors.New("--at-seq 0: seqs begin at 1")
		}
		return nil
	}
	return cmd
}

const instantHelp = "2026-11-24T10:00:00Z, 2026-11-24T10:00 or 2026-11-24 (UTC), seconds since 1970, now, or 7d or -90m for that long ago"

// instant returns a flag's function that sets a point in time as people write it.
func instant(to *time.Time) func(text string) error {
	return func(text string) (err error) {
		*to, err = parseInstant(text)
		return err
	}
}

// parseInstant returns a point in time as people write it, never the zero time, which would be no time.
func parseInstant(text string) (time.Time, error) {
	t, err := wire.ParseTime([]byte(text)) // seconds, as facts have them
	if text == "now" {
		t, err = time.Now(), nil
	} else if ago, bad := parseSpan(strings.TrimPrefix(text, "-")); err != nil && bad == nil {
		t, err = time.Now().Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly, "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateTime} {
		if err != nil {
			t, err = time.Parse(layout, text)
		}
	}
	if err != nil || t.IsZero() {
		return time.Time{}, errors.New("not a time: write " + instantHelp)
	}
	return t, nil
}

var daysInSpan = regexp.MustCompile(`^(\d{1,6})([dw])`)

const maxSpan = 250 * 365 * 24 * time.Hour // a time.Duration ends at 292 years

// parseSpan returns a length of time above or equal to 0: weeks, days and what time.ParseDuration reads, such as 2w, 90d, 36h or 1d12h.
func parseSpan(text string) (span time.Duration, err error) {
	rest := text
	for m := daysInSpan.FindStringSubmatch(rest); m != nil; m = daysInSpan.FindStringSubmatch(rest) {
		days, _ := strconv.Atoi(m[1]) // six digits
		if m[2] == "w" {
			days *= 7
		}
		span += 24 * time.Hour * time.Duration(min(days, int(maxSpan/(24*time.Hour))))
		if rest = rest[len(m[0]):]; rest == "" || span > maxSpan {
			break
		}
	}
	if rest != "" {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 {
			return 0, fmt.Errorf("%q is not a length of time such as 90m, 36h, 7d or 2w", text)
		}
		span += min(d, maxSpan+1)
	}
	if span > maxSpan {
		return 0, fmt.Errorf("%q is longer than 250 years", text)
	}
	return span, nil
}
