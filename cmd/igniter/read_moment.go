package main

import (
	"errors"
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

const instantHelp = "2026-11-24T10:00:00Z, 2026-11-24 (UTC), seconds since 1970, now, or -90m for that long ago"

// instant returns a flag's function that sets a point in time as people write it.
func instant(to *time.Time) func(text string) error {
	return func(text string) error {
		t, err := wire.ParseTime([]byte(text)) // seconds, as facts have them
		if text == "now" {
			t, err = time.Now(), nil
		} else if d, bad := time.ParseDuration(text); bad == nil && strings.HasPrefix(text, "-") {
			t, err = time.Now().Add(d), nil
		}
		for _, layout := range []string{time.RFC3339Nano, time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", time.DateTime} {
			if err != nil {
				t, err = time.Parse(layout, text)
			}
		}
		if *to = t; err != nil || t.IsZero() { // the zero time would be no time
			return errors.New("not a time: write " + instantHelp)
		}
		return nil
	}
}
