package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store"
)

// withMoment gives a command the flags that say as of when it reads.
func withMoment(cmd *cobra.Command, at *store.Moment) *cobra.Command {
	flags := cmd.Flags()
	flags.Func("as-of", "read what the log held at that `time`: "+query.TimeHelp, instant(&at.Time))
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

// instant returns a flag's function that sets a point in time as people write it.
func instant(to *time.Time) func(text string) error {
	return func(text string) (err error) {
		*to, err = query.ParseTime(text, time.Now())
		return err
	}
}
