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

// A moment is the moment as of which a command reads.
type moment struct {
	store.Moment
	validNow bool // read as of store.ValidNow
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

// withMoment gives a command the flags that say as of when it reads. --as-of now shows all facts of the log, even if
// the log's time is ahead of the clock.
func withMoment(cmd *cobra.Command, at *moment) *cobra.Command {
	flags := cmd.Flags()
	flags.Func("as-of", "read what the log held at this `time`: "+query.TimeHelp, func(text string) error {
		if text == "now" {
			at.Time = time.Time{}
			return nil
		}
		return instant(&at.Time)(text)
	})
	flags.Uint64Var(&at.Seq, "at-seq", 0, "read what the log held when this `seq` was its last")
	flags.Func("valid-at", "read what was true at this `time`, as far as the log knew", func(text string) error {
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

// sayAhead warns that --as-of and --valid-at go by the log's times if these are ahead of the clock: a time then selects
// fewer facts than expected.
func (a *app) sayAhead(at *moment, stats *backend.Stats) {
	if by := stats.Ahead(time.Now()); by > time.Second && !(at.Time.IsZero() && at.Valid.IsZero()) {
		a.say(fmt.Sprintf("the log's last time is %v ahead of the clock: --as-of and --valid-at go by the log's times; \"now\" shows all", by.Round(time.Second)))
	}
}

// sayNoStore warns that a store has no facts, since its name may be misspelt.
func (a *app) sayNoStore(name string) {
	a.say(fmt.Sprintf("the log has no store %q; igniter list shows the stores", name))
}

// sayMissing warns about each of some stores that has no facts. It reads the log for each of them.
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

// instant returns the function of a flag that sets a point in time.
func instant(to *time.Time) func(text string) error {
	return func(text string) (err error) {
		*to, err = query.ParseTime(text, time.Now())
		return err
	}
}
