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
	flags.Var((*instant)(&at.Time), "as-of", "read what the log held at that time: "+instantHelp)
	flags.Uint64Var(&at.Seq, "at-seq", 0, "read what the log held when that seq was its last")
	flags.Var((*instant)(&at.Valid), "valid-at", "read what was true at that time, as far as the log knew")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if flags.Changed("at-seq") && at.Seq == 0 {
			return errors.New("--at-seq 0: seqs begin at 1")
		}
		return nil
	}
	return cmd
}

// An instant is a point in time as people write it. It implements pflag.Value.
type instant time.Time

const instantHelp = "2026-11-24T10:00:00Z, 2026-11-24 (UTC), seconds since 1970, now, or -90m for that long ago"

// Type implements pflag.Value.
func (i *instant) Type() string { return "time" }

// String implements pflag.Value. No time is the default.
func (i *instant) String() string { return "" }

// Set implements pflag.Value.
func (i *instant) Set(text string) error {
	t, err := wire.ParseTime([]byte(text)) // seconds, as in facts, and RFC 3339
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
	if err != nil || t.IsZero() { // the zero time would be no time
		return errors.New("not a time: write " + instantHelp)
	}
	*i = instant(t)
	return nil
}
