// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store"
)

// A moment is as of when a command reads.
type moment struct {
	store.Moment
	validNow bool // Valid is the present, see store.ValidNow
}

// engine returns the moment for reads of an engine.
func (m *moment) engine() store.Moment {
	if !m.validNow {
		return m.Moment
	}
	at := store.ValidNow()
	at.Seq, at.Time = m.Seq, m.Time
	return at
}

// withMoment gives a command the flags that say as of when it reads. As of now shows all that the log holds, also if the
// log's time is ahead of the clock.
func withMoment(cmd *cobra.Command, at *moment) *cobra.Command {
	flags := cmd.Flags()
	flags.Func("as-of", "read what the log held at that `time`: "+query.TimeHelp, func(text string) error {
		if text == "now" {
			at.Time = time.Time{}
			return nil
		}
		return instant(&at.Time)(text)
	})
	flags.Uint64Var(&at.Seq, "at-seq", 0, "read what the log held when that `seq` was its last")
	flags.Func("valid-at", "read what was true at that `time`, as far as the log knew", func(text string) error {
		if at.validNow = text == "now"; at.validNow {
			at.Valid = time.Time{}
			return nil
		}
		return instant(&at.Valid)(text)
	})
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if flags.Changed("at-seq") && at.Seq == 0 {
			return errors.New("--at-seq 0: seqs begin at 1")
		}
		return nil
	}
	return cmd
}

// sayAhead says that times are the log's if those are ahead of the clock, so that a time that was given shows less than one
// may think.
func (a *app) sayAhead(at *moment, stats *backend.Stats) {
	if by := stats.Ahead(time.Now()); by > time.Second && !(at.Time.IsZero() && at.Valid.IsZero()) {
		a.say(fmt.Sprintf("the log's last time is %v ahead of the clock: --as-of and --valid-at go by the log's times; \"now\" shows all", by.Round(time.Second)))
	}
}

// sayNoStore says that a store has no facts, since its name may be misspelt.
func (a *app) sayNoStore(name string) {
	a.say(fmt.Sprintf("the log has no facts of a store %q; igniter list shows the stores", name))
}

// sayMissing says which of some stores have no facts. It reads the log for each of them.
func (a *app) sayMissing(ctx context.Context, log backend.Log, names ...string) error {
	for _, name := range names {
		next, stop := iter.Pull2(backend.Facts(log.Replay(ctx, backend.Range{Stores: []string{name}})))
		_, err, found := next()
		stop()
		if err != nil {
			return err
		}
		if !found {
			a.sayNoStore(name)
		}
	}
	return nil
}

// instant returns a flag's function that sets a point in time as people write it.
func instant(to *time.Time) func(text string) error {
	return func(text string) (err error) {
		*to, err = query.ParseTime(text, time.Now())
		return err
	}
}
