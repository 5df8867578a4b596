// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store/reader"
)

func (a *app) diffCommand() *cobra.Command {
	var q query.DiffQuery
	var valid query.Moment
	cmd := a.withJSON(withLogFlags(&cobra.Command{
		Use:   "diff STORE [KEY] --from WHEN",
		Short: "Show what changed between two moments",
		Long: `Compares a store, or a key, as the log held it at two moments. It shows the keys that got a value (+), lost it (−) or have
another value (~), with the fields that differ. A moment is a time, or the seq that was the log's last one. A KEY that ends
with * stands for all keys with that prefix. With --valid-at it compares what was true at that time, as far as the log knew
at each moment. The exit code is 0 whether something changed or not.`,
		Example: `  igniter diff tasks --from 7d --path ./log
  igniter diff orders order-139 --from 2026-03-01T10:00 --to 2026-03-02
  igniter diff orders --from 51233 --to now --json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, given []string) error {
			q.Store, q.Limit, q.Load = given[0], -1, true
			for _, at := range []*query.Moment{&q.From, &q.To} {
				at.Valid, at.ValidNow = valid.Valid, valid.ValidNow
			}
			if len(given) > 1 {
				if prefix, ok := strings.CutSuffix(given[1], "*"); ok {
					q.Prefix = prefix
				} else {
					q.Key = &given[1]
				}
			}
			return a.ask(cmd.Context(), func(log backend.Log, r *reader.Reader, readable []string) error {
				d, err := r.Diff(cmd.Context(), readable, q)
				if err != nil {
					return err
				}
				l := a.newListing("", "KEY", "SEQ", "TIME", "PRODUCER", "CHANGE")
				for i := range d.Keys {
					if err := l.add(&d.Keys[i], a.differenceCells(&d.Keys[i])...); err != nil {
						return err
					}
				}
				if len(d.Keys) == 0 && !a.json {
					_, err := fmt.Fprintln(a.out, "nothing changed")
					return errors.Join(err, a.sayMissing(cmd.Context(), log, q.Store))
				}
				return l.end()
			})
		},
	}))
	cmd.Flags().Func("from", "compare with what the log held at that `moment`: a seq, 0 for before the first fact, "+query.TimeHelp, func(text string) error {
		if text == "0" { // before the first fact
			return nil
		}
		return momentOf(&q.From)(text)
	})
	cmd.Flags().Func("to", "the other `moment` (default now)", func(text string) error {
		if text == "now" { // all facts of the log, even if their times are ahead of the clock
			q.To = query.Moment{}
			return nil
		}
		return momentOf(&q.To)(text)
	})
	cmd.Flags().Func("valid-at", "compare what was true at that `time`", func(text string) error {
		if valid.ValidNow = text == "now"; valid.ValidNow {
			return nil
		}
		return instant(&valid.Valid)(text)
	})
	_ = cmd.MarkFlagRequired("from") // the flag exists
	return cmd
}

// differenceCells returns the cells of a listing for a key.
func (a *app) differenceCells(k *query.KeyDiff) []any {
	sign, shown, change := "~", k.To, strings.Join(changeTexts(k.Changes, k.MoreChanges), ", ")
	switch k.Kind {
	case "entered":
		sign, change = "+", string(k.To.Fact.Value)
	case "left":
		sign, shown, change = "−", k.From, string(k.From.Fact.Value)
	}
	f := &shown.Fact
	return []any{sign, k.Key, f.Seq, clock(f.TransactionTime), a.brief(cmp.Or(writerCell(f), "-"), 32), change}
}

// momentOf returns the function of a flag that sets a moment.
func momentOf(to *query.Moment) func(text string) error {
	return func(text string) (err error) {
		*to, err = query.ParseMoment(text, time.Now())
		return err
	}
}
